/**
 * The film strip: every photo as a small picture, with what it waits for.
 *
 * Not here: the photo on the table. Photos that are not on the table get a small coloured picture
 * as well, one after another.
 */

import * as api from "./api.js";
import { $, h, icon } from "./dom.js";

const SIDE = 192; // of a small picture, pixels

export class Film {
  #tiles = new Map();
  #working = false;

  /**
   * `add()` asks for more photos.
   *
   * @param {HTMLElement} element
   * @param {import("./studio.js").Studio} studio
   * @param {{add: () => void}} commands
   */
  constructor(element, studio, { add }) {
    this.element = element;
    this.studio = studio;
    this.more = h(
      "button",
      {
        class: "tile add",
        type: "button",
        title: "Add photos",
        "aria-label": "Add photos",
        onclick: add,
      },
      icon("plus"),
    );
    this.element.append(this.more);
    this.element.addEventListener("keydown", (event) => this.#key(event));
    studio.addEventListener("photos", () => this.show());
    api.connection.addEventListener("online", () => this.#colourOthers());
  }

  show() {
    const { photos, active } = this.studio;
    this.element.classList.toggle("single", photos.length < 2);
    for (const [photo, tile] of this.#tiles) {
      if (!photos.includes(photo)) {
        tile.remove();
        this.#tiles.delete(photo);
      }
    }
    for (const photo of photos) {
      if (!this.#tiles.has(photo)) this.#add(photo);
      const tile = this.#tiles.get(photo);
      const button = tile.firstChild;
      button.setAttribute("aria-current", String(photo === active));
      // One stop for Tab, whatever the number of photos: arrow keys go along the strip.
      for (const part of tile.children) part.tabIndex = photo === active ? 0 : -1;
      tile.classList.toggle("waiting", !photo.info && !photo.failure);
      tile.classList.toggle("failed", Boolean(photo.failure));
      tile.classList.toggle("unsaved", photo.unsaved);
      const state = photo.failure ? ", cannot be used" : photo.unsaved ? ", unsaved changes" : "";
      button.setAttribute("aria-label", photo.title + state);
      if (photo === active) tile.scrollIntoView({ block: "nearest", inline: "nearest" });
    }
    this.#colourOthers();
  }

  /** Show this bitmap as the small picture of a photo. */
  picture(photo, bitmap) {
    const canvas = this.#tiles.get(photo)?.querySelector("canvas");
    if (!canvas || !bitmap) return;
    const scale = SIDE / Math.min(bitmap.width, bitmap.height);
    const [width, height] = [bitmap.width * scale, bitmap.height * scale];
    canvas
      .getContext("2d")
      .drawImage(bitmap, (SIDE - width) / 2, (SIDE - height) / 2, width, height);
    photo.hasTile = true;
    photo.tile = canvas;
  }

  #add(photo) {
    const remove = h(
      "button",
      {
        class: "remove",
        type: "button",
        "aria-label": `Remove ${photo.title}`,
        title: "Remove",
        onclick: () => this.#remove(photo),
      },
      icon("close"),
    );
    const button = h(
      "button",
      {
        class: "tile",
        type: "button",
        title: photo.title,
        onclick: () => this.studio.select(photo),
      },
      h("canvas", { width: SIDE, height: SIDE }),
    );
    const tile = h("div", { class: "tile-place" }, button, remove);
    this.#tiles.set(photo, tile);
    this.more.before(tile);
  }

  /** Arrow keys, Home and End on a small picture put another photo on the table. */
  #key(event) {
    const { photos, active } = this.studio;
    const at = photos.findIndex((photo) => photo === active);
    const next = { ArrowLeft: at - 1, ArrowRight: at + 1, Home: 0, End: photos.length - 1 }[
      event.key
    ];
    const isPlain = !(event.ctrlKey || event.altKey || event.metaKey || event.shiftKey);
    if (next === undefined || !isPlain || !event.target.closest(".tile-place")) return;
    event.preventDefault();
    if (!photos[next] || photos[next] === active) return;
    this.studio.select(photos[next]);
    this.#tiles.get(photos[next]).firstChild.focus({ preventScroll: true });
  }

  #remove(photo) {
    const sure =
      !photo.unsaved || confirm(`${photo.title} has unsaved changes. Remove it from the page?`);
    if (!sure) return;
    const focused = this.#tiles.get(photo)?.contains(document.activeElement);
    this.studio.remove(photo);
    if (!focused) return;
    const { photos, active } = this.studio;
    const next = photos.length > 1 ? this.#tiles.get(active).firstChild : $("#viewer");
    (active ? next : $("#choose")).focus();
  }

  /** The next photo without a small picture: the one nearest to the middle of what is in sight. */
  #next() {
    const { photos, active } = this.studio;
    const middle = this.element.scrollLeft + this.element.clientWidth / 2;
    const far = (photo) => {
      const { offsetLeft, offsetWidth } = this.#tiles.get(photo);
      return Math.abs(offsetLeft - this.element.offsetLeft + offsetWidth / 2 - middle);
    };
    const without = photos.filter(
      (photo) => photo.info && !photo.hasTile && photo !== active && this.#tiles.has(photo),
    );
    return without.sort((one, other) => far(one) - far(other))[0];
  }

  async #colourOthers() {
    if (this.#working) return;
    this.#working = true;
    try {
      for (;;) {
        const photo = this.#next();
        if (!photo) break;
        photo.hasTile = true; // one try: a failure shows when the photo is on the table
        const { edit } = photo;
        const values = { steering: this.studio.steering(photo), side: 320 };
        const asked = this.studio.tried(photo, (id) => api.preview(id, values));
        const bitmap = await asked.catch((problem) => {
          if (api.isOffline(problem)) photo.hasTile = false;
        });
        if (!photo.hasTile && !api.connection.online) break; // they come when the service is back
        if (photo.edit === edit) this.picture(photo, bitmap);
      }
    } finally {
      this.#working = false;
    }
  }
}
