/**
 * A photo on the page: its file, what a person asked of it, and the way back.
 *
 * Not here: pictures of it (`previews.js`), the service (`api.js`). An edit is never changed in
 * place: each is a new frozen object, which makes undo a list of them.
 */

import { clamp } from "./dom.js";
import { FIRST_EDIT } from "./fields.js";
import { straightenedSize, turnedPlace } from "./straighten.js";

/**
 * A colour at a place; `color` is null until one was chosen.
 *
 * @typedef {object} Hint
 * @property {number} id
 * @property {number} x
 * @property {number} y
 * @property {number} radius
 * @property {string | null} color
 * @property {number | null} [reach]
 * @property {string | null} [name] what the person called the colour
 */

/**
 * @typedef {{x: number, y: number, width: number, height: number}} Box
 * @typedef {Readonly<Record<string, any>>} Edit as `FIRST_EDIT`
 * @typedef {{id: string, name: string, sha256: string, width: number, height: number, grey: boolean,
 *   negative: boolean, pages: number, notes: string[], format: string}} Info
 * @typedef {Box & {bitmap: ImageBitmap, scale: number, edit: Edit}} Detail
 * @typedef {{turn: number, straighten: number, width: number, height: number}} Pose
 * @typedef {{before?: ImageBitmap, after?: ImageBitmap, edit?: Edit | null, pose?: Pose,
 *   detailBefore?: Detail | null, detailAfter?: Detail | null, old?: Pictures}} Pictures `old` ones
 *   stand in for what is not here yet
 */

let count = 0;

const MOST_STEPS = 50; // of the way back that are kept

/** A number for a new hint. */
export function newId() {
  count += 1;
  return count;
}

export class Photo extends EventTarget {
  /** @type {Edit[]} */
  #past = [];
  /** @type {Edit[]} */
  #future = [];
  /** @type {Edit | null} */
  #before = null; // the edit before a drag that has not ended
  #saved = FIRST_EDIT;

  constructor(file, name = file.name || "pasted.png") {
    super();
    this.key = newId();
    this.kept = `${Date.now()}-${this.key}`; // the key of what is kept of it, of no other visit's
    this.file = file;
    this.name = name;
    this.tolerant = false; // whether a damaged file is read as far as it goes
    this.copy = 1; // which of those with its name it is
    /** @type {Info | null} */
    this.info = null; // what the service says of it, once it is there
    /** @type {Info | null} */
    this.told = null; // what it said on an earlier visit; it may have the photo still
    /** @type {import("./view.js").View | null} */
    this.view = null;
    /** @type {Error | null} */
    this.failure = null;
    this.sent = 0; // how much of the file is with the service, 0 to 1
    /** @type {AbortController | null} */
    this.sending = null; // ends its upload
    /** @type {ImageBitmap | null} */
    this.local = null; // a bitmap that the browser made of the file, until the service has one
    /** @type {{ id: string, number: number, time: number, fewer?: boolean } | null} */
    this.film = null; // of a shot, if it is the frame of one; `fewer` are left than it was coloured with
    /** @type {Edit | null} */
    this.made = null; // what the film of this shot was last coloured with, where that is known
    /** @type {Edit} */
    this.edit = FIRST_EDIT;
    /** @type {Hint | null} */
    this.pending = null; // a hint that was placed and has no colour yet
    /** @type {HTMLCanvasElement | null} */
    this.tile = null; // the canvas that the film strip shows of it
    this.hasTile = false; // whether the film strip has a small picture of it as it is now
    /** @type {any} */
    this.palette = null; // of a reference picture, in use or not
    /** @type {ImageBitmap | null} */
    this.eyePicture = null; // to take colours from
    /** @type {Promise<unknown>} */
    this.arrival = Promise.resolve(); // settles when the service has the file, or cannot have it
    /** @type {Pictures} */
    this.pictures = {}; // bitmaps that `previews.js` keeps
  }

  /** Its name without the ending, as the service made it harmless. */
  get stem() {
    return (this.info?.name || "photo").replace(/(?<=.)\.[^.]*$/, "");
  }

  /** What people are told it is called: the frame of a shot is no file of theirs. */
  get title() {
    const name = this.film ? this.name.replace(/\.png$/, "") : this.name;
    return this.copy > 1 ? `${name} (${this.copy})` : name;
  }

  /** Whether it lies on its side compared with its file. */
  get aside() {
    return this.edit.turn % 180 !== 0;
  }

  /** What the service says of it, where it must be there. */
  get known() {
    if (!this.info) throw new Error(`${this.name} is not with the service yet`);
    return this.info;
  }

  /** How it stands: places of things and its size in pixels follow from that. */
  get pose() {
    const { turn, straighten } = this.edit;
    const [width, height] = this.#size(straighten);
    return { turn, straighten, width, height };
  }

  get width() {
    return this.#size(this.edit.straighten)[0];
  }

  get height() {
    return this.#size(this.edit.straighten)[1];
  }

