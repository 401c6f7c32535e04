/**
 * The parts that JPEG, PNG and WebP files are made of.
 *
 * Not here: what they mean (`carry.js`).
 */

import { text } from "./kinds.js";

/** @typedef {{type: string, data: Uint8Array, whole: Uint8Array}} Chunk */

/**
 * The segments of a JPEG file before its pixels.
 *
 * @param {Uint8Array} bytes
 * @returns {{marker: number, data: Uint8Array, whole: Uint8Array}[]}
 */
export function jpegSegments(bytes) {
  const found = [];
  let at = 2;
  while (at + 4 <= bytes.length && bytes[at] === 0xff) {
    const marker = bytes[at + 1];
    if (marker === 0xff) {
      at += 1;
      continue;
    }
    if (marker === 0xda || marker === 0xd9) break;
    const end = at + 2 + bytes[at + 2] * 256 + bytes[at + 3];
    found.push({ marker, data: bytes.subarray(at + 4, end), whole: bytes.subarray(at, end) });
    at = end;
  }
  return found;
}

/**
 * The chunks of a PNG file.
 *
 * @param {Uint8Array} bytes
 * @returns {Chunk[]}
 */
export function chunksOf(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const found = [];
  let at = 8;
  while (at + 12 <= bytes.length) {
    const end = at + 12 + view.getUint32(at);
    const data = bytes.subarray(at + 8, end - 4);
    found.push({ type: text(bytes, at + 4, at + 8), data, whole: bytes.subarray(at, end) });
    at = end;
  }
  return found;
}

/**
 * The chunks of a WebP file.
 *
 * @param {Uint8Array} bytes
 * @returns {{type: string, data: Uint8Array}[]}
 */
export function webpChunks(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const found = [];
  let at = 12;
  while (at + 8 <= bytes.length) {
    const length = view.getUint32(at + 4, true);
    found.push({ type: text(bytes, at, at + 4), data: bytes.subarray(at + 8, at + 8 + length) });
    at += 8 + length + (length % 2);
  }
  return found;
}

/** A chunk of a PNG file, with its checksum. */
export function pngChunk(type, data) {
  const body = joined(latin(type), data);
  const length = new DataView(new ArrayBuffer(4));
  length.setUint32(0, data.length);
  const sum = new DataView(new ArrayBuffer(4));
  sum.setUint32(0, checksum(body));
  return joined(new Uint8Array(length.buffer), body, new Uint8Array(sum.buffer));
}

/** CRC-32 as PNG has it. */
function checksum(bytes) {
  let sum = 0xffffffff;
  for (const byte of bytes) {
    sum ^= byte;
    for (let bit = 0; bit < 8; bit += 1) sum = sum & 1 ? (sum >>> 1) ^ 0xedb88320 : sum >>> 1;
  }
  return (sum ^ 0xffffffff) >>> 0;
}

/** Runs of bytes, one after the other. */
export function joined(...parts) {
  const out = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

/** Letters as bytes, one each. */
export const latin = (letters) => Uint8Array.from(letters, (letter) => letter.charCodeAt(0));

/** Letters as UTF-8. */
export const utf8 = (letters) => new TextEncoder().encode(letters);
