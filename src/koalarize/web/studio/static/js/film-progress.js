/**
 * How far a film is on its way to being coloured, in words.
 *
 * Not here: asking the service for it (`films.js`).
 */

import { prose } from "./dom.js";
import { FIRST_EDIT } from "./fields.js";

const WINDOW = 60_000; // milliseconds whose pace tells how long it still takes
const SOONEST = 4000; // milliseconds after which there is a pace

/** Whether a film is being coloured, or waits for it. */
export function isBusy(render) {
  return render?.state === "running" || render?.state === "waiting";
}

/** Whether two edits ask the same; one that was kept is another object. */
export function isEqual(one, other) {
  return one === other || JSON.stringify(one) === JSON.stringify(other);
}

/** Whether an edit asks anything of a shot; the model is that of the whole film. */
export function isAsked(edit) {
  return !isEqual({ ...edit, model: null }, { ...FIRST_EDIT, model: null });
}

/**
 * What is said of a film that is coloured, or on its way there.
 *
 * @param {any} render what the service says of it, or nothing
 * @param {import("./photos.js").Photo[]} shots
 * @param {string} left how long it still takes, if that is known
 */
export function wordsOf(render, shots, left = "") {
  if (!render) return "";
  const { state, done, total, bytes, notes, problem } = render;
  if (state === "waiting") return "Waits until another film is coloured…";
  if (state === "running") {
    if (!total) return "Beginning…";
    return `${done} of ${Math.max(total, done)} frames, ${(bytes / 1e6).toFixed(1)} MB${left && `, ${left}`}`;
  }
  if (state === "cancelled")
    return "Cancelled. What is coloured is kept, and the next time goes on from there.";
  if (state === "failed") return prose(problem ?? "");
  return [colouredOf(shots), ...(notes ?? []).map(prose)].join(" Note: ");
}

/** @param {import("./photos.js").Photo[]} shots */
function colouredOf(shots) {
  if (shots.some(({ film }) => film?.fewer))
    return "The film is coloured as it was asked before you removed a shot.";
  if (shots.some(({ made }) => !made))
    return "The film was coloured earlier, perhaps with other settings: colour it again to be sure.";
  return shots.every(({ made, edit }) => isEqual(made, edit))
    ? "The film is coloured."
    : "The film is coloured as it was asked before your last change.";
}

/** How fast films are coloured, and so how long they still take. */
export class Pace {
  /** @type {Map<string, {at: number, done: number}[]>} what was seen of each lately, by its id */
  #seen = new Map();

  /**
   * How long a film still takes, in words; none as long as nobody knows.
   *
   * @param {string} id
   * @param {any} render
   * @param {number} now milliseconds
   */
  left(id, render, now = performance.now()) {
    const { state, done = 0, total = 0 } = render ?? {};
    const isOn = state === "running" && total > 0;
    const seen = (isOn && this.#seen.get(id)) || [];
    this.#seen.set(id, seen);
    if (!isOn) return "";
    if (done !== seen.at(-1)?.done) seen.push({ at: now, done });
    while (seen.length > 2 && now - seen[1].at > WINDOW) seen.shift();
    const [first, last] = [seen[0], seen[seen.length - 1]];
    const [time, frames] = [last.at - first.at, last.done - first.done];
    if (time < SOONEST || frames <= 0 || done >= total) return "";
    return inWords(((total - done) * time) / frames / 60_000);
  }
}

/** @param {number} minutes */
function inWords(minutes) {
  if (minutes < 0.75) return "less than a minute left";
  if (minutes < 1.5) return "about a minute left";
  if (minutes < 90) return `about ${Math.round(minutes)} minutes left`;
  return `about ${(minutes / 60).toFixed(1)} hours left`;
}
