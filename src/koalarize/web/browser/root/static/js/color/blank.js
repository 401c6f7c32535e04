/**
 * How far a picture shows anything that could have a colour, judged by its lightness alone.
 *
 * Not here: what is done about it (`answers.js`). The same as `koalarize.steering.blank`, whose
 * constants it is given.
 */

import { boxMean, clamp, mean, median, quantiles, variance } from "./planes.js";

/** @typedef {import("./planes.js").Plane} Plane */

const ramp = (value, low, high) => clamp((value - low) / (high - low), 0, 1);

/** Make what judges, of the constants of `koalarize.steering.blank`. */
export function blankBy(facts) {
  /**
   * The factor on a picture's chroma: 1 for photos, towards 0 where nothing is shown.
   *
   * @param {Plane} lightness
   */
  function calmness(lightness) {
    const deviation = Math.sqrt(variance(lightness.data));
    if (deviation < 1e-3) return 0;
    const kept = variance(boxMean(lightness).data) / deviation ** 2;
    const { height, width } = lightness;
    const strip = ramp(Math.max(height, width) / Math.min(height, width), ...facts._STRIP);
    return (
      Math.min(1, deviation / facts._FLAT) *
      ramp(kept, ...facts._NOISE) *
      ramp(sharpest(lightness), ...facts._SMOOTH) *
      ramp(quantiles(lightness.data, [0.9])[0], ...facts._DARK) *
      (1 - onPaper(lightness)) *
      (1 - (1 - facts._LEAST_OF_STRIPS) * strip)
    );
  }

  /** How far the sharpest thousandth of places is from the mean of its four neighbours. */
  function sharpest({ data, height, width }) {
    const away = new Float32Array(data.length);
    for (let row = 0; row < height; row += 1) {
      const above = Math.max(0, row - 1) * width;
      const below = Math.min(height - 1, row + 1) * width;
      for (let column = 0; column < width; column += 1) {
        const left = data[row * width + Math.max(0, column - 1)];
        const right = data[row * width + Math.min(width - 1, column + 1)];
        const around = (data[above + column] + data[below + column] + left + right) / 4;
        away[row * width + column] = Math.abs(data[row * width + column] - around);
      }
    }
    return quantiles(away, [0.999])[0];
  }

  /** How surely this is a light page with nothing but strokes on it, from 0 to 1. */
  function onPaper({ data, height, width }) {
    const counts = new Array(50).fill(0);
    for (const value of data) {
      if (value >= 0 && value <= 100) counts[Math.min(49, Math.floor(value / 2))] += 1;
    }
    const pairs = counts.slice(0, -1).map((count, at) => count + counts[at + 1]);
    const first = pairs.indexOf(Math.max(...pairs));
    const paper = median(data.filter((value) => value >= 2 * first && value <= 2 * first + 4));
    if (paper < facts._PAPER_L) return 0;
    const other = Uint8Array.from(data, (value) =>
      Math.abs(value - paper) >= facts._ALIKE_L ? 1 : 0,
    );
    const blank = ramp(1 - mean(other), ...facts._PAPER);
    if (blank === 0) return 0;
    const not = (mask) => mask.map((held) => 1 - held);
    const solid = not(allAround(not(allAround(other, height, width)), height, width));
    return blank * (1 - ramp(mean(solid), ...facts._SOLID));
  }

  /** Where a mask holds in the whole square of a pen's width around. */
  function allAround(mask, height, width) {
    const reach = Math.floor(facts._PEN / 2);
    const line = (source, start, step, length) => {
      const out = new Uint8Array(length);
      for (let at = 0; at < length; at += 1) {
        let held = 1;
        for (let k = Math.max(0, at - reach); k <= Math.min(length - 1, at + reach); k += 1) {
          held &= source[start + k * step];
        }
        out[at] = held;
      }
      return out;
    };
    const down = new Uint8Array(mask.length);
    for (let column = 0; column < width; column += 1) {
      line(mask, column, width, height).forEach((held, row) => {
        down[row * width + column] = held;
      });
    }
    const out = new Uint8Array(mask.length);
    for (let row = 0; row < height; row += 1)
      out.set(line(down, row * width, 1, width), row * width);
    return out;
  }

  return { calmness };
}
