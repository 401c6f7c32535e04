/**
 * The studio: which photos there are, which one is on the table, and what is asked of it.
 *
 * Not here: elements of the page. Parts of the page listen: "photos" (the list or its states
 * changed), "photo" (another one is on the table), "sent" (more of it is uploaded), "closed"
 * {photo}, "edit" {live}, "pending", "problem" {problem}.
 */

import * as api from "./api.js";
import { clamp } from "./dom.js";
import { newId, Photo } from "./photos.js";

const MOST_SHOWN = 64 << 20; // bytes of a file that the page reads itself
const BRUSH = 0.02; // of the shorter side: the radius of a new hint

export class Studio extends EventTarget {
  /** @type {Photo[]} */
  photos = [];
  /** @type {Photo | null} */
  active = null;
  /** @type {any[]} */
  models = [];
  pictures = new Map(); // reference pictures as bitmaps, by the palette's sha256
  /** @type {Promise<unknown>} */
  #uploads = Promise.resolve();
  /** @type {string[]} */
  #sessions = []; // the texts of sessions that wait for their photos

  /** The photo on the table, where there must be one. */
  get current() {
    if (!this.active) throw new Error("no photo is on the table");
    return this.active;
  }

  /** What the service is asked for: the steering object of its description. */
  steering = (photo, { without = null } = {}) => {
    const { model, hints, recolors, ...others } = photo.edit;
    const asked = hints.filter(({ id }) => id !== without);
    return {
      ...(model ? { model } : {}),
      ...others,
      recolors: recolors.map(({ was, becomes }) => ({ was, becomes })),
      hints: asked.map(({ x, y, radius, color, reach = null }) => ({ x, y, radius, color, reach })),
    };
  };

  modelOf(photo) {
    return (
      this.models.find(({ name }) => name === photo?.edit.model) ??
      this.models.find((model) => model.default) ??
      this.models[0]
    );
  }

  /** Put photos on the film strip, the first of them on the table. */
  add(files) {
    return this.#place(files.map((file) => new Photo(file)));
  }

  /** Put frames of shots, each with its {id, number, time}, on the film strip, perhaps `aside` of a photo on the table. */
  addShots(files, films, { aside = false } = {}) {
    const photos = files.map((file) => new Photo(file));
    photos.forEach((photo, index) => {
      photo.film = films[index];
    });
    return this.#place(photos, (aside && this.active) || photos[0]);
  }

  /**
   * Put back photos whose work was kept: [{key, file, name, edit, past, unsaved, active}]. They come
   * after those that are here already; a photo on the table stays there.
   */
  restore(works) {
    const photos = works.map((work) => {
      const photo = new Photo(work.file, work.name);
      photo.kept = work.key;
      photo.resume(work);
      return photo;
    });
    const last = works.findIndex((work) => work.active);
    this.#place(photos, this.active ?? photos[Math.max(0, last)]);
  }

  #place(added, first = added[0]) {
    if (!added.length) return added;
    for (const [index, photo] of added.entries()) {
      const before = [...this.photos, ...added.slice(0, index)];
      const namesakes = before.filter(({ name }) => name === photo.name);
      photo.copy = 1 + Math.max(0, ...namesakes.map(({ copy }) => copy));
      photo.addEventListener(
        "edit",
        (event) => photo === this.active && this.#tell("edit", event.detail),
      );
      photo.addEventListener("pending", () => photo === this.active && this.#tell("pending"));
    }
    this.photos = [...this.photos, ...added];
    if (first === this.active) this.#tell("photos");
    else this.select(first);
    for (const photo of added) photo.arrival = this.#enqueue(photo);
    return added;
  }

  /** Put a photo on the table. */
  select(photo) {
    this.active?.leave();
    this.active = photo;
    this.#tell("photo");
    this.#tell("photos");
    if (photo) this.#showFile(photo);
  }

  step(by) {
    const index = clamp(
      this.photos.findIndex((photo) => photo === this.active) + by,
      0,
      this.photos.length - 1,
    );
    if (this.photos[index] && this.photos[index] !== this.active) this.select(this.photos[index]);
  }

  remove(photo) {
    const index = this.photos.indexOf(photo);
    this.photos = this.photos.filter((other) => other !== photo);
    this.#letGo(photo);
    if (photo === this.active)
      this.select(this.photos[Math.min(index, this.photos.length - 1)] ?? null);
    else this.#tell("photos");
  }

  /** Upload again what failed or what the server has forgotten. */
  ready = (photo) => {
    const again = Boolean(photo.info && !photo.failure);
    photo.failure = null;
    photo.arrival = this.#upload(photo, again);
    return photo.arrival.then(() => {
      if (photo.failure) throw photo.failure;
    });
  };

