/**
 * `<koala-viewer>`: one photo before and after, with zoom, pan and the divider between the two.
 *
 * Not here: where pictures come from (`previews.js`), hints (`hint-layer.js`). Fires "view" when
 * the photo moved on the screen, "place" {x, y} on a click, "aim" {x, y} at the first of a possible
 * double click, "pinch" when a second finger comes. What lies over the photo keeps pointers that go down on it by
 * `data-own-pointer`; with "one" only a single one, two are a pinch.
 */

import { newDivider, shareByKey } from "./divider.js";
import { clamp, drawingOn, h } from "./dom.js";
import { View } from "./view.js";

const SLOP = 5; // CSS pixels a click may move
const DOUBLE = 240; // milliseconds within which a second click makes it a double click
const STEP = 48; // CSS pixels an arrow key moves the photo

export class KoalaViewer extends HTMLElement {
  #view = new View();
  #pointers = new Map();
  /** @type {{kind: string, start: number[], moved: boolean} | null} */
  #gesture = null;
  #frame = 0;
  /** @type {Record<string, any[]>} */
  #layers = { before: [], after: [] };
  #share = 0.5; // of the photo in sight that lies left of the divider
  #compare = true;
  #peek = false;
  #waiting = 0;
  /** @type {{x: number, y: number, radius: number} | null} */
  #uncovered = null; // a place where the picture after shows, though it lies in the other half
  /** @type {View | null} */
  #revealed = null; // the view that was fitted before `reveal` moved it
  /** @type {[number, number] | null} */
  photoSize = null;

  canvas = h("canvas", { "aria-hidden": "true" });
  divider = newDivider();
  tags = [
    h("span", { class: "tag tag-before" }, "Before"),
    h("span", { class: "tag tag-after" }, "After"),
  ];

  connectedCallback() {
    if (this.contains(this.canvas)) return;
    this.prepend(this.canvas, ...this.tags, this.divider);
    this.#listen();
    new ResizeObserver(() => this.#resize()).observe(this);
    this.#watchDensity();
  }

  /** Draw as sharp as the screen is that the window is moved to, though its size stays. */
  #watchDensity() {
    const moved = () => {
      this.#resize();
      this.#watchDensity();
    };
    const here = matchMedia(`(resolution: ${devicePixelRatio}dppx)`);
    here.addEventListener("change", moved, { once: true });
  }

  get view() {
    return this.#view;
  }

  /** Whether before and after are both in sight. */
  get compare() {
    return this.#compare;
  }

  set compare(both) {
    this.#compare = both;
    this.redraw();
  }

