/**
 * `<hint-layer>`: the hints as buttons over the photo; drag or arrow keys move, Esc ends a drag, Enter opens.
 *
 * Not here: their colours (`hint-editor.js`) and what they do to the photo. Fires "hintopen" {id},
 * "hintmove" {id, x, y, done} and "hintdelete" {id}.
 */

import { clamp, h } from "./dom.js";
import { nameOfHint } from "./names.js";

const NUDGE = 4; // CSS pixels an arrow key moves a hint
const SLOP = 4;

/** @typedef {import("./photos.js").Hint} Hint */

export class HintLayer extends HTMLElement {
  /** @type {Hint[]} */
  #hints = [];
  /** @type {Map<number, HTMLButtonElement>} */
  #buttons = new Map();
  /** @type {import("./view.js").View | null} */
  #view = null;
  /** @type {{id: number, x: number, y: number, startX: number, startY: number, moved: boolean} | null} */
  #drag = null;
  #dragged = false;
  /** @type {number | null} */
  #open = null;

  ghost = h("span", { class: "ghost", hidden: true });
  ring = h("span", { class: "ring", hidden: true });

  connectedCallback() {
    this.append(this.ring, this.ghost);
    // Before all others hear of the key: it closes nothing while a hint is dragged.
    const escape = (event) => event.key === "Escape" && this.putBack() && event.stopPropagation();
    addEventListener("keydown", escape, { capture: true });
  }

  /** Show these hints ({id, x, y, radius, color or null}) on this view. */
  show(hints, view) {
    [this.#hints, this.#view] = [hints, view];
    const wanted = new Set(hints.map((hint) => hint.id));
    if (this.#drag && !wanted.has(this.#drag.id)) this.#drag = null; // of another photo, or undone
    const focused = this.contains(document.activeElement);
    for (const [id, button] of this.#buttons) {
      if (!wanted.has(id)) {
        button.remove();
        this.#buttons.delete(id);
      }
    }
    if (focused && !this.contains(document.activeElement))
      this.parentElement?.focus({ preventScroll: true }); // undo took the hint away
    for (const hint of hints) if (!this.#buttons.has(hint.id)) this.#add(hint.id);
    this.place();
  }

  /** The view, where there must be one. */
  get #shown() {
    if (!this.#view) throw new Error("the hints have no photo yet");
    return this.#view;
  }

  /**
   * The hint whose editor is open, or null.
   *
   * @param {number | null} id
   */
  set open(id) {
    this.#open = id;
    this.place();
  }

  focusHint(id) {
    this.#buttons.get(id)?.focus({ preventScroll: true });
  }

  buttonOf(id) {
    return this.#buttons.get(id);
  }

  /** Mark where a click went, before it is known to be a single one. */
  aim(place) {
    this.ghost.hidden = !place;
    if (place) this.#put(this.ghost, place);
  }

  /** Put everything where the view has it now. */
  place() {
    const view = this.#view;
    if (!view) return;
    this.#hints.forEach((hint, index) => {
      const button = this.#buttons.get(hint.id);
      if (!button) return;
      this.#put(button, hint);
      button.style.setProperty("--hint", hint.color ?? "transparent");
      button.classList.toggle("pending", !hint.color);
      button.setAttribute("aria-expanded", String(hint.id === this.#open));
      const where = `${Math.round((100 * hint.x) / view.photoWidth)} % across, ${Math.round((100 * hint.y) / view.photoHeight)} % down`;
      button.setAttribute(
        "aria-label",
        `Hint ${index + 1}: ${hint.color ? nameOfHint(hint) : "no colour yet"}, ${where}`,
      );
    });
    this.#showRing();
  }

  #showRing() {
    const active = this.#hints.find(
      (hint) =>
        hint.id === this.#open || this.#buttons.get(hint.id)?.matches(":hover, :focus-visible"),
    );
    this.ring.hidden = !active;
    if (!active) return;
    const side = 2 * active.radius * this.#shown.scale;
    this.ring.style.setProperty("width", `${side}px`);
    this.ring.style.setProperty("height", `${side}px`);
    this.#put(this.ring, active);
  }

  #put(element, { x, y }) {
    const [across, down] = this.#shown.toScreen(x, y);
    element.style.setProperty("left", `${across}px`);
    element.style.setProperty("top", `${down}px`);
  }

