/**
 * What a photo's file says beside its pixels, carried into the coloured one, and the mark that a program coloured it.
 *
 * Not here: encoding pixels (`worker.js`). EXIF and XMP go from JPEG, PNG and WebP into JPEG and PNG;
 * comments, IPTC and texts from a file into one of its kind. The mark is that of
 * `koalarize.photo.provenance`, without the seal.
 */

import { kindOf, text } from "./kinds.js";
import { chunksOf, jpegSegments, joined, latin, pngChunk, utf8, webpChunks } from "./containers.js";

const EXIF = "Exif\0\0";
const XMP = "http://ns.adobe.com/xap/1.0/\0";
const PNG_XMP = "XML:com.adobe.xmp";
const MOST = 65_533; // bytes that a segment of JPEG holds
const IPTC = "http://iptc.org/std/Iptc4xmpExt/2008-02-29/";
const SPACE = "urn:koalarize:1:";
const TEXTS = ["tEXt", "zTXt", "iTXt"];

/**
 * @typedef {{version: string, model: string, weights: string, source: string, steering: object, sourceType: string}} Mark
 */
/**
 * @typedef {object} Beside what stands beside the pixels
 * @property {Uint8Array | null} exif a TIFF structure
 * @property {string | null} xmp
 * @property {Uint8Array[]} segments of JPEG: IPTC and comments, whole
 * @property {Uint8Array[]} chunks of PNG: texts and resolution, whole
 * @property {boolean} deep whether there were more than 8 bits a channel
 */

/**
 * A coloured file with what the original's said, and the mark.
 *
 * @param {Uint8Array} made the coloured file, JPEG or PNG
 * @param {Uint8Array} original
 * @param {Mark | null} mark null leaves the file without one
 * @returns {{bytes: Uint8Array, notes: string[]}}
 */
export function carried(made, original, mark) {
  const [from, to] = [kindOf(original)?.name ?? "", kindOf(made)?.name ?? ""];
  const beside = besideOf(original, from);
  const notes = [];
  if (beside.deep) notes.push("the photo has 16 bits a channel, its result 8");
  if (!["JPEG", "PNG", "WebP"].includes(from)) notes.push(`metadata of ${from} files is left out`);
  const exif = beside.exif && upright(beside.exif);
  let xmp = mark === null ? beside.xmp : marked(beside.xmp, mark);
  if (to === "JPEG") {
    if (xmp !== null && utf8(xmp).length + XMP.length > MOST) {
      notes.push("its XMP is too long for a JPEG file, and left out");
      xmp = mark === null ? null : marked(null, mark);
    }
    if (exif && exif.length + EXIF.length > MOST) notes.push("its EXIF is too long, and left out");
    if (beside.chunks.length) notes.push("texts of the PNG file are left out");
    return { bytes: intoJpeg(made, { ...beside, exif, xmp }), notes };
  }
  if (beside.segments.length) notes.push("IPTC and comments of the JPEG file are left out");
  return { bytes: intoPng(made, { ...beside, exif, xmp }), notes };
}

/** @returns {Beside} */
function besideOf(bytes, kind) {
  const found = { exif: null, xmp: null, segments: [], chunks: [], deep: false };
  try {
    if (kind === "JPEG") fromJpeg(bytes, found);
    if (kind === "PNG") fromPng(bytes, found);
    if (kind === "WebP") fromWebp(bytes, found);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error; // a file that ends too soon
  }
  return found;
}

function fromJpeg(bytes, found) {
  for (const { marker, data, whole } of jpegSegments(bytes)) {
    if (marker === 0xe1 && text(data, 0, 6) === EXIF) found.exif ??= data.slice(6);
    else if (marker === 0xe1 && text(data, 0, XMP.length) === XMP)
      found.xmp ??= new TextDecoder().decode(data.subarray(XMP.length));
    else if (marker === 0xed || marker === 0xfe) found.segments.push(whole);
  }
}

function fromPng(bytes, found) {
  for (const { type, data, whole } of chunksOf(bytes)) {
    if (type === "IHDR") found.deep = data[8] === 16;
    else if (type === "eXIf") found.exif ??= data.slice();
    else if (type === "iTXt" && text(data, 0, PNG_XMP.length + 1) === `${PNG_XMP}\0`) {
      if (data[PNG_XMP.length + 1] === 0) found.xmp ??= plainText(data);
    } else if (TEXTS.includes(type) || type === "pHYs") found.chunks.push(whole);
  }
}

