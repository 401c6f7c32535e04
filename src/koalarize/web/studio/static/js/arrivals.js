/**
 * Photos on their way to the service, many at once: how many have come, and which of them cannot be used.
 *
 * Not here: uploading them (`studio.js`), the one on the table (`main.js`).
 */

import { ARRIVED, isDamaged, isOffline, isOfFile } from "./api.js";
import { $, report } from "./dom.js";

const FEW = 3; // no more than that are not counted
const NAMED = 5; // of the photos that cannot be used
const OPEN_PARTLY = "Open what there is"; // of a damaged photo, as far as it can be read

/**
 * What may help with a photo that cannot be used.
 *
 * @param {import("./studio.js").Studio} studio
 * @param {import("./photos.js").Photo} photo
 * @returns {[string, () => void][]}
 */
export function waysOn(studio, photo) {
  if (isDamaged(photo.failure))
    return [[OPEN_PARTLY, () => studio.retry(photo, { tolerant: true })]];
  return isOfFile(photo.failure) ? [] : [["Try again", () => studio.retry(photo)]];
}

export class Arrivals {
  /** @type {Set<import("./photos.js").Photo>} those that came since all were there */
  #all = new Set();

  /** @type {import("./photos.js").Photo[]} those that were named last as of no use */
  #named = [];
  /** @type {ChildNode | null} */
  #said = null; // what stands in the notice that names them

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
    if (!this.#named.some((photo) => here.has(photo) && photo.failure)) this.#putAway();
    const coming = this.studio.photos.filter(({ info, failure }) => !info && !failure);
    for (const photo of coming) this.#all.add(photo);
    for (const photo of this.#all) if (!here.has(photo)) this.#all.delete(photo);
    const count = this.#all.size;
    const told = $("#photos-arriving");
    told.hidden = !coming.length || count <= FEW;
    if (!told.hidden) report(told, `${count - coming.length} of ${count} photos ${ARRIVED}`);
    if (coming.length) return;
    const failed = [...this.#all].filter(({ failure }) => failure && !isOffline(failure));
    this.#all.clear();
    // One that fails alone on the table says so itself.
    if (failed.some((photo) => photo !== this.studio.active)) this.#name(failed, count);
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
    const damaged = failed.filter(({ failure }) => isDamaged(failure));
    const open = () => {
      this.#putAway();
      for (const photo of damaged)
        if (isDamaged(photo.failure)) this.studio.retry(photo, { tolerant: true });
    };
    const remove = () => {
      for (const photo of failed) if (photo.failure) this.studio.remove(photo);
    };
    /** @type {[string, () => void][]} */
    const actions = [[failed.length > 1 ? "Remove them" : "Remove it", remove]];
    const them = damaged.length > 1 ? `the ${damaged.length} damaged ones` : "the damaged one";
    const some = damaged.length < failed.length ? ` of ${them}` : "";
    if (damaged.length) actions.unshift([`${OPEN_PARTLY}${some}`, open]);
    this.complain({ title, detail: lines.join("\n") }, { from: "files", actions });
    this.#named = failed;
    this.#said = $("#notice").firstChild;
  }

  /** None of those that were named is here any more, or all can be used: no word of them stays. */
  #putAway() {
    if (this.#said && $("#notice").firstChild === this.#said) $("#notice").hidden = true;
    this.#said = null;
  }
}
