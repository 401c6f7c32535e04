/**
 * Before and after in one file to share: a JPEG, or a page with a slider that needs nothing else.
 *
 * Not here: the pictures themselves, which the service shows, and saving photos (`saving.js`).
 */

import { h } from "./dom.js";

/** Longest side of each picture, pixels. */
export const SIDE = 1600;

const GAP = 16; // between the two pictures of a JPEG
const QUALITY = 0.92;

/**
 * Both bitmaps in one JPEG: tall ones beside each other, wide ones below each other.
 *
 * @param {ImageBitmap} before
 * @param {ImageBitmap} after
 * @returns {Promise<Blob>}
 */
export function pairOf(before, after) {
  const tall = before.height > before.width;
  const across = tall ? before.width + GAP : 0;
  const down = tall ? 0 : before.height + GAP;
  return jpegOf(before.width + across, before.height + down, (context) => {
    context.fillStyle = "#fff";
    context.fillRect(0, 0, before.width + across, before.height + down);
    context.drawImage(before, 0, 0);
    context.drawImage(after, across, down);
  });
}

/**
 * A page of its own with both pictures inside and a slider between them; it loads nothing.
 *
 * @param {ImageBitmap} before
 * @param {ImageBitmap} after
 * @param {string} name of the photo
 * @returns {Promise<Blob>}
 */
export async function sliderOf(before, after, name) {
  const { width, height } = after;
  const data = async (bitmap) =>
    dataUrlOf(await jpegOf(width, height, (context) => context.drawImage(bitmap, 0, 0)));
  const [first, second] = [await data(before), await data(after)];
  const title = escaped(name.replace(/\.[^.]*$/, ""));
  return new Blob([page({ title, first, second, width, height })], { type: "text/html" });
}

function page({ title, first, second, width, height }) {
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${title}: before and after</title>
<style>
  html { height: 100%; background: #1b1b1b; color: #eee; }
  body { font: .875rem/1.25rem system-ui, sans-serif; display: grid; place-items: center; min-height: 100%; margin: 0; }
  main { position: relative; width: min(100vw, calc(100vh * ${width} / ${height}), ${width}px); aspect-ratio: ${width} / ${height}; --share: 50%; }
  img { position: absolute; inset: 0; width: 100%; height: 100%; }
  img + img { clip-path: inset(0 0 0 var(--share)); }
  main::after { content: ""; position: absolute; inset: 0 auto 0 var(--share); width: 2px; margin-left: -1px; background: #fff; box-shadow: 0 0 4px #000; pointer-events: none; }
  input { position: absolute; z-index: 1; inset: 0; width: 100%; height: 100%; margin: 0; opacity: 0; cursor: ew-resize; }
  main:focus-within { outline: 3px solid #fff; }
</style>
<main>
  <img src="${first}" alt="${title}, before">
  <img src="${second}" alt="${title}, after">
  <input type="range" min="0" max="100" step="0.1" value="50" aria-label="How much of the photo before shows">
</main>
<script>
  const slider = document.querySelector("input");
  const show = () => document.querySelector("main").style.setProperty("--share", slider.value + "%");
  slider.addEventListener("input", show);
  slider.addEventListener("pointermove", (event) => {
    if (!event.buttons) return;
    const box = slider.getBoundingClientRect();
    slider.value = (100 * (event.clientX - box.left)) / box.width;
    show();
  });
</script>
</html>
`;
}

/** @returns {Promise<Blob>} */
function jpegOf(width, height, draw) {
  const canvas = h("canvas", { width, height });
  draw(canvas.getContext("2d"));
  return new Promise((resolve, reject) => {
    canvas.toBlob(
      (blob) => (blob ? resolve(blob) : reject(new Error("the picture cannot be written here"))),
      "image/jpeg",
      QUALITY,
    );
  });
}

function dataUrlOf(blob) {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.addEventListener("load", () => resolve(reader.result));
    reader.addEventListener("error", () => reject(reader.error));
    reader.readAsDataURL(blob);
  });
}

function escaped(text) {
  const codes = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" };
  return text.replace(/[&<>"]/g, (letter) => codes[letter]);
}
