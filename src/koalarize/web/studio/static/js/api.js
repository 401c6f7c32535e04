/**
 * The service behind the page: requests, errors in words, waiting when it is busy.
 *
 * Not here: what the answers are for. Every failure is a `Problem` with a title and a sentence; an
 * aborted request is the browser's AbortError. The service's own description is at
 * `api/v1/openapi.json`.
 */

import { capital, prose } from "./dom.js";

const BASE = new URL("api/v1/", document.baseURI);
const LONGEST_WAIT = 8; // seconds between two tries
const OTHERS_STEP = ", or ask for what there is of it (`tolerant=true`)"; // the page has a button

/** What a person reads while the server is away, whoever noticed. */
export const AWAY =
  "The program behind this page does not answer. Nothing is lost: the page continues as soon as “koalarize serve” runs again.";

/** What a person reads where the server wants another token than this page brought. */
export const LOCKED =
  "It was started again with another one. What you did is kept in this browser: enter the token that “koalarize serve” printed, and go on.";

/** What has become of photos that have come. */
export const ARRIVED = "uploaded";

/** What went wrong, in words for a person. */
export class Problem extends Error {
  constructor(title, detail, { status = 0, slug = "" } = {}) {
    super(detail || title);
    this.name = "Problem";
    this.title = title;
    this.detail = capital(prose(detail)); // the service's sentences stand behind a name elsewhere
    this.status = status;
    this.slug = slug;
  }

  /** The server does not know this photo any more: it was restarted, or the photo was unused. */
  get forgotten() {
    return this.status === 404;
  }

  /** The server did not answer at all. */
  get offline() {
    return this.slug === "offline";
  }
}

/** Whether what went wrong is that a photo is damaged, of which what there is can be opened. */
export function isDamaged(error) {
  return error instanceof Problem && error.slug === "damaged";
}

/** Whether what went wrong lies in the file itself, so that another try would end alike. */
export function isOfFile(error) {
  return error instanceof Problem && [413, 415].includes(error.status);
}

/** Whether what went wrong is that the server did not answer. */
export function isOffline(error) {
  return error instanceof Problem && error.offline;
}

/** @typedef {Omit<RequestInit, "body"> & {body?: XMLHttpRequestBodyInit | null}} Asked */

class Connection extends EventTarget {
  online = true; // whether the service answered the last time
}

/** Tells of "busy" {waiting}, "offline" and "online". */
export const connection = new Connection();
let waiting = 0;

/**
 * Ask the service, where it is busy again and again until there is a turn, or nobody wants the answer any more.
 *
 * @param {string} path
 * @param {Asked} options
 * @param {((share: number) => void) | null} progress is told how much of the body has gone out
 * @returns {Promise<Response>}
 */
export async function request(path, { signal, ...options } = {}, progress = null) {
  for (;;) {
    const response = await send(path, { signal, ...options }, progress);
    if (response.ok) return response;
    const problem = await problemOf(response);
    // What took too long would take as long again; only a full queue empties.
    if (problem.slug !== "busy") throw problem;
    const seconds = Number(response.headers.get("Retry-After")) || 1;
    await pause(Math.min(LONGEST_WAIT, seconds * (1 + Math.random() * 0.5)), signal);
  }
}

/**
 * @param {string} path
 * @param {Asked} options
 * @param {((share: number) => void) | null} progress
 */
async function send(path, options, progress = null) {
  try {
    const url = new URL(path, BASE);
    const response = await (progress ? sendSeen(url, options, progress) : fetch(url, options));
    setOnline(true);
    return response;
  } catch (error) {
    if (error.name === "AbortError") throw error;
    if (options.body instanceof Blob && !(await isReadable(options.body)))
      throw new Problem(
        "The file cannot be read",
        "It was moved, changed or deleted after it was chosen: choose it again.",
      );
    setOnline(false);
    throw new Problem("No answer from koalarize", AWAY, { slug: "offline" });
  }
}

/** Whether the file behind a blob is still there as it was; a slice of one that is gone may be empty. */
async function isReadable(blob) {
  const reader = blob.stream().getReader();
  try {
    await reader.read();
    return true;
  } catch {
    return false;
  } finally {
    reader.cancel().catch(() => {});
  }
}

/**
 * Send as `fetch` does, with word of how much has gone out, which `fetch` has none of.
 *
 * @param {URL} url
 * @param {Asked} options
 * @param {(share: number) => void} progress
 * @returns {Promise<Response>}
 */
function sendSeen(url, { method = "GET", body, headers, signal }, progress) {
  return new Promise((resolve, reject) => {
    const asked = new XMLHttpRequest();
    asked.open(method, url);
    asked.responseType = "blob";
    for (const [name, value] of new Headers(headers)) asked.setRequestHeader(name, value);
    asked.upload.addEventListener("progress", (event) => {
      if (event.lengthComputable) progress(event.loaded / event.total);
    });
    asked.addEventListener("load", () => {
      const { status, statusText } = asked;
      const kept = { "Retry-After": asked.getResponseHeader("Retry-After") ?? "" };
      resolve(new Response(asked.response, { status, statusText, headers: kept }));
    });
    asked.addEventListener("error", () => reject(new TypeError("the request failed")));
    asked.addEventListener("abort", () => reject(new DOMException("aborted", "AbortError")));
    signal?.addEventListener("abort", () => asked.abort(), { once: true });
    asked.send(body);
  });
}

/** What the service says to programs, as a person in a browser reads it. */
function inBrowser(detail) {
  return detail.replace(OTHERS_STEP, "").replace(/^the given data\b/, "the file");
}