  /** From where to where the picture after is in sight, CSS pixels. */
  get afterSpan() {
    const [left, , right] = this.#view.screenRect;
    return [this.#compare ? this.#middle(left, right) : left, right];
  }

  /** Show the photo before, as long as this is set. */
  set peek(before) {
    this.#peek = before;
    this.redraw();
  }

  /** Show the picture after at a place ({x, y, radius}) in the half before too; null ends it. */
  uncover(place) {
    this.#uncovered = place;
    this.redraw();
  }

  /** Where the divider stands between these ends of the photo. */
  #middle(left, right) {
    const middle = left + (right - left) * this.#share;
    if (!this.#uncovered) return middle;
    const { x, y, radius } = this.#uncovered;
    const [across] = this.#view.toScreen(x, y);
    const room = radius * this.#view.scale + 48;
    return across < middle + 12 ? clamp(across - room, left, middle) : middle;
  }

  /**
   * Show another photo, of this size; nothing is drawn before `setLayer`.
   *
   * @param {number} width
   * @param {number} height
   * @param {View | null} view
   */
  setPhoto(width, height, view = null) {
    this.#layers = { before: [], after: [] };
    this.#view = view ?? new View();
    this.photoSize = [width, height];
    this.#resize();
  }

  /** What a side shows: a list of {bitmap, x, y, width, height, tilt} in photo pixels and degrees, the last on top. */
  setLayer(side, pictures) {
    this.#layers[side] = pictures;
    this.redraw();
  }

  /** Show the whole photo, above a bar that covers the lowest CSS pixels, if one does. */
  fit(covered = this.#view.barred) {
    this.#view.barred = covered;
    this.#view.fit();
    this.#moved();
  }

  unbar() {
    this.#view.barred = 0;
    if (this.#view.fitted) this.fit();
  }

  zoomBy(factor, at) {
    this.#revealed = null;
    this.#view.zoomTo(this.#view.scale * factor, at);
    this.#moved();
  }

  /** One photo pixel on one pixel of the screen. */
  actualSize(at) {
    this.#view.zoomTo(1 / devicePixelRatio, at);
    this.#moved();
  }

  panBy(across, down) {
    this.#view.panBy(across, down);
    this.#moved();
  }

  /** Bring a place of the photo into sight, above the lowest `covered` CSS pixels; `unreveal` undoes it. */
  reveal(photoX, photoY, covered = 0) {
    this.#revealed = null;
    const [across, down] = this.#view.toScreen(photoX, photoY);
    const bottom = this.#view.height - covered - 48;
    const moveX = clamp(across, 48, this.#view.width - 48) - across;
    const moveY = clamp(down, 48, Math.max(48, bottom)) - down;
    if (moveX || moveY) {
      if (this.#view.fitted) this.#revealed = this.#view;
      this.#view.x -= moveX / this.#view.scale;
      this.#view.y -= moveY / this.#view.scale;
      this.#view.fitted = false;
      this.#moved();
    }
  }

  unreveal() {
    if (this.#revealed === this.#view) this.fit();
    this.#revealed = null;
  }

  redraw() {
    cancelAnimationFrame(this.#frame);
    this.#frame = requestAnimationFrame(() => this.#draw());
  }

  #moved() {
    this.redraw();
    this.dispatchEvent(new CustomEvent("view"));
  }

  #resize() {
    const { clientWidth: width, clientHeight: height } = this;
    if (!this.photoSize || !width || !height) return;
    this.canvas.width = Math.round(width * devicePixelRatio);
    this.canvas.height = Math.round(height * devicePixelRatio);
    this.#view.setSizes(...this.photoSize, width, height);
    this.#draw();
    this.dispatchEvent(new CustomEvent("view"));
  }

  #draw() {
    const context = drawingOn(this.canvas);
    context.setTransform(devicePixelRatio, 0, 0, devicePixelRatio, 0, 0);
    context.clearRect(0, 0, this.#view.width, this.#view.height);
    const [left, top, right, bottom] = this.#view.screenRect;
    const both = this.#compare && !this.#peek && this.#layers.after.length > 0;
    let middle = this.#peek || !this.#layers.after.length ? right : left;
    if (both) middle = this.#middle(left, right);
    this.#drawSide(context, "after", [middle, top, right, bottom]);
    this.#drawSide(context, "before", [left, top, middle, bottom]);
    this.#placeDivider(both, middle, top, bottom);
  }

  #drawSide(context, side, [left, top, right, bottom]) {
    if (right - left < 0.5) return;
    context.save();
    context.beginPath();
    context.rect(left, top, right - left, bottom - top);
    context.clip();
    context.imageSmoothingQuality = "high";
    const { scale } = this.#view;
    for (const { bitmap, x, y, width, height, tilt = 0 } of this.#layers[side]) {
      const [middleX, middleY] = this.#view.toScreen(x + width / 2, y + height / 2);
      // Only the photo's own pixels may look like squares; a small version waits for its detail.
      const own = bitmap.width >= width - 1;
      context.imageSmoothingEnabled = !own || scale * devicePixelRatio < 4;
      const [across, down] = [width * scale, height * scale];
      context.save();
      context.translate(middleX, middleY);
      context.rotate((tilt * Math.PI) / 180);
      context.drawImage(bitmap, -across / 2, -down / 2, across, down);
      context.restore();
    }
    context.restore();
  }

  #placeDivider(both, middle, top, bottom) {
    if (!both && document.activeElement === this.divider) this.focus({ preventScroll: true });
    this.divider.hidden = !both;
    for (const tag of this.tags) tag.hidden = !both;
    if (!both) return;
    this.divider.style.setProperty("transform", `translate(${middle}px, ${top}px)`);
    this.divider.style.setProperty("height", `${bottom - top}px`);
    const [left, , right] = this.#view.screenRect;
    const percent = Math.round((100 * (middle - left)) / Math.max(1, right - left));
    this.divider.setAttribute("aria-valuenow", String(percent));
    this.divider.setAttribute("aria-valuetext", `${percent} % before, ${100 - percent} % after`);
    this.tags[0].style.setProperty("transform", `translate(${left + 12}px, ${top + 12}px)`);
    this.tags[1].style.setProperty(
      "transform",
      `translate(calc(${right - 12}px - 100%), ${top + 12}px)`,
    );
    this.tags[0].classList.toggle("gone", middle - left < 96);
    this.tags[1].classList.toggle("gone", right - middle < 96);
  }

  #setShare(share) {
    this.#uncovered = null;
    this.#share = clamp(share, 0, 1);
    this.redraw();
  }

  #position(event) {
    const box = this.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  }

