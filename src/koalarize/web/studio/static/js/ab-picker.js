/**
 * `<ab-picker>`: the colours that exist at one lightness, as a plane of a* and b*.
 *
 * Not here: sending the colour anywhere. What sRGB cannot show at that lightness is left blank, and
 * cannot be chosen. Fires "input" while a person chooses and "change" when done; `value` is
 * "#rrggbb". The small cross is neutral grey; a* grows to the right, b* upwards.
 */

import { fitToGamut, hexToLab, inGamut, labToBytes, labToHex } from "./color.js";
import { clamp, drawingOn, h } from "./dom.js";
import { nameOf } from "./names.js";

const CELLS = 160; // of the painted plane, each way
const ROOM = 1.08; // how much wider the plane is than its colours

export class AbPicker extends HTMLElement {
  #l = 60;
  #ab = [0, 0];
  #centre = [0, 0]; // a* and b* in the middle of the plane
  #reach = 100; // from there to its edges

  canvas = h("canvas", { width: CELLS, height: CELLS, "aria-hidden": "true" });
  thumb = h("span", { class: "ab-thumb" });
  neutral = h("span", { class: "ab-neutral" });

  connectedCallback() {
    if (this.contains(this.canvas)) return;
    this.append(this.canvas, this.neutral, this.thumb);
    this.setAttribute("role", "slider");
    this.setAttribute("aria-roledescription", "two-way colour picker");
    this.setAttribute("aria-valuemin", "0");
    this.setAttribute("aria-valuemax", "100");
    this.tabIndex = 0;
    this.addEventListener("pointerdown", (event) => this.#down(event));
    this.addEventListener(
      "pointermove",
      (event) => this.hasPointerCapture(event.pointerId) && this.#point(event),
    );
    const done = (event) => this.hasPointerCapture(event.pointerId) && this.#done();
    for (const name of ["pointerup", "pointercancel"]) this.addEventListener(name, done);
    this.addEventListener("keydown", (event) => this.#key(event));
    this.#paint();
  }

  /** Show the colours at this L*. */
  set lightness(l) {
    this.#l = clamp(l, 2, 98);
    if (this.contains(this.canvas)) this.#paint();
  }

  get value() {
    return labToHex([this.#l, ...this.#ab]);
  }

  /** The colour's hue and chroma count; its lightness stays the picker's. */
  set value(hex) {
    const [, a, b] = hexToLab(hex);
    [, ...this.#ab] = fitToGamut([this.#l, a, b]);
    this.#show();
  }

  #paint() {
    this.#measure();
    const context = drawingOn(this.canvas);
    const picture = context.createImageData(CELLS, CELLS);
    for (let row = 0; row < CELLS; row += 1) {
      for (let column = 0; column < CELLS; column += 1) {
        const lab = [this.#l, ...this.#abAt((column + 0.5) / CELLS, (row + 0.5) / CELLS)];
        if (inGamut(lab)) picture.data.set([...labToBytes(lab), 255], 4 * (row * CELLS + column));
      }
    }
    context.putImageData(picture, 0, 0);
    this.#show();
  }

  /** Make the plane as wide as the colours that exist. */
  #measure() {
    const edge = Array.from({ length: 90 }, (_, index) => {
      const angle = (4 * index * Math.PI) / 180;
      return fitToGamut([this.#l, 140 * Math.cos(angle), 140 * Math.sin(angle)]).slice(1);
    });
    const spans = [0, 1]
      .map((axis) => edge.map((ab) => ab[axis]))
      .map((values) => [Math.min(...values), Math.max(...values)]);
    this.#centre = spans.map(([least, most]) => (least + most) / 2);
    this.#reach = (ROOM * Math.max(4, ...spans.map(([least, most]) => most - least))) / 2;
  }

  #abAt(across, down) {
    return [
      this.#centre[0] + (2 * across - 1) * this.#reach,
      this.#centre[1] + (1 - 2 * down) * this.#reach,
    ];
  }

  #put(element, a, b) {
    element.style.setProperty("left", `${50 * (1 + (a - this.#centre[0]) / this.#reach)}%`);
    element.style.setProperty("top", `${50 * (1 - (b - this.#centre[1]) / this.#reach)}%`);
  }

  #show() {
    const [a, b] = this.#ab;
    const hex = this.value;
    this.#put(this.neutral, 0, 0);
    this.#put(this.thumb, a, b);
    this.thumb.style.setProperty("background", hex);
    const side = (value, plus, minus) =>
      Math.abs(value) < 1 ? "" : `, ${Math.round(Math.abs(value))} to ${value > 0 ? plus : minus}`;
    this.setAttribute("aria-valuenow", String(Math.round(clamp(Math.hypot(a, b), 0, 100))));
    this.setAttribute(
      "aria-valuetext",
      nameOf(hex) + side(a, "red", "green") + side(b, "yellow", "blue"),
    );
  }

  #choose(a, b, event) {
    [, ...this.#ab] = fitToGamut([this.#l, a, b]);
    this.#show();
    this.dispatchEvent(new Event(event, { bubbles: true }));
  }

  #down(event) {
    this.setPointerCapture(event.pointerId);
    this.#point(event);
  }

  #point(event) {
    const box = this.getBoundingClientRect();
    const across = clamp((event.clientX - box.left) / box.width, 0, 1);
    const down = clamp((event.clientY - box.top) / box.height, 0, 1);
    this.#choose(...this.#abAt(across, down), "input");
  }

  #done() {
    this.dispatchEvent(new Event("change", { bubbles: true }));
  }

  #key(event) {
    const step = (event.shiftKey ? 0.1 : 0.03) * this.#reach;
    const moves = {
      ArrowLeft: [-step, 0],
      ArrowRight: [step, 0],
      ArrowUp: [0, step],
      ArrowDown: [0, -step],
    };
    const [a, b] = this.#ab;
    if (event.key === "Home") this.#choose(0, 0, "change");
    else if (event.key in moves)
      this.#choose(a + moves[event.key][0], b + moves[event.key][1], "change");
    else return;
    event.preventDefault();
    event.stopPropagation();
  }
}

customElements.define("ab-picker", AbPicker);
