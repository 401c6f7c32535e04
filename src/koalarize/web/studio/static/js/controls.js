/**
 * The plain controls of the panel: a slider for each number that may be asked, a box for each switch.
 *
 * Not here: bounds, defaults and help, which are the service's (`fields.js`); what has a control of
 * its own: hints, reference picture, other colourings, model.
 */

import { fillTrack, h } from "./dom.js";
import { FIELDS } from "./fields.js";

const STEPS = 100; // of a slider

/** What a person reads beside a control, where the field's own title is too short for that. */
export const LABELS = {
  best: "Look at the mirrored photo too",
  keep_color: "Keep the colours the photo has",
  faded: "Faded print",
  negative: "Negative",
  mark: "Say in the file that a program coloured it",
};

/** Numbers with a control of their own. */
const ELSEWHERE = ["straighten"];

/** Sliders that stand first and beside each other; the others follow as the service lists them. */
const FIRST = ["vividness", "warmth", "tint"];

export class Controls {
  /** @type {Map<string, (value: any) => void>} */
  #shown = new Map();

  /**
   * @param {HTMLElement} place
   * @param {import("./studio.js").Studio} studio
   */
  constructor(place, studio) {
    this.studio = studio;
    const rank = (name) => (FIRST.includes(name) ? FIRST.indexOf(name) : FIRST.length);
    const plain = Object.entries(FIELDS).filter(([name]) => !ELSEWHERE.includes(name));
    const fields = plain.sort(([one], [other]) => rank(one) - rank(other));
    for (const [name, field] of fields) {
      if (field.type === "number") place.append(this.#slider(name, field));
    }
    for (const [name, field] of fields) {
      if (field.type === "boolean") place.append(this.#box(name, field));
    }
  }

  /** Show what is asked of a photo. */
  show(edit) {
    for (const [name, show] of this.#shown) show(edit[name]);
  }

  /**
   * @param {string} name
   * @param {import("./fields.js").Field} field
   */
  #slider(name, { title, description, minimum = 0, maximum = 1, default: usual }) {
    const input = h("input", {
      type: "range",
      id: name,
      title: description,
      min: String(minimum),
      max: String(maximum),
      step: String(stepOf(minimum, maximum, usual)),
    });
    const output = h("output", { for: name });
    const signed = minimum < 0;
    const change = (value, live) => this.studio.active?.change({ [name]: value }, { live });
    input.addEventListener("input", () => change(Number(input.value), true));
    input.addEventListener("change", () => change(Number(input.value), false));
    for (const end of ["pointerup", "blur"])
      input.addEventListener(end, () => this.studio.active?.settle());
    input.addEventListener("dblclick", () => change(usual, false));
    this.#shown.set(name, (value) => {
      if (document.activeElement !== input || Number(input.value) !== value)
        input.value = String(value);
      const text = signed ? inSigned(value) : `${Math.round(100 * value)} %`;
      output.textContent = text;
      input.setAttribute("aria-valuetext", text);
      fillTrack(input, signed ? usual : minimum);
    });
    const label = h("label", { for: name }, LABELS[name] ?? title);
    return h("div", { class: "slider" }, label, output, input);
  }

  /**
   * @param {string} name
   * @param {import("./fields.js").Field} field
   */
  #box(name, { title, description }) {
    const input = h("input", { type: "checkbox", id: name });
    input.addEventListener("change", () => this.studio.active?.change({ [name]: input.checked }));
    this.#shown.set(name, (value) => {
      input.checked = value;
    });
    return h("label", { class: "check", title: description }, input, LABELS[name] ?? title);
  }
}

/** A hundredth of the range or nearly, so that the usual value is one of the steps. */
function stepOf(minimum, maximum, usual) {
  const count = Math.round((STEPS * (usual - minimum)) / (maximum - minimum));
  return count ? (usual - minimum) / count : (maximum - minimum) / STEPS;
}

function inSigned(value) {
  const percent = Math.round(100 * Math.abs(value));
  return percent ? `${value > 0 ? "+" : "−"}${percent}` : "0";
}
