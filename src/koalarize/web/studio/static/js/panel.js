/**
 * The panel: colourings to choose from, the list of hints, reference picture, model.
 *
 * Not here: the photo itself, sliders and boxes (`controls.js`). On narrow screens the panel is a sheet at the bottom.
 */

import * as api from "./api.js";
import { Controls } from "./controls.js";
import { $, announce, capital, chooseFiles, debounce, drawingOn, h, icon } from "./dom.js";
import { FIRST_EDIT } from "./fields.js";
import { nameOfHint } from "./names.js";
import { Recolors } from "./recolors.js";

const THUMB = 192; // side of a colouring's small picture, pixels

export class Panel {
  /** @type {AbortController | null} */
  #request = null;
  /** @type {string | null} */
  #shown = null; // what the colourings were last asked for
  #later = debounce(() => this.#fetch(), 800);
  // Of the reference picture:
  #blamed = null; // the photo of whose one something is said
  ask = h(
    "button",
    { class: "drop-zone", type: "button", onclick: () => this.#choose() },
    icon("image"),
    h("span", {}, "Drop a colour picture here to carry its palette over"),
  );
  thumb = h("canvas", { width: 96, height: 96, role: "img" });
  palette = h("div", { class: "palette", "aria-hidden": "true" });
  name = h("span", { class: "file-name" });
  use = h("input", { type: "checkbox", role: "switch" });
  card = h("div", { class: "reference-card" });

  /**
   * `open(id)` opens the editor of a hint, `add()` places a new one.
   *
   * @param {import("./studio.js").Studio} studio
   * @param {{open: (id: number) => void, add: () => void}} commands
   */
  constructor(studio, { open, add }) {
    this.studio = studio;
    this.open = open;
    this.list = $("#hint-list");
    $("#add-hint").addEventListener("click", add);
    $("#clear-hints").addEventListener("click", () => {
      studio.current.change({ hints: [] });
      $("#add-hint").focus();
    });
    $("#reset-all").addEventListener("click", () => {
      const photo = studio.current;
      photo.setPending(null);
      photo.change({ ...FIRST_EDIT, model: photo.edit.model });
      $("#controls input").focus(); // the button itself goes
      announce("Everything is as it was at first; Undo brings it back");
    });
    this.controls = new Controls($("#controls"), studio);
    this.recolors = new Recolors(studio);
    this.#model();
    this.#reference();
    this.#sheet();
    studio.addEventListener("photo", () => this.show());
    studio.addEventListener("edit", () => {
      this.#later.cancel();
      this.#request?.abort(); // the photo itself comes first
      this.show();
    });
  }

  show() {
    const photo = this.studio.active;
    if (!photo) return;
    this.#placeholders(photo);
    this.controls.show(photo.edit);
    this.recolors.show(photo.edit);
    this.#showHints(photo);
    this.#showReference(photo);
    this.#showModel(photo);
    for (const button of $("#alternatives").querySelectorAll("button")) {
      button.setAttribute(
        "aria-pressed",
        String(Number(button.dataset.alternative) === photo.edit.alternative),
      );
    }
  }

  /** The photo's first colour is there: other colourings may be asked for. */
  settled() {
    this.#later();
  }

  /**
   * The service refuses what is asked: where it has not the model (a session's, or of another visit), its usual one
   * takes its place; where it has fewer colourings of the photo turned or restored otherwise, the likeliest that of
   * the one that was chosen. Resolves to what is said of that, or null.
   */
  async mend(photo) {
    const { edit } = photo;
    const { models } = this.studio;
    if (edit.model && models.length && !models.some(({ name }) => name === edit.model)) {
      photo.amend({ model: null, alternative: 0 });
      const detail = `“${this.studio.modelOf(photo).name}” colours this photo in its place. “koalarize serve --model” offers other models.`;
      return { title: `The model “${edit.model}” is not here`, detail };
    }
    if (!edit.alternative) return null;
    const values = { steering: { ...this.studio.steering(photo), alternative: 0 }, side: 16 };
    const asked = this.studio.tried(photo, (id) => api.alternatives(id, { ...values, count: 5 }));
    const found = await asked.catch(() => null);
    if (!found || photo.edit !== edit || edit.alternative < found.length) return null;
    photo.amend({ alternative: 0 });
    return {
      title: "The chosen colouring is no longer there",
      detail:
        "Turned or restored like this, the photo has fewer colourings. The likeliest is shown; undo brings the chosen one back.",
    };
  }

  #showHints(photo) {
    const { hints } = photo.edit;
    $("#no-hints").hidden = hints.length > 0;
    $("#clear-hints").hidden = hints.length === 0;
    const first = { ...FIRST_EDIT, model: photo.edit.model };
    $("#reset-all").hidden = JSON.stringify(photo.edit) === JSON.stringify(first);
    const accepts = this.studio.modelOf(photo)?.accepts_hints !== false;
    $("#add-hint").disabled = !accepts;
    const focused = /** @type {HTMLElement | null | undefined} */ (
      document.activeElement?.closest("#hint-list li")
    )?.dataset.id;
    this.list.replaceChildren(
      ...hints.map((hint, index) => {
        const name = nameOfHint(hint);
        const chip = h("span", { class: "chip" });
        chip.style.setProperty("background", hint.color);
        return h(
          "li",
          { "data-id": String(hint.id) },
          h(
            "button",
            {
              class: "hint-row",
              type: "button",
              "aria-label": `Hint ${index + 1}: ${name}`,
              onclick: () => this.open(hint.id),
            },
            chip,
            h("span", { class: "grow" }, name),
          ),
          h(
            "button",
            {
              class: "icon-button small",
              type: "button",
              title: "Delete",
              "aria-label": `Delete hint ${index + 1}, ${name}`,
              onclick: () => {
                photo.removeHint(hint.id);
                const rows = this.list.querySelectorAll(".hint-row");
                (rows[Math.min(index, rows.length - 1)] ?? $("#add-hint")).focus();
              },
            },
            icon("close"),
          ),
        );
      }),
    );
    if (focused)
      this.list.querySelector(`[data-id="${focused}"] button`)?.focus({ preventScroll: true });
  }

