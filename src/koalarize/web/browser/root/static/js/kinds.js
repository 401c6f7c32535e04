/**
 * What kind of picture a file is, by its first bytes, and what to say of those that a browser does not open.
 *
 * Not here: opening them (`opened.js`).
 */

/** @typedef {{name: string, ending: string, type: string}} Kind */

const JPEG = { name: "JPEG", ending: "jpg", type: "image/jpeg" };
const PNG = { name: "PNG", ending: "png", type: "image/png" };

/** @type {[Kind, (bytes: Uint8Array) => boolean][]} */
const KINDS = [
  [JPEG, (bytes) => starts(bytes, [0xff, 0xd8, 0xff])],
  [PNG, (bytes) => starts(bytes, [0x89, 0x50, 0x4e, 0x47])],
  [kind("WebP", "webp"), (bytes) => text(bytes, 0, 4) === "RIFF" && text(bytes, 8, 12) === "WEBP"],
  [
    kind("TIFF", "tif"),
    (bytes) => ["II*\0", "MM\0*", "II+\0", "MM\0+"].includes(text(bytes, 0, 4)),
  ],
  [kind("HEIC", "heic"), (bytes) => /^ftyp(hei[cxms]|hev[cx]|mif1|msf1)/.test(text(bytes, 4, 12))],
  [kind("AVIF", "avif"), (bytes) => /^ftypavi[fs]/.test(text(bytes, 4, 12))],
  [kind("GIF", "gif"), (bytes) => text(bytes, 0, 4) === "GIF8"],
  [kind("BMP", "bmp"), (bytes) => text(bytes, 0, 2) === "BM"],
  [kind("Photoshop", "psd"), (bytes) => text(bytes, 0, 4) === "8BPS"],
  [kind("PDF", "pdf"), (bytes) => text(bytes, 0, 5) === "%PDF-"],
];

/** The kind of a file, or null. */
export function kindOf(bytes) {
  return KINDS.find(([, fits]) => fits(bytes))?.[0] ?? null;
}

/** What to say of a file that the browser does not open: [title, detail]. */
export function unopened(bytes, name) {
  const found = kindOf(bytes);
  if (!found)
    return ["Not a picture that is known here", `“${name}” is no JPEG, PNG, WebP, AVIF or GIF.`];
  if (found.name === "PDF")
    return ["A PDF is a document", "Save the picture in it as JPEG or PNG, then open that."];
  const others = ["TIFF", "HEIC", "Photoshop", "AVIF"].includes(found.name);
  const way = others
    ? `The program opens it: “koalarize ${name}”. Or save a copy as JPEG or PNG.`
    : "It is damaged or cut short: copy or download it again.";
  return [`This browser does not open this ${found.name} file`, way];
}

/** The kind of file that a result is: the asked one, or the original's own where it can be written. */
export function writtenKind(asked, own) {
  if (asked === "jpeg") return JPEG;
  if (asked === "png") return PNG;
  return own?.name === "JPEG" ? JPEG : PNG;
}

function kind(name, ending) {
  return { name, ending, type: `image/${ending}` };
}

function starts(bytes, first) {
  return first.every((byte, at) => bytes[at] === byte);
}

/** Bytes as letters, one each. */
export function text(bytes, from, to) {
  return String.fromCharCode(...bytes.subarray(from, to));
}
