/**
 * Saving: pictures at full size, sessions, and the guard against losing changes.
 *
 * Not here: what a file holds; the service renders it.
 */

import * as api from "./api.js";
import { $, announce, chooseFiles, download } from "./dom.js";
import { FIRST_EDIT } from "./fields.js";
import { pairOf, SIDE, sliderOf } from "./sharing.js";
import { Zip } from "./zip.js";

/**
 * Give a file to the person, unless it was cancelled meanwhile.
 *
 * @param {Blob} blob
 * @param {string} name
 * @param {AbortSignal} signal
 */
function give(blob, name, signal) {
  signal.throwIfAborted();
  download(blob, name);
}

/** A picture holds what was asked of a photo; that of a frame holds nothing of its film. */
function hold(photo, edit) {
  if (!photo.film) photo.markSaved(edit);
}

/** Whether a session of a photo says anything; the shots of a film have their list. */
function isSteered({ edit, film }) {
  return !film && JSON.stringify(edit) !== JSON.stringify(FIRST_EDIT);
}

/** @returns {Promise<never>} that is rejected when it is cancelled */
function cancelled(signal) {
  return new Promise((_, reject) => {
    signal.addEventListener("abort", () => reject(signal.reason), { once: true });
  });
}

export class Saving {
  /**
   * `say(text)` tells the person in passing, `complain(problem)` until it is put away.
   *
   * @param {import("./studio.js").Studio} studio
   * @param {{say: (text: string) => void, complain: (problem: any) => void}} commands
   */
  constructor(studio, { say, complain }) {
    this.studio = studio;
    this.say = say;
    this.complain = complain;
    /** @type {AbortController | null} */
    this.running = null;
    $("#cancel-save").addEventListener("click", () => this.running?.abort());
    this.menu = $("#save-menu");
    for (const button of this.menu.querySelectorAll("[data-format]")) {
      button.addEventListener("click", () =>
        this.#guarded((signal) => this.#picture(studio.active, button.dataset.format, signal)),
      );
    }
    const share = (ending, make) =>
      this.#guarded((signal) => this.#shared(studio.active, { ending, make, signal }));
    $("#save-pair").addEventListener("click", () => share("jpg", pairOf));
    $("#save-slider").addEventListener("click", () => share("html", sliderOf));
    const all = (format) => this.#guarded((signal) => this.#all(format, signal));
    $("#save-all").addEventListener("click", () => all(null));
    $("#save-all-jpeg").addEventListener("click", () => all("jpeg"));
    $("#save-sessions").addEventListener("click", () =>
      this.#guarded((signal) => this.#sessions(signal)),
    );
    $("#save-session").addEventListener("click", () =>
      this.#guarded((signal) => this.#session(signal)),
    );
    $("#open-session").addEventListener("click", () => this.#chooseSession());
    $("#close-all").addEventListener("click", () => this.#closeAll());
    this.menu.addEventListener("toggle", () => this.#show());
    addEventListener("pagehide", () => {
      const ids = studio.photos.flatMap(({ info }) => (info ? [info.id] : []));
      if (ids.length) api.leave(ids);
    });
    addEventListener("beforeunload", (event) => {
      if (studio.photos.some((photo) => photo.unsaved)) event.preventDefault();
    });
  }

  /** Offer what there is to save now. */
  #show() {
    const { photos } = this.studio;
    const steered = photos.filter(isSteered).length;
    $("#save-problem").hidden = true;
    $("#save-all").hidden = photos.length < 2;
    $("#save-all span").textContent =
      `${photos.length} photos in one ZIP file, each in its own format`;
    $("#save-all-jpeg").hidden =
      photos.length < 2 || photos.every(({ info }) => !info || info.format === "JPEG");
    $("#save-sessions").hidden = steered < 2;
    $("#save-sessions span").textContent = `of ${steered} photos, in one ZIP file`;
  }

  /** Show the ways to save. */
  open() {
    this.menu.showPopover();
    this.menu.querySelector("button").focus();
  }

  /** Continue the session in a file. */
  async openSession(file) {
    const answer = await this.studio.openSession(await file.text());
    this.say(
      answer === "waiting" ? "Session ready. Now open the photo it belongs to." : "Session opened.",
    );
  }

  /** Do `work(signal)` as what is being saved; cancelled, it is given up wherever it waits. */
  async #guarded(work) {
    const button = $("#save");
    if (button.classList.contains("busy")) return;
    const problem = $("#save-problem");
    problem.hidden = true;
    button.classList.add("busy");
    button.setAttribute("aria-busy", "true");
    $("span", button).textContent = "Saving…";
    const { signal } = (this.running = new AbortController());
    $("#cancel-save").hidden = false;
    announce("Saving");
    try {
      const name = await Promise.race([work(signal), cancelled(signal)]);
      if (this.menu.matches(":popover-open")) this.menu.hidePopover();
      if (name) this.say(`Saved ${name}`);
    } catch (error) {
      if (error.name === "AbortError") this.say("Saving was cancelled");
      else {
        problem.textContent = error.detail || error.message;
        problem.hidden = false;
        this.menu.showPopover();
        problem.scrollIntoView({ block: "nearest" });
      }
    } finally {
      this.running = null;
      $("#cancel-save").hidden = true;
      button.classList.remove("busy");
      button.removeAttribute("aria-busy");
      $("span", button).textContent = "Save";
    }
  }

  async #picture(photo, format, signal) {
    const { edit } = photo;
    const { blob, name, notes } = await this.#rendered(photo, format, signal);
    give(blob, name, signal);
    hold(photo, edit);
    this.#noted(notes.map((note) => `${name}: ${note}`));
    return name;
  }

