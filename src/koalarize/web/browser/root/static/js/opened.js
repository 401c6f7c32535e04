/**
 * A photo that is open: its picture, drawn as it stands, whole or in part, at any size.
 *
 * Not here: its colours (`color/`), its file's metadata (`carry.js`).
 */

import { kindOf, unopened } from "./kinds.js";
import { straightenedSize } from "./straighten.js";

/** @typedef {{x: number, y: number, width: number, height: number}} Area */
/** @typedef {{turn: number, straighten: number, negative: boolean, faded: boolean}} Pose */

const GREY = 4; // levels by which the channels of a grey picture may differ, as JPEG leaves them
const SAMPLE = 1 << 20; // pixels in which the ends of the levels are found
const LOOKS = 3; // that are kept of a photo

export class Refusal extends Error {
  constructor(title, detail, { status = 0, slug = "" } = {}) {
    super(detail);
    Object.assign(this, { title, detail, status, slug });
  }
}

export class Opened {
  /** @type {ImageBitmap | null} */
  #bitmap = null;
  /** @type {Map<string, any>} looks by how the photo stands, the newest last */
  #looks = new Map();

  /**
   * @param {Blob} file
   * @param {Uint8Array} bytes of it
   * @param {string} name
   * @param {string} id
   */
  constructor(file, bytes, name, id) {
    this.file = file;
    this.name = name;
    this.id = id;
    this.kind = kindOf(bytes);
    this.bytes = bytes;
    this.width = 0;
    this.height = 0;
    this.grey = true;
  }

  /** Open the file. */
  static async of(file, name) {
    const bytes = new Uint8Array(await file.arrayBuffer());
    const opened = new Opened(file, bytes, name, await idOf(bytes));
    const bitmap = await opened.bitmap();
    [opened.width, opened.height] = [bitmap.width, bitmap.height];
    const pixels = opened.drawn(bitmap, still, whole(bitmap), bitmap.width, bitmap.height);
    check(pixels);
    opened.grey = isGrey(pixels.data);
    return opened;
  }

  /** The picture, upright; opened again if it was let go. */
  async bitmap() {
    if (this.#bitmap === null) {
      try {
        this.#bitmap = await createImageBitmap(this.file);
      } catch {
        const [title, detail] = unopened(this.bytes, this.name);
        throw new Refusal(title, detail, { status: 415 });
      }
    }
    return this.#bitmap;
  }

  /** Let the picture go; the file stays. */
  rest() {
    this.#bitmap?.close();
    this.#bitmap = null;
    this.#looks.clear();
  }

  /** Width and height as it stands, pixels. */
  size({ turn, straighten }) {
    const aside = turn % 180 !== 0;
    const [width, height] = aside ? [this.height, this.width] : [this.width, this.height];
    return straightenedSize(width, height, straighten);
  }

  /**
   * The look at the photo as it stands, made only once.
   *
   * @param {Pose} pose
   * @param {import("./color/look.js").Colorizer} colorizer
   */
  async look(pose, colorizer) {
    const key = JSON.stringify(pose);
    const found = this.#looks.get(key);
    if (found) return found;
    const [width, height] = this.size(pose);
    const picture = this.drawn(
      await this.bitmap(),
      pose,
      { x: 0, y: 0, width, height },
      width,
      height,
    );
    const levels = levelsOf(picture, pose, colorizer);
    relevel(picture, levels);
    const look = colorizer.look(picture.data, { width, height });
    const made = { look, levels, guidance: { key: "", planes: null } };
    this.#looks.set(key, made);
    for (const old of [...this.#looks.keys()].slice(0, -LOOKS)) this.#looks.delete(old);
    return made;
  }

  /**
   * A part of the photo as it stands, at some size.
   *
   * @param {ImageBitmap} bitmap
   * @param {Pose} pose
   * @param {Area} area
   * @param {number} columns
   * @param {number} rows
   * @returns {ImageData}
   */
  drawn(bitmap, { turn, straighten }, area, columns, rows) {
    const context = new OffscreenCanvas(columns, rows).getContext("2d", {
      willReadFrequently: true,
    });
    if (context === null) throw tooLarge();
    const [width, height] = this.width ? this.size({ turn, straighten }) : [columns, rows];
    context.imageSmoothingQuality = "high";
    context.scale(columns / area.width, rows / area.height);
    context.translate(-area.x, -area.y);
    context.translate(width / 2, height / 2);
    context.rotate(((turn + straighten) * Math.PI) / 180);
    if (!straighten) context.setTransform(exact(context.getTransform()));
    context.drawImage(bitmap, -bitmap.width / 2, -bitmap.height / 2);
    return context.getImageData(0, 0, columns, rows);
  }
}

/** A quarter turn has no sine that is nearly nothing, which would blur every pixel. */
function exact(matrix) {
  for (const part of ["a", "b", "c", "d"]) {
    if (Math.abs(matrix[part]) < 1e-9) matrix[part] = 0;
  }
  return matrix;
}

const still = { turn: 0, straighten: 0, negative: false, faded: false };
const whole = ({ width, height }) => ({ x: 0, y: 0, width, height });

/** How the photo stands, of what is asked. */
export function poseOf({ turn = 0, straighten = 0, negative = false, faded = false }) {
  return { turn, straighten, negative, faded };
}

/** Refuse a picture that came out empty, as browsers give those that are too large for them. */
function check({ data, width, height }) {
  const places = [0, width - 1, (height - 1) * width, height * width - 1];
  const middle = Math.floor(height / 2) * width + Math.floor(width / 2);
  const shown = [...places, middle].some((place) => data[4 * place + 3] > 0);
  if (!shown && data.every((value) => value === 0)) throw tooLarge();
}

function tooLarge() {
  return new Refusal(
    "The photo is too large for this browser",
    "The program has no such limit: “koalarize photo.jpg”. Or make it smaller.",
    { status: 413 },
  );
}

/** Whether all channels of a picture are one. */
function isGrey(data) {
  for (let at = 0; at < data.length; at += 4) {
    const [red, green, blue] = [data[at], data[at + 1], data[at + 2]];
    if (Math.max(red, green, blue) - Math.min(red, green, blue) > GREY) return false;
  }
  return true;
}

/** What each level of a picture becomes, inverted and restored; null where they stay. */
function levelsOf({ data, width, height }, { negative, faded }, colorizer) {
  if (!negative && !faded) return null;
  const levels = Uint8Array.from({ length: 256 }, (_, level) => (negative ? 255 - level : level));
  if (!faded) return levels;
  const step = Math.max(1, Math.round(Math.sqrt((height * width) / SAMPLE)));
  const seen = [];
  for (let row = 0; row < height; row += step) {
    for (let column = 0; column < width; column += step) {
      const at = 4 * (row * width + column);
      seen.push(levels[data[at]], levels[data[at + 1]], levels[data[at + 2]], 255);
    }
  }
  const restored = colorizer.restoring(Uint8ClampedArray.from(seen), {
    width: Math.ceil(width / step),
    height: Math.ceil(height / step),
  });
  return levels.map((level) => restored[level]);
}

/** Give a picture other levels. */
export function relevel({ data }, levels) {
  if (levels === null) return;
  for (let at = 0; at < data.length; at += 4) {
    data[at] = levels[data[at]];
    data[at + 1] = levels[data[at + 1]];
    data[at + 2] = levels[data[at + 2]];
  }
}

/** The sha256 of a file; without a secure context, where there is none, a number of this visit. */
async function idOf(bytes) {
  if (!globalThis.crypto?.subtle) return `unhashed-${Math.random().toString(36).slice(2)}`;
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return [...digest].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
