/**
 * Chroma at full size: from the working grid to every pixel, guided by lightness, and merged.
 *
 * Not here: what the colours are (`look.js`). The same as `koalarize.colorizer.merge` and `strip`,
 * whose tables it is given: the lightness of a photo passes through untouched, and where a colour
 * leaves sRGB its chroma is reduced at constant L* and hue.
 */

import { boxMean, clamp, resize } from "./planes.js";

/** @typedef {import("./planes.js").Plane} Plane */
/**
 * @typedef {object} Tables what the arithmetic of a pixel looks up
 * @property {Uint8Array} levels the 8-bit level of each step of linear light
 * @property {Float32Array} roots fy of luminances from 0 to 1
 * @property {Float32Array} chroma the largest chroma inside sRGB, by lightness and hue
 * @property {Float32Array} luminance what each level of each channel adds to the luminance
 * @property {number[][]} light linear sRGB, in steps, of light
 * @property {Record<string, number>} numbers DELTA, STEPS, FLOOR, CEILING, GAMUT_LEVELS, GAMUT_HUES
 */

/**
 * How chroma follows lightness around each point: slopes and offsets of a* and b*.
 *
 * @param {Plane[]} ab
 * @param {Plane} lightness
 * @param {number} epsilon variance of L* below which a window counts as flat
 * @returns {Plane[]} slope of a*, its offset, slope of b*, its offset
 */
export function guide(ab, lightness, epsilon) {
  const { data, height, width } = lightness;
  const of = (/** @type {(at: number) => number} */ value) =>
    boxMean({ data: Float32Array.from(data, (_, at) => value(at)), height, width }).data;
  const meanL = of((at) => data[at]);
  const meanLL = of((at) => Math.fround(data[at] * data[at]));
  return ab.flatMap((plane) => {
    const mean = of((at) => plane.data[at]);
    const product = of((at) => Math.fround(plane.data[at] * data[at]));
    const slope = product.map(
      (value, at) => (value - mean[at] * meanL[at]) / (meanLL[at] - meanL[at] ** 2 + epsilon),
    );
    const offset = mean.map((value, at) => value - slope[at] * meanL[at]);
    return [slope, offset].map((values) => boxMean({ data: values, height, width }));
  });
}

/**
 * Where rows of a photo, or of a part of it, lie among those of the grid: the one above, the one below, its share.
 *
 * @param {number} length rows
 * @param {number} gridLength rows of the grid, which shows the whole photo
 * @param {number} start of the part, as a share of the photo
 * @param {number} span of it
 */
function between(length, gridLength, start, span) {
  return Array.from({ length }, (_, at) => {
    const share = start + ((at + 0.5) * span) / length;
    const place = clamp(share * gridLength - 0.5, 0, gridLength - 1);
    const upper = Math.min(Math.trunc(place), Math.max(0, gridLength - 2));
    const lower = Math.min(upper + 1, gridLength - 1);
    return { upper, lower, weight: Math.fround(place - upper) };
  });
}

/** Planes at another width: slopes of fx and fz, and their offsets, in units of CIELAB's curve. */
function across(/** @type {Plane[]} */ [slopeA, offsetA, slopeB, offsetB], width, start, span) {
  const { height } = slopeA;
  const curves = [
    slopeA.data.map((slope) => 1 + slope * (116 / 500)),
    slopeB.data.map((slope) => 1 - slope * (116 / 200)),
    offsetA.data.map((offset, at) => (offset - 16 * slopeA.data[at]) / 500),
    offsetB.data.map((offset, at) => (16 * slopeB.data[at] - offset) / 200),
  ].map((data) => ({ data, height, width: slopeA.width }));
  if (span === 1 && width < slopeA.width)
    return curves.map((plane) => resize(plane, height, width).data);
  const places = between(width, slopeA.width, start, span);
  return curves.map((plane) => {
    const out = new Float32Array(height * width);
    for (let row = 0; row < height; row += 1) {
      const left = row * plane.width;
      places.forEach(({ upper, lower, weight }, column) => {
        const before = plane.data[left + upper];
        out[row * width + column] = before + weight * (plane.data[left + lower] - before);
      });
    }
    return out;
  });
}

