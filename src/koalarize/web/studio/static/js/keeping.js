/**
 * Kept work: photos, hints, settings and the way back outlive a reload, a crash and the server.
 *
 * Not here: files that a person saves (`saving.js`). It lies in this browser's own IndexedDB. One page
 * at a time keeps its work; a second one, open beside it, keeps nothing.
 */

import { debounce } from "./dom.js";

const SETTLE = 300; // milliseconds without a change after which it is kept
const MOST = 60; // photos that are kept

export class Keeping {
  /** @type {IDBDatabase | null} */
  #database = null;
  #files = new Set(); // the keys of photos whose file is kept already
  #later = debounce(() => this.#keep(), SETTLE);

  /** @param {import("./studio.js").Studio} studio */
  constructor(studio) {
    this.studio = studio;
  }

  /** Bring back what was kept, and keep what comes. */
  async start() {
    try {
      if (!(await isAlone())) return;
      this.#database = await open();
      const found = await this.#read();
      if (found.length && !this.studio.photos.length) this.studio.restore(found);
      this.#files = new Set(found.map(({ key }) => key));
    } catch {
      return; // a private window may have no database; the page works without
    }
    for (const name of ["photos", "photo", "edit"])
      this.studio.addEventListener(name, () => this.#later());
    addEventListener("pagehide", () => this.#keep());
    this.#later();
  }

  async #read() {
    const stores = this.#database.transaction(["work", "files"], "readonly");
    const works = await answer(stores.objectStore("work").getAll());
    const files = stores.objectStore("files");
    const found = await Promise.all(
      works.map(async (work) => ({ ...work, file: await answer(files.get(work.key)) })),
    );
    return found
      .filter(({ file }) => file)
      .sort((one, other) => one.order - other.order)
      .map((work) => ({
        ...work,
        file: new File([work.file], work.name, { type: work.file.type }),
      }));
  }

  /** Keep all photos as they are now, and nothing of those that are gone. */
  #keep() {
    const { photos, active } = this.studio;
    const kept = photos.slice(-MOST);
    const stores = this.#database.transaction(["work", "files"], "readwrite");
    const [works, files] = [stores.objectStore("work"), stores.objectStore("files")];
    works.clear();
    kept.forEach((photo, order) => {
      works.put({ key: photo.kept, order, active: photo === active, ...photo.work });
      if (!this.#files.has(photo.kept)) files.put(photo.file, photo.kept);
    });
    const keys = new Set(kept.map((photo) => photo.kept));
    for (const key of this.#files) if (!keys.has(key)) files.delete(key);
    stores.addEventListener("complete", () => {
      this.#files = keys;
    });
  }
}

/** Whether no other page of this server keeps its work; this one then does until it is closed. */
async function isAlone() {
  if (!navigator.locks) return true; // only pages of this machine, or with TLS, have locks
  return new Promise((resolve) => {
    navigator.locks.request("koalarize-work", { ifAvailable: true }, (lock) => {
      resolve(Boolean(lock));
      return lock ? new Promise(() => {}) : undefined;
    });
  });
}

/** @returns {Promise<IDBDatabase>} */
function open() {
  const request = indexedDB.open("koalarize", 1);
  request.addEventListener("upgradeneeded", () => {
    request.result.createObjectStore("work", { keyPath: "key" });
    request.result.createObjectStore("files");
  });
  return answer(request);
}

/**
 * @template Found
 * @param {IDBRequest<Found>} request
 * @returns {Promise<Found>}
 */
function answer(request) {
  return new Promise((resolve, reject) => {
    request.addEventListener("success", () => resolve(request.result));
    request.addEventListener("error", () => reject(request.error));
  });
}