  /** Say what of the photos is not in their files. */
  #noted(notes) {
    if (notes.length)
      this.complain({ title: "Saved, but not all of it", detail: notes.join("\n") });
  }

  /** The full-size file, by the photo's own name: the service has one for all uploads of its bytes. */
  async #rendered(photo, format, signal) {
    const values = { steering: this.studio.steering(photo), format };
    const made = await this.studio.tried(photo, (id) => api.render(id, values, signal));
    const ending = made.name.slice(made.name.lastIndexOf("."));
    return { ...made, name: `${photo.stem}.color${ending}` };
  }

  /** Before and after in one file, at the size of a screen: to show, not to keep. */
  async #shared(photo, { ending, make, signal }) {
    const steering = this.studio.steering(photo);
    const show = (grey) =>
      this.studio.tried(photo, (id) => api.preview(id, { steering, side: SIDE, grey }, signal));
    const [before, after] = [await show(true), await show(false)];
    const name = `${photo.name.replace(/\.[^.]*$/, "")}.before-after.${ending}`;
    give(await make(before, after, photo.title), name, signal);
    return name;
  }

  /** All photos in one ZIP, each in its own format or all in one; those that fail are named, the others saved. */
  async #all(format, signal) {
    const { photos } = this.studio;
    const zip = new Zip();
    /** @type {string[]} */
    const failed = [];
    /** @type {string[]} */
    const lacking = [];
    /** @type {[import("./photos.js").Photo, any][]} */
    const done = [];
    for (const [index, photo] of photos.entries()) {
      await photo.arrival;
      signal.throwIfAborted();
      $("#save span").textContent = `Saving ${index + 1} of ${photos.length}…`;
      const { edit } = photo;
      try {
        if (!photo.info) throw photo.failure ?? new Error("it was not uploaded");
        const { blob, name, notes } = await this.#rendered(photo, format, signal);
        await zip.add(blob, name);
        lacking.push(...notes.map((note) => `${name}: ${note}`));
        done.push([photo, edit]);
      } catch (error) {
        if (error.name === "AbortError") throw error;
        failed.push(`${photo.title}: ${error.detail || error.message}`);
      }
    }
    if (zip.count) give(zip.blob(), "koalarize.zip", signal);
    for (const [photo, edit] of done) hold(photo, edit);
    this.#held();
    this.#noted(lacking);
    if (failed.length) {
      const all = `${zip.count} of ${photos.length} photos are in the ZIP file. Not saved:`;
      throw new Error([all, ...failed].join("\n"));
    }
    return `${photos.length} photos in koalarize.zip`;
  }

  /** Files hold photos that are not on the table as well: the page shows it on each. */
  #held() {
    this.studio.dispatchEvent(new CustomEvent("photos"));
  }

  async #session(signal) {
    const photo = this.studio.current;
    const { edit } = photo;
    const { blob, name } = await this.#sessionOf(photo, signal);
    give(blob, name, signal);
    photo.markSaved(edit);
    return name;
  }

  async #sessionOf(photo, signal) {
    const steering = this.studio.steering(photo);
    const { blob } = await this.studio.tried(photo, (id) => api.session(id, steering, signal));
    return { blob, name: `${photo.stem}.koalarize.json` };
  }

  /** The sessions of all photos that a person changed, in one ZIP; those that fail are named, the others saved. */
  async #sessions(signal) {
    const zip = new Zip();
    const steered = this.studio.photos.filter(isSteered);
    /** @type {string[]} */
    const failed = [];
    /** @type {[import("./photos.js").Photo, any][]} */
    const done = [];
    for (const photo of steered) {
      await photo.arrival;
      signal.throwIfAborted();
      const { edit } = photo;
      try {
        if (!photo.info) throw photo.failure ?? new Error("it was not uploaded");
        const { blob, name } = await this.#sessionOf(photo, signal);
        await zip.add(blob, name);
        done.push([photo, edit]);
      } catch (error) {
        if (error.name === "AbortError") throw error;
        failed.push(`${photo.title}: ${error.detail || error.message}`);
      }
    }
    if (zip.count) give(zip.blob(), "koalarize-sessions.zip", signal);
    for (const [photo, edit] of done) photo.markSaved(edit);
    this.#held();
    if (failed.length) {
      const all = `${zip.count} of ${steered.length} sessions are in the ZIP file. Not saved:`;
      throw new Error([all, ...failed].join("\n"));
    }
    return `${steered.length} sessions in koalarize-sessions.zip`;
  }

  #closeAll() {
    const unsaved = this.studio.photos.some((photo) => photo.unsaved);
    if (unsaved && !confirm("There are changes that no file holds yet. Close all photos?")) return;
    this.menu.hidePopover();
    this.studio.clear();
  }

  async #chooseSession() {
    const [file] = await chooseFiles({ accept: ".json,application/json" });
    if (!file) return;
    const problem = $("#save-problem");
    try {
      await this.openSession(file);
      this.menu.hidePopover();
    } catch (error) {
      problem.textContent = error.detail || error.message;
      problem.hidden = false;
    }
  }
}
