// Elements of the page of the test, by their id.

/**
 * @param {string} id
 * @returns {any} of the class that the page's HTML says
 */
export const byId = (id) => document.getElementById(id);

/** Put a text into an element. */
export function fill(id, text) {
  byId(id).textContent = text;
}
