/**
 * The worker behind the page, where the studio has a service: the same calls, answered in this browser.
 *
 * Not here: what the worker does (`worker.js`). It takes the place of the studio's `api.js`, so that
 * all else of the page is the studio's own; what a browser cannot do is said in a sentence.
 */

import { capital, prose } from "./dom.js";

/** What a person reads while nothing answers, whoever noticed. */
export const AWAY = "The page's own program has stopped: load the page again.";

/** No token is ever asked for here. */
export const LOCKED = AWAY;

/** What has become of photos that have come. */
export const ARRIVED = "opened";

/** What went wrong, in words for a person. */
export class Problem extends Error {
  constructor(title, detail, { status = 0, slug = "" } = {}) {
    super(detail || title);
    this.name = "Problem";
    this.title = title;
    this.detail = capital(prose(detail));
    this.status = status;
    this.slug = slug;
  }

  /** The worker does not know this photo any more. */
  get forgotten() {
    return this.status === 404;
  }

  /** The worker did not answer at all. */
  get offline() {
    return false;
  }
}

/** Whether a photo is damaged, of which what there is can be opened: browsers do that unasked. */
export function isDamaged() {
  return false;
}

/** Whether what went wrong lies in the file itself, so that another try would end alike. */
export function isOfFile(error) {
  return error instanceof Problem && [413, 415].includes(error.status);
}

/** Whether what went wrong is that nothing answered. */
export function isOffline() {
  return false;
}

class Connection extends EventTarget {
  online = true;
}

/** The studio's, which here is never away. */
export const connection = new Connection();

const worker = new Worker(new URL("./worker.js", import.meta.url), { type: "module" });
/** @type {Map<number, {resolve: (result: any) => void, reject: (error: Error) => void}>} */
const waiting = new Map();
let count = 0;

worker.addEventListener("message", ({ data }) => {
  if (data.loading) {
    connection.dispatchEvent(new CustomEvent("loading", { detail: data.loading }));
    return;
  }
  const asked = waiting.get(data.id);
  waiting.delete(data.id);
  if (!asked) return;
  if (data.problem) {
    const { title, detail, status, slug } = data.problem;
    asked.reject(new Problem(title, detail, { status, slug }));
  } else asked.resolve(data.result);
});
worker.addEventListener("error", () => {
  for (const { reject } of waiting.values()) reject(new Problem("The page has stopped", AWAY));
  waiting.clear();
});

/**
 * Ask the worker; what is no longer wanted is not begun.
 *
 * @param {string} what
 * @param {Record<string, any>} [values]
 * @param {AbortSignal} [signal]
 * @returns {Promise<any>}
 */
function ask(what, values = {}, signal) {
  count += 1;
  const id = count;
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(new DOMException("aborted", "AbortError"));
    signal?.addEventListener(
      "abort",
      () => {
        if (!waiting.delete(id)) return;
        worker.postMessage({ forget: id });
        reject(new DOMException("aborted", "AbortError"));
      },
      { once: true },
    );
    waiting.set(id, { resolve, reject });
    return worker.postMessage({ id, what, values });
  });
}

/** Nothing is asked of a service here; the version is what the page was built of. */
export async function request(path) {
  if (path !== "health") throw new Problem("Not in the browser", "This page has no service.");
  return new Response(JSON.stringify({ version: (await ask("facts")).version }));
}

/** The one model that the page was built with. */
export async function models() {
  return [(await ask("facts")).model];
}

/** The JSON schema of what may be asked of a colouring. */
export async function fields() {
  return (await ask("facts")).schema;
}

/**
 * Open a photo; resolves to {id, name, sha256, width, height, format, …}.
 *
 * @param {{file: File, name: string}} photo
 * @param {(share: number) => void} progress
 * @param {AbortSignal} signal
 */
export async function upload({ file, name }, progress, signal) {
  if (!file.size)
    throw new Problem("The file is empty", "There is no picture in it: copy or scan it again.");
  progress(1);
  return ask("open", { file, name }, signal);
}

/** What is known of a photo that is open already. */
export async function photo(id, signal) {
  return ask("photo", { id }, signal);
}

/** Let a photo go. */
export function forget(id) {
  ask("forget", { id }).catch(() => {});
}

/** The page is being closed, and all photos with it. */
export function leave() {}

/** The whole photo as a bitmap, small: {steering, side, grey}. */
export async function preview(id, values, signal) {
  return ask("preview", { id, ...values }, signal);
}

/** A part of the photo as a bitmap: {steering, x, y, width, height, scale, grey}. */
export async function region(id, values, signal) {
  return ask("region", { id, ...values }, signal);
}

/** Likely colours at a point: {lightness, color, suggestions: [{color, probability}]}. */
export async function suggestions(id, values, signal) {
  return ask("suggestions", { id, ...values }, signal);
}

/** Other plausible colourings, which only the program finds. */
export async function alternatives() {
  return [];
}

/** The full-size file: {blob, name, notes}; the notes say what of the photo is not in it. */
export async function render(id, values, signal) {
  const { notes, ...made } = await ask("render", { id, ...values }, signal);
  return { ...made, notes: notes.map(prose) };
}

/** The session file: {blob, name}. */
export async function session(id, steering, signal) {
  return ask("session", { id, steering }, signal);
}

/** The steering in a session file of this photo: {steering, note}. */
export async function openSession(id, text) {
  return ask("openSession", { id, text });
}

/** The palette of a colour picture, which only the program takes. */
export async function palette() {
  throw new Problem(
    "Not in the browser",
    "The palette of another picture is taken by the program: “koalarize photo.jpg --reference picture.jpg”.",
  );
}
