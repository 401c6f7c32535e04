/**
 * The plain border of a scan: where a photo's lightness begins and ends, where its mat lies.
 *
 * Not here: what is done about it (`answers.js`). The same as `koalarize.colorizer.ends`, whose
 * constants it is given.
 */

import { clamp, median, quantiles, roundEven, smoothstep } from "./planes.js";
import { View, leading } from "./view.js";

/** @typedef {import("./planes.js").Plane} Plane */

/** Make what finds ends and mats, of the constants of `koalarize.colorizer.ends`. */
export function endsBy(facts) {
  /**
   * What L* is lessened by and then multiplied with, to reach from black to white.
   *
   * @param {Plane} lightness
   * @param {[number, number]} ends percentiles that become black and white
   * @returns {[number, number]}
   */
  function stretchOf(lightness, ends) {
    const shares = ends.map((end) => end / 100);
    let [low, high] = quantiles(lightness.data, shares);
    const photo = withoutBorder(new View(lightness.data, lightness.height, lightness.width));
    if (photo !== null) {
      const [black, white] = quantiles(photo.values(), shares);
      const beyond = [black - low, high - white].map(
        (way) => way * smoothstep(way, ...facts._BEYOND),
      );
      [low, high] = [low + beyond[0], high - beyond[1]];
    }
    const scale = Math.min(100 / Math.max(high - low, 1e-3), facts._MOST_STRETCH);
    return [(low + high) / 2 - 50 / scale, scale];
  }

  /** The part of a scan inside its plain border; null if it has none. */
  function withoutBorder(lightness) {
    let inside = lightness;
    const sides = new Set();
    for (let turn = 0; turn < 4 * facts._LAYERS; turn += 1) {
      const rows = borderOf(inside);
      if (rows > 0) sides.add(turn % 4);
      inside = inside.part(rows, inside.height, 0, inside.width).turned;
    }
    return sides.size > 1 ? inside : null;
  }

  /** How many rows at the top are of the first one's tone, or where that ends. */
  function borderOf(lightness) {
    const most = Math.trunc(facts._MOST_BORDER * lightness.height);
    if (most === 0 || lightness.width === 0) return 0;
    const tone = median(lightness.row(0));
    const rows = lightness.part(0, most, 0, lightness.width);
    const plain = rows.shares((value) => Math.abs(value - tone) <= facts._ALIKE);
    let count = leading(plain.map((share) => share >= facts._PLAIN));
    const edge = roundEven(facts._EDGE * lightness.height);
    count = Math.min(count + edge, lightness.height - 1);
    return Math.abs(median(lightness.row(count)) - tone) >= facts._BEYOND[0] ? count : 0;
  }

  /**
   * Where the mat around a photo lies, 1 on it; null if it has none.
   *
   * @param {Plane} lightness
   */
  function matOf({ data, height, width }) {
    const [down, across] = [height, width].map((side) => roundEven(facts._EDGE * side));
    let inside = new View(data, height, width);
    const mat = new Uint8Array(height * width).fill(1);
    let rest = new View(mat, height, width);
    let photo = null;
    for (let layer = 0; layer < facts._LAYERS; layer += 1) {
      const sides = [
        inside.row(0),
        inside.row(inside.height - 1),
        inside.column(0),
        inside.column(inside.width - 1),
      ];
      const tone = median(sides.flat());
      const alike = new View(
        inside.values().map((value) => (Math.abs(value - tone) <= facts._ALIKE ? 1 : 0)),
        inside.height,
        inside.width,
      );
      const kinds = [[facts._PLAIN, facts._UNLIKE]];
      if (tone > facts._PAPER) kinds.push([facts._TORN, facts._TORN]);
      const edges = [down, down, across, across];
      const one = kinds
        .map(([least, unlike]) => sidesOf(alike, least, unlike, edges))
        .find((found) => found !== null);
      if (!one) break;
      photo = rest.without(one.sides);
      inside = inside.without(one.beyond);
      rest = rest.without(one.beyond);
    }
    if (photo === null) return null;
    for (let row = 0; row < photo.height; row += 1) {
      for (let column = 0; column < photo.width; column += 1) mat[photo.place(row, column)] = 0;
    }
    return mat;
  }

  /** How wide a mat is at each side, and with its edge; null if it is none. */
  function sidesOf(alike, least, unlike, edges) {
    const turned = [alike, alike.flipped, alike.transposed, alike.transposed.flipped];
    const sides = turned.map((lines) => plainLines(lines, least));
    const beyond = sides.map((side, at) => side + edges[at]);
    const within = alike.without(beyond);
    if (Math.min(...sides) === 0 || within.height === 0 || within.width === 0) return null;
    const inner = [
      within.row(0),
      within.row(within.height - 1),
      within.column(0),
      within.column(within.width - 1),
    ];
    const share = (edge) => edge.reduce((sum, value) => sum + value, 0) / edge.length;
    return inner.every((edge) => 1 - share(edge) >= unlike) ? { sides, beyond } : null;
  }

  /** How many lines at the top are of one tone. */
  function plainLines(alike, least) {
    const lines = alike.part(0, Math.trunc(facts._MOST_MAT * alike.height), 0, alike.width);
    return leading(lines.shares((value) => value === 1).map((share) => share >= least));
  }

  return { stretchOf, matOf };
}

/** L* as the network sees it, stretched to reach from black to white. */
export const stretched = (value, [low, scale]) => clamp((value - low) * scale, 0, 100);
