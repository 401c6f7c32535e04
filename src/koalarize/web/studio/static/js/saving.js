/**
 * Saving: pictures at full size, sessions, and the guard against losing changes.
 *
 * Not here: what a file holds; the service renders it.
 */

import * as api from "./api.js";
import { $, announce, chooseFiles, download } from "./dom.js";

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
    this.menu = $("#save-menu");
    for (const button of this.menu.querySelectorAll("[data-format]")) {
      button.addEventListener("click", () =>
        this.#guarded(() => this.#picture(studio.active, button.dataset.format)),
      );
    }
    $("#save-all").addEventListener("click", () => this.#guarded(() => this.#all()));
    $("#save-session").addEventListener("click", () => this.#guarded(() => this.#session()));
    $("#open-session").addEventListener("click", () => this.#chooseSession());
    this.menu.addEventListener("toggle", () => {
      $("#save-problem").hidden = true;
      $("#save-all").hidden = studio.photos.length < 2;
      $("#save-all span").textContent = `${studio.photos.length} files, each in its own format`;
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
    announce("Saving");
    try {
      const name = await work();
      if (this.menu.matches(":popover-open")) this.menu.hidePopover();
      if (name) this.say(`Saved ${name}`);
    } catch (error) {
      problem.textContent = error.detail || error.message;
      problem.hidden = false;
      this.menu.showPopover();
    } finally {
      button.classList.remove("busy");
      button.removeAttribute("aria-busy");
      $("span", button).textContent = "Save";
    }
  }

  async #picture(photo, format) {
    const { edit } = photo;
    const values = { steering: this.studio.steering(photo), format };
    const { blob, name } = await this.#tried(photo, (id) => api.render(id, values));
    download(blob, name);
    photo.markSaved(edit);
    return name;
  }

  async #all() {
    const { photos } = this.studio;
    for (const photo of photos) {
      await photo.arrival;
      if (photo.info) await this.#picture(photo, null);
    }
    return `${photos.filter(({ info }) => info).length} photos`;
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
