/**
 * Kept work: photos, hints, settings and the way back outlive a reload, a crash and the server; photos
 * that were closed stay among the recent ones until a person has them forgotten.
 *
 * Not here: files that a person saves (`saving.js`). It lies in this browser's own IndexedDB. One page
 * at a time keeps its work: a second one, open beside it, keeps nothing, or, where browsers have no locks
 * (from another machine without TLS), goes on with the work, and the first one keeps nothing any more.
 */

import { $, debounce, drawingOn, h } from "./dom.js";
import { FIRST_EDIT } from "./fields.js";
import { dropOthers } from "./kept-films.js";

const SETTLE = 300; // milliseconds without a change after which it is kept
const LATEST = 2000; // milliseconds after which it is kept though changes go on
const MOST_RECENT = 12; // photos that were closed
const THUMB = 160; // side of a recent photo's small picture, pixels
const KEEPER = "koalarize-keeper"; // names the page that keeps its work, where there are no locks

export class Keeping {
  /** @type {IDBDatabase | null} */
  #database = null;
  #files = new Set(); // the keys of photos whose file is kept, or on its way there
  #refused = new Set(); // of those whose file finds no room
  #full = false; // whether the last work found no room
  /** @type {any[]} */
  #recent = []; // what is kept of photos that were closed, the newest first
  #later = debounce(() => this.#keep(), SETTLE, LATEST);
  #name = `${Date.now()} ${Math.random()}`; // of this page

  /**
   * @param {import("./studio.js").Studio} studio
   * @param {{complain: (problem: any, options?: {from?: string}) => void}} commands
   */
  constructor(studio, { complain }) {
    this.studio = studio;
    this.complain = complain;
  }

