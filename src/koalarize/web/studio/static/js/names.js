/**
 * Plain names for colours: what a person would call them, and colours for what a person types.
 *
 * Not here: colour science (`color.js`). A name is the nearest of the table in CIELAB.
 */

import { hexToLab } from "./color.js";
import { drawingOn } from "./dom.js";

const TABLE = {
  black: "#0b0b0b",
  charcoal: "#333333",
  "dark grey": "#555555",
  grey: "#808080",
  "light grey": "#b8b8b8",
  "pale grey": "#dcdcdc",
  white: "#fafafa",
  ivory: "#f5efdc",
  cream: "#f3e5bd",
  beige: "#d9c7a3",
  sand: "#c7ab7c",
  tan: "#b98d5f",
  khaki: "#a39663",
  taupe: "#7d6f61",
  "warm grey": "#8d857c",
  "cool grey": "#7c858d",
  slate: "#56636e",
  brown: "#6f4a2c",
  "dark brown": "#412a1a",
  chocolate: "#5a3420",
  chestnut: "#7f3f26",
  umber: "#4f4030",
  bronze: "#8a6a35",
  copper: "#b06a3c",
  rust: "#a0471f",
  terracotta: "#bd6a4c",
  ochre: "#bb8526",
  gold: "#cfa22e",
  mustard: "#c9a322",
  "dark olive": "#3f4420",
  olive: "#6f7030",
  "pale yellow": "#f2e793",
  yellow: "#ecd42b",
  lemon: "#f4ee57",
  amber: "#f0a81c",
  orange: "#e57b1e",
  "dark orange": "#b7560f",
  peach: "#f0b892",
  apricot: "#e79f68",
  "pale peach": "#e8c3a5",
  fawn: "#cf9c7a",
  caramel: "#a9714b",
  cocoa: "#6b4430",
  salmon: "#e88a73",
  coral: "#e4654f",
  red: "#cc2222",
  scarlet: "#dd3311",
  crimson: "#a8152f",
  "dark red": "#741414",
  "brick red": "#9c3b2e",
  maroon: "#5a1a22",
  burgundy: "#6a1a38",
  rose: "#d4587a",
  pink: "#eb9fb4",
  "pale pink": "#f3ccd3",
  "dusty pink": "#c08a8e",
  "hot pink": "#e2478f",
  magenta: "#b8278a",
  plum: "#6f2f64",
  mauve: "#a387a6",
  lilac: "#c2a6d8",
  lavender: "#a99bd8",
  violet: "#7a46b5",
  purple: "#5f2d82",
  "dark purple": "#361b4a",
  indigo: "#39318a",
  navy: "#18244f",
  "dark blue": "#1d2f7c",
  blue: "#2a56c6",
  "royal blue": "#2f49b0",
  "denim blue": "#41628c",
  "steel blue": "#5d83a8",
  "sky blue": "#7fb4e0",
  "light blue": "#a5cbe6",
  "pale blue": "#cfe1ef",
  "grey blue": "#7f93a8",
  "slate blue": "#6b6f96",
  azure: "#2b8bd0",
  cyan: "#2fb9cc",
  turquoise: "#38bfae",
  teal: "#1c7a7a",
  "dark teal": "#123f45",
  mint: "#a5dcc0",
  "pale green": "#c3dfb5",
  "light green": "#93c77c",
  green: "#3b9443",
  "grass green": "#5d9433",
  "lime green": "#94c62e",
  "leaf green": "#4d7530",
  "moss green": "#66703c",
  sage: "#95a68a",
  "sea green": "#358a68",
  emerald: "#169a62",
  "bottle green": "#16473a",
  "dark green": "#1f4a27",
  "forest green": "#2c5f30",
  "army green": "#4b5135",
};

