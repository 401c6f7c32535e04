/**
 * The files of films, kept in this browser so that a reload or a restart of the server loses nothing.
 *
 * Not here: the shots, which are kept as photos are (`keeping.js`).
 */

import { Problem } from "./api.js";

/** @returns {Promise<IDBDatabase>} */
function open() {
  return new Promise((resolve, reject) => {
    const asked = indexedDB.open("koalarize-films", 1);
    asked.addEventListener("upgradeneeded", () =>
      asked.result.createObjectStore("films", { keyPath: "id" }),
    );
    asked.addEventListener("success", () => resolve(asked.result));
    asked.addEventListener("error", () => reject(asked.error));
  });
}

class NoRoom extends Error {}

/**
 * Do something with the kept films, and wait until it is done.
 *
 * @param {IDBTransactionMode} mode
 * @param {(films: IDBObjectStore) => IDBRequest} work
 * @returns {Promise<any>}
 */
async function stored(mode, work) {
  const database = await open();
  try {
    return await new Promise((resolve, reject) => {
      const doing = database.transaction("films", mode);
      const asked = work(doing.objectStore("films"));
      doing.addEventListener("complete", () => resolve(asked.result));
      doing.addEventListener("abort", () => reject(new NoRoom()));
    });
  } finally {
    database.close();
  }
}

/** Keep a film ({id, file, name}); resolves to whether it found room. A private window, which keeps none, is told elsewhere. */
export function keep(film) {
  return stored("readwrite", (films) => films.put(film)).then(
    () => true,
    (problem) => !(problem instanceof NoRoom),
  );
}

/** What is said of a film that found none. */
export function noRoom({ name }) {
  const detail =
    "It can be coloured, but if the program is started again, open it again: its shots keep their edits.";
  return new Problem(`This browser has no room to keep ${name}`, detail);
}

/** The film of an id, or null. */
export function keptOf(id) {
  return stored("readonly", (films) => films.get(id)).catch(() => null);
}

export function drop(id) {
  return stored("readwrite", (films) => films.delete(id)).catch(() => null);
}

/** Let all films go but these: a page that kept no work, open beside another, leaves its own behind. */
export async function dropOthers(ids) {
  const found = await stored("readonly", (films) => films.getAllKeys()).catch(() => []);
  for (const id of found) if (!ids.includes(id)) await drop(id);
}
