/**
 * The page as an app: kept for visits without a network, and how far its network is loaded.
 *
 * Not here: what is kept (`sw.js`).
 */

import { connection } from "./api.js";
import { $, h, onDetail } from "./dom.js";

const loading = h("p", { class: "status", role: "status", hidden: true });
$(".statuses").append(loading);
onDetail(connection, "loading", ({ bytes, of }) => {
  loading.hidden = bytes >= of;
  loading.textContent = `Loading the colours… ${megabytes(bytes)} of ${megabytes(of)} MB`;
});

const megabytes = (bytes) => (bytes / 1e6).toFixed(1);

/** Tell a person that a newer page is here. */
function tell() {
  const reload = h("button", { class: "quiet", type: "button" }, "Reload");
  reload.addEventListener("click", () => location.reload());
  const said = h("div", { class: "grow" }, h("strong", {}, "A newer version of this page is here"));
  const text = h("p", {}, "What you did is kept in this browser and comes again.");
  said.append(text);
  $("#notice").replaceChildren(said, reload);
  $("#notice").hidden = false;
}

if ("serviceWorker" in navigator) {
  const before = navigator.serviceWorker.controller;
  navigator.serviceWorker.addEventListener("controllerchange", () => before && tell());
  // Where site data are blocked the page works without it.
  navigator.serviceWorker.register(new URL("../../sw.js", import.meta.url)).catch(() => {});
}