async function problemOf(response) {
  const { status } = response;
  try {
    const { title, detail, type = "" } = await response.json();
    const said = typeof detail === "string" ? inBrowser(detail) : "";
    return new Problem(title || `Error ${status}`, said, {
      status,
      slug: type.split(":").pop(),
    });
  } catch {
    return new Problem(`Error ${status}`, response.statusText || "The server gave no reason.", {
      status,
    });
  }
}

async function pause(seconds, signal) {
  waiting += 1;
  connection.dispatchEvent(new CustomEvent("busy", { detail: { waiting } }));
  try {
    await new Promise((resolve, reject) => {
      const timer = setTimeout(resolve, 1000 * seconds);
      signal?.addEventListener(
        "abort",
        () => {
          clearTimeout(timer);
          reject(new DOMException("no longer wanted", "AbortError"));
        },
        { once: true },
      );
    });
  } finally {
    waiting -= 1;
    connection.dispatchEvent(new CustomEvent("busy", { detail: { waiting } }));
  }
}

function setOnline(now) {
  if (now === connection.online) return;
  connection.online = now;
  connection.dispatchEvent(new Event(now ? "online" : "offline"));
  if (!now) setTimeout(poll, 1500);
}

async function poll() {
  if (connection.online) return;
  try {
    await send("health", { cache: "no-store" });
  } catch {
    setTimeout(poll, 1500);
  }
}

/** A request with a JSON body. */
export function asJson(values, signal) {
  return {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(values),
    signal,
  };
}

const at = (id, what) => `photos/${encodeURIComponent(id)}/${what}`;
const bitmapOf = async (response) => createImageBitmap(await response.blob());

/** The models: [{name, summary, accepts_hints, suggests, default, …}]. */
export async function models() {
  return (await (await request("models")).json()).models;
}

/** The JSON schema of what may be asked of a colouring. */
export async function fields() {
  return (await request("steering")).json();
}

/**
 * Give a photo to the server; resolves to {id, name, sha256, width, height, format, …}.
 *
 * @param {{file: File, name: string, tolerant: boolean}} photo a damaged one is read as far as it goes if `tolerant`
 * @param {(share: number) => void} progress
 * @param {AbortSignal} signal
 */
export async function upload({ file, name, tolerant }, progress, signal) {
  if (!file.size)
    throw new Problem("The file is empty", "There is no picture in it: copy or scan it again.");
  const body = {
    method: "POST",
    body: file,
    headers: { "Content-Type": "application/octet-stream" },
    signal,
  };
  const path = `photos?name=${encodeURIComponent(name)}${tolerant ? "&tolerant=true" : ""}`;
  return (await request(path, body, progress)).json();
}

/** What the server says of a photo that it holds already; counts as use. */
export async function photo(id, signal) {
  return (await request(`photos/${encodeURIComponent(id)}`, { signal })).json();
}

/** Let the server forget a photo; it does not matter if that fails. */
export function forget(id) {
  request(`photos/${encodeURIComponent(id)}`, { method: "DELETE", keepalive: true }).catch(
    () => {},
  );
}

/** Tell the server that this page is being closed: it lets these photos go in minutes. */
export function leave(ids) {
  const told = { ...asJson({ ids }), keepalive: true };
  fetch(new URL("photos/leave", BASE), told).catch(() => {});
}

/** The whole photo as a bitmap, small: {steering, side, grey}. */
export async function preview(id, values, signal) {
  return bitmapOf(await request(at(id, "preview"), asJson(values, signal)));
}

/** A part of the photo as a bitmap: {steering, x, y, width, height, scale, grey}. */
export async function region(id, values, signal) {
  return bitmapOf(await request(at(id, "region"), asJson(values, signal)));
}

/** Likely colours at a point: {lightness, color, suggestions: [{color, probability}]}. */
export async function suggestions(id, values, signal) {
  return (await request(at(id, "suggestions"), asJson(values, signal))).json();
}

/** Other plausible colourings: [{alternative, preview}], the network's own first. */
export async function alternatives(id, values, signal) {
  return (await (await request(at(id, "alternatives"), asJson(values, signal))).json())
    .alternatives;
}

/** The full-size file: {blob, name, notes}; the notes say what of the photo is not in it. */
export async function render(id, values, signal) {
  return fileOf(await request(at(id, "render"), asJson(values, signal)));
}

/** The session file: {blob, name}. */
export async function session(id, steering, signal) {
  return fileOf(await request(at(id, "session"), asJson({ steering }, signal)));
}

/** The steering in a session file of this photo, and a note if places were moved: {steering, note}. */
export async function openSession(id, text) {
  const body = { method: "POST", body: text, headers: { "Content-Type": "application/json" } };
  const response = await request(at(id, "session/open"), body);
  return { steering: await response.json(), note: notesOf(response)[0] };
}

/** The palette of a colour picture, for `steering.reference`, and what its colours lack: {palette, notes}. */
export async function palette(file, name) {
  const body = {
    method: "POST",
    body: file,
    headers: { "Content-Type": "application/octet-stream" },
  };
  const response = await request(`references?name=${encodeURIComponent(name)}`, body);
  return { palette: await response.json(), notes: notesOf(response) };
}

/** The file of an answer: {blob, name, notes}. */
export async function fileOf(response) {
  const header = response.headers.get("Content-Disposition") ?? "";
  const encoded = /filename\*=UTF-8''([^;]+)/i.exec(header);
  const plain = /filename="([^"]+)"/i.exec(header);
  const name = encoded ? decodeURIComponent(encoded[1]) : (plain?.[1] ?? "photo.color.png");
  return { blob: await response.blob(), name, notes: notesOf(response) };
}

function notesOf(response) {
  return JSON.parse(response.headers.get("Koalarize-Notes") ?? "[]").map(prose);
}