  #model() {
    $("#model").addEventListener("change", (event) =>
      this.studio.active?.change({ model: event.target.value, alternative: 0 }),
    );
  }

  #showModel(photo) {
    const select = $("#model");
    const { models } = this.studio;
    if (select.options.length !== models.length)
      select.replaceChildren(...models.map(({ name }) => h("option", { value: name }, name)));
    const model = this.studio.modelOf(photo);
    if (!model) return;
    select.value = model.name;
    $("#model-about").textContent = model.summary ?? "";
  }

  #reference() {
    const place = $("#reference");
    this.use.addEventListener("change", () => {
      const photo = this.studio.current;
      photo.change({ reference: this.use.checked ? photo.palette : null });
    });
    const drop = h(
      "button",
      {
        class: "icon-button small",
        type: "button",
        "aria-label": "Remove the reference picture",
        title: "Remove",
        onclick: () => this.#forget(),
      },
      icon("close"),
    );
    this.card.append(
      this.thumb,
      h(
        "div",
        { class: "grow" },
        h("div", { class: "reference-head" }, this.name, drop),
        this.palette,
        h("label", { class: "switch" }, this.use, "Use its palette"),
      ),
    );
    place.append(this.ask, this.card);
    place.addEventListener("dragover", (event) => {
      event.preventDefault();
      place.classList.add("over");
    });
    place.addEventListener("dragleave", () => place.classList.remove("over"));
    place.addEventListener("drop", (event) => {
      event.preventDefault();
      event.stopPropagation();
      place.classList.remove("over");
      document.dispatchEvent(new Event("dropped"));
      const [file] = event.dataTransfer.files;
      if (file) this.take(file);
    });
  }

  async #choose() {
    const [file] = await chooseFiles();
    if (file) await this.take(file);
  }

  /** Take a file as the reference picture. */
  async take(file) {
    const photo = this.studio.active;
    this.#complain("", photo);
    this.ask.classList.add("busy");
    try {
      const notes = await this.studio.setReference(file);
      this.#complain(notes.length ? capital(`${notes.join("; ")}.`) : "", photo);
    } catch (error) {
      this.#complain(error.detail || error.message, photo);
    } finally {
      this.ask.classList.remove("busy");
    }
  }

  /** Say what is wrong with a photo's reference picture, as long as that photo is on the table. */
  #complain(text, photo) {
    const problem = $("#reference-problem");
    problem.textContent = text;
    problem.hidden = !text || photo !== this.studio.active;
    this.#blamed = photo;
  }

  #forget() {
    const photo = this.studio.current;
    this.#complain("", photo);
    photo.palette = null;
    photo.eyePicture = null;
    photo.change({ reference: null });
    this.ask.focus();
  }

  #showReference(photo) {
    if (photo !== this.#blamed) this.#complain("", photo);
    const palette = photo.edit.reference ?? photo.palette;
    this.ask.hidden = Boolean(palette);
    this.card.hidden = !palette;
    if (!palette) return;
    this.name.textContent = palette.name;
    this.use.checked = Boolean(photo.edit.reference);
    this.palette.replaceChildren(
      ...(palette.swatches ?? []).map((color) => h("span", { style: { background: color } })),
    );
    const bitmap = this.studio.pictures.get(palette.sha256);
    this.thumb.hidden = !bitmap;
    if (!bitmap) return;
    this.thumb.setAttribute("aria-label", `Reference picture ${palette.name}`);
    const scale = 96 / Math.min(bitmap.width, bitmap.height);
    const [width, height] = [bitmap.width * scale, bitmap.height * scale];
    drawingOn(this.thumb).drawImage(bitmap, (96 - width) / 2, (96 - height) / 2, width, height);
  }

  /** Hold the room of a photo's colourings from the start, so that nothing below them jumps. */
  #placeholders(photo) {
    if (this.photo === photo) return;
    this.photo = photo;
    this.#shown = null;
    $("#colourings").hidden = this.studio.modelOf(photo)?.suggests === false;
    $("#alternatives").replaceChildren(
      ...Array.from({ length: 6 }, () => h("span", { class: "colouring loading" })),
    );
    if (photo.info && photo.pictures.edit === photo.edit) this.settled(); // no preview comes
  }

  async #fetch() {
    const photo = this.studio.active;
    if (!photo?.info) return;
    const model = this.studio.modelOf(photo);
    $("#colourings").hidden = model?.suggests === false;
    if (model?.suggests === false) return;
    const steering = { ...this.studio.steering(photo), alternative: 0 };
    const asked = photo.key + JSON.stringify(steering);
    if (asked === this.#shown) return;
    this.#request?.abort();
    const request = (this.#request = new AbortController());
    const place = $("#alternatives");
    const problem = $("#alternatives-problem");
    try {
      const values = { steering, count: 5, side: THUMB };
      const found = await this.studio.tried(photo, (id) =>
        api.alternatives(id, values, request.signal),
      );
      if (photo !== this.studio.active) return;
      this.#shown = asked;
      problem.hidden = true;
      this.#showAlternatives(found);
    } catch (error) {
      if (error.name === "AbortError" || error.offline || error.forgotten) return;
      place.replaceChildren();
      problem.textContent = error.detail || error.message;
      problem.hidden = false;
    }
  }

  #showAlternatives(found) {
    $("#alternatives").replaceChildren(
      ...found.map(({ alternative, preview }) => {
        const label =
          alternative === 0 ? "The likeliest colouring" : `Another colouring, ${alternative}`;
        const picture = h("img", { src: preview, alt: "", draggable: "false" });
        return h(
          "button",
          {
            class: "colouring",
            type: "button",
            title: label,
            "aria-label": label,
            "data-alternative": String(alternative),
            onclick: () => this.studio.current.change({ alternative }),
          },
          picture,
        );
      }),
    );
    this.show();
  }

  #sheet() {
    const handle = $("#sheet-handle");
    handle.addEventListener("click", () => {
      const open = $("#panel").classList.toggle("open");
      handle.setAttribute("aria-expanded", String(open));
    });
  }
}