  /** Width and height of the turned photo, straightened by some degrees. */
  #size(degrees) {
    const { width, height } = this.known;
    return this.aside
      ? straightenedSize(height, width, degrees)
      : straightenedSize(width, height, degrees);
  }

  /** Turn it clockwise by a quarter; hints and crop keep their places on what they show. */
  turn() {
    const { height, edit } = this;
    const { hints, crop } = edit;
    this.pending = null;
    this.view = null;
    this.change({
      turn: (edit.turn + 90) % 360,
      hints: hints.map((hint) => ({ ...hint, x: Math.max(0, height - 1 - hint.y), y: hint.x })),
      crop: crop && {
        x: height - crop.y - crop.height,
        y: crop.x,
        width: crop.height,
        height: crop.width,
      },
    });
  }

  /**
   * Straighten it; hints and crop of `start` keep their places on what they show. Hints that come to
   * lie outside are left out; returns how many.
   *
   * @param {number} degrees
   * @param {Edit} start
   */
  straighten(degrees, start = this.edit) {
    const [from, to] = [this.#size(start.straighten), this.#size(degrees)];
    const by = degrees - start.straighten;
    const placed = start.hints.map((hint) => ({ ...hint, ...turnedPlace(hint, by, from, to) }));
    const hints = placed.filter(({ x, y }) => x >= 0 && y >= 0 && x < to[0] && y < to[1]);
    this.pending = null;
    this.view = null;
    this.change({
      straighten: degrees,
      hints,
      crop: start.crop && moved(start.crop, by, from, to),
    });
    return placed.length - hints.length;
  }

  /** The edit that undo leads back to, if there is one. */
  get earlier() {
    return this.#before ?? this.#past.at(-1) ?? null;
  }

  /** The edit that redo leads to, if there is one. */
  get later() {
    return this.#future.at(-1) ?? null;
  }

  /** Whether there are changes that neither a picture nor a session file holds yet. */
  get unsaved() {
    return this.edit !== this.#saved;
  }

  markSaved(edit = this.edit) {
    this.#saved = edit;
    this.#tell(false);
  }

  /** Change some of the edit; while `live`, it is part of a drag, which is one step. */
  change(values, { live = false } = {}) {
    const previous = this.#before ?? this.edit;
    this.edit = Object.freeze({ ...this.edit, ...values });
    if (live) this.#before = previous;
    else {
      this.#before = null;
      if (JSON.stringify(this.edit) === JSON.stringify(previous)) this.edit = previous;
      else {
        this.#past.push(previous);
        this.#future = [];
      }
    }
    this.#tell(live);
  }

  /** A drag is over, though it ended where it began. */
  settle() {
    if (this.#before) this.change({});
  }

  /** Another photo comes on the table: a drag ends, and the hint without a colour goes. */
  leave() {
    this.pending = null;
    this.settle();
  }

  /** What is kept of the work on it, as plain data. */
  get work() {
    const { name, tolerant, edit, film, made, unsaved, info } = this;
    const [past, future] = [this.#past, this.#future].map((steps) => steps.slice(-MOST_STEPS));
    return { name, tolerant, edit, film, made, past, future, unsaved, told: info ?? this.told };
  }

  /** Continue the work that was kept of it. */
  resume({ edit, past, future = [], unsaved, film = null, made = null, told = null, tolerant }) {
    this.film = film;
    this.tolerant = Boolean(tolerant);
    this.told = told;
    for (const step of [edit, ...past, ...future])
      for (const { id } of step.hints) count = Math.max(count, id);
    // What an earlier version of the page kept may lack a field.
    this.edit = Object.freeze({ ...FIRST_EDIT, ...edit });
    const whole = (step) => Object.freeze({ ...FIRST_EDIT, ...step });
    [this.#past, this.#future] = [past.map(whole), future.map(whole)];
    const coloured = made && JSON.stringify(Object.assign({}, FIRST_EDIT, made));
    const steps = [this.edit, ...this.#past, ...this.#future];
    // One of these objects, so that undo comes back to what a file holds.
    this.made = steps.find((step) => JSON.stringify(step) === coloured) ?? made;
    if (!unsaved) this.#saved = this.edit;
    this.palette = this.edit.reference;
  }

  /**
   * Every hint to show: those with a colour and the one that waits for its colour.
   *
   * @returns {Hint[]}
   */
  get hints() {
    return this.pending ? [...this.edit.hints, this.pending] : this.edit.hints;
  }

  /** Set or forget the hint that waits for its colour. */
  setPending(hint) {
    this.pending = hint;
    this.dispatchEvent(new CustomEvent("pending"));
  }

  /** Change one hint; the waiting one counts from when it has a colour. */
  changeHint(id, values, options) {
    if (this.pending?.id === id) {
      const hint = { ...this.pending, ...values };
      if (!hint.color) this.setPending(hint);
      else {
        this.pending = null;
        this.change({ hints: [...this.edit.hints, hint] }, options);
      }
      return;
    }
    const hints = this.edit.hints.map((hint) => (hint.id === id ? { ...hint, ...values } : hint));
    this.change({ hints }, options);
  }

  removeHint(id) {
    if (this.pending?.id === id) return this.setPending(null);
    return this.change({ hints: this.edit.hints.filter((hint) => hint.id !== id) });
  }

  /** Put some of the edit right as part of its last step, since it cannot be as it was asked. */
  amend(values) {
    this.edit = Object.freeze({ ...this.edit, ...values });
    this.#tell(false);
  }

  undo() {
    this.settle(); // a drag that was broken off is a step of its own
    this.#step(this.#past, this.#future);
  }

  redo() {
    this.#step(this.#future, this.#past);
  }

  #step(from, to) {
    const edit = from.pop();
    if (!edit) return;
    this.#before = null;
    to.push(this.edit);
    this.edit = edit;
    this.#tell(false);
  }

  #tell(live) {
    this.dispatchEvent(new CustomEvent("edit", { detail: { live } }));
  }
}

/** A crop whose middle stays on what it shows, as large as it was if there is room. */
function moved(crop, by, from, to) {
  const middle = { x: crop.x + crop.width / 2, y: crop.y + crop.height / 2 };
  const { x, y } = turnedPlace(middle, by, from, to);
  const [width, height] = [Math.min(crop.width, to[0]), Math.min(crop.height, to[1])];
  return {
    x: Math.round(clamp(x - width / 2, 0, to[0] - width)),
    y: Math.round(clamp(y - height / 2, 0, to[1] - height)),
    width,
    height,
  };
}
