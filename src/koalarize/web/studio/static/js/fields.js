/**
 * What may be asked of a colouring: the service's own list, with bounds, defaults and help.
 *
 * Not here: the controls that are made of it (`controls.js`). The page waits for this list before
 * it starts, since it has no numbers of its own.
 */

import * as api from "./api.js";
import { $, h } from "./dom.js";

const AGAIN = 1500; // milliseconds until the list is asked for again where it did not come

/**
 * @typedef {object} Field
 * @property {string} [type] "number" and "boolean" have a control of their own
 * @property {string} title
 * @property {string} [description]
 * @property {any} default
 * @property {number} [minimum]
 * @property {number} [maximum]
 * @property {number} [maxItems] of a list
 */

/** @type {Record<string, Field>} */
export const FIELDS = await theFields();

/** The list, asked for until it comes; until then the page says what keeps it. */
async function theFields() {
  for (;;) {
    try {
      const { properties } = await api.fields();
      $("#notice").hidden = true;
      return properties;
    } catch (problem) {
      const said = [h("strong", {}, problem.title), h("p", {}, problem.detail)];
      $("#notice").replaceChildren(h("div", { class: "grow" }, ...said));
      $("#notice").hidden = false;
      await new Promise((resolve) => setTimeout(resolve, AGAIN));
    }
  }
}

/**
 * What a photo starts with; its hints are {id, x, y, radius, color: "#rrggbb"}.
 *
 * @type {Readonly<Record<string, any>>}
 */
export const FIRST_EDIT = Object.freeze({
  ...Object.fromEntries(Object.entries(FIELDS).map(([name, field]) => [name, field.default])),
  model: null, // the service's default
});
