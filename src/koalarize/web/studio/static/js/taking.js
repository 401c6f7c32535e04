/**
 * Ways in: files dropped on the page or pasted into it, folders included.
 *
 * Not here: what becomes of them. Of a folder, files of kinds that are not read are left, and named.
 */

import { isFilm } from "./films.js";

const MOST = 500; // files of one drop
const NAMED = 5; // of the files that are left
const LINK =
  "The studio fetches nothing from the internet: save the picture, then drop or choose its file.";
const NO_PICTURE =
  "Copy the picture itself, not its address or its file’s name, and paste it here.";
/** What a browser may not know as pictures. */
const PICTURES =
  /\.(jpe?g|jpe|jfif|a?png|tiff?|webp|bmp|dib|avif|hei[cf]|mpo|gif|jp2|j2k|p[bgnp]m|tga|pcx|psd)$/i;

/**
 * Call `take(files)` for each drop or paste, `leave(text, title)` with what is left of it, and
 * `over(bool)` while files hover over the page.
 */
export function takeFiles({ take, leave, over }) {
  let depth = 0;
  const gone = () => {
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
  addEventListener("dragover", (event) => {
    if (hasFiles(event) || isLink(event)) event.preventDefault();
  });
  document.addEventListener("dropped", gone);
  addEventListener("drop", async (event) => {
    gone();
    if (isLink(event)) {
      event.preventDefault(); // or the browser would leave the page for it
      leave(LINK, "That was a link, not a picture");
    }
    if (!hasFiles(event)) return;
    event.preventDefault();
    const { files, left } = await filesOf(event.dataTransfer);
    if (files.length) take(files);
    if (left) leave(left);
  });
  addEventListener("paste", (event) => {
    const files = [...(event.clipboardData?.files ?? [])];
    if (isTyped(event)) return;
    if (files.length) {
      event.preventDefault();
      take(files);
    } else if (!isField(event.target)) leave(NO_PICTURE, "There is no picture in the clipboard");
  });
}

/** Whether a paste is text for a field; office programs put a picture of it beside it. */
function isTyped({ target, clipboardData }) {
  return target.closest?.("input[type=text]") && clipboardData.types.includes("text/plain");
}

function isField(target) {
  return target instanceof Element && target.matches("input, textarea, select");
}

/** Whether a link is dragged, without the file of a picture, and not into a field. */
function isLink(event) {
  const types = event.dataTransfer?.types ?? [];
  return types.includes("text/uri-list") && !types.includes("Files") && !isField(event.target);
}

function hasFiles(event) {
  return event.dataTransfer?.types.includes("Files");
}

/** The files of a drop, and in words what of its folders is left. */
async function filesOf(transfer) {
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  if (!entries.some((entry) => entry.isDirectory)) return { files: [...transfer.files], left: "" };
  /** @type {Found} */
  const found = { files: [], others: [], more: false };
  for (const entry of entries) await walk(entry, found);
  return { files: found.files, left: inWords(found) };
}

/** @param {Found} found */
function inWords({ files, others, more }) {
  const said = [];
  if (more) said.push(`At most ${MOST} files are taken at once: drop the others after these.`);
  if (others.length) {
    const rest = others.length > NAMED ? ` and ${others.length - NAMED} more` : "";
    said.push(`No picture, or not readable: ${others.slice(0, NAMED).join(", ")}${rest}.`);
  }
  if (!files.length) said.push("So there is nothing to colour.");
  return said.join(" ");
}

/**
 * @typedef {{files: File[], others: string[], more: boolean}} Found `others` are names of files that
 *   are left; `more` says whether there are more than are taken
 */

/**
 * @param {any} entry
 * @param {Found} found
 */
async function walk(entry, found) {
  if (found.more || entry.name.startsWith(".")) return;
  try {
    if (entry.isFile) takeOne(await fileOf(entry), found);
    else for (const child of await childrenOf(entry)) await walk(child, found);
  } catch {
    found.others.push(entry.name); // it may not be read, or has gone
  }
}

function takeOne(file, found) {
  const known = file.type.startsWith("image/") || PICTURES.test(file.name);
  if (!known && !isFilm(file) && !/\.json$/i.test(file.name)) found.others.push(file.name);
  else if (found.files.length >= MOST) found.more = true;
  else found.files.push(file);
}

/** @returns {Promise<File>} */
function fileOf(entry) {
  return new Promise((resolve, reject) => {
    entry.file(resolve, reject);
  });
}

/** What lies in a folder; it is told a hundred entries at a time. */
async function childrenOf(folder) {
  const reader = folder.createReader();
  const found = [];
  for (;;) {
    const batch = await new Promise((resolve, reject) => {
      reader.readEntries(resolve, reject);
    });
    if (!batch.length) return found;
    found.push(...batch);
  }
}