  /** Bring back what was kept, and keep what comes. */
  async start() {
    try {
      if (!(await isAlone())) {
        this.complain(
          {
            title: "The studio is open in another tab",
            detail:
              "This one keeps nothing: a reload would lose what you do here. Work in the other tab, or close it and reload this one.",
          },
          { from: "second" },
        );
        return;
      }
      const database = await open();
      this.#takeOver();
      this.#database = database;
      database.addEventListener("close", () => this.#lost()); // its data were deleted in the browser
      const found = await this.#read(database);
      const files = database.transaction("files", "readonly").objectStore("files");
      this.#files = new Set(await answer(files.getAllKeys()));
      const works = found.filter(({ closed }) => !closed);
      this.#recent = found
        .filter(({ closed }) => closed)
        .sort((one, other) => other.closed - one.closed);
      this.studio.restore(works); // always: what the page does not show is not kept any longer
      dropOthers(works.flatMap(({ film }) => film?.id ?? []));
    } catch {
      this.#lost(); // cookies and site data may be blocked; the page works without
      return;
    }
    for (const name of ["photo", "edit"]) this.studio.addEventListener(name, () => this.#later());
    // A new photo does not wait: hundreds that are uploaded change without a pause.
    this.studio.addEventListener("photos", () => (this.#isNew() ? this.#keep() : this.#later()));
    this.studio.addEventListener("closed", (event) =>
      this.#closed(/** @type {CustomEvent} */ (event).detail.photo),
    );
    $("#forget-recent").addEventListener("click", () => {
      this.#recent = [];
      this.#keep();
      this.#show();
      $("#choose").focus();
    });
    addEventListener("pagehide", () => this.#keep());
    this.#show();
    this.#later();
  }

  /** This browser keeps nothing for this page: say so as soon as there is something to lose. */
  #lost() {
    this.#database = null;
    const tell = () => {
      if (!this.studio.photos.length) return;
      this.studio.removeEventListener("photos", tell);
      this.complain(
        {
          title: "This browser keeps nothing for the studio",
          detail:
            "A reload would lose what you do here: save photos or their sessions before you close the page. Where cookies and site data are allowed for this address, the studio keeps your work.",
        },
        { from: "storage" },
      );
    };
    this.studio.addEventListener("photos", tell);
    tell();
  }

  /** Where there are no locks, the newest page is the one that keeps its work. */
  #takeOver() {
    if (navigator.locks) return;
    localStorage.setItem(KEEPER, this.#name);
    addEventListener("storage", ({ key }) => key === KEEPER && this.#isKeeper());
  }

  /** Whether this page keeps its work; one that no longer does says so once. */
  #isKeeper() {
    if (!this.#database) return false;
    if (navigator.locks || localStorage.getItem(KEEPER) === this.#name) return true;
    this.#database = null;
    this.complain(
      {
        title: "The studio was opened in another tab",
        detail:
          "That one goes on with your work. This one keeps nothing any more: close it, or reload it to go on here.",
      },
      { from: "second" },
    );
    return false;
  }

  /** @param {IDBDatabase} database */
  async #read(database) {
    const stores = database.transaction(["work", "files"], "readonly");
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

  /**
   * A photo left the page: it becomes the newest of the recent ones. Of the same file opened twice all
   * different work is kept, and none that was never touched beside it.
   */
  #closed(photo) {
    const { file, info, kept: key, work } = photo;
    if (photo.film || !(info || isTouched(work))) return;
    const sha = info?.sha256;
    const ofFile = this.#recent.filter((other) => sha && other.sha === sha && other.key !== key);
    if (!isTouched(work) && ofFile.some(isTouched)) return;
    const same = ofFile.filter((other) => !isTouched(other) || isEqual(other.edit, work.edit));
    const thumb = thumbOf(photo.tile ?? photo.pictures.before ?? photo.local);
    const record = { key, sha, closed: Date.now(), thumb, ...work, told: null, file };
    const others = this.#recent.filter((other) => other.key !== key && !same.includes(other));
    this.#recent = [record, ...others].slice(0, MOST_RECENT);
    this.#show();
    this.#later();
  }

  /** Open a recent photo again, with all that was asked of it. */
  #reopen(record) {
    this.#recent = this.#recent.filter((other) => other !== record);
    this.studio.restore([{ ...record, active: true }]);
    this.#show();
  }

  #show() {
    $("#recent").hidden = this.#recent.length === 0;
    $("#recents").replaceChildren(
      ...this.#recent.map((record) =>
        h(
          "button",
          {
            type: "button",
            class: "example",
            title: record.name,
            onclick: () => this.#reopen(record),
          },
          h("img", { src: record.thumb, alt: "", width: "96", height: "96", draggable: "false" }),
          h("span", {}, record.name),
        ),
      ),
    );
  }

  /** Whether there is a photo whose file is not on its way into the browser's storage yet. */
  #isNew() {
    const known = ({ kept }) => this.#files.has(kept) || this.#refused.has(kept);
    return !this.studio.photos.every(known);
  }

  /** Keep all photos as they are now, and nothing of those that are gone. */
  #keep() {
    const database = this.#database;
    if (!database || !this.#isKeeper()) return;
    const { photos, active } = this.studio;
    const storing = database.transaction("work", "readwrite");
    storing.addEventListener("abort", () => this.#isFull());
    storing.addEventListener("complete", () => {
      this.#full = false;
    });
    const works = storing.objectStore("work");
    works.clear();
    const files = new Map();
    const put = (key, file, work) => {
      works.put({ key, ...work });
      files.set(key, file);
    };
    photos.forEach((photo, order) =>
      put(photo.kept, photo.file, { order, active: photo === active, ...photo.work }),
    );
    for (const { file, key, ...work } of this.#recent) if (!files.has(key)) put(key, file, work);
    this.#forget(database, files);
    for (const [key, file] of files) this.#keepFile(database, key, file);
  }

  /** What was done last found no room; said once until there is room again. */
  #isFull() {
    if (this.#full || !this.#database) return;
    this.#full = true;
    this.complain({
      title: "A reload would lose what you did last",
      detail:
        "This browser has no room to keep it: save your photos or their sessions before you close the page, or close other photos and have the recent ones forgotten.",
    });
  }

  /**
   * Let go the files of photos that are gone; there may be room then for those that found none.
   *
   * @param {IDBDatabase} database
   * @param {Map<string, File>} wanted
   */
  #forget(database, wanted) {
    const gone = [...this.#files].filter((key) => !wanted.has(key));
    if (!gone.length) return;
    const files = database.transaction("files", "readwrite").objectStore("files");
    for (const key of gone) {
      files.delete(key);
      this.#files.delete(key);
    }
    this.#refused.clear();
  }

  /**
   * Keep a file, alone: one that finds no room takes nothing else with it.
   *
   * @param {IDBDatabase} database
   * @param {string} key
   * @param {File} file
   */
  #keepFile(database, key, file) {
    if (this.#files.has(key) || this.#refused.has(key)) return;
    this.#files.add(key);
    const storing = database.transaction("files", "readwrite");
    storing.objectStore("files").put(file, key);
    storing.addEventListener("abort", () => {
      this.#files.delete(key);
      this.#refused.add(key);
      this.complain({
        title: `A reload would lose ${file.name || "this photo"}`,
        detail:
          "This browser has no room to keep it: save it or its session before you close the page, or close other photos and have the recent ones forgotten.",
      });
    });
  }
}

/** Whether two edits ask the same; what an earlier version of the page kept may lack a field. */
function isEqual(one, other) {
  const [first, second] = [one, other].map((edit) => JSON.stringify({ ...FIRST_EDIT, ...edit }));
  return first === second;
}

/** Whether a person has done anything to a photo, going by its kept work. */
function isTouched({ edit, past }) {
  return past.length > 0 || !isEqual(edit, FIRST_EDIT);
}

/** A small square of a bitmap as a data URL; a clear one where there is no bitmap. */
function thumbOf(bitmap) {
  const canvas = h("canvas", { width: THUMB, height: THUMB });
  if (!bitmap) return canvas.toDataURL();
  const scale = THUMB / Math.min(bitmap.width, bitmap.height);
  const [width, height] = [bitmap.width * scale, bitmap.height * scale];
  const [left, top] = [(THUMB - width) / 2, (THUMB - height) / 2];
  drawingOn(canvas).drawImage(bitmap, left, top, width, height);
  return canvas.toDataURL("image/jpeg", 0.8);
}

/** Whether no other page of this server keeps its work; this one then does until it is closed. */
async function isAlone() {
  if (!navigator.locks) return true; // only pages of this machine, or with TLS, have them: see above
  return new Promise((resolve, reject) => {
    const asked = navigator.locks.request("koalarize-work", { ifAvailable: true }, (lock) => {
      resolve(Boolean(lock));
      return lock ? new Promise(() => {}) : undefined;
    });
    asked.catch(reject); // there is none where site data are blocked
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
