/**
 * Pictures for the viewer: a small one of the whole photo, and the part in sight at full detail.
 *
 * Not here: drawing (`viewer.js`). Each change asks again and drops what was asked before; during a
 * drag, small pictures follow one another instead, so that something moves. Fires "state"
 * {busy, seconds, problem}.
 */

import * as api from "./api.js";
import { debounce } from "./dom.js";

const PREVIEW = 1600; // longest side of a preview, pixels
const DRAG = 480; // and while something is dragged
const SETTLE = 140; // milliseconds the view rests before detail is fetched
const AROUND = 0.15; // how much more than what is in sight is fetched, each way
const KEPT = 8; // photos whose pictures are kept
const SHARPER = 1.15; // detail is fetched where it has more than this times the preview's pixels

export class Previews extends EventTarget {
  /** @type {import("./photos.js").Photo | null} */
  #photo = null;
  /** @type {AbortController | null} */
  #request = null; // the AbortController of the newest picture after
  /** @type {import("./photos.js").Edit | null} */
  #asked = null; // the edit whose picture after is on its way
  #dragging = false;
  #again = false;
  #tilt = 0; // degrees
  /** @type {AbortController | null} */
  #detail = null;
  /** @type {import("./photos.js").Photo[]} */
  #recent = [];
  #later = debounce(() => this.#fetchDetail(), SETTLE);
  #soon = debounce(() => this.#refresh(), 40);

  /**
   * `tried(photo, work)` does `work(id)`, again where the server has forgotten the photo.
   *
   * @param {import("./viewer.js").KoalaViewer} viewer
   * @param {import("./studio.js").Studio["steering"]} steering
   * @param {import("./studio.js").Studio["tried"]} tried
   */
  constructor(viewer, steering, tried) {
    super();
    this.viewer = viewer;
    this.steering = steering;
    this.tried = tried;
    viewer.addEventListener("view", () => this.#later());
  }

  /** Show a photo; what is known of it at once, the rest as it comes. */
  show(photo) {
    this.#soon.cancel(); // what was to come was for the photo before
    this.#request?.abort();
    this.#detail?.abort();
    this.#photo = photo;
    if (!photo?.info) {
      this.#showLocal(photo);
      return;
    }
    this.#forgetOthers(photo);
    this.#forgetPose(photo);
    photo.pictures.pose = photo.pose;
    this.#draw();
    if (!photo.pictures.before) this.#fetchBefore(photo);
    if (photo.pictures.edit !== photo.edit) this.#refresh();
    else this.#later();
  }

  /** Show what the browser made of the file, until the service has it; nothing of another photo. */
  #showLocal(photo) {
    const local = photo?.local;
    if (!local) {
      for (const side of ["before", "after"]) this.viewer.setLayer(side, []);
      return;
    }
    this.viewer.setPhoto(local.width, local.height);
    const whole = { x: 0, y: 0, width: local.width, height: local.height };
    this.viewer.setLayer("before", [{ bitmap: local, ...whole }]);
  }

