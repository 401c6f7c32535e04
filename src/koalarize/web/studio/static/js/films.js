/**
 * Films: one that is opened becomes a strip of its shots, each steered by one frame as a photo is.
 *
 * Not here: the photos themselves (`studio.js`). The service finds the shots and colours the film; the
 * film's file is kept in this browser, so that a reload or a restart of the server loses nothing.
 */

import { asJson, fileOf, isOffline, leave, Problem, request } from "./api.js";
import { $, announce, download, h, report } from "./dom.js";
import { FIRST_EDIT } from "./fields.js";

const POLL = 600; // milliseconds between two questions how far it is
const ENDINGS =
  /\.(mp4|m4v|mov|qt|mkv|webm|avi|ts|m2ts|mts|m2t|trp|mod|tod|mpe?g|mpe|m1v|m2v|vob|wmv|asf|flv|f4v|3gp|3g2|ogv|dv|mxf|rm|divx|y4m|nut|mj2|h26[45]|26[45]|hevc)$/i;

/** What a file chooser offers as films. */
export const FILM_KINDS = "video/*,.mkv,.mts,.m2ts,.m2t,.mod,.tod,.dv,.mxf,.h264,.264,.hevc";

/** Whether a file is taken for a film. */
export function isFilm(file) {
  return Boolean(file.type?.startsWith("video/")) || ENDINGS.test(file.name ?? "");
}

const at = (id, what = "") => `films/${encodeURIComponent(id)}${what}`;
const pause = () => new Promise((resolve) => setTimeout(resolve, POLL));

export class Films {
  /** @type {Map<string, any>} what the service says of each film, by its id */
  #infos = new Map();
  /** @type {Set<string>} films that are asked about */
  #watched = new Set();

  /**
   * @param {import("./studio.js").Studio} studio
   * @param {{complain: (problem: any) => void}} commands
   */
  constructor(studio, { complain }) {
    this.studio = studio;
    this.complain = complain;
    $("#film-render").addEventListener("click", () => this.#guarded(() => this.#render()));
    $("#film-cancel").addEventListener("click", () =>
      this.#guarded(() => request(at(this.#id, "/render"), { method: "DELETE" })),
    );
    $("#film-list").addEventListener("click", () => this.#guarded(() => this.#list()));
    $("#film-download").addEventListener("click", (event) => {
      event.preventDefault();
      this.#guarded(() => this.#download());
    });
    studio.addEventListener("photo", () => this.#show());
    studio.addEventListener("edit", () => this.#edited());
    studio.addEventListener("closed", (event) =>
      this.#closed(/** @type {CustomEvent} */ (event).detail.photo),
    );
    addEventListener("pagehide", () => {
      const ids = [...new Set(studio.photos.flatMap(({ film }) => film?.id ?? []))];
      if (ids.length) leave(ids);
    });
  }

  /** The film of the photo on the table. */
  get #id() {
    return this.studio.active?.film?.id;
  }

  #shots(id) {
    return this.studio.photos.filter(({ film }) => film?.id === id);
  }

  /** Open a film: give it to the service, and put those of its shots that are not there on the strip. */
  async open(file) {
    try {
      const info = await this.#upload(file);
      const there = this.#shots(info.id);
      const numbers = new Set(there.map(({ film }) => film?.number));
      const missing = info.shots.filter(({ number }) => !numbers.has(number));
      if (!missing.length) return this.studio.select(there[0]);
      keep({ id: info.id, file, name: file.name });
      const pictures = [];
      for (const { number } of missing) {
        this.#arriving(`Fetching shot ${number + 1} of ${info.shots.length}…`);
        const blob = await (await request(at(info.id, `/shots/${number}/frame`))).blob();
        const name = `${file.name.replace(/\.[^.]+$/, "")}, shot ${number + 1}.png`;
        pictures.push(new File([blob], name, { type: "image/png" }));
      }
      const films = missing.map(({ number, time }) => ({ id: info.id, number, time }));
      const added = this.studio.addShots(pictures, films);
      const model = there[0]?.edit.model; // one colours the film
      if (model) for (const photo of added) photo.amend({ model });
      this.#arriving("");
      const more = info.more ? `; ${info.more} more are coloured as the network sees them` : "";
      announce(`${file.name}: ${info.shots.length} shots${more}`);
      this.#show();
    } catch (problem) {
      this.#arriving("");
      this.complain(problem);
    }
  }

  async #upload(file) {
    this.#arriving(`Uploading ${file.name}…`);
    const body = {
      method: "POST",
      body: file,
      headers: { "Content-Type": "application/octet-stream" },
    };
    const path = `films?name=${encodeURIComponent(file.name)}`;
    const answer = await request(path, body, (share) =>
      this.#arriving(`Uploading ${file.name}… ${Math.floor(100 * share)} %`),
    );
    let info = await answer.json();
    while (info.state === "looking") {
      const of = info.frames ? ` of about ${info.frames}` : "";
      this.#arriving(`Looking for shots… ${info.seen}${of} frames`);
      await pause();
      info = await this.#ask(info.id);
    }
    this.#arriving("");
    if (info.state === "failed") throw new Problem("This film cannot be used", info.problem);
    this.#infos.set(info.id, info);
    return info;
  }

  async #ask(id) {
    const info = await (await request(at(id))).json();
    this.#infos.set(id, info);
    return info;
  }