  #add(id) {
    const button = h("button", {
      class: "hint",
      type: "button",
      "data-own-pointer": "one",
      "aria-haspopup": "dialog",
    });
    // A drag ends in a click as well, which is not meant to open the editor.
    button.addEventListener("click", () => this.#dragged || this.#tell("hintopen", { id }));
    button.addEventListener("keydown", (event) => this.#key(event, id));
    button.addEventListener("pointerdown", (event) => this.#down(event, id));
    button.addEventListener("pointermove", (event) => this.#move(event));
    for (const name of ["pointerup", "pointercancel"])
      button.addEventListener(name, () => this.#up());
    for (const name of ["pointerenter", "pointerleave", "focus", "blur"])
      button.addEventListener(name, () => this.#showRing());
    this.#buttons.set(id, button);
    this.append(button);
  }

  /** A hint that has a button. */
  #hint(id) {
    const found = this.#hints.find((hint) => hint.id === id);
    if (!found) throw new Error(`there is no hint ${id}`);
    return found;
  }

  #down(event, id) {
    if (event.button > 0) return;
    if (this.#drag && !event.isPrimary) {
      this.putBack(); // two fingers drag no hint
      return;
    }
    event.currentTarget.setPointerCapture(event.pointerId);
    this.#dragged = false;
    const { x, y } = this.#hint(id);
    this.#drag = { id, x, y, startX: event.clientX, startY: event.clientY, moved: false };
  }

  #move(event) {
    const drag = this.#drag;
    if (!drag) return;
    const [across, down] = [event.clientX - drag.startX, event.clientY - drag.startY];
    drag.moved ||= Math.hypot(across, down) > SLOP;
    if (drag.moved)
      this.#moveTo(
        drag.id,
        drag.x + across / this.#shown.scale,
        drag.y + down / this.#shown.scale,
        false,
      );
  }

  #up() {
    const drag = this.#drag;
    this.#drag = null;
    if (!drag?.moved) return;
    const hint = this.#hints.find(({ id }) => id === drag.id);
    if (hint) this.#moveTo(hint.id, hint.x, hint.y, true);
    this.#dragged = true;
  }

  /** End a drag, with the hint where it was; tells whether there was one. */
  putBack() {
    const drag = this.#drag;
    if (!drag) return false;
    this.#drag = null;
    this.#dragged = true; // the button that is still held ends in a click
    if (drag.moved) this.#moveTo(drag.id, drag.x, drag.y, true);
    return true;
  }

  #moveTo(id, x, y, done) {
    const inside = {
      x: clamp(x, 0, this.#shown.photoWidth - 1),
      y: clamp(y, 0, this.#shown.photoHeight - 1),
    };
    this.#tell("hintmove", { id, ...inside, done });
  }

  #key(event, id) {
    this.#dragged = false;
    if (event.key === "Delete" || event.key === "Backspace") {
      event.preventDefault();
      this.#tell("hintdelete", { id });
      return;
    }
    const step = (event.shiftKey ? 5 : 1) * NUDGE;
    const moves = {
      ArrowLeft: [-step, 0],
      ArrowRight: [step, 0],
      ArrowUp: [0, -step],
      ArrowDown: [0, step],
    };
    const move = moves[event.key];
    if (!move || event.ctrlKey || event.altKey || event.metaKey) return;
    event.preventDefault();
    const hint = this.#hint(id);
    this.#moveTo(
      id,
      hint.x + move[0] / this.#shown.scale,
      hint.y + move[1] / this.#shown.scale,
      true,
    );
  }

  #tell(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }
}

customElements.define("hint-layer", HintLayer);
