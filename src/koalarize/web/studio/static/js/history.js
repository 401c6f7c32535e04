/**
 * The way back and forth: its two buttons say what they undo and redo, and so does the page when it is done.
 *
 * Not here: the steps themselves (`photos.js`), keys (`keys.js`).
 */

import { LABELS } from "./controls.js";
import { $ } from "./dom.js";
import { FIELDS } from "./fields.js";

/** What people call a step that changed this. */
const WORDS = {
  turn: "turn",
  straighten: "straightening",
  crop: "crop",
  hints: "hint",
  recolors: "recolouring",
  reference: "reference picture",
  alternative: "colouring",
  model: "model",
};
/** What a step is called by, though these change along with it. */
const ALONG = {
  turn: ["hints", "crop"],
  straighten: ["hints", "crop"],
  model: ["alternative"], // another model has colourings of its own
};

/**
 * What one step changed, in words: "warmth", "new hint".
 *
 * @param {import("./photos.js").Edit} before
 * @param {import("./photos.js").Edit} after
 */
export function stepBetween(before, after) {
  const isChanged = (name) =>
    before[name] !== after[name] && JSON.stringify(before[name]) !== JSON.stringify(after[name]);
  const changed = Object.keys(after).filter(isChanged);
  const mover = Object.keys(ALONG).find((name) => changed.includes(name));
  if (mover && changed.every((name) => name === mover || ALONG[mover].includes(name)))
    return WORDS[mover];
  if (changed.length !== 1) return "several settings";
  const [name] = changed;
  if (name === "hints") return ofHints(before.hints.length, after.hints.length);
  return WORDS[name] ?? (LABELS[name] ?? FIELDS[name]?.title ?? "setting").toLowerCase();
}

function ofHints(before, after) {
  if (after > before) return after - before > 1 ? "new hints" : "new hint";
  if (after < before) return before - after > 1 ? "deleted hints" : "deleted hint";
  return WORDS.hints;
}

/** @param {{length: number}} photos */
export function photosIn({ length }) {
  return length === 1 ? "1 photo" : `${length} photos`;
}

/**
 * What was copied from one photo to others: a step of the first, between those that change itself.
 *
 * @typedef {import("./photos.js").Photo} Photo
 * @typedef {import("./photos.js").Edit} Edit
 * @typedef {{source: Photo, edit: Edit, copies: [Photo, Edit][], back: boolean}} Copied `edit` is that of
 *   the source then, `copies` are those of the others after it; `back` says that it is undone
 */

export class History {
  /** @type {Copied[]} */
  #copied = []; // in the order of time, as long as the page is open

  /**
   * @param {import("./studio.js").Studio} studio
   * @param {{say: (text: string) => void}} commands
   */
  constructor(studio, { say }) {
    this.studio = studio;
    this.say = say;
  }

  /**
   * Remember what was copied, as one step.
   *
   * @param {Photo} source
   * @param {Edit} edit
   * @param {[Photo, Edit][]} copies
   */
  copied(source, edit, copies) {
    this.#copied = this.#copied.filter((one) => one.source !== source || !one.back);
    if (copies.length) this.#copied.push({ source, edit, copies, back: false });
    this.show();
  }

  /** What undo takes back on other photos, if that is what was done last on the one on the table. */
  get #toUndo() {
    return this.#copied.findLast((one) => !one.back && this.#untouched(one).length);
  }

  get #toRedo() {
    return this.#copied.find((one) => one.back && this.#untouched(one).length);
  }

  /**
   * Photos on which nothing was done since it was copied there, or taken back.
   *
   * @param {Copied} copied
   */
  #untouched({ source, edit, copies, back }) {
    const { active, photos } = this.studio;
    if (source !== active || source.edit !== edit) return [];
    return copies
      .filter(
        ([photo, copy]) => photos.includes(photo) && (back ? photo.later : photo.edit) === copy,
      )
      .map(([photo]) => photo);
  }

  /** Show on the buttons what there is to undo and to redo. */
  show() {
    const { edit, earlier, later } = this.studio.active ?? {};
    const [undone, redone] = [this.#toUndo, this.#toRedo].map(
      (copied) => copied && `copy to ${photosIn(this.#untouched(copied))}`,
    );
    label("undo", "Undo", "Ctrl+Z", undone || (edit && earlier && stepBetween(earlier, edit)));
    label("redo", "Redo", "Ctrl+Shift+Z", redone || (edit && later && stepBetween(edit, later)));
  }

  undo() {
    const { active: photo } = this.studio;
    const copied = this.#toUndo;
    if (copied) return this.#stepAside(copied, "Undone");
    if (!photo?.earlier) return undefined;
    const step = stepBetween(photo.earlier, photo.edit);
    photo.undo();
    return this.say(`Undone: ${step}`);
  }

  redo() {
    const { active: photo } = this.studio;
    const copied = this.#toRedo;
    if (copied) return this.#stepAside(copied, "Done again");
    if (!photo?.later) return undefined;
    const step = stepBetween(photo.edit, photo.later);
    photo.redo();
    return this.say(`Done again: ${step}`);
  }

  /**
   * Take it back, or do it again, where nothing was done since; say how many photos keep what they have.
   *
   * @param {Copied} copied
   */
  #stepAside(copied, done) {
    const photos = this.#untouched(copied);
    const others = copied.copies.length - photos.length;
    for (const photo of photos) {
      if (copied.back) photo.redo();
      else photo.undo();
    }
    copied.back = !copied.back;
    this.studio.changedAside(photos);
    this.show();
    const kept = others ? `; ${photosIn({ length: others })} changed since` : "";
    this.say(`${done}: copy to ${photosIn(photos)}${kept}`);
  }
}

/** @param {string | null | undefined} step */
function label(id, word, keys, step) {
  const button = $(`#${id}`);
  const text = step ? `${word}: ${step}` : word;
  button.disabled = !step;
  button.title = `${text} (${keys})`;
  button.setAttribute("aria-label", text);
}
