/**
 * Flat bars beside a picture, of a single picture.
 *
 * Not here: mats and paper (`ends.js`), films. The same as `koalarize.colorizer.bars.bars_of`, whose
 * constants it is given.
 */

import { median, roundEven } from "./planes.js";
import { View, leading } from "./view.js";

/** Make what finds bars, of the constants of `koalarize.colorizer.bars`. */
export function barsBy(facts) {
  const within = facts._ALIKE * facts._STEPS;

  /**
   * How many lines at the top, the bottom, the left and the right are bars; null if none are.
   *
   * @param {import("./planes.js").Plane} lightness
   * @returns {number[] | null}
   */
  function barsOf({ data, height, width }) {
    const levels = Uint8Array.from(data, (value) => roundEven(value * facts._STEPS));
    const whole = new View(levels, height, width);
    const rows = thinned(whole);
    const columns = thinned(whole.transposed);
    const values = rows.values();
    const tone = median(values);
    const alike = values.filter((value) => Math.abs(value - tone) <= within).length;
    if (alike / values.length >= facts._NOTHING) return null;
    return common([rows, columns], [height, width]);
  }

  /** Lines with at most so many samples. */
  function thinned(lines) {
    const step = Math.ceil(lines.width / facts._SAMPLES);
    const count = Math.ceil(lines.width / step);
    return new View(lines.data, lines.height, count, lines.start, lines.down, lines.across * step);
  }

  function common(planes, shape) {
    const sides = [
      [0, 0],
      [0, 0],
    ];
    let tone = null;
    for (let turn = 0; turn < 2 * facts._LAYERS; turn += 1) {
      const axis = turn % 2;
      const samples = planes[axis].width;
      const [first, last] = sides[axis];
      const step = shape[1 - axis] / samples;
      const [begin, end] = sides[1 - axis].map((side) => Math.ceil(side / step));
      const lines = planes[axis].part(first, shape[axis] - last, begin, samples - end);
      const found = pair(lines, shape[axis], tone);
      if (found === null) continue;
      tone = found.tone;
      sides[axis] = [first + found.before, last + found.behind];
    }
    const widest = Math.max(...sides.map((both, axis) => Math.max(...both) / shape[axis]));
    return tone === null || widest > facts._MOST ? null : sides.flat();
  }

  function pair(lines, whole, tone) {
    if (lines.width < 1 || lines.height < 4) return null;
    const own = median([...lines.row(0), ...lines.row(lines.height - 1)]);
    if (tone !== null && Math.abs(own - tone) > within) return null;
    const alike = (value) => Math.abs(value - own) <= within;
    const plain = lines.shares(alike).map((share) => share >= facts._PLAIN_ALONE);
    if (plain.every(Boolean)) return null;
    const before = leading(plain);
    const behind = leading([...plain].reverse());
    const fewer = Math.min(before, behind);
    const even = fewer >= facts._EVEN_ALONE * Math.max(before, behind);
    if (fewer === 0 || !even || before + behind < facts._LEAST * whole) return null;
    const edge = Math.max(2, roundEven(facts._EDGE * whole));
    const straight = [
      [lines, before],
      [lines.flipped, behind],
    ].every(([from, start]) => {
      const end = from.part(start, Math.min(start + edge, from.height), 0, from.width);
      const unlike = end.transposed.shares((value) => !alike(value));
      const any = unlike.filter((share) => share > 0).length;
      return any / unlike.length >= facts._BEGINS;
    });
    return straight ? { before, behind, tone: own } : null;
  }

  return { barsOf };
}
