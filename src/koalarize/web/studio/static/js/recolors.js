/**
 * The panel's list of recolourings: what has one hue becomes another, in the whole photo.
 *
 * Not here: what they do to the photo. Each is {was, becomes} in "#rrggbb", with the names a person gave.
 */

import { hexToLab } from "./color.js";
import { $, announce, h, icon } from "./dom.js";
import { FIELDS } from "./fields.js";
import { nameOf, parseColor, plainName } from "./names.js";

const LEAST = 6; // chroma of a colour that has a hue, Lab units

export class Recolors {
  /** @param {import("./studio.js").Studio} studio */
  constructor(studio) {
    this.studio = studio;
    /** @type {HTMLElement} */
    this.list = $("#recolor-list");
    /** @type {HTMLInputElement} */
    this.was = $("#recolor-was");
    /** @type {HTMLInputElement} */
    this.becomes = $("#recolor-becomes");
    $("#recolor-form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.#add();
    });
    for (const input of [this.was, this.becomes])
      input.addEventListener("input", () => input.setCustomValidity(""));
  }

  show(edit) {
    this.list.replaceChildren(
      ...edit.recolors.map((recolor, index) => this.#row(edit, recolor, index)),
    );
  }

  #row(edit, { was, becomes, names }, index) {
    const [first, second] = [names?.[0] ?? nameOf(was), names?.[1] ?? nameOf(becomes)];
    const chip = (color) => h("span", { class: "chip", style: { background: color } });
    const remove = () => {
      const recolors = edit.recolors.filter((_, other) => other !== index);
      this.studio.current.change({ recolors });
      this.was.focus();
    };
    return h(
      "li",
      {},
      h(
        "span",
        { class: "hint-row" },
        chip(was),
        chip(becomes),
        h("span", { class: "grow" }, `${first} becomes ${second}`),
      ),
      h(
        "button",
        {
          class: "icon-button small",
          type: "button",
          title: "Delete",
          "aria-label": `Delete: ${first} becomes ${second}`,
          onclick: remove,
        },
        icon("close"),
      ),
    );
  }

  #add() {
    const [was, becomes] = [this.#read(this.was, true), this.#read(this.becomes, false)];
    if (!was || !becomes || !this.studio.active) return;
    const names = [this.was, this.becomes].map(({ value }) =>
      /[#\d]/.test(value) ? null : plainName(value),
    );
    const { recolors } = this.studio.active.edit;
    if (recolors.length >= (FIELDS.recolors.maxItems ?? Infinity)) {
      this.was.setCustomValidity(
        `There are ${recolors.length} recolourings, the most that are taken: delete one first.`,
      );
      this.was.reportValidity();
      return;
    }
    this.studio.active.change({ recolors: [...recolors, { was, becomes, names }] });
    announce(`What is ${this.was.value} becomes ${this.becomes.value}`);
    this.was.value = this.becomes.value = "";
    this.was.focus();
  }

  /** The colour that was typed; what is wrong with it is said at its field. */
  #read(input, hued) {
    const color = parseColor(input.value);
    let said = "";
    if (!color) said = `“${input.value}” is no colour name known here: try “blue” or #3050c0.`;
    else if (hued && Math.hypot(...hexToLab(color).slice(1)) < LEAST)
      said = "Grey has no hue: click on the photo to give what is grey a colour.";
    input.setCustomValidity(said);
    if (said) input.reportValidity();
    return said ? null : color;
  }
}
