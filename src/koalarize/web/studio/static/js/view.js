/**
 * Where a photo stands on the screen: scale, centre, and both directions between the two.
 *
 * Not here: drawing and pointers (`viewer.js`). Screen positions are CSS pixels from the upper left
 * of the viewer, photo positions are pixels of the upright photo.
 */

import { clamp } from "./dom.js";

const MARGIN = 24; // CSS pixels left free around a photo that fits
const LARGEST = 16; // CSS pixels a photo pixel

export class View {
  /** Scale is CSS pixels a photo pixel; `fitted` follows the window. */
  constructor() {
    this.scale = 1;
    this.x = 0;
    this.y = 0;
    this.fitted = true;
    this.barred = 0; // CSS pixels at the bottom that a bar covers
    this.photoWidth = 1;
    this.photoHeight = 1;
    this.width = 1;
    this.height = 1;
    this.fit();
  }

  /** Tell how large the photo and the viewer are. */
  setSizes(photoWidth, photoHeight, width, height) {
    Object.assign(this, { photoWidth, photoHeight, width, height });
    if (this.fitted) this.fit();
    else this.keepInside();
  }

  /** The scale at which the whole photo shows. */
  get fitScale() {
    const margin = Math.min(MARGIN, this.width / 24);
    const across = (this.width - 2 * margin) / this.photoWidth;
    const down = (this.height - this.barred - 2 * margin) / this.photoHeight;
    return Math.max(1e-4, Math.min(across, down, 4));
  }

  fit() {
    Object.assign(this, {
      scale: this.fitScale,
      x: this.photoWidth / 2,
      y: this.photoHeight / 2 + this.barred / 2 / this.fitScale,
      fitted: true,
    });
  }

  /** Zoom to a scale; what is at the screen position `at` stays there. */
  zoomTo(scale, at = [this.width / 2, this.height / 2]) {
    const [photoX, photoY] = this.toPhoto(...at);
    this.scale = clamp(scale, Math.min(this.fitScale, 1) * 0.5, LARGEST);
    this.x = photoX - (at[0] - this.width / 2) / this.scale;
    this.y = photoY - (at[1] - this.height / 2) / this.scale;
    this.fitted = false;
    this.keepInside();
  }

  /** Move the photo by CSS pixels. */
  panBy(across, down) {
    this.x -= across / this.scale;
    this.y -= down / this.scale;
    this.fitted = false;
    this.keepInside();
  }

  /** Keep some of the photo in sight; one smaller than the viewer stays in the middle. */
  keepInside() {
    this.x = this.#inside(this.x, this.photoWidth, this.width);
    this.y = this.#inside(this.y, this.photoHeight, this.height);
  }

  #inside(centre, whole, room) {
    const half = room / 2 / this.scale;
    const left = 40 / this.scale; // of the photo in sight at least
    return whole <= 2 * half ? whole / 2 : clamp(centre, half - left, whole - half + left);
  }

  toScreen(photoX, photoY) {
    return [
      (photoX - this.x) * this.scale + this.width / 2,
      (photoY - this.y) * this.scale + this.height / 2,
    ];
  }

  toPhoto(screenX, screenY) {
    return [
      (screenX - this.width / 2) / this.scale + this.x,
      (screenY - this.height / 2) / this.scale + this.y,
    ];
  }

  /** The part of the screen where the photo is: left, top, right, bottom. */
  get screenRect() {
    const [left, top] = this.toScreen(0, 0);
    const [right, bottom] = this.toScreen(this.photoWidth, this.photoHeight);
    return [
      Math.max(0, left),
      Math.max(0, top),
      Math.min(this.width, right),
      Math.min(this.height, bottom),
    ];
  }

  /** The part of the photo that is in sight, whole pixels; `margin` adds a share of it all around. */
  visible(margin = 0) {
    const halfWidth = (this.width / 2 / this.scale) * (1 + 2 * margin);
    const halfHeight = (this.height / 2 / this.scale) * (1 + 2 * margin);
    const left = clamp(Math.floor(this.x - halfWidth), 0, this.photoWidth - 1);
    const top = clamp(Math.floor(this.y - halfHeight), 0, this.photoHeight - 1);
    const right = clamp(Math.ceil(this.x + halfWidth), left + 1, this.photoWidth);
    const bottom = clamp(Math.ceil(this.y + halfHeight), top + 1, this.photoHeight);
    return { x: left, y: top, width: right - left, height: bottom - top };
  }
}
