/**
 * `<hint-editor>`: what opens at a hint: likely colours, a picker, a name to type, brush, delete.
 *
 * Not here: what the colour does to the photo. Fires "hintchange" {id, values, live}, "hintdelete"
 * {id}, "settle" when a slider is let go, "picture" with a file to take colours from, "resize", "close".
 */

import { atLightness, labToHex } from "./color.js";
import { capital, clamp, fillTrack, h, icon, onDetail } from "./dom.js";
import { NAMES, nameOf, nameOfHint, parseColor, plainName } from "./names.js";
import { AbPicker } from "./ab-picker.js";
import { EyeDropper } from "./eyedropper.js";

const GREY = "#808080";
const GAP = 20; // CSS pixels between a hint and its editor
const BRUSH = [0.004, 0.15]; // of the photo's shorter side
const REACH = [0.05, 3]; // of the photo's shorter side
const STEPS = 100;

/** @typedef {import("./photos.js").Hint} Hint */

export class HintEditor extends HTMLElement {
  /** @type {Hint | null} */
  #hint = null;
  #l = 60;
  side = 1; // the shorter one of the photo, pixels
  usualReach = 0.5;
  /** @type {string | null} */
  now = null; // the colour that is there without the hint

  chip = h("span", { class: "chip big" });
  heading = h("strong", {});
  note = h("small", {});
  swatches = h("div", {
    class: "swatches",
    role: "group",
    "aria-label": "Likely colours here",
  });
  problem = h("p", { class: "problem", role: "alert", hidden: true });
  picker = new AbPicker();
  text = h("input", {
    type: "text",
    list: "colour-names",
    placeholder: "dark green",
    title: "A name, as “dark green”, or a value, as #1f4a27",
    "aria-label": "Colour name or #rrggbb",
    autocomplete: "off",
    spellcheck: "false",
  });
  grey = h(
    "button",
    {
      class: "quiet wide",
      type: "button",
      title: "This place has no colour",
      onclick: () => this.#colour(GREY),
    },
    h("span", { class: "chip grey" }),
    "Keep grey",
  );
  nowChip = h("span", { class: "chip" });
  asIs = h(
    "button",
    {
      class: "quiet wide",
      type: "button",
      title: "Protect this place: it keeps the colour that it has without this hint",
      onclick: () => this.#colour(this.now),
    },
    this.nowChip,
    "Keep as it is",
  );
  reach = h("input", {
    type: "range",
    min: "0",
    max: String(STEPS),
    step: "1",
    title: "How far this hint reaches; a double click makes it as far as all others",
    "aria-label": "Reach of this hint",
  });
  radius = h("input", {
    type: "range",
    min: "0",
    max: String(STEPS),
    step: "1",
    "aria-label": "Brush radius",
  });
  dropper = new EyeDropper();

  connectedCallback() {
    if (this.contains(this.heading)) return;
    this.setAttribute("role", "dialog");
    this.setAttribute("aria-label", "Colour of this hint");
    this.hidden = true;
    this.append(this.#header(), this.#likely(), this.#pick(), this.#more());
    this.addEventListener("keydown", (event) => {
      if (event.key !== "Escape") return;
      event.stopPropagation();
      this.close();
    });
  }

  #header() {
    return h(
      "header",
      {},
      this.chip,
      h("div", { class: "grow" }, this.heading, this.note),
      h(
        "button",
        {
          class: "icon-button",
          type: "button",
          title: "Delete this hint (Delete)",
          "aria-label": "Delete this hint",
          onclick: () => this.#remove(),
        },
        icon("trash"),
      ),
      h(
        "button",
        {
          class: "icon-button",
          type: "button",
          title: "Close (Esc)",
          "aria-label": "Close",
          onclick: () => this.close(),
        },
        icon("close"),
      ),
    );
  }