/** What an unpacked iTXt chunk says: keyword, flags, language and translated keyword stand before. */
function plainText(data) {
  let at = PNG_XMP.length + 3;
  for (let zeros = 0; zeros < 2; at += 1) if (data[at] === 0) zeros += 1;
  return new TextDecoder().decode(data.subarray(at));
}

function fromWebp(bytes, found) {
  for (const { type, data } of webpChunks(bytes)) {
    if (type === "EXIF") found.exif = data.slice(text(data, 0, 6) === EXIF ? 6 : 0);
    if (type === "XMP ") found.xmp = new TextDecoder().decode(data);
  }
}

/** EXIF of an upright picture: the orientation is 1, and no thumbnail in grey is pointed to. */
function upright(exif) {
  const block = exif.slice();
  const view = new DataView(block.buffer);
  const little = text(block, 0, 2) === "II";
  try {
    const first = view.getUint32(4, little);
    const count = view.getUint16(first, little);
    for (let entry = 0; entry < count; entry += 1) {
      const at = first + 2 + 12 * entry;
      if (view.getUint16(at, little) === 0x0112) view.setUint16(at + 8, 1, little);
    }
    view.setUint32(first + 2 + 12 * count, 0, little);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
  }
  return block;
}

/** XMP with the mark, in the place of what an earlier run or a camera said of how the picture was made. */
export function marked(xmp, { version, model, weights, source, steering, sourceType }) {
  const fields = {
    Software: `koalarize ${version}`,
    Model: model,
    Weights: weights,
    Settings: JSON.stringify(steering),
    Source: source,
  };
  const said = Object.entries(fields).map(
    ([name, value]) => `koalarize:${name}="${quoted(value)}"`,
  );
  const own = `<rdf:Description rdf:about="" xmlns:koalarize="${SPACE}" xmlns:Iptc4xmpExt="${IPTC}" Iptc4xmpExt:DigitalSourceType="${sourceType}" ${said.join(" ")}/>\n`;
  const before = (xmp ?? "")
    .replace(/<rdf:Description\b[^<>]*xmlns:koalarize=[^<>]*\/>\s*/g, "")
    .replace(/\s+Iptc4xmpExt:DigitalSourceType\s*=\s*("[^"]*"|'[^']*')/g, "");
  const end = before.lastIndexOf("</rdf:RDF>");
  if (end >= 0) return before.slice(0, end) + own + before.slice(end);
  return `<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/">
<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
${own}</rdf:RDF>
</x:xmpmeta>
<?xpacket end="w"?>`;
}

function quoted(value) {
  const signs = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "\n": "&#10;" };
  return value.replace(/[&<>"\n]/g, (sign) => signs[sign]);
}

function intoJpeg(made, { exif, xmp, segments }) {
  const own = [];
  if (exif && exif.length + EXIF.length <= MOST) own.push(segment(0xe1, latin(EXIF), exif));
  if (xmp !== null) own.push(segment(0xe1, latin(XMP), utf8(xmp)));
  own.push(...segments);
  // Behind the first segment, JFIF's, which stands first by its own rule.
  const [first] = jpegSegments(made);
  const place = first?.marker === 0xe0 ? 2 + first.whole.length : 2;
  return joined(made.subarray(0, place), ...own, made.subarray(place));
}

function segment(marker, ...parts) {
  const length = 2 + parts.reduce((sum, part) => sum + part.length, 0);
  return joined(Uint8Array.of(0xff, marker, length >> 8, length & 255), ...parts);
}

function intoPng(made, { exif, xmp, chunks }) {
  const own = exif ? [pngChunk("eXIf", exif)] : [];
  if (xmp !== null) own.push(pngChunk("iTXt", joined(latin(`${PNG_XMP}\0\0\0\0\0`), utf8(xmp))));
  own.push(...chunks);
  const place = 8 + 25; // behind the signature and IHDR
  return joined(made.subarray(0, place), ...own, made.subarray(place));
}
