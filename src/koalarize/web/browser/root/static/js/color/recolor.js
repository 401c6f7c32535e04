/**
 * Recolouring by hue: what has one colour anywhere in the photo gets another.
 *
 * Not here: colours at a point (`spread.js`). The same as `koalarize.steering.recolor`, whose
 * constants it is given.
 */

import { smoothstep } from "./planes.js";

/** @typedef {import("./planes.js").Plane} Plane */

/**
 * Give what has the hue of each `was` the colour of its `becomes`.
 *
 * @param {Plane[]} ab
 * @param {{was: string, becomes: string}[]} recolors
 * @param {number} gain by what the chroma will be multiplied later
 * @param {any} colors has `hexToLab`
 * @param {any} facts
 * @returns {Plane[]}
 */
export function recolored([a, b], recolors, gain, colors, facts) {
  if (recolors.length === 0) return [a, b];
  const count = a.data.length;
  const change = [new Float32Array(count), new Float32Array(count)];
  const shares = new Float32Array(count);
  for (const { was, becomes } of recolors) {
    const [start, end] = [was, becomes].map((color) => {
      const [, first, second] = colors.hexToLab(color);
      return { hue: degrees(first, second), chroma: Math.hypot(first, second) };
    });
    const own = Float32Array.from({ length: count }, (_, at) => {
      const chroma = Math.hypot(a.data[at], b.data[at]) * gain;
      const turned = degrees(a.data[at], b.data[at]) - start.hue + 180;
      const away = Math.abs((((turned % 360) + 360) % 360) - 180);
      const colored = smoothstep(chroma, facts._GREY, facts._COLORED);
      return colored * (1 - smoothstep(away, facts._SAME, facts._OTHER));
    });
    let [sum, all] = [0, 0];
    own.forEach((share, at) => {
      sum += share * Math.hypot(a.data[at], b.data[at]);
      all += share;
    });
    const mean = sum / Math.max(all, 1e-6);
    const scale = Math.min(end.chroma / gain / Math.max(mean, 1e-6), facts._MOST);
    const angle = ((end.hue - start.hue) * Math.PI) / 180;
    const [cos, sin] = [scale * Math.cos(angle), scale * Math.sin(angle)];
    own.forEach((share, at) => {
      const [oldA, oldB] = [a.data[at], b.data[at]];
      change[0][at] += share * (cos * oldA - sin * oldB - oldA);
      change[1][at] += share * (sin * oldA + cos * oldB - oldB);
      shares[at] += share;
    });
  }
  return [a, b].map((plane, axis) => ({
    ...plane,
    data: plane.data.map((value, at) => value + change[axis][at] / Math.max(shares[at], 1)),
  }));
}

const degrees = (a, b) => (Math.atan2(b, a) * 180) / Math.PI;
