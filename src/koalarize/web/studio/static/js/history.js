/**
 * The way back and forth: its two buttons say what they undo and redo, and so does the page when it is done.
 *
 * Not here: the steps themselves (`photos.js`), keys (`keys.js`).
 */

import { LABELS } from "./controls.js";
import { $ } from "./dom.js";
import { FIELDS } from "./fields.js";

/** What people call a step that changed this; hints and crop move along with the first two. */
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
const MOVE_ALL = ["turn", "straighten"];

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
  const mover = MOVE_ALL.find((name) => changed.includes(name));
  if (mover && changed.every((name) => ["hints", "crop", mover].includes(name)))
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

export class History {
  /**
   * @param {import("./studio.js").Studio} studio
   * @param {{say: (text: string) => void}} commands
   */
  constructor(studio, { say }) {
    this.studio = studio;
    this.say = say;
  }

  /** Show on the buttons what there is to undo and to redo. */
  show() {
    const { edit, earlier, later } = this.studio.active ?? {};
    label("undo", "Undo", "Ctrl+Z", edit && earlier && stepBetween(earlier, edit));
    label("redo", "Redo", "Ctrl+Shift+Z", edit && later && stepBetween(edit, later));
  }

  undo() {
    const { active: photo } = this.studio;
    if (!photo?.earlier) return;
    const step = stepBetween(photo.earlier, photo.edit);
    photo.undo();
    this.say(`Undone: ${step}`);
  }

  redo() {
    const { active: photo } = this.studio;
    if (!photo?.later) return;
    const step = stepBetween(photo.edit, photo.later);
    photo.redo();
    this.say(`Done again: ${step}`);
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
