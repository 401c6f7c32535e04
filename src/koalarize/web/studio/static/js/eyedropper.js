/**
 * `<eye-dropper>`: a picture beside the photo, to take colours from; drop, paste or choose one.
 *
 * Not here: what the colour is for. Fires "pick" with detail "#rrggbb", and "picture" with a file
 * that was given. By keyboard, arrows move the cross and Enter takes the colour.
 */

import { bytesToHex } from "./color.js";
import { chooseFiles, clamp, drawingOn, h, icon } from "./dom.js";
import { nameOf } from "./names.js";

const SIDE = 560; // the longer side it is kept at, pixels
const AROUND = 2; // a picked colour is the mean of this many pixels each way
const FIRST = "Drop a colour picture here, or choose one, and take colours from it";
const ANOTHER = "Drop or choose another picture";

export class EyeDropper extends HTMLElement {
  #cross = [0.5, 0.5];

  asked = h("span", {}, FIRST);
  ask = h(
    "button",
    { class: "drop-zone small", type: "button", onclick: () => this.#choose() },
    icon("pipette"),
    this.asked,
  );
  canvas = h("canvas", { tabindex: "0", role: "img", hidden: true });
  cross = h("span", { class: "cross", hidden: true });
  problem = h("p", { class: "problem", role: "alert", hidden: true });

  connectedCallback() {
    if (this.contains(this.canvas)) return;
    const stage = h("div", { class: "eye-stage" }, this.canvas, this.cross);
    this.append(stage, this.problem, this.ask);
    this.canvas.addEventListener("pointerdown", (event) => {
      this.canvas.setPointerCapture(event.pointerId);
      this.#point(event);
    });
    this.canvas.addEventListener(
      "pointermove",
      (event) => this.canvas.hasPointerCapture(event.pointerId) && this.#point(event),
    );
    this.canvas.addEventListener("pointerup", () => this.#take());
    this.canvas.addEventListener("keydown", (event) => this.#key(event));
    this.addEventListener("dragover", (event) => event.preventDefault());
    this.addEventListener("drop", (event) => this.#drop(event));
  }

  /** Show this picture (an ImageBitmap), or none. */
  show(bitmap) {
    this.problem.hidden = true;
    this.asked.textContent = bitmap ? ANOTHER : FIRST;
    this.canvas.hidden = this.cross.hidden = !bitmap;
    if (!bitmap || this.bitmap === bitmap) return;
    this.bitmap = bitmap;
    const scale = Math.min(1, SIDE / Math.max(bitmap.width, bitmap.height));
    this.canvas.width = Math.max(1, Math.round(bitmap.width * scale));
    this.canvas.height = Math.max(1, Math.round(bitmap.height * scale));
    const context = drawingOn(this.canvas, { willReadFrequently: true });
    context.drawImage(bitmap, 0, 0, this.canvas.width, this.canvas.height);
    this.#place();
  }

  /** Say what is wrong with a picture that was given. */
  complain(text) {
    this.problem.textContent = text;
    this.problem.hidden = false;
    this.problem.scrollIntoView({ block: "nearest" });
  }

  async #choose() {
    const [file] = await chooseFiles();
    if (file) this.#give(file);
  }

  #drop(event) {
    const [file] = event.dataTransfer.files;
    if (!file) return;
    event.preventDefault();
    event.stopPropagation();
    document.dispatchEvent(new Event("dropped"));
    this.#give(file);
  }

  #give(file) {
    this.dispatchEvent(new CustomEvent("picture", { detail: file }));
  }

  #colour() {
    const { width, height } = this.canvas;
    const x = clamp(
      Math.floor(this.#cross[0] * width) - AROUND,
      0,
      Math.max(0, width - 2 * AROUND - 1),
    );
    const y = clamp(
      Math.floor(this.#cross[1] * height) - AROUND,
      0,
      Math.max(0, height - 2 * AROUND - 1),
    );
    const { data } = drawingOn(this.canvas).getImageData(x, y, 2 * AROUND + 1, 2 * AROUND + 1);
    const sums = [0, 0, 0, 0];
    data.forEach((level, index) => {
      sums[index % 4] += level * (index % 4 === 3 ? 1 : data[index - (index % 4) + 3]);
    });
    return bytesToHex(sums.slice(0, 3).map((sum) => Math.round(sum / Math.max(1, sums[3]))));
  }

  #place() {
    this.cross.style.setProperty("left", `${100 * this.#cross[0]}%`);
    this.cross.style.setProperty("top", `${100 * this.#cross[1]}%`);
    const hex = this.#colour();
    this.cross.style.setProperty("background", hex);
    this.canvas.setAttribute(
      "aria-label",
      `Reference picture, ${nameOf(hex)} under the cross; arrow keys move it, Enter takes the colour`,
    );
  }

  #point(event) {
    const box = this.canvas.getBoundingClientRect();
    this.#cross = [
      clamp((event.clientX - box.left) / box.width, 0, 0.999),
      clamp((event.clientY - box.top) / box.height, 0, 0.999),
    ];
    this.#place();
  }

  #take() {
    this.dispatchEvent(new CustomEvent("pick", { detail: this.#colour() }));
  }

  #key(event) {
    const step = event.shiftKey ? 0.1 : 0.02;
    const moves = {
      ArrowLeft: [-step, 0],
      ArrowRight: [step, 0],
      ArrowUp: [0, -step],
      ArrowDown: [0, step],
    };
    if (event.key === "Enter" || event.key === " ") this.#take();
    else if (event.key in moves) {
      this.#cross = this.#cross.map((value, axis) =>
        clamp(value + moves[event.key][axis], 0, 0.999),
      );
      this.#place();
    } else return;
    event.preventDefault();
    event.stopPropagation();
  }
}

customElements.define("eye-dropper", EyeDropper);
