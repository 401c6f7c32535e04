/**
 * The table: the photo, its hints and the editor at a hint, working together.
 *
 * Not here: the panel beside it and the film strip.
 */

import * as api from "./api.js";
import { $, announce, onDetail } from "./dom.js";
import "./crop-frame.js";
import { FIELDS } from "./fields.js";
import "./hint-editor.js";
import "./hint-layer.js";
import { Level } from "./level.js";
import "./viewer.js";

export class Table {
  /** @type {AbortController | null} */
  #asked = null; // of the newest suggestions
  #pose = ""; // of the photo as it is shown
  /** @type {import("./photos.js").Hint | null} */
  #shown = null; // the open hint as it was last
  /** @type {number | null} */
  #unanswered = null; // the hint whose suggestions did not come, since the service was away
  /** @type {{x: number, y: number, answer: Promise<any>} | null} */
  #early = null; // suggestions asked for before it was known that a click is no double click

  /** @param {import("./studio.js").Studio} studio */
  constructor(studio) {
    this.studio = studio;
    /** @type {import("./viewer.js").KoalaViewer} */
    this.viewer = $("#viewer");
    /** @type {import("./hint-layer.js").HintLayer} */
    this.layer = $("#hints");
    /** @type {import("./hint-editor.js").HintEditor} */
    this.editor = $("#editor");
    /** @type {import("./crop-frame.js").CropFrame} */
    this.frame = $("#crop-frame");
    /** @type {HTMLElement} */
    this.stage = $("#stage");
    this.level = new Level(studio, this.viewer);
    this.#viewerEvents();
    this.#hintEvents();
    this.#cropEvents();
    studio.addEventListener("photo", () => this.show());
    addEventListener("keydown", (event) => {
      if (event.key !== "Escape" || document.querySelector(":popover-open, dialog[open]")) return;
      this.leave();
    });
    studio.addEventListener("edit", () => {
      if (studio.active?.info && JSON.stringify(studio.active.pose) !== this.#pose) this.show();
      else this.#showHints();
    });
    studio.addEventListener("pending", () => this.#showHints());
    api.connection.addEventListener("online", () => {
      const open = studio.active?.hints.find(({ id }) => id === this.#unanswered);
      if (open && this.editor.hintId === open.id) this.#suggest(open);
    });
  }

  show() {
    const photo = this.studio.active;
    this.editor.close();
    this.#endCrop();
    if (!photo?.info) return this.layer.show([], this.viewer.view);
    this.#pose = JSON.stringify(photo.pose);
    this.viewer.setPhoto(photo.width, photo.height, photo.view);
    photo.view = this.viewer.view;
    return this.#showHints();
  }

  /** Put a hint in the middle of what is in sight, to be moved and opened by keyboard. */
  addHint() {
    const photo = this.studio.active;
    if (!photo?.info || !this.#accepts() || this.#isFull(photo)) return;
    const { x, y, width, height } = this.viewer.view.visible();
    const hint = this.studio.newHint(x + width / 2, y + height / 2);
    this.layer.focusHint(hint.id);
    announce("New hint in the middle. Arrow keys move it, Enter chooses its colour.");
  }

  /** Open the editor of a hint. */
  async openHint(id) {
    const photo = this.studio.current;
    const hint = photo.hints.find((other) => other.id === id);
    if (!hint || this.editor.hintId === id) return;
    if (photo.pending && photo.pending.id !== id) photo.setPending(null);
    this.editor.open(hint, {
      side: Math.min(photo.width, photo.height),
      reach: photo.edit.reach,
      picture: this.studio.pictureOf(photo),
    });
    this.layer.open = id;
    this.viewer.uncover(hint);
    this.#placeEditor();
    const sheet = this.editor.classList.contains("sheet")
      ? this.editor.getBoundingClientRect().top
      : Infinity;
    this.viewer.reveal(
      hint.x,
      hint.y,
      Math.max(0, this.viewer.getBoundingClientRect().bottom - sheet),
    );
    this.#focusEditor();
    await this.#suggest(hint);
  }

  #accepts() {
    return this.studio.modelOf(this.studio.active)?.accepts_hints !== false;
  }

  /** Whether a photo has as many hints as are taken; a person is told. */
  #isFull(photo) {
    const most = FIELDS.hints.maxItems ?? Infinity;
    if (photo.edit.hints.length < most) return false;
    const detail = "Delete one that is not needed, then set another.";
    const problem = new api.Problem(`${most} hints are the most that a photo takes`, detail);
    this.studio.dispatchEvent(new CustomEvent("problem", { detail: { problem } }));
    return true;
  }

  #focusEditor() {
    if (!matchMedia("(pointer: coarse)").matches)
      $("header button:last-child", this.editor).focus({ preventScroll: true });
  }

  /** Ask for the likely colours; those asked for early at the same place are taken. */
  async #suggest(hint) {
    const asked = this.#early;
    const early = asked?.x === hint.x && asked?.y === hint.y ? asked?.answer : null;
    this.#early = this.#unanswered = null;
    try {
      const found = await (early ?? this.#fetchSuggestions(hint));
      if (this.editor.hintId !== hint.id) return;
      this.editor.setLightness(found.lightness);
      this.editor.suggest(found.suggestions, found.color);
      this.#placeEditor();
    } catch (problem) {
      if (problem.name === "AbortError" || this.editor.hintId !== hint.id) return;
      if (api.isOffline(problem)) this.#unanswered = hint.id;
      this.editor.fail(problem.detail || problem.message);
    }
  }

  #fetchSuggestions({ id = null, x, y }) {
    const photo = this.studio.current;
    this.#asked?.abort();
    const { signal } = (this.#asked = new AbortController());
    const values = { steering: this.studio.steering(photo, { without: id }), x, y, count: 6 };
    return this.studio.tried(photo, (key) => api.suggestions(key, values, signal));
  }

  #viewerEvents() {
    const { viewer } = this;
    viewer.addEventListener("view", () => {
      this.layer.place();
      this.frame.place();
      this.#placeEditor();
    });
    viewer.addEventListener("pinch", () => {
      this.layer.putBack();
      this.frame.putBack();
    });
    onDetail(viewer, "aim", (detail) => {
      const open = !this.editor.hidden;
      const free = !open && this.#accepts() && !this.#placing;
      this.layer.aim(free ? detail : null);
      if (!detail || !free || !this.studio.active?.info) return;
      const answer = this.#fetchSuggestions(detail);
      answer.catch(() => {}); // the editor, once open, shows why
      this.#early = { ...detail, answer };
    });
    onDetail(viewer, "place", (detail) => {
      this.layer.aim(null);
      if (!this.studio.active?.info || !this.#accepts() || this.#placing) return;
      // A click beside an open editor only closes it.
      if (!this.editor.hidden) return this.editor.close();
      if (this.#isFull(this.studio.active)) return undefined;
      const hint = this.studio.newHint(detail.x, detail.y);
      return this.openHint(hint.id);
    });
  }

  #hintEvents() {
    const { editor, layer, studio } = this;
    onDetail(layer, "hintopen", (detail) => this.openHint(detail.id));
    onDetail(layer, "hintmove", ({ id, x, y, done }) => {
      studio.current.changeHint(id, { x, y }, { live: !done });
      const hint = studio.current.hints.find((other) => other.id === id);
      if (done && editor.hintId === id) this.#suggest(hint);
    });
    for (const part of [layer, editor]) {
      onDetail(part, "hintdelete", (detail) => {
        const photo = studio.current;
        const pending = photo.pending?.id === detail.id;
        editor.close();
        if (!pending) photo.removeHint(detail.id);
        else if (photo.pending) photo.setPending(null);
        this.viewer.focus({ preventScroll: true });
        announce("Hint deleted");
      });
    }
    onDetail(editor, "hintchange", ({ id, values, live }) =>
      studio.current.changeHint(id, values, { live }),
    );
    editor.addEventListener("settle", () => studio.active?.settle());
    editor.addEventListener("resize", () => this.#placeEditor());
    onDetail(editor, "close", (detail) => {
      layer.open = null;
      this.viewer.uncover(null);
      this.viewer.unreveal();
      this.#asked?.abort();
      const photo = studio.active;
      const isPending = photo?.pending?.id === detail.id;
      if (isPending) photo?.setPending(null);
      if (!isPending && layer.buttonOf(detail.id)) layer.focusHint(detail.id);
      else if (isPending || editor.contains(document.activeElement))
        this.viewer.focus({ preventScroll: true });
    });
    onDetail(editor, "picture", async (file) => {
      try {
        const photo = studio.current;
        photo.eyePicture = await createImageBitmap(file);
        editor.dropper.show(photo.eyePicture);
      } catch {
        editor.dropper.complain(
          `${file.name} is no picture that this browser reads: take a JPEG, PNG or WebP.`,
        );
      }
      this.#placeEditor(); // it is higher now
    });
  }

  /** Whether a person crops or straightens, so that clicks set no hints. */
  get #placing() {
    return this.frame.editing || this.level.open;
  }

  /** Whether a hint is open, or a person crops or straightens. */
  get isBusy() {
    return this.#placing || !this.editor.hidden;
  }

  /** Close the open hint; end cropping and straightening. */
  leave() {
    this.editor.close();
    this.#endCrop();
    this.level.close();
  }

  /** Begin to straighten, or end it. */
  straighten() {
    if (!this.studio.active?.info) return;
    this.#endCrop();
    this.editor.close();
    this.level.toggle();
  }

  /** Begin to crop, or end it. */
  crop() {
    if (this.frame.editing || !this.studio.active?.info) {
      this.#endCrop();
      return;
    }
    this.editor.close();
    this.level.close();
    this.frame.editing = true;
    this.viewer.fit(this.frame.covered);
    this.layer.hidden = true;
    $("#crop").setAttribute("aria-pressed", "true");
    this.frame.frame.focus({ preventScroll: true });
  }

  #endCrop() {
    if (this.frame.editing && this.frame.contains(document.activeElement)) $("#crop").focus();
    this.frame.editing = false;
    if (this.viewer.view.barred) this.viewer.unbar();
    this.layer.hidden = false;
    $("#crop").setAttribute("aria-pressed", "false");
  }

  #cropEvents() {
    onDetail(this.frame, "crop", ({ crop }) => this.studio.current.change({ crop }));
    this.frame.addEventListener("done", () => this.#endCrop());
  }

  #showHints() {
    const photo = this.studio.active;
    if (!photo?.info) return;
    this.frame.show(photo.edit.crop, this.viewer.view, [photo.width, photo.height]);
    this.layer.show(photo.hints, this.viewer.view);
    const open = photo.hints.find(({ id }) => id === this.editor.hintId);
    if (open) {
      this.editor.update(open);
      if (open !== this.#shown) this.viewer.uncover(open);
      this.#shown = open;
      this.#placeEditor();
    } else if (!this.editor.hidden) this.editor.close();
  }

  #placeEditor() {
    const hint = this.studio.active?.hints.find(({ id }) => id === this.editor.hintId);
    if (!hint) return;
    const { view } = this.viewer;
    this.editor.place(
      view.toScreen(hint.x, hint.y),
      { width: this.stage.clientWidth, height: this.stage.clientHeight },
      this.viewer.afterSpan,
    );
  }
}
