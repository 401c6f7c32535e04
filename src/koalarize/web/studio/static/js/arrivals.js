/**
 * Photos on their way to the service, many at once: how many have come, and which of them cannot be used.
 *
 * Not here: uploading them (`studio.js`), the one on the table (`main.js`).
 */

import { isOffline } from "./api.js";
import { $, report } from "./dom.js";

const FEW = 3; // no more than that are not counted
const NAMED = 5; // of the photos that cannot be used

export class Arrivals {
  /** @type {Set<import("./photos.js").Photo>} those that came since all were there */
  #all = new Set();

  /**
   * @param {import("./studio.js").Studio} studio
   * @param {{complain: (problem: any, options: {from: string, actions: [string, () => void][]}) => void}} commands
   */
  constructor(studio, { complain }) {
    this.studio = studio;
    this.complain = complain;
    studio.addEventListener("photos", () => this.#show());
  }

  #show() {
    const here = new Set(this.studio.photos);
    const coming = this.studio.photos.filter(({ info, failure }) => !info && !failure);
    for (const photo of coming) this.#all.add(photo);
    for (const photo of this.#all) if (!here.has(photo)) this.#all.delete(photo);
    const count = this.#all.size;
    const told = $("#photos-arriving");
    told.hidden = !coming.length || count <= FEW;
    if (!told.hidden) report(told, `${count - coming.length} of ${count} photos uploaded`);
    if (coming.length) return;
    const failed = [...this.#all].filter(
      (photo) => photo.failure && !isOffline(photo.failure) && photo !== this.studio.active,
    );
    this.#all.clear();
    if (failed.length) this.#name(failed, count);
  }

  /** Say which photos failed; on a long film strip nobody sees them. */
  #name(failed, count) {
    const rest = failed.length - NAMED;
    /** @type {Map<string, string[]>} */
    const names = new Map(); // by what is wrong with them
    for (const { title, failure } of failed.slice(0, NAMED)) {
      const reason = failure.detail || failure.message;
      names.set(reason, [...(names.get(reason) ?? []), title]);
    }
    const lines = [...names].map(([reason, titles]) => `${titles.join(", ")}: ${reason}`);
    if (rest > 0) lines.push(`And ${rest} more.`);
    const title =
      failed.length > 1
        ? `${failed.length} of ${count} photos cannot be used`
        : `${failed[0].title} cannot be used`;
    const remove = () => {
      for (const photo of failed) if (photo.failure) this.studio.remove(photo);
      $("#notice").hidden = true;
    };
    this.complain(
      { title, detail: lines.join("\n") },
      { from: "files", actions: [[failed.length > 1 ? "Remove them" : "Remove it", remove]] },
    );
  }
}