  /**
   * Do it; if the service has forgotten the photo, upload it again and do it once more. Of several that
   * find this out at once, one uploads.
   */
  tried = async (photo, work) => {
    const { arrival } = photo;
    try {
      return await work(photo.known.id);
    } catch (problem) {
      if (!problem.forgotten) throw problem;
      if (photo.arrival === arrival) await this.ready(photo);
      else await photo.arrival;
      if (photo.failure) throw photo.failure;
      return work(photo.known.id);
    }
  };

  /** Let all photos go, one after the other: with the last of its shots a film goes as well. */
  clear() {
    for (const photo of this.photos) {
      this.photos = this.photos.filter((other) => other !== photo);
      this.#letGo(photo);
    }
    this.select(null);
  }

  /** A photo has left the page: the line of uploads and the service are done with it. */
  #letGo(photo) {
    this.#tell("closed", { photo });
    photo.sending?.abort();
    if (photo.info) this.#forget(photo.info.id);
  }

  /** The service lets a photo go, unless another one here has the same bytes, and so the same id. */
  #forget(id) {
    if (!this.photos.some(({ info }) => info?.id === id)) api.forget(id);
  }

  /** Upload it once more; a damaged one perhaps `tolerant`, as far as it can be read. */
  retry(photo, { tolerant = photo.tolerant } = {}) {
    Object.assign(photo, { failure: null, tolerant });
    photo.arrival = this.#enqueue(photo);
    this.#tell("photos");
    if (photo === this.active) this.#tell("photo");
  }

  /**
   * Ask of another photo what is asked now of this one, and tell whether it changes; hints wait for its upload.
   *
   * @param {import("./photos.js").Photo} photo
   * @param {{without: string[], hints: boolean}} options fields that stay its own; whether hints
   *   come along, to the same places of the photo
   */
  async copyEdit(photo, { without, hints }) {
    const { edit, palette, width, height } = this.current;
    const own = ["hints", ...without];
    const values = Object.fromEntries(Object.entries(edit).filter(([name]) => !own.includes(name)));
    const placed = () => {
      const [across, down] = [photo.width / width, photo.height / height];
      const size = Math.min(photo.width, photo.height) / Math.min(width, height);
      return edit.hints.map((hint) => ({
        ...hint,
        id: newId(),
        x: clamp(hint.x * across, 0, photo.width - 1),
        y: clamp(hint.y * down, 0, photo.height - 1),
        radius: hint.radius * size,
      }));
    };
    if (hints) await photo.arrival;
    const { edit: before } = photo;
    photo.palette = palette;
    if (hints && photo.info) values.hints = placed();
    else if (hints)
      // Its upload failed: they come when it is tried again.
      photo.addEventListener("arrived", () => photo.change({ hints: placed() }), { once: true });
    photo.change(values);
    this.changedAside([photo]);
    return photo.edit !== before;
  }

  /** Photos that may not be on the table look different now. */
  changedAside(photos) {
    for (const photo of photos) photo.hasTile = false;
    this.#tell("photos");
  }

  /** A hint without a colour, where a person pointed. */
  newHint(x, y) {
    const photo = this.current;
    const last = photo.edit.hints.at(-1);
    const radius = last?.radius ?? Math.max(1, BRUSH * Math.min(photo.width, photo.height));
    const inside = { x: clamp(x, 0, photo.width - 1), y: clamp(y, 0, photo.height - 1) };
    const hint = { id: newId(), ...inside, radius, color: null };
    photo.setPending(hint);
    return hint;
  }

  /** Take a colour picture as the source of colours; returns what its colours lack. */
  async setReference(file) {
    const photo = this.current;
    const [{ palette, notes }, bitmap] = await Promise.all([
      api.palette(file, file.name || "reference"),
      createImageBitmap(file).catch(() => null), // the service reads kinds that a browser cannot
    ]);
    if (bitmap) this.pictures.set(palette.sha256, bitmap);
    photo.palette = palette;
    photo.change({ reference: palette });
    return notes;
  }

  /** The reference picture of a photo as a bitmap, if the browser has it. */
  pictureOf(photo) {
    return (
      photo?.eyePicture ??
      this.pictures.get((photo?.edit.reference ?? photo?.palette)?.sha256) ??
      null
    );
  }

  /**
   * Continue a session on its photo, as soon as that is here, or on another copy of it: the one on
   * the table, which goes before others of the same bytes too, or one of its name. Else it waits.
   */
  async openSession(text) {
    const name = nameIn(text);
    const owner =
      [this.active, ...this.photos].find((photo) => photo && isOf(text, photo)) ??
      (await this.#comingOwner(text));
    const namesakes = this.photos.filter(({ info }) => info?.name === name);
    const tried = owner ? [owner] : [...new Set([this.active, ...namesakes])];
    let other = null;
    for (const photo of tried) {
      if (!photo?.info) continue;
      try {
        await this.#applySession(photo, text);
        if (photo !== this.active) this.select(photo);
        return "opened";
      } catch (problem) {
        if (problem.slug !== "other-photo") throw problem;
        other ??= problem;
      }
    }
    this.#sessions.push(text);
    if (other) throw Object.assign(other, { title: "The session waits for its photo" });
    return "waiting";
  }

  /** The photo of a session among those that are still on their way. */
  async #comingOwner(text) {
    for (const photo of this.photos) {
      await photo.arrival;
      if (isOf(text, photo)) return photo;
    }
    return null;
  }

  async #applySession(photo, text) {
    const { steering, note } = await this.tried(photo, (id) => api.openSession(id, text));
    const least = 0.012 * Math.min(photo.width, photo.height);
    const hints = steering.hints.map((hint) => ({
      ...hint,
      id: newId(),
      radius: hint.radius ?? least,
    }));
    photo.palette = steering.reference;
    photo.change({ ...steering, hints });
    photo.markSaved();
    this.changedAside([photo]);
    if (note) this.#tell("problem", { problem: new api.Problem("Session opened", note) });
  }

  /** One upload after the other, in the order given; the one on the table goes first. */
  #enqueue(photo) {
    const first = photo === this.active || this.photos.length === 0;
    const turn = first ? Promise.resolve() : this.#uploads;
    const done = turn.then(async () => {
      if (this.photos.includes(photo) && !photo.info) await this.#upload(photo);
    });
    this.#uploads = Promise.allSettled([this.#uploads, done]).then(() => {});
    return done;
  }

  /** Show the file itself while it is on its way; kinds that a browser cannot read wait. */
  async #showFile(photo) {
    if (photo.info || photo.local || photo.file.size > MOST_SHOWN) return;
    const local = await createImageBitmap(photo.file).catch(() => null);
    if (!local || photo.info || photo !== this.active) return local?.close();
    photo.local = local;
    return this.#tell("photo");
  }

  /** What the service says of a photo that it still has from before a reload, by the name it had. */
  async #held({ told }, signal) {
    if (!told) return null;
    try {
      return { ...(await api.photo(told.id, signal)), name: told.name };
    } catch (problem) {
      if (problem.forgotten) return null;
      throw problem;
    }
  }

  /** Give a photo to the service; one that it has forgotten comes `again`, unseen unless that fails. */
  async #upload(photo, again = false) {
    photo.sent = 0;
    const { info } = photo;
    const { signal } = (photo.sending = new AbortController());
    const sent = (share) => {
      photo.sent = share;
      if (photo === this.active) this.#tell("sent");
    };
    try {
      photo.info =
        (!again && (await this.#held(photo, signal))) || (await api.upload(photo, sent, signal));
    } catch (problem) {
      photo.failure = problem;
    }
    if (signal.aborted) {
      if (photo.info !== info) this.#forget(photo.known.id); // it was removed just as it came
      return;
    }
    if (photo.info) photo.dispatchEvent(new Event("arrived"));
    this.#tell("photos");
    if (photo === this.active && !(again && !photo.failure)) this.#tell("photo");
    const isOwn = (text) => isOf(text, photo) || (photo.info && photo.info.name === nameIn(text));
    const own = this.#sessions.filter(isOwn);
    this.#sessions = this.#sessions.filter((text) => !own.includes(text));
    for (const text of own)
      await this.#applySession(photo, text).catch((problem) => {
        if (problem.slug === "other-photo") this.#sessions.push(text);
        else this.#tell("problem", { problem });
      });
  }

  #tell(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }
}

/** The name of the photo that a session belongs to. */
function nameIn(text) {
  try {
    const { photo } = JSON.parse(text);
    if (typeof photo.sha256 === "string") return photo.name;
  } catch {
    // The sentence below says it.
  }
  throw new api.Problem(
    "Not a session",
    "The file is none that “Save session” wrote: open a .koalarize.json file.",
  );
}

/** Whether a session is that of an uploaded photo, going by the bytes of its file. */
function isOf(session, { info }) {
  try {
    return Boolean(info) && JSON.parse(session).photo?.sha256 === info.sha256;
  } catch {
    return false; // the service says what is wrong with it
  }
}
