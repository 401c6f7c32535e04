/**
 * `<crop-frame>`: the part of the photo that is kept, as a frame over it; corners drag, and so does the
 * inside; arrow keys move a corner, or the frame.
 *
 * Not here: cutting, which the service does. Fires "crop" {crop} with {x, y, width, height} in pixels of
 * the photo, or null for all of it, and "done".
 */

import { clamp, h } from "./dom.js";

const LEAST = 8; // photo pixels of the smallest part
const CORNERS = [
  { name: "Upper left corner", x: 0, y: 0 },
  { name: "Upper right corner", x: 1, y: 0 },
  { name: "Lower left corner", x: 0, y: 1 },
  { name: "Lower right corner", x: 1, y: 1 },
];

/**
 * @typedef {import("./photos.js").Box} Box
 * @typedef {{x: number, y: number}} Corner
 */

export class CropFrame extends HTMLElement {
  /** @type {Box | null} */
  #crop = null;
  /** @type {import("./view.js").View | null} */
  #view = null;
  #size = [1, 1];
  #editing = false;
  /** @type {{corner: Corner | null, before: Box | null, from: Box, at: number[]} | null} */
  #drag = null;

  frame = h("div", {
    class: "crop-box",
    role: "group",
    tabindex: "0",
    "data-own-pointer": "one",
    "aria-label":
      "Part of the photo that is kept. Arrow keys move it, its corners change its size.",
  });
  corners = CORNERS.map((corner) =>
    h("button", {
      class: "crop-corner",
      type: "button",
      "data-own-pointer": "one",
      "data-x": String(corner.x),
      "data-y": String(corner.y),
      "aria-label": `${corner.name} of the crop`,
    }),
  );
  whole = h(
    "button",
    { class: "quiet", type: "button", onclick: () => this.#tell("crop", { crop: null }) },
    "Whole photo",
  );
  done = h(
    "button",
    { class: "primary", type: "button", onclick: () => this.#tell("done") },
    "Done",
  );
  size = h("span", { role: "status" });
  bar = h("div", { class: "crop-bar", "data-own-pointer": "" }, this.size, this.whole, this.done);

  connectedCallback() {
    if (this.contains(this.frame)) return;
    this.frame.append(...this.corners);
    this.append(this.frame, this.bar);
    this.frame.addEventListener("pointerdown", (event) => this.#down(event));
    this.frame.addEventListener("pointermove", (event) => this.#move(event));
    for (const name of ["pointerup", "pointercancel"])
      this.frame.addEventListener(name, () => this.#up());
    this.addEventListener("keydown", (event) => this.#key(event));
  }

  get editing() {
    return this.#editing;
  }

  set editing(on) {
    this.#editing = on;
    if (!on) this.putBack();
    this.place();
  }

  /** How far up its bar reaches, with room for the touch of a corner, CSS pixels. */
  get covered() {
    return this.clientHeight - this.bar.offsetTop + 14;
  }

  /** Show a crop ({x, y, width, height} or null) of a photo of this size on this view. */
  show(crop, view, size) {
    this.#drag = null; // what is dragged is no longer what is shown
    [this.#crop, this.#view, this.#size] = [crop, view, size];
    this.place();
  }

  /** Put everything where the view has it now. */
  place() {
    const view = this.#view;
    this.hidden = !view || !(this.#crop || this.#editing);
    this.classList.toggle("editing", this.#editing);
    this.bar.hidden = !this.#editing;
    for (const corner of this.corners) corner.hidden = !this.#editing;
    this.frame.tabIndex = this.#editing ? 0 : -1;
    if (!view || this.hidden) return;
    const { x, y, width, height } = this.#now;
    const [left, top] = view.toScreen(x, y);
    for (const [side, value] of Object.entries({ left, top }))
      this.frame.style.setProperty(side, `${value}px`);
    this.frame.style.setProperty("width", `${width * view.scale}px`);
    this.frame.style.setProperty("height", `${height * view.scale}px`);
    this.size.textContent = `${width} × ${height}`;
  }

  /** @returns {Box} */
  get #now() {
    const [width, height] = this.#size;
    return this.#crop ?? { x: 0, y: 0, width, height };
  }

  #down(event) {
    if (event.button > 0 || !this.#editing) return;
    if (this.#drag && !event.isPrimary) {
      this.putBack(); // two fingers are a pinch
      return;
    }
    this.frame.setPointerCapture(event.pointerId);
    const corner = event.target.closest(".crop-corner");
    this.#drag = {
      corner: corner ? { x: Number(corner.dataset.x), y: Number(corner.dataset.y) } : null,
      before: this.#crop,
      from: this.#now,
      at: [event.clientX, event.clientY],
    };
  }

  #move(event) {
    const [drag, view] = [this.#drag, this.#view];
    if (!drag || !view) return;
    const across = (event.clientX - drag.at[0]) / view.scale;
    const down = (event.clientY - drag.at[1]) / view.scale;
    this.#crop = this.#moved(drag.from, drag.corner, across, down);
    this.place();
  }

  #up() {
    if (!this.#drag) return;
    this.#drag = null;
    this.#settle();
  }

  /** End a drag, with the frame where it was. */
  putBack() {
    if (this.#drag) this.#crop = this.#drag.before;
    this.#drag = null;
    this.place();
  }

  /** A crop with a corner, or all of it, moved by photo pixels; it stays inside of the photo. */
  #moved({ x, y, width, height }, corner, across, down) {
    const [most, tallest] = this.#size;
    if (!corner)
      return {
        x: Math.round(clamp(x + across, 0, most - width)),
        y: Math.round(clamp(y + down, 0, tallest - height)),
        width,
        height,
      };
    const ends = (start, size, side, by, all) => {
      const least = Math.min(LEAST, all);
      if (side) return [start, Math.round(clamp(start + size + by, start + least, all))];
      return [Math.round(clamp(start + by, 0, start + size - least)), start + size];
    };
    const [left, right] = ends(x, width, corner.x, across, most);
    const [top, bottom] = ends(y, height, corner.y, down, tallest);
    return { x: left, y: top, width: right - left, height: bottom - top };
  }

  #settle() {
    const { x, y, width, height } = this.#now;
    const all = x === 0 && y === 0 && width === this.#size[0] && height === this.#size[1];
    this.#tell("crop", { crop: all ? null : { x, y, width, height } });
  }

  #key(event) {
    const ends = event.key === "Enter" && !event.target.closest(".crop-bar");
    if (event.key === "Escape" || ends) {
      event.preventDefault();
      event.stopPropagation();
      if (this.#drag && event.key === "Escape") this.putBack();
      else this.#tell("done");
      this.place();
      return;
    }
    const step = Math.max(1, Math.round((event.shiftKey ? 0.05 : 0.01) * Math.min(...this.#size)));
    const moves = {
      ArrowLeft: [-step, 0],
      ArrowRight: [step, 0],
      ArrowUp: [0, -step],
      ArrowDown: [0, step],
    };
    const move = moves[event.key];
    if (!move || !this.#editing || event.ctrlKey || event.altKey || event.metaKey) return;
    const { dataset } = event.target;
    const corner = "x" in dataset ? { x: Number(dataset.x), y: Number(dataset.y) } : null;
    if (!corner && event.target !== this.frame) return;
    event.preventDefault();
    event.stopPropagation();
    this.#crop = this.#moved(this.#now, corner, ...move);
    this.#settle();
  }

  #tell(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }
}

customElements.define("crop-frame", CropFrame);