  #listen() {
    this.addEventListener("pointerdown", (event) => this.#down(event));
    this.addEventListener("pointermove", (event) => this.#move(event));
    for (const name of ["pointerup", "pointercancel"])
      this.addEventListener(name, (event) => this.#up(event));
    this.addEventListener("wheel", (event) => this.#wheel(event), { passive: false });
    this.addEventListener("keydown", (event) => this.#key(event));
    this.divider.addEventListener("keydown", (event) => this.#dividerKey(event));
  }

  #down(event) {
    const own = event.target.closest("[data-own-pointer]")?.dataset.ownPointer;
    if (event.button > 0 || own === "" || !this.photoSize) return;
    if (event.isPrimary) this.#pointers.clear(); // none is down: the end of one that was lost may not have come
    this.#pointers.set(event.pointerId, this.#position(event));
    if (own && this.#pointers.size === 1) {
      this.#gesture = null;
      return;
    }
    if (!own) this.setPointerCapture(event.pointerId);
    if (this.#pointers.size > 1) this.dispatchEvent(new CustomEvent("pinch"));
    const onDivider = event.target.closest(".divider");
    if (onDivider) {
      event.preventDefault();
      this.divider.focus({ preventScroll: true });
    }
    const kind = onDivider && this.#pointers.size === 1 ? "divider" : "pan";
    const aside = this.#pointers.size > 1 || Boolean(event.target.closest(".divider-handle"));
    this.#gesture = { kind, start: this.#position(event), moved: aside };
  }

  #move(event) {
    const before = this.#pointers.get(event.pointerId);
    if (!before) return;
    const now = this.#position(event);
    const gesture = this.#gesture;
    if (!gesture) {
      this.#pointers.set(event.pointerId, now);
      return;
    }
    if (this.#pointers.size === 2) return this.#pinch(event.pointerId, before, now);
    gesture.moved ||= Math.hypot(now[0] - gesture.start[0], now[1] - gesture.start[1]) > SLOP;
    if (!gesture.moved) return;
    if (gesture.kind === "divider") {
      const [left, , right] = this.#view.screenRect;
      this.#setShare((now[0] - left) / (right - left));
    } else {
      this.classList.add("panning");
      this.panBy(now[0] - before[0], now[1] - before[1]);
    }
    this.#pointers.set(event.pointerId, now);
  }

  #pinch(id, before, now) {
    const [[, other]] = [...this.#pointers].filter(([key]) => key !== id);
    const spread = (point) => Math.max(8, Math.hypot(point[0] - other[0], point[1] - other[1]));
    const centre = [(now[0] + other[0]) / 2, (now[1] + other[1]) / 2];
    this.#view.panBy((now[0] - before[0]) / 2, (now[1] - before[1]) / 2);
    this.zoomBy(spread(now) / spread(before), centre);
    this.#pointers.set(id, now);
  }

  #up(event) {
    if (!this.#pointers.delete(event.pointerId)) return;
    const gesture = this.#gesture;
    this.classList.remove("panning");
    if (!gesture) return;
    if (this.#pointers.size) {
      this.#gesture = { ...gesture, kind: "pan", moved: true };
    } else if (event.type === "pointerup" && !gesture.moved) {
      this.#click(gesture.start);
    }
  }

  /** A click, on the divider's line as well, places a hint, unless a second follows at once: that zooms. */
  #click(at) {
    if (this.#waiting) {
      clearTimeout(this.#waiting);
      this.#waiting = 0;
      this.dispatchEvent(new CustomEvent("aim", { detail: null }));
      if (this.#view.scale < 0.9 / devicePixelRatio || this.#view.fitted) this.actualSize(at);
      else this.fit();
      return;
    }
    const [x, y] = this.#view.toPhoto(...at);
    const inside = x >= 0 && y >= 0 && x < this.#view.photoWidth && y < this.#view.photoHeight;
    if (inside) this.dispatchEvent(new CustomEvent("aim", { detail: { x, y } }));
    this.#waiting = setTimeout(() => {
      this.#waiting = 0;
      if (inside) this.dispatchEvent(new CustomEvent("place", { detail: { x, y } }));
    }, DOUBLE);
  }

  #wheel(event) {
    if (!this.photoSize) return;
    event.preventDefault();
    const lines = event.deltaMode === 1 ? 16 : 1;
    if (event.shiftKey) this.panBy(-(event.deltaX || event.deltaY) * lines, 0);
    else {
      const change = clamp(event.deltaY * lines, -120, 120) * (event.ctrlKey ? 0.01 : 0.0025);
      this.zoomBy(Math.exp(-change), this.#position(event));
    }
  }

  #key(event) {
    if (event.target !== this) return;
    const moves = {
      ArrowLeft: [STEP, 0],
      ArrowRight: [-STEP, 0],
      ArrowUp: [0, STEP],
      ArrowDown: [0, -STEP],
    };
    const move = moves[event.key];
    if (!move || event.ctrlKey || event.altKey || event.metaKey) return;
    event.preventDefault();
    this.panBy(...move);
  }

  #dividerKey(event) {
    const share = shareByKey(event, this.#share);
    if (share === null) return;
    event.preventDefault();
    event.stopPropagation();
    this.#setShare(share);
  }
}

customElements.define("koala-viewer", KoalaViewer);