  /** What a photo looks like, all of it: the page shows a crop as a frame. */
  #shown(photo) {
    return { ...this.steering(photo), crop: null };
  }

  /** The edit has changed; `live` during a drag. */
  changed({ live }) {
    if (!this.#photo?.info) return;
    if (this.#forgetPose(this.#photo)) {
      this.show(this.#photo);
      return;
    }
    if (live) this.#drag();
    else {
      this.#again = false;
      this.#soon();
    }
  }

  /** Show the photo turned by so many degrees more than it is, as long as a person straightens it. */
  tilt(degrees) {
    this.#tilt = degrees;
    if (this.#photo?.info) this.#draw();
  }

  /** Ask again for what is missing, after the server came back. */
  retry() {
    const photo = this.#photo;
    if (!photo?.info) return;
    if (!photo.pictures.before) this.#fetchBefore(photo);
    // The very answer that tells that the server is back may bring it.
    if (![photo.pictures.edit, this.#asked].includes(photo.edit)) this.#refresh();
  }

  /** Keep the pictures of the photos shown last, not of hundreds. */
  #forgetOthers(photo) {
    this.#recent = [photo, ...this.#recent.filter((other) => other !== photo)];
    for (const other of this.#recent.splice(KEPT)) other.pictures = {};
  }

  /** Give up pictures of the photo as it stood before, on the table or not; returns whether it did. */
  #forgetPose(photo) {
    const { pictures, edit } = photo;
    const { pose } = pictures;
    if (!pose || (pose.turn === edit.turn && pose.straighten === edit.straighten)) return false;
    photo.pictures = { old: pictures.before ? pictures : pictures.old };
    return true;
  }

  /** The photo that is shown, where there must be one. */
  get #current() {
    if (!this.#photo) throw new Error("no photo is shown");
    return this.#photo;
  }

  #draw() {
    const { pictures, local, pose } = this.#current;
    const { before, after, old, detailBefore, detailAfter } = pictures;
    const whole = { x: 0, y: 0, width: pose.width, height: pose.height, tilt: this.#tilt };
    const layers = (bitmap, detail, earlier) => {
      if (!bitmap) return earlier && old?.pose ? [this.#earlier(earlier, old.pose)] : [];
      return [{ bitmap, ...whole }, ...(detail && !this.#tilt ? [detail] : [])];
    };
    this.viewer.setLayer("before", layers(before ?? local, detailBefore, old?.before));
    this.viewer.setLayer("after", layers(after, detailAfter, old?.after));
  }

  /** How a picture of the photo that stood otherwise stands in for one that is not here yet. */
  #earlier(bitmap, { width, height, straighten, turn }) {
    const { pose } = this.#current;
    const [x, y] = [(pose.width - width) / 2, (pose.height - height) / 2];
    const tilt = pose.turn - turn + pose.straighten - straighten + this.#tilt;
    return { bitmap, x, y, width, height, tilt };
  }

  #side() {
    const { width, height } = this.#current;
    const longest =
      Math.max(width, height) * this.viewer.view.fitScale * Math.min(2, devicePixelRatio);
    return Math.min(PREVIEW, 256 * Math.ceil(Math.max(640, longest) / 256));
  }

  async #fetchBefore(photo) {
    const { pictures } = photo;
    const { turn, straighten } = photo.pose;
    try {
      pictures.before = await this.tried(photo, (id) =>
        api.preview(id, { steering: { turn, straighten }, side: this.#side(), grey: true }),
      );
      photo.local?.close();
      photo.local = null;
      if (photo === this.#photo) this.#draw();
    } catch (problem) {
      this.#state(photo, { problem });
    }
  }

  async #refresh() {
    const photo = this.#current;
    const { edit, pictures } = photo;
    this.#request?.abort();
    const controller = (this.#request = new AbortController());
    this.#asked = edit;
    const started = performance.now();
    this.#state(photo, { busy: true });
    try {
      const values = { steering: this.#shown(photo), side: this.#side() };
      if (pictures.after && this.#wantsDetail()) await this.#fetchDetail(controller);
      const after = await this.tried(photo, (id) => api.preview(id, values, controller.signal));
      if (controller.signal.aborted) return;
      Object.assign(pictures, { after, edit });
      if (pictures.detailAfter?.edit !== edit) pictures.detailAfter = null;
      this.#draw();
      this.#state(photo, { seconds: (performance.now() - started) / 1000 });
      this.#later();
    } catch (problem) {
      if (problem.name !== "AbortError") this.#state(photo, { problem });
    } finally {
      if (controller === this.#request) this.#asked = null;
    }
  }

  /** Small pictures while something is dragged: one at a time, always of the newest edit. */
  async #drag() {
    this.#again = true;
    if (this.#dragging) return;
    this.#dragging = true;
    this.#soon.cancel();
    const photo = this.#current;
    try {
      while (this.#again && photo === this.#photo) {
        this.#again = false;
        this.#request?.abort();
        const after = await this.tried(photo, (id) =>
          api.preview(id, { steering: this.#shown(photo), side: DRAG }),
        );
        if (photo.pictures.edit === photo.edit) break; // the full one was faster
        Object.assign(photo.pictures, { after, edit: null, detailAfter: null });
        if (photo === this.#photo) this.#draw();
      }
    } catch (problem) {
      this.#state(photo, { problem });
    } finally {
      this.#dragging = false;
    }
  }

  #wantsDetail() {
    const { view } = this.viewer;
    const { width, pictures } = this.#current;
    const have = pictures.before ? pictures.before.width / width : 0;
    return have > 0 && have < 0.999 && view.scale * devicePixelRatio > SHARPER * have;
  }

  #covered(detail) {
    const sight = this.viewer.view.visible();
    return (
      detail &&
      detail.x <= sight.x &&
      detail.y <= sight.y &&
      detail.x + detail.width >= sight.x + sight.width &&
      detail.y + detail.height >= sight.y + sight.height &&
      detail.scale >= 0.87 * this.#detailScale()
    );
  }

  #detailScale() {
    return Math.min(1, this.viewer.view.scale * Math.min(2, devicePixelRatio));
  }

  /**
   * Fetch the part in sight as sharp as the screen shows it, before and after.
   *
   * @param {AbortController | null} outer
   */
  async #fetchDetail(outer = null) {
    const photo = this.#photo;
    if (!photo?.info || !photo.pictures.after || !this.#wantsDetail()) return;
    const { edit, pictures } = photo;
    const freshAfter = pictures.detailAfter?.edit === edit && this.#covered(pictures.detailAfter);
    const freshBefore = this.#covered(pictures.detailBefore);
    if (freshAfter && freshBefore) return;
    this.#detail?.abort();
    const controller = (this.#detail = new AbortController());
    outer?.signal.addEventListener("abort", () => controller.abort(), { once: true });
    const scale = this.#detailScale();
    const { turn, straighten } = photo.pose;
    const values = { ...this.viewer.view.visible(AROUND), scale };
    /**
     * @param {"detailBefore" | "detailAfter"} key
     * @param {object} extra
     */
    const fetchOne = async (key, extra) => {
      const bitmap = await this.tried(photo, (id) =>
        api.region(id, { ...values, ...extra }, controller.signal),
      );
      pictures[key] = { bitmap, ...values, edit };
      if (photo === this.#photo) this.#draw();
    };
    try {
      if (!freshAfter) await fetchOne("detailAfter", { steering: this.#shown(photo) });
      if (!freshBefore)
        await fetchOne("detailBefore", { steering: { turn, straighten }, grey: true });
    } catch (problem) {
      if (problem.name !== "AbortError") this.#state(photo, { problem });
    }
  }

  #state(photo, state) {
    this.dispatchEvent(new CustomEvent("state", { detail: { photo, busy: false, ...state } }));
  }
}
