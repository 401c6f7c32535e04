/**
 * Printing: the coloured photo on the table, on a page of its own, without the studio around it.
 *
 * Not here: the full-size file (`saving.js`); what is printed is as sharp as the screen shows it.
 */

import { drawingOn, h } from "./dom.js";

/**
 * Put the photo on the paper whenever the page is printed.
 *
 * @param {import("./studio.js").Studio} studio
 */
export function printPhotos(studio) {
  const canvas = h("canvas", { id: "printed", "aria-hidden": "true" });
  addEventListener("beforeprint", () => {
    const photo = studio.active;
    const after = photo?.info && photo.pictures.after;
    if (!after) return;
    const whole = { x: 0, y: 0, width: photo.width, height: photo.height };
    const scale = after.width / photo.width;
    const part = photo.edit.crop ?? whole;
    const [x, y, width, height] = [part.x, part.y, part.width, part.height].map(
      (pixels) => pixels * scale,
    );
    canvas.width = Math.max(1, Math.round(width));
    canvas.height = Math.max(1, Math.round(height));
    drawingOn(canvas).drawImage(after, x, y, width, height, 0, 0, canvas.width, canvas.height);
    document.body.append(canvas);
  });
  addEventListener("afterprint", () => canvas.remove());
}
