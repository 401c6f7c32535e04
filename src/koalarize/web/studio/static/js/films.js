/**
 * Films: one that is opened becomes a strip of its shots, each steered by one frame as a photo is.
 *
 * Not here: the photos themselves (`studio.js`), the files of films in this browser (`kept-films.js`). The
 * service finds the shots and colours the film.
 */

import { asJson, connection, fileOf, isOffline, leave, Problem, request } from "./api.js";
import { $, announce, download, h, report } from "./dom.js";
import { isAsked, isBusy, isEqual, Pace, wordsOf } from "./film-progress.js";
import { drop, keep, keptOf, noRoom } from "./kept-films.js";

const POLL = 600; // milliseconds between two questions how far it is
const ENDINGS =
  /\.(mp4|m4v|mov|qt|mkv|webm|avi|ts|m2ts|mts|m2t|trp|mod|tod|mpe?g|mpe|m1v|m2v|vob|wmv|asf|flv|f4v|3gp|3g2|ogv|dv|mxf|rm|divx|y4m|nut|mj2|h26[45]|26[45]|hevc)$/i;

/** What a file chooser offers as films. */
export const FILM_KINDS = "video/*,.mkv,.mts,.m2ts,.m2t,.mod,.tod,.dv,.mxf,.h264,.264,.hevc";

/** Whether a file is taken for a film. */
export function isFilm(file) {
  return Boolean(file.type?.startsWith("video/")) || ENDINGS.test(file.name ?? "");
}

const LOST = "The program behind this page was started again meanwhile: colour the film again.";

const at = (id, what = "") => `films/${encodeURIComponent(id)}${what}`;

/**
 * Rest between two questions, unless what they are for was cancelled.
 *
 * @param {AbortSignal | null} signal
 */
async function pause(signal = null) {
  await new Promise((resolve) => setTimeout(resolve, POLL));
  signal?.throwIfAborted();
}

export class Films {
  /** @type {Map<string, any>} what the service says of each film, by its id */
  #infos = new Map();
  #pace = new Pace();
  /** @type {Set<string>} films that are asked about */
  #watched = new Set();
  /** @type {AbortController | null} */
  #coming = null; // ends the way of a film to the page
  /** @type {Promise<unknown>} */
  #turn = Promise.resolve(); // films come one after the other

  /**
   * `isBusy()` tells whether a person is about to do something at the photo on the table.
   *
   * @param {import("./studio.js").Studio} studio
   * @param {{complain: (problem: any) => void, say: (text: string) => void, isBusy: () => boolean}} commands
   */
  constructor(studio, { complain, say, isBusy: isAtWork }) {
    this.studio = studio;
    this.complain = complain;
    this.say = say;
    this.isAtWork = isAtWork;
    $("#film-render").addEventListener("click", () => this.#guarded(() => this.#render()));
    $("#film-cancel").addEventListener("click", () =>
      this.#guarded(() => request(at(this.#id, "/render"), { method: "DELETE" })),
    );
    $("#film-give-up").addEventListener("click", () => this.#coming?.abort());
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

  /**
   * Open films, each once those before it are here. The first comes on the table, unless it is to come `aside`, or a
   * person does something else until it is here.
   *
   * @param {File[]} files
   * @param {{aside?: boolean}} options
   */
  open(files, { aside = false } = {}) {
    const { active } = this.studio;
    const edit = active?.edit;
    const isFree = () =>
      !aside && this.studio.active === active && active?.edit === edit && !this.isAtWork();
    for (const file of files) this.#turn = this.#turn.then(() => this.#open(file, isFree));
    return this.#turn;
  }

  /** Give a film to the service, and put those of its shots that are not there on the strip. */
  async #open(file, isFree) {
    try {
      await this.#cancellable((signal) => this.#insisting(file, { signal, isFree }));
    } catch (problem) {
      if (problem.name === "AbortError") announce(`${file.name} was cancelled`);
      else this.complain(problem);
    }
  }

  /** Begin again where the service went away meanwhile, and with it what it had of the film. */
  async #insisting(file, way) {
    const { signal } = way;
    for (let forgotten = 0; ;) {
      try {
        return await this.#placed(file, way);
      } catch (problem) {
        forgotten += Number(Boolean(problem.forgotten));
        if (!isOffline(problem) && (!problem.forgotten || forgotten > 1)) throw problem;
        this.#arriving(`${file.name} waits until koalarize answers again…`);
        while (isOffline(problem) && !connection.online) await pause(signal);
      }
    }
  }

  async #placed(file, { signal, isFree }) {
    const info = await this.#upload(file, signal);
    const there = this.#shots(info.id);
    const numbers = new Set(there.map(({ film }) => film?.number));
    const missing = info.shots.filter(({ number }) => !numbers.has(number));
    if (!missing.length) return isFree() && this.studio.select(there[0]);
    const pictures = [];
    for (const { number } of missing) {
      this.#arriving(`Fetching shot ${number + 1} of ${info.shots.length}…`);
      const asked = request(at(info.id, `/shots/${number}/frame`), { signal });
      const blob = await (await asked).blob();
      const name = `${file.name.replace(/\.[^.]+$/, "")}, shot ${number + 1}.png`;
      pictures.push(new File([blob], name, { type: "image/png" }));
    }
    keep({ id: info.id, file, name: file.name }).then(
      (found) => found || this.complain(noRoom(file)),
    );
    const films = missing.map(({ number, time }) => ({ id: info.id, number, time }));
    const aside = !isFree();
    const added = this.studio.addShots(pictures, films, { aside });
    const model = there[0]?.edit.model; // one colours the film
    if (model) for (const photo of added) photo.amend({ model });
    const more = info.more ? `; ${info.more} more are coloured as the network sees them` : "";
    const count = info.shots.length === 1 ? "1 shot" : `${info.shots.length} shots`;
    const told = `${file.name}: ${count}${more}`;
    if (aside) this.say(`${told}, in the film strip`);
    else announce(told);
    return this.#show();
  }

