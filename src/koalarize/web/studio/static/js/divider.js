/**
 * The divider between before and after: its element, and what its keys do.
 *
 * Not here: where it stands on the screen, and dragging it (`viewer.js`).
 */

import { h } from "./dom.js";

/** Make the element. */
export function newDivider() {
  return h(
    "div",
    {
      class: "divider",
      role: "slider",
      tabindex: "0",
      "aria-label": "Divider between before and after",
      "aria-valuemin": "0",
      "aria-valuemax": "100",
      "aria-orientation": "horizontal",
    },
    h("span", { class: "divider-handle" }),
  );
}

/**
 * The share of the photo that lies left of the divider once a key was pressed, or null for keys that are not its own.
 *
 * @param {KeyboardEvent} event
 * @param {number} share
 */
export function shareByKey(event, share) {
  if (event.ctrlKey || event.altKey || event.metaKey) return null;
  const step = event.shiftKey ? 0.1 : 0.02;
  /** @type {Record<string, number>} */
  const shares = {
    ArrowLeft: share - step,
    ArrowDown: share - step,
    ArrowRight: share + step,
    ArrowUp: share + step,
    PageDown: share - 0.1,
    PageUp: share + 0.1,
    Home: 0,
    End: 1,
  };
  return shares[event.key] ?? null;
}
