/**
 * Ways in: files dropped on the page or pasted into it, folders included.
 *
 * Not here: what becomes of them.
 */

import { isFilm } from "./films.js";

const MOST = 500; // files of one drop

/** Call `take(files)` for each drop or paste, and `over(bool)` while files hover over the page. */
export function takeFiles({ take, over }) {
  let depth = 0;
  const leave = () => {
    depth = 0;
    over(false);
  };
  addEventListener("dragenter", (event) => {
    if (!hasFiles(event)) return;
    depth += 1;
    over(!(event.target instanceof Element && event.target.closest("#reference, eye-dropper")));
  });
  addEventListener("dragleave", () => {
    depth = Math.max(0, depth - 1);
    if (!depth) over(false);
  });
  addEventListener("dragover", (event) => hasFiles(event) && event.preventDefault());
  document.addEventListener("dropped", leave);
  addEventListener("drop", async (event) => {
    leave();
    if (!hasFiles(event)) return;
    event.preventDefault();
    const files = await filesOf(event.dataTransfer);
    if (files.length) take(files);
  });
  addEventListener("paste", (event) => {
    const files = [...(event.clipboardData?.files ?? [])];
    if (!files.length) return;
    event.preventDefault();
    take(files);
  });
}

function hasFiles(event) {
  return event.dataTransfer?.types.includes("Files");
}

async function filesOf(transfer) {
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  if (!entries.some((entry) => entry.isDirectory)) return [...transfer.files];
  const found = [];
  for (const entry of entries) await walk(entry, found);
  return found;
}

async function walk(entry, found) {
  if (found.length >= MOST || entry.name.startsWith(".")) return;
  if (entry.isFile) {
    const file = await new Promise((resolve, reject) => {
      entry.file(resolve, reject);
    });
    const known = file.type.startsWith("image/") || /\.(tiff?|json)$/i.test(file.name);
    if (known || isFilm(file)) found.push(file);
    return;
  }
  const reader = entry.createReader();
  for (;;) {
    const batch = await new Promise((resolve, reject) => {
      reader.readEntries(resolve, reject);
    });
    if (!batch.length) return;
    for (const child of batch) await walk(child, found);
  }
}