/**
 * Colour a photo in place: its own lightness, the chroma that follows from it.
 *
 * @param {Uint8ClampedArray} pixels RGBA; alpha stays
 * @param {{width: number, height: number}} size
 * @param {Plane[]} guidance as `guide` returns it, scaled
 * @param {Tables} tables
 * @param {{x: number, y: number, width: number, height: number}} part where the pixels lie, in shares of the photo
 */
export function merge(pixels, { width, height }, guidance, tables, part = WHOLE) {
  const planes = across(guidance, width, part.x, part.width);
  const rows = between(height, guidance[0].height, part.y, part.height);
  const { DELTA, STEPS, FLOOR, CEILING } = tables.numbers;
  const [toRed, toGreen, toBlue] = tables.light;
  const rootSteps = tables.roots.length - 1;
  const light = (f) => {
    const raised = Math.max(f, DELTA);
    return raised * raised * raised + (f - raised) * 3 * DELTA * DELTA;
  };
  for (let row = 0; row < height; row += 1) {
    const { upper, lower, weight } = rows[row];
    const [above, below] = [upper * width, lower * width];
    let at = row * width * 4;
    for (let column = 0; column < width; column += 1, at += 4) {
      const luminance =
        tables.luminance[pixels[at]] +
        tables.luminance[256 + pixels[at + 1]] +
        tables.luminance[512 + pixels[at + 2]];
      const scaled = luminance * rootSteps;
      const cell = Math.min(Math.trunc(scaled), rootSteps - 1);
      const root = tables.roots[cell];
      const fy = root + (tables.roots[cell + 1] - root) * (scaled - cell);
      const mixed = (number) => {
        const start = planes[number][above + column];
        return start + weight * (planes[number][below + column] - start);
      };
      let fx = mixed(0) * fy + mixed(2);
      let fz = mixed(1) * fy + mixed(3);
      const y = light(fy);
      let [x, z] = [light(fx), light(fz)];
      let red = toRed[0] * x + toRed[1] * y + toRed[2] * z;
      let green = toGreen[0] * x + toGreen[1] * y + toGreen[2] * z;
      let blue = toBlue[0] * x + toBlue[1] * y + toBlue[2] * z;
      const low = Math.min(red, green, blue);
      const high = Math.max(red, green, blue);
      if (low < FLOOR || high > CEILING) {
        const scale = insideScale(fx, fy, fz, tables);
        fx = fy + scale * (fx - fy);
        fz = fy + scale * (fz - fy);
        [x, z] = [light(fx), light(fz)];
        red = toRed[0] * x + toRed[1] * y + toRed[2] * z;
        green = toGreen[0] * x + toGreen[1] * y + toGreen[2] * z;
        blue = toBlue[0] * x + toBlue[1] * y + toBlue[2] * z;
      }
      pixels[at] = tables.levels[clamp(Math.trunc(red), 0, STEPS - 1)];
      pixels[at + 1] = tables.levels[clamp(Math.trunc(green), 0, STEPS - 1)];
      pixels[at + 2] = tables.levels[clamp(Math.trunc(blue), 0, STEPS - 1)];
    }
  }
}

const WHOLE = { x: 0, y: 0, width: 1, height: 1 };

/** The factor that brings a colour's chroma into sRGB. */
function insideScale(fx, fy, fz, tables) {
  const { GAMUT_LEVELS, GAMUT_HUES } = tables.numbers;
  const [a, b] = [500 * (fx - fy), -200 * (fz - fy)];
  const chroma = Math.hypot(a, b);
  const along = a / Math.max(Math.abs(a) + Math.abs(b), 1e-6);
  const turn = b >= 0 ? 1 - along : 3 + along;
  const hue = Math.trunc((turn * GAMUT_HUES) / 4) % GAMUT_HUES;
  const level = clamp(((116 * fy - 16) * (GAMUT_LEVELS - 1)) / 100, 0, GAMUT_LEVELS - 1);
  const most = tables.chroma[Math.trunc(level) * GAMUT_HUES + hue];
  return Math.min(1, most / Math.max(chroma, 1e-6));
}