// What a person may type as well; no place of a photo is called so by itself.
const TYPED = {
  ...TABLE,
  bordeaux: "#5c1626",
  "wine red": "#6e1a2e",
  wine: "#6e1a2e",
  cherry: "#a3122a",
  ruby: "#9b1638",
  auburn: "#7a3b22",
  mahogany: "#5d2a1c",
  cinnamon: "#a2623a",
  hazel: "#8a6a43",
  walnut: "#5a4230",
  coffee: "#5b4233",
  honey: "#cf9a3a",
  straw: "#dcc67e",
  wheat: "#dcc291",
  blonde: "#d1ab6c",
  "dark blonde": "#9c7a4c",
  "grey hair": "#a3a09b",
  "black hair": "#241d1a",
  "field grey": "#5f665c",
  feldgrau: "#5f665c",
  "air force blue": "#5a7391",
  "prussian blue": "#1b3250",
  "cornflower blue": "#6a8fd6",
  "pigeon blue": "#6d7f93",
  petrol: "#1d5a66",
  aqua: "#4fc3c0",
  pistachio: "#a9c48a",
  "reed green": "#6e7a4c",
  "olive drab": "#5d5b33",
  "dark khaki": "#77704a",
  champagne: "#ecd9b8",
  "old rose": "#bf8486",
  fuchsia: "#c22e88",
  aubergine: "#3d1f3b",
  brick: "#9c3b2e",
  sandstone: "#c2a276",
  brass: "#b5973f",
  lips: "#b5605c",
  wood: "#8a6440",
  leather: "#774a2c",
  "light skin": "#e8c3a5",
  skin: "#cf9c7a",
  "dark skin": "#6b4430",
  "blond hair": "#c9a468",
  "brown hair": "#5a3d28",
  "red hair": "#9a4f27",
  jeans: "#41628c",
  grass: "#5d9433",
  sky: "#7fb4e0",
};

/** @type {Map<string, string>} */
const EXACT = new Map();
for (const [name, hex] of Object.entries(TYPED)) if (!EXACT.has(hex)) EXACT.set(hex, name);

const NAMED = Object.entries(TABLE).map(([name, hex]) => ({ name, hex, lab: hexToLab(hex) }));

/** Every name that can be typed. */
export const NAMES = Object.keys(TYPED);

/**
 * What a hint's colour is called: as the person called it, else by its nearest name.
 *
 * @param {{name?: string | null, color: string | null}} hint with a colour
 */
export function nameOfHint({ name = null, color }) {
  return name ?? nameOf(color);
}

/** The plain name nearest to "#rrggbb"; a typed name's own value is called by that name. */
export function nameOf(hex) {
  const exact = EXACT.get(hex);
  if (exact !== undefined) return exact;
  const [l, a, b] = hexToLab(hex);
  let nearest = NAMED[0];
  let least = Infinity;
  for (const named of NAMED) {
    const [otherL, otherA, otherB] = named.lab;
    // Half weight on lightness: people name hue and chroma first.
    const distance = 0.5 * (l - otherL) ** 2 + (a - otherA) ** 2 + (b - otherB) ** 2;
    if (distance < least) [nearest, least] = [named, distance];
  }
  return nearest.name;
}

/** A name as it is looked up: small letters, single spaces, our spelling of grey. */
export function plainName(text) {
  return text.trim().toLowerCase().replace(/\s+/g, " ").replaceAll("gray", "grey");
}

/** "#rrggbb" of what a person typed (our names, CSS colours, #rgb, rrggbb), or null. */
export function parseColor(text) {
  const typed = plainName(text);
  if (Object.hasOwn(TYPED, typed)) return TYPED[typed];
  const bare = /^#?([0-9a-f]{6}|[0-9a-f]{3})$/.exec(typed);
  if (bare) {
    const digits =
      bare[1].length === 3 ? [...bare[1]].map((digit) => digit + digit).join("") : bare[1];
    return `#${digits}`;
  }
  const compact = typed.replaceAll(" ", "");
  if (!compact || !CSS.supports("color", compact)) return null;
  const context = drawingOn(document.createElement("canvas"));
  context.fillStyle = "#000";
  context.fillStyle = compact;
  const found = String(context.fillStyle);
  return /^#[0-9a-f]{6}$/.test(found) ? found : null;
}
