/**
 * The files of films, kept in this browser so that a reload or a restart of the server loses nothing.
 *
 * Not here: the shots, which are kept as photos are (`keeping.js`).
 */

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

/**
 * Do something with the kept films; a private window may keep none, which costs only the reload.
 *
 * @param {IDBTransactionMode} mode
 * @param {(films: IDBObjectStore) => IDBRequest} work
 * @returns {Promise<any>}
 */
async function stored(mode, work) {
  try {
    const database = await open();
    return await new Promise((resolve, reject) => {
      const asked = work(database.transaction("films", mode).objectStore("films"));
      asked.addEventListener("success", () => resolve(asked.result));
      asked.addEventListener("error", () => reject(asked.error));
    });
  } catch {
    return null;
  }
}

export const keep = (film) => stored("readwrite", (films) => films.put(film));
export const keptOf = (id) => stored("readonly", (films) => films.get(id));
export const drop = (id) => stored("readwrite", (films) => films.delete(id));
