/**
 * Word of an upgrade: the program behind an open page was started again in another version.
 *
 * Not here: waiting until it answers (`api.js`).
 */

import { connection, request } from "./api.js";

/** The version of the service, or null where it does not tell. */
async function version() {
  try {
    return (await (await request("health", { cache: "no-store" })).json()).version;
  } catch {
    return null;
  }
}

/**
 * Tell a person once the service came back in another version than that which this page is of.
 *
 * @param {(problem: {title: string, detail: string}, options: {actions: [string, () => void][]}) => void} complain
 */
export function listenToUpgrades(complain) {
  const own = version();
  connection.addEventListener("online", async () => {
    const [before, now] = [await own, await version()];
    if (!before || !now || before === now) return;
    const title = `koalarize ${now} runs now, and this page is of ${before}`;
    const detail =
      "Reload the page to have the one that fits. What this browser keeps comes again.";
    complain({ title, detail }, { actions: [["Reload", () => location.reload()]] });
  });
}