  #likely() {
    return h("section", {}, h("h2", {}, "Likely here"), this.swatches, this.problem);
  }

  #pick() {
    this.picker.setAttribute("aria-label", "Colour");
    this.picker.addEventListener("input", () => this.#colour(this.picker.value, true));
    this.picker.addEventListener("change", () => this.#colour(this.picker.value));
    this.text.addEventListener("change", () => this.#typed());
    this.text.addEventListener("keydown", (event) => event.key === "Enter" && this.#typed());
    this.text.addEventListener("input", () => this.text.setCustomValidity(""));
    this.reach.addEventListener("input", () => this.#setReach(true));
    this.reach.addEventListener("change", () => this.#setReach(false));
    this.reach.addEventListener("dblclick", () => this.#change({ reach: null }, false));
    this.radius.addEventListener("input", () => this.#brush(true));
    this.radius.addEventListener("change", () => this.#brush(false));
    for (const slider of [this.reach, this.radius])
      for (const end of ["pointerup", "blur"])
        slider.addEventListener(end, () => this.dispatchEvent(new Event("settle")));
    return h(
      "section",
      { class: "pick" },
      this.picker,
      h(
        "div",
        { class: "pick-side" },
        h("label", { class: "field" }, h("span", {}, "Name"), this.text),
        h("label", { class: "field" }, h("span", {}, "Brush"), this.radius),
        h("label", { class: "field" }, h("span", {}, "Reach"), this.reach),
      ),
      h("div", { class: "pick-row" }, this.grey, this.asIs),
      h(
        "datalist",
        { id: "colour-names" },
        NAMES.map((name) => h("option", { value: name })),
      ),
    );
  }

  #more() {
    onDetail(this.dropper, "pick", (hex) => this.#colour(hex));
    onDetail(this.dropper, "picture", (file) =>
      this.dispatchEvent(new CustomEvent("picture", { detail: file })),
    );
    return h(
      "details",
      { ontoggle: () => this.dispatchEvent(new Event("resize")) },
      h("summary", {}, "From another picture"),
      this.dropper,
    );
  }

  /** The hint that is edited, where there must be one. */
  get #current() {
    if (!this.#hint) throw new Error("no hint is open");
    return this.#hint;
  }

  get hintId() {
    return this.#hint?.id ?? null;
  }

  /** Open for a hint of a photo whose shorter side is `side` pixels, where it has lightness `l`. */
  open(hint, { side, reach, l = 60, picture = null }) {
    this.#hint = hint;
    this.side = side;
    this.usualReach = reach;
    this.now = null;
    this.asIs.disabled = true;
    this.hidden = false;
    this.problem.hidden = true;
    this.swatches.replaceChildren(
      ...Array.from({ length: 6 }, () => h("span", { class: "swatch loading" })),
    );
    this.dropper.show(picture);
    this.setLightness(l);
    this.text.value = hint.color ? nameOfHint(hint) : "";
    this.update(hint);
  }

  /** The photo has this L* at the hint. */
  setLightness(l) {
    this.#l = clamp(l, 4, 96);
    this.picker.lightness = this.#l;
    if (this.#hint) this.picker.value = this.#hint.color ?? labToHex([this.#l, 0, 0]);
    this.#label();
  }

  /** Show the likely colours: [{color, probability}], the likeliest first; `now` is there without the hint. */
  suggest(colours, now) {
    this.now = now;
    this.asIs.disabled = false;
    this.problem.hidden = true;
    this.nowChip.style.setProperty("background", now);
    const seen = new Set();
    const named = colours
      .map((colour) => ({ ...colour, name: nameOf(colour.color) }))
      .filter(({ name }) => !seen.has(name) && seen.add(name));
    this.swatches.replaceChildren(
      ...named.slice(0, 6).map(({ color, name }) => {
        const paint = h("span", { class: "paint" });
        paint.style.setProperty("background", color);
        return h(
          "button",
          {
            class: "swatch",
            type: "button",
            "aria-pressed": "false",
            "data-color": color,
            onclick: () => this.#colour(color),
          },
          paint,
          h("span", { class: "swatch-name" }, name),
        );
      }),
    );
    this.#label();
  }

  /** Say why there are no likely colours. */
  fail(text) {
    this.swatches.replaceChildren();
    this.problem.textContent = text;
    this.problem.hidden = false;
  }

  /** The hint has changed, here or elsewhere. */
  update(hint) {
    this.#hint = hint;
    const share =
      Math.log(clamp(hint.radius / this.side, ...BRUSH) / BRUSH[0]) / Math.log(BRUSH[1] / BRUSH[0]);
    this.radius.value = String(Math.round(STEPS * share));
    fillTrack(this.radius);
    this.radius.setAttribute("aria-valuetext", `${Math.round(hint.radius)} pixels`);
    const reach = hint.reach ?? this.usualReach;
    this.reach.value = String(
      Math.round((STEPS * Math.log(reach / REACH[0])) / Math.log(REACH[1] / REACH[0])),
    );
    fillTrack(this.reach);
    const own = hint.reach === null || hint.reach === undefined ? ", as all others" : "";
    this.reach.setAttribute("aria-valuetext", `${Math.round(100 * reach)} %${own}`);
    this.#label();
  }

  /**
   * Stand beside the hint, inside of `room` ({width, height}), on the side that covers less of the
   * picture after (`after` is [left, right]); at the bottom of narrow screens, at the side of low ones.
   *
   * @param {number[]} at across and down
   * @param {{width: number, height: number}} room
   * @param {number[]} after
   */
  place([across, down], room, after) {
    const low = matchMedia("(max-height: 30em) and (min-width: 35em)").matches;
    const narrow = !low && matchMedia("(max-width: 45em)").matches;
    this.classList.toggle("sheet", narrow);
    this.classList.toggle("side", low);
    if (narrow || low) {
      for (const side of ["left", "top"]) this.style.removeProperty(side);
      return;
    }
    const { offsetWidth: width, offsetHeight: height } = this;
    const covered = (left) =>
      Math.max(0, Math.min(left + width, after[1]) - Math.max(left, after[0]));
    const fits = (left) => left >= 8 && left + width <= room.width - 8;
    const [right, other] = [across + GAP, across - GAP - width];
    const left = fits(right) && (!fits(other) || covered(right) <= covered(other)) ? right : other;
    this.style.setProperty("left", `${clamp(left, 8, Math.max(8, room.width - width - 8))}px`);
    this.style.setProperty(
      "top",
      `${clamp(down - 72, 8, Math.max(8, room.height - height - 8))}px`,
    );
  }

  close() {
    if (this.hidden) return;
    const { id } = this.#current;
    this.hidden = true;
    this.#hint = null;
    this.dispatchEvent(new CustomEvent("close", { detail: { id } }));
  }

  #label() {
    const hint = this.#hint;
    const color = hint?.color;
    const shown = color ? atLightness(color, this.#l) : null;
    const name = hint && color ? nameOfHint(hint) : "";
    this.heading.textContent = name ? capital(name) : "Which colour is this?";
    const darker = color && nameOf(shown) !== nameOf(color);
    this.note.textContent = darker ? `${nameOf(shown)} in this light` : "Light and shade stay";
    this.chip.classList.toggle("empty", !color);
    this.chip.style.setProperty("background", shown ?? "transparent");
    for (const swatch of this.swatches.querySelectorAll("button")) {
      swatch.setAttribute("aria-pressed", String(swatch.dataset.color === color));
    }
    this.grey.setAttribute("aria-pressed", String(color === GREY));
    this.asIs.setAttribute("aria-pressed", String(Boolean(color) && color === this.now));
  }

  /** Take a colour; `name` is what the person called it, if anything. */
  #colour(color, live = false, name = null) {
    if (!live) {
      this.picker.value = color;
      this.text.value = name ?? nameOf(color);
    }
    this.#change({ color, name }, live);
  }

  #typed() {
    const [text, hint] = [this.text.value, this.#current];
    if (!text.trim() || (hint.color && text === nameOfHint(hint))) return;
    const color = parseColor(text);
    this.text.setCustomValidity(
      color ? "" : `“${text}” is no colour name known here: try “dark green” or #1f4a27.`,
    );
    if (!color) this.text.reportValidity();
    else this.#colour(color, false, /[#\d]/.test(text) ? null : plainName(text));
  }

  #brush(live) {
    const share = Number(this.radius.value) / STEPS;
    const radius = this.side * BRUSH[0] * (BRUSH[1] / BRUSH[0]) ** share;
    this.#change({ radius }, live);
  }

  #setReach(live) {
    const share = Number(this.reach.value) / STEPS;
    const reach = REACH[0] * (REACH[1] / REACH[0]) ** share;
    this.#change({ reach: Math.min(REACH[1], Math.round(1000 * reach) / 1000) }, live);
  }

  #change(values, live) {
    this.dispatchEvent(
      new CustomEvent("hintchange", { detail: { id: this.#current.id, values, live } }),
    );
  }

  #remove() {
    const { id } = this.#current;
    this.dispatchEvent(new CustomEvent("hintdelete", { detail: { id } }));
  }
}

customElements.define("hint-editor", HintEditor);
