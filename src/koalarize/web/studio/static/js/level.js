/**
 * The bar that straightens a photo: a slider in tenths of a degree, over a grid of level lines.
 *
 * Not here: where hints and crop go (`photos.js`), the turned pixels (the service's). While the slider
 * is dragged the page turns what it shows, and fires "tilt" with the degrees that are still to come; "lost" with a
 * sentence tells of hints that are left out.
 */

import { $, fillTrack, onDetail } from "./dom.js";
import { FIELDS } from "./fields.js";

const SETTLE = 350; // milliseconds a slider rests, moved by keys, before the photo is asked for

export class Level extends EventTarget {
  #timer = 0;
  /** @type {import("./photos.js").Edit | null} */
  #start = null; // the edit whose hints and crop are moved
  /** @type {import("./photos.js").Edit | null} */
  #made = null; // the edit that came of it
  /** @type {import("./photos.js").Photo | null} */
  #photo = null; // the one that is straightened, on the table or not

  /**
   * @param {import("./studio.js").Studio} studio
   * @param {import("./viewer.js").KoalaViewer} viewer
   */
  constructor(studio, viewer) {
    super();
    this.studio = studio;
    this.viewer = viewer;
    /** @type {HTMLElement} */
    this.bar = $("#level-bar");
    /** @type {HTMLElement} */
    this.grid = $("#level-grid");
    /** @type {HTMLInputElement} */
    this.input = $("#straighten");
    const { minimum = 0, maximum = 0, description = "" } = FIELDS.straighten;
    Object.assign(this.input, { min: minimum, max: maximum, step: 0.1, title: description });
    this.input.addEventListener("input", () => this.#turn());
    this.input.addEventListener("change", () => this.#later());
    this.input.addEventListener("dblclick", () => this.#set(0));
    $("#level-reset").addEventListener("click", () => this.#set(0));
    $("#level-done").addEventListener("click", () => this.close());
    this.bar.addEventListener("keydown", (event) => {
      if (event.key !== "Escape") return;
      event.stopPropagation();
      this.close();
    });
    viewer.addEventListener("view", () => this.#placeGrid());
    studio.addEventListener("photo", () => this.close());
    onDetail(studio, "edit", () => this.open && !this.#timer && this.#show());
  }

  get open() {
    return !this.bar.hidden;
  }

  /** Begin to straighten, or end it. */
  toggle() {
    if (this.open) return this.close();
    this.viewer.fit();
    this.bar.hidden = this.grid.hidden = false;
    // Of the same photo, hints that were left out come back though the bar was closed.
    if (this.#photo !== this.studio.active) this.#start = this.#made = null;
    this.#photo = this.studio.active;
    document.body.classList.add("leveling");
    $("#level").setAttribute("aria-pressed", "true");
    this.#show();
    this.#placeGrid();
    return this.input.focus({ preventScroll: true });
  }

  close() {
    if (!this.open) return;
    this.#settle();
    if (this.bar.contains(document.activeElement)) $("#level").focus();
    this.bar.hidden = this.grid.hidden = true;
    document.body.classList.remove("leveling");
    $("#level").setAttribute("aria-pressed", "false");
  }

  #show() {
    this.input.value = String(this.#photo?.edit.straighten ?? 0);
    this.#label();
  }

  #label() {
    const degrees = Number(this.input.value);
    const size = Math.abs(degrees).toFixed(1);
    $("#level-bar output").textContent = `${degrees < 0 ? "−" : ""}${size}°`;
    const way = degrees < 0 ? "counterclockwise" : "clockwise";
    this.input.setAttribute("aria-valuetext", degrees ? `${size} degrees ${way}` : "not turned");
    fillTrack(this.input, 0);
  }

  #set(degrees) {
    this.input.value = String(degrees);
    this.#turn();
    this.#settle();
  }

  #turn() {
    const photo = this.#photo;
    if (!photo) return;
    this.#label();
    this.#tell(Number(this.input.value) - photo.edit.straighten);
    this.#later();
  }

  #later() {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#settle(), SETTLE);
  }

  /** Ask for the photo as it is turned now; it may have left the table. */
  #settle() {
    clearTimeout(this.#timer);
    this.#timer = 0;
    const photo = this.#photo;
    const degrees = Number(this.input.value);
    this.#tell(0);
    if (!photo?.info || degrees === photo.edit.straighten) return;
    if (!this.#start || this.#made !== photo.edit) this.#start = photo.edit;
    const lost = photo.straighten(degrees, this.#start);
    this.#made = photo.edit;
    photo.hasTile = false; // away from the table nothing else draws it
    if (lost) {
      const hints = lost === 1 ? "A hint lies" : `${lost} hints lie`;
      const detail = `${hints} outside now: left out until the photo is turned back`;
      this.dispatchEvent(new CustomEvent("lost", { detail }));
    }
  }

  /** The grid lies over the part of the photo that is in sight. */
  #placeGrid() {
    if (!this.open) return;
    const [left, top, right, bottom] = this.viewer.view.screenRect;
    const place = { left, top, width: right - left, height: bottom - top };
    for (const [side, value] of Object.entries(place))
      this.grid.style.setProperty(side, `${Math.max(0, value)}px`);
  }

  #tell(degrees) {
    this.dispatchEvent(new CustomEvent("tilt", { detail: degrees }));
  }
}
