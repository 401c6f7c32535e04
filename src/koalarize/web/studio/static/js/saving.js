/**
 * Saving: pictures at full size, sessions, and the guard against losing changes.
 *
 * Not here: what a file holds; the service renders it.
 */

import * as api from "./api.js";
import { $, announce, chooseFiles, download, h } from "./dom.js";

const PAIR = 1600; // longest side of each picture of a pair, pixels
const GAP = 16; // between them

export class Saving {
  /**
   * `say(text)` tells the person.
   *
   * @param {import("./studio.js").Studio} studio
   * @param {{say: (text: string) => void}} commands
   */
  constructor(studio, { say }) {
    this.studio = studio;
    this.say = say;
    /** @type {AbortController | null} */
    this.running = null;
    $("#cancel-save").addEventListener("click", () => this.running?.abort());
    this.menu = $("#save-menu");
    for (const button of this.menu.querySelectorAll("[data-format]")) {
      button.addEventListener("click", () =>
        this.#guarded(() => this.#picture(studio.active, button.dataset.format)),
      );
    }
    $("#save-pair").addEventListener("click", () => this.#guarded(() => this.#pair(studio.active)));
    $("#save-all").addEventListener("click", () => this.#guarded(() => this.#all()));
    $("#save-session").addEventListener("click", () => this.#guarded(() => this.#session()));
    $("#open-session").addEventListener("click", () => this.#chooseSession());
    $("#close-all").addEventListener("click", () => this.#closeAll());
    this.menu.addEventListener("toggle", () => {
      $("#save-problem").hidden = true;
      $("#save-all").hidden = studio.photos.length < 2;
      $("#save-all span").textContent = `${studio.photos.length} files, each in its own format`;
    });
    addEventListener("pagehide", () => {
      const ids = studio.photos.filter(({ info }) => info).map(({ info }) => info.id);
      if (ids.length) api.leave(ids);
    });
    addEventListener("beforeunload", (event) => {
      if (studio.photos.some((photo) => photo.unsaved)) event.preventDefault();
    });
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
      answer === "waiting" ? "Session ready. Now drop the photo it belongs to." : "Session opened.",
    );
  }

  async #guarded(work) {
    const button = $("#save");
    if (button.classList.contains("busy")) return;
    const problem = $("#save-problem");
    problem.hidden = true;
    button.classList.add("busy");
    button.setAttribute("aria-busy", "true");
    $("span", button).textContent = "Saving…";
    this.running = new AbortController();
    $("#cancel-save").hidden = false;
    announce("Saving");
    try {
      const name = await work();
      if (this.menu.matches(":popover-open")) this.menu.hidePopover();
      if (name) this.say(`Saved ${name}`);
    } catch (error) {
      if (error.name === "AbortError") this.say("Saving was cancelled");
      else {
        problem.textContent = error.detail || error.message;
        problem.hidden = false;
        this.menu.showPopover();
      }
    } finally {
      this.running = null;
      $("#cancel-save").hidden = true;
      button.classList.remove("busy");
      button.removeAttribute("aria-busy");
      $("span", button).textContent = "Save";
    }
  }

  async #picture(photo, format) {
    const { edit } = photo;
    const values = { steering: this.studio.steering(photo), format };
    const { blob, name } = await this.#tried(photo, (id) =>
      api.render(id, values, this.running?.signal),
    );
    download(blob, name);
    photo.markSaved(edit);
    return name;
  }

  /** Before and after side by side, at the size of a screen: to show, not to keep. */
  async #pair(photo) {
    const steering = this.studio.steering(photo);
    const signal = this.running?.signal;
    const show = (grey) =>
      this.#tried(photo, (id) => api.preview(id, { steering, side: PAIR, grey }, signal));
    const [before, after] = [await show(true), await show(false)];
    const tall = before.height > before.width; // tall photos beside, wide ones below each other
    const across = tall ? before.width + GAP : 0;
    const down = tall ? 0 : before.height + GAP;
    const canvas = h("canvas", {});
    [canvas.width, canvas.height] = [before.width + across, before.height + down];
    const context = canvas.getContext("2d");
    context.fillStyle = "#fff";
    context.fillRect(0, 0, canvas.width, canvas.height);
    context.drawImage(before, 0, 0);
    context.drawImage(after, across, down);
    const blob = await new Promise((resolve) => canvas.toBlob(resolve, "image/jpeg", 0.92));
    const name = `${photo.name.replace(/\.[^.]*$/, "")}.before-after.jpg`;
    download(blob, name);
    return name;
  }

  async #all() {
    const { photos } = this.studio;
    /** @type {string[]} */
    const failed = [];
    for (const photo of photos) {
      await photo.arrival;
      try {
        if (!photo.info) throw photo.failure ?? new Error("it was not uploaded");
        await this.#picture(photo, null);
      } catch (error) {
        if (error.name === "AbortError") throw error;
        failed.push(`${photo.name}: ${error.detail || error.message}`);
      }
    }
    if (failed.length) {
      const all = `${photos.length - failed.length} of ${photos.length} photos were saved. Not saved: `;
      throw new Error(all + failed.join("; "));
    }
    return `${photos.length} photos`;
  }

  async #session() {
    const photo = this.studio.active;
    const { edit } = photo;
    const steering = this.studio.steering(photo);
    const { blob, name } = await this.#tried(photo, (id) => api.session(id, steering));
    download(blob, name);
    photo.markSaved(edit);
    return name;
  }

  async #tried(photo, work) {
    try {
      return await work(photo.info.id);
    } catch (error) {
      if (!error.forgotten) throw error;
      await this.studio.ready(photo);
      return work(photo.info.id);
    }
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