  /** Say how far a film is on its way to the page. */
  #arriving(text) {
    report($("#film-arriving"), text);
    $("#film-arriving").hidden = !text;
  }

  /** Make sure that the service has a film: a restart of it, or long rest, loses what it had. */
  async #here(id) {
    try {
      return await this.#ask(id);
    } catch (problem) {
      if (!problem.forgotten) throw problem;
      const kept = await keptOf(id);
      if (!kept)
        throw new Problem(
          "The film is no longer here",
          "Open it again; the shots keep their edits.",
        );
      return this.#upload(new File([kept.file], kept.name));
    }
  }

  /** What is asked of the film: only shots that are asked something. */
  #asked(id) {
    const model = this.studio.modelOf(this.#shots(id)[0])?.name;
    const edited = this.#shots(id).filter(({ edit }) => isAsked(edit));
    return {
      ...(model ? { model } : {}),
      shots: edited.map((photo) => ({
        number: photo.film?.number,
        steering: { ...this.studio.steering(photo), ...(model ? { model } : {}) },
      })),
    };
  }

  async #render() {
    const id = this.#id;
    if (!id) return;
    await this.#here(id);
    const [asked, edits] = [this.#asked(id), this.#edits(id)];
    this.#infos.set(id, await (await request(at(id, "/render"), asJson(asked))).json());
    for (const [photo, edit] of edits) {
      photo.made = edit;
      if (photo.film) photo.film = { ...photo.film, fewer: false };
    }
    this.studio.dispatchEvent(new Event("photos")); // so that it is kept
    this.#show();
  }

  async #list() {
    const id = this.#id;
    await this.#here(id);
    const [asked, edits] = [this.#asked(id), this.#edits(id)];
    const { blob, name } = await fileOf(await request(at(id, "/list"), asJson(asked)));
    download(blob, name);
    for (const [photo, edit] of edits) markSaved(photo, edit);
  }

  /** Give the coloured film to the person, if the service still has it: a restart loses it. */
  async #download() {
    const id = this.#id;
    if (!id) return;
    const info = await this.#ask(id).catch((problem) => {
      if (problem.forgotten) return { id, shots: [] };
      throw problem;
    });
    this.#infos.set(id, info);
    if (info.render?.state !== "done")
      throw new Problem(
        "The coloured film is gone",
        "The program behind this page was restarted, or the film rested too long: colour it again.",
      );
    h("a", { href: $("#film-download").href, download: "" }).click();
    for (const photo of this.#shots(id)) markSaved(photo, photo.made);
  }

  /** @returns {[import("./photos.js").Photo, import("./photos.js").Edit][]} */
  #edits(id) {
    return this.#shots(id).map((photo) => [photo, photo.edit]);
  }

  async #guarded(work) {
    const told = $("#film-problem");
    told.hidden = true;
    try {
      await work();
    } catch (problem) {
      told.textContent = problem.detail || problem.message;
      told.hidden = false;
    }
    this.#show();
  }

  /** One model colours a film: the shots follow the one on the table. */
  #edited() {
    const { active } = this.studio;
    if (!active?.film) return;
    this.#showRender(this.#infos.get(active.film.id));
    const { model } = active.edit;
    for (const photo of this.#shots(active.film.id))
      if (photo !== active && photo.edit.model !== model) photo.change({ model });
  }

  #closed(photo) {
    if (!photo.film) return;
    const { id } = photo.film;
    const others = this.#shots(id);
    if (isAsked(photo.made ?? photo.edit))
      for (const other of others) if (other.film) other.film = { ...other.film, fewer: true };
    if (others.length) return;
    request(at(id), { method: "DELETE", keepalive: true }).catch(() => {});
    this.#infos.delete(id);
    drop(id);
  }

  #show() {
    const id = this.#id;
    document.body.toggleAttribute("data-film", Boolean(id));
    $("#film-work").hidden = !id;
    if (!id) return;
    const info = this.#infos.get(id);
    const count = this.#shots(id).length;
    $("#film-about").textContent =
      `${count === 1 ? "One shot" : `${count} shots`}. What you change on a frame holds through its shot.${
        info?.more ? ` ${info.more} more shots are coloured as the network sees them.` : ""
      }`;
    this.#showRender(info);
    if (!info || info.render?.state === "running" || info.render?.state === "waiting")
      this.#watch(id);
  }

  #showRender(info) {
    const render = info?.render;
    const shots = info ? this.#shots(info.id) : [];
    const coloured = shots.some(({ film }) => film?.fewer)
      ? "The film is coloured as it was asked before you removed a shot."
      : shots.some(({ made }) => !made)
        ? "The film was coloured earlier, perhaps with other settings: colour it again to be sure."
        : shots.every(({ made, edit }) => isEqual(made, edit))
          ? "The film is coloured."
          : "The film is coloured as it was asked before your last change.";
    const busy = render?.state === "running" || render?.state === "waiting";
    const total = Math.max(render?.total ?? 0, render?.done ?? 0);
    const bar = $("#film-progress");
    bar.hidden = !busy;
    bar.value = total ? render.done / total : 0;
    const texts = {
      waiting: "Waits until another film is coloured…",
      running: total
        ? `${render.done} of ${total} frames, ${(render.bytes / 1e6).toFixed(1)} MB`
        : "Beginning…",
      done: [coloured, ...(render?.notes ?? [])].join(" Note: "),
      cancelled: "Cancelled. What is coloured is kept, and the next time goes on from there.",
      failed: render?.problem ?? "",
    };
    report($("#film-state"), render ? texts[render.state] : "");
    $("#film-render").hidden = busy;
    $("#film-render").textContent = render?.state === "done" ? "Colour again" : "Colour the film";
    $("#film-render").className = render?.state === "done" ? "quiet" : "primary";
    $("#film-cancel").hidden = !busy;
    const link = $("#film-download");
    link.hidden = render?.state !== "done";
    if (info) link.href = new URL(`api/v1/${at(info.id, "/file")}`, document.baseURI).href;
  }

  /** Ask how far a film is, as long as it is being coloured; it goes on while the service is away. */
  async #watch(id) {
    if (this.#watched.has(id)) return;
    this.#watched.add(id);
    try {
      for (;;) {
        const info = await this.#ask(id).catch((problem) => {
          if (!isOffline(problem)) throw problem;
        });
        const state = info?.render?.state;
        if (id === this.#id) this.#showRender(this.#infos.get(id));
        else if (state === "done") announce("The film is coloured");
        if ((info && state !== "running" && state !== "waiting") || !this.#shots(id).length) break;
        await pause();
      }
    } catch {
      this.#infos.set(id, { id, shots: [] }); // the film comes again when it is asked for
    } finally {
      this.#watched.delete(id);
    }
  }
}

