/**
 * The dialog that copies what is asked of one photo to others.
 *
 * Not here: what belongs to one photo alone and stays with it: other colourings, crop and place.
 */

import { $, drawingOn, h } from "./dom.js";
import { photosIn } from "./history.js";

const SMALL = 80; // side of a small picture, pixels
const OWN = ["alternative", "crop", "turn", "straighten"]; // fields that mean something else on another photo

export class Copying {
  /** @type {import("./photos.js").Photo[]} */
  others = []; // those in the dialog

  /**
   * @param {import("./studio.js").Studio} studio
   * @param {{say: (text: string) => void, history: import("./history.js").History}} commands
   */
  constructor(studio, { say, history }) {
    this.studio = studio;
    this.say = say;
    this.history = history;
    /** @type {HTMLDialogElement} */
    this.dialog = $("#copy");
    /** @type {HTMLElement} */
    this.list = $("#copy-list");
    /** @type {HTMLInputElement} */
    this.all = $("#copy-all");
    /** @type {HTMLInputElement} */
    this.hints = $("#copy-hints");
    $("#copy-edits").addEventListener("click", () => this.#open());
    this.all.addEventListener("change", () => {
      for (const box of this.#boxes) box.checked = this.all.checked;
      this.#show();
    });
    this.list.addEventListener("change", () => this.#show());
    $("form", this.dialog).addEventListener("submit", (event) => {
      if (event.submitter?.id === "copy-now") this.#copy();
    });
    for (const name of ["photo", "photos"])
      studio.addEventListener(name, () => {
        $("#copy-edits").hidden = this.#usable.length === 0;
      });
  }

  /** @returns {HTMLInputElement[]} */
  get #boxes() {
    return [...this.list.querySelectorAll("input")];
  }

  /** The photos that it can be copied to. */
  get #usable() {
    const { photos, active } = this.studio;
    return photos.filter((photo) => photo !== active && !photo.failure);
  }

  #open() {
    const { current: active } = this.studio;
    const others = this.#usable;
    this.others = others;
    this.list.replaceChildren(
      ...others.map((photo) =>
        h(
          "label",
          { class: "check" },
          h("input", { type: "checkbox", checked: true }),
          smallOf(photo),
          photo.title,
        ),
      ),
    );
    $("#copy-hints-row").hidden = active.edit.hints.length === 0;
    this.hints.checked = false;
    this.#show();
    this.dialog.showModal();
  }

  #show() {
    const chosen = this.#boxes.filter(({ checked }) => checked).length;
    this.all.checked = chosen === this.others.length;
    this.all.indeterminate = chosen > 0 && !this.all.checked;
    $("#copy-now").disabled = chosen === 0;
    $("#copy-now").textContent = `Copy to ${photosIn({ length: chosen })}`;
  }

  async #copy() {
    const boxes = this.#boxes;
    const chosen = this.others.filter((_, index) => boxes[index].checked);
    const asked = { without: OWN, hints: this.hints.checked };
    const { current: source } = this.studio;
    const { edit } = source;
    /** @type {[import("./photos.js").Photo, import("./photos.js").Edit][]} */
    const copies = [];
    await Promise.all(
      chosen.map(async (photo) => {
        if (await this.studio.copyEdit(photo, asked)) copies.push([photo, photo.edit]);
      }),
    );
    this.history.copied(source, edit, copies);
    this.say(`Copied to ${photosIn(chosen)}; undo takes it back`);
  }
}

/** The small picture of a photo, as the film strip shows it now. */
function smallOf({ tile }) {
  const canvas = h("canvas", { width: SMALL, height: SMALL, "aria-hidden": "true" });
  if (tile) drawingOn(canvas).drawImage(tile, 0, 0, SMALL, SMALL);
  return canvas;
}
