/**
 * The browser's way back, as the Back button of a phone: it closes what is open over the photo first.
 *
 * Not here: undo (`history.js`), the key Esc (`table.js`). While something is open the page has one entry more in
 * the browser's history, which Back takes away; it goes too when that is closed in another way.
 */

import { $ } from "./dom.js";

const OPEN = { koalarize: "open" }; // the state of that entry

/** @returns {(() => void) | null} what closes the uppermost thing that is open */
function closing(table) {
  /** @type {HTMLDialogElement | undefined} */
  const dialog = [...document.querySelectorAll("dialog")].findLast(({ open }) => open);
  if (dialog) return () => dialog.close();
  /** @type {HTMLElement | null} */
  const popover = document.querySelector(":popover-open");
  if (popover) return () => popover.hidePopover();
  if (table.isBusy) return () => table.leave();
  const handle = $("#sheet-handle");
  const isSheet = handle.checkVisibility() && handle.getAttribute("aria-expanded") === "true";
  return isSheet ? () => handle.click() : null;
}

/** @param {import("./table.js").Table} table */
export function listenToBack(table) {
  let leaving = false; // whether our entry is on its way out, by ourselves
  let isEntry = window.history.state?.koalarize === OPEN.koalarize; // as after a reload
  const follow = () => {
    const open = Boolean(closing(table));
    if (leaving || open === isEntry) return;
    isEntry = open;
    leaving = !open;
    if (open) window.history.pushState(OPEN, "");
    else window.history.back();
  };
  addEventListener("popstate", ({ state }) => {
    isEntry = state?.koalarize === OPEN.koalarize; // so it is also when a person goes forward
    if (!leaving && !isEntry) closing(table)?.();
    leaving = false;
    follow();
  });
  const attributeFilter = ["open", "hidden", "aria-expanded", "aria-pressed"];
  new MutationObserver(follow).observe(document.body, { subtree: true, attributeFilter });
  document.addEventListener("toggle", follow, { capture: true }); // of popovers
  follow();
}