/** Whether an edit asks anything of a shot; the model is that of the whole film. */
function isAsked(edit) {
  return !isEqual({ ...edit, model: null }, { ...FIRST_EDIT, model: null });
}

/** Whether two edits ask the same; one that was kept is another object. */
function isEqual(one, other) {
  return one === other || JSON.stringify(one) === JSON.stringify(other);
}

/**
 * A file holds what was asked of a shot; what is not known to be in it stays unsaved.
 *
 * @param {import("./photos.js").Photo} photo
 * @param {import("./photos.js").Edit | null} edit
 */
function markSaved(photo, edit) {
  if (edit) photo.markSaved(isEqual(edit, photo.edit) ? photo.edit : edit);
}

/** @returns {Promise<IDBDatabase>} */
function open() {
  return new Promise((resolve, reject) => {
    const asked = indexedDB.open("koalarize-films", 1);
    asked.addEventListener("upgradeneeded", () =>
      asked.result.createObjectStore("films", { keyPath: "id" }),
    );
    asked.addEventListener("success", () => resolve(asked.result));
    asked.addEventListener("error", () => reject(asked.error));
  });
}

/**
 * Do something with the kept films; a private window may keep none, which costs only the reload.
 *
 * @param {IDBTransactionMode} mode
 * @param {(films: IDBObjectStore) => IDBRequest} work
 * @returns {Promise<any>}
 */
async function stored(mode, work) {
  try {
    const database = await open();
    return await new Promise((resolve, reject) => {
      const asked = work(database.transaction("films", mode).objectStore("films"));
      asked.addEventListener("success", () => resolve(asked.result));
      asked.addEventListener("error", () => reject(asked.error));
    });
  } catch {
    return null;
  }
}

const keep = (film) => stored("readwrite", (films) => films.put(film));
const keptOf = (id) => stored("readonly", (films) => films.get(id));
const drop = (id) => stored("readwrite", (films) => films.delete(id));
