/**
 * A photo on the page: its file, what a person asked of it, and the way back.
 *
 * Not here: pictures of it (`previews.js`), the service (`api.js`). An edit is never changed in
 * place: each is a new frozen object, which makes undo a list of them.
 */

import { FIRST_EDIT } from "./fields.js";

let count = 0;

const MOST_STEPS = 50; // of the way back that are kept

/** A number for a new hint. */
export function newId() {
  count += 1;
  return count;
}

export class Photo extends EventTarget {
  #past = [];
  #future = [];
  #before = null; // the edit before a drag that has not ended
  #saved = FIRST_EDIT;

  constructor(file, name = file.name || "pasted.png") {
    super();
    this.key = newId();
    this.kept = `${Date.now()}-${this.key}`; // the key of what is kept of it, of no other visit's
    this.file = file;
    this.name = name;
    this.info = null; // what the service says of it, once it is there
    this.view = null;
    this.failure = null;
    this.sent = 0; // how much of the file is with the service, 0 to 1
    this.local = null; // a bitmap that the browser made of the file, until the service has one
    this.film = null; // {id, number, time} of a shot, if it is the frame of one
    this.edit = FIRST_EDIT;
    this.pending = null; // a hint that was placed and has no colour yet
    this.tile = null; // the canvas that the film strip shows of it
    this.hasTile = false; // whether the film strip has a small picture of it as it is now
    this.pictures = {}; // bitmaps that `previews.js` keeps
  }

  /** Whether it lies on its side compared with its file. */
  get aside() {
    return this.edit.turn % 180 !== 0;
  }

  /** Of the turned photo, pixels. */
  get width() {
    return this.aside ? this.info.height : this.info.width;
  }

  get height() {
    return this.aside ? this.info.width : this.info.height;
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

  get canUndo() {
    return this.#past.length > 0;
  }

  get canRedo() {
    return this.#future.length > 0;
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

  /** What is kept of the work on it, as plain data. */
  get work() {
    const { name, edit, film } = this;
    return { name, edit, film, past: this.#past.slice(-MOST_STEPS), unsaved: this.unsaved };
  }

  /** Continue the work that was kept of it. */
  resume({ edit, past, unsaved, film = null }) {
    this.film = film;
    for (const step of [edit, ...past])
      for (const { id } of step.hints) count = Math.max(count, id);
    // What an earlier version of the page kept may lack a field.
    this.edit = Object.freeze({ ...FIRST_EDIT, ...edit });
    this.#past = past.map((step) => Object.freeze({ ...FIRST_EDIT, ...step }));
    if (!unsaved) this.#saved = this.edit;
    this.palette = this.edit.reference;
  }

  /** Every hint to show: those with a colour and the one that waits for its colour. */
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

  undo() {
    this.#step(this.#past, this.#future);
  }

  redo() {
    this.#step(this.#future, this.#past);
  }

  #step(from, to) {
    if (!from.length) return;
    this.#before = null;
    to.push(this.edit);
    this.edit = from.pop();
    this.#tell(false);
  }

  #tell(live) {
    this.dispatchEvent(new CustomEvent("edit", { detail: { live } }));
  }
}