  /** Do what brings a film here, until it is done or a person cancels it; the service then lets it go. */
  async #cancellable(work) {
    const coming = (this.#coming = new AbortController());
    try {
      return await work(coming.signal);
    } finally {
      const focused = document.activeElement === $("#film-give-up");
      if (this.#coming === coming) this.#arriving("");
      if (focused) $(this.studio.active ? "#viewer" : "#choose").focus();
    }
  }

  async #upload(file, signal) {
    this.#arriving(`Uploading ${file.name}…`);
    const headers = { "Content-Type": "application/octet-stream" };
    const body = { method: "POST", body: file, headers, signal };
    const path = `films?name=${encodeURIComponent(file.name)}`;
    const answer = await request(path, body, (share) =>
      this.#arriving(`Uploading ${file.name}… ${Math.floor(100 * share)} %`),
    );
    let info = await answer.json();
    const { id } = info;
    // What is cancelled is of no use to anybody, unless its shots are on the strip.
    signal.addEventListener("abort", () => this.#shots(id).length || this.#letGo(id));
    signal.throwIfAborted();
    while (info.state === "looking") {
      const of = info.frames ? ` of about ${info.frames}` : "";
      this.#arriving(`Looking for shots… ${info.seen}${of} frames`);
      await pause(signal);
      info = await this.#ask(id);
    }
    this.#arriving("");
    if (info.state === "failed") throw new Problem("This film cannot be used", info.problem);
    this.#infos.set(info.id, info);
    return info;
  }

  /** A film is of no more use to this page. */
  #letGo(id) {
    request(at(id), { method: "DELETE", keepalive: true }).catch(() => {});
    this.#infos.delete(id);
    drop(id);
  }

  async #ask(id) {
    const info = await (await request(at(id))).json();
    this.#infos.set(id, info);
    return info;
  }

  /** Say how far a film is on its way to the page. */
  #arriving(text) {
    report($("#film-arriving span"), text);
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
      const file = new File([kept.file], kept.name);
      return this.#cancellable((signal) => this.#upload(file, signal));
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
      told.hidden = problem.name === "AbortError";
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
    if (!others.length) this.#letGo(id);
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
    if (!info || isBusy(info.render)) this.#watch(id);
  }

  #showRender(info) {
    const render = info?.render;
    const shots = info ? this.#shots(info.id) : [];
    const busy = isBusy(render);
    const total = Math.max(render?.total ?? 0, render?.done ?? 0);
    const bar = $("#film-progress");
    bar.hidden = !busy;
    bar.value = total ? render.done / total : 0;
    report($("#film-state"), wordsOf(render, shots, this.#pace.left(info?.id, render)));
    $("#film-render").hidden = busy;
    $("#film-render").textContent = render?.state === "done" ? "Colour again" : "Colour the film";
    $("#film-render").className = render?.state === "done" ? "quiet" : "primary";
    $("#film-cancel").hidden = !busy;
    const link = $("#film-download");
    link.hidden = render?.state !== "done";
    if (info) link.href = new URL(`api/v1/${at(info.id, "/file")}`, document.baseURI).href;
  }

  /** A film has come to an end while a person works on something else. */
  #tellAside({ name, render }) {
    if (render?.state === "done") this.say(`${name} is coloured: download it at one of its frames`);
    if (render?.state === "failed")
      this.complain(new Problem(`${name} was not coloured`, render.problem ?? ""));
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
        if (id === this.#id) this.#showRender(this.#infos.get(id));
        else if (info) this.#tellAside(info);
        if ((info && !isBusy(info.render)) || !this.#shots(id).length) break;
        await pause();
      }
    } catch {
      // The film comes again when it is asked for.
      const lost = isBusy(this.#infos.get(id)?.render) && { state: "failed", problem: LOST };
      this.#infos.set(id, { id, shots: [], ...(lost ? { render: lost } : {}) });
      if (id === this.#id) this.#showRender(this.#infos.get(id));
    } finally {
      this.#watched.delete(id);
    }
  }
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
