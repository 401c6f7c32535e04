/**
 * CIELAB in the browser, for the colour picker, swatches and names.
 *
 * Not here: colouring. Pixels of a photo are only ever converted by the service (`koalarize.color`);
 * matrix and white point are the same, and tests/web/test_studio_page.py holds both together.
 */

/** @typedef {number[]} Triple three numbers of a colour */

/** @type {Triple[]} */
const XYZ_FROM_LINEAR = [
  [0.412453 / 0.95047, 0.35758 / 0.95047, 0.180423 / 0.95047],
  [0.212671, 0.71516, 0.072169],
  [0.019334 / 1.08883, 0.119193 / 1.08883, 0.950227 / 1.08883],
];
const LINEAR_FROM_XYZ = inverse(XYZ_FROM_LINEAR);
const DELTA = 6 / 29;
const GAMUT_STEPS = 14;

/** CIELAB [L*, a*, b*] of "#rrggbb". */
export function hexToLab(hex) {
  const linear = hexToBytes(hex).map((level) => {
    const value = level / 255;
    return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  });
  const [fx, fy, fz] = times(XYZ_FROM_LINEAR, linear).map((value) =>
    value > DELTA ** 3 ? Math.cbrt(value) : value / (3 * DELTA ** 2) + 4 / 29,
  );
  return [116 * fy - 16, 500 * (fx - fy), 200 * (fy - fz)];
}

/** Linear sRGB of CIELAB; outside 0..1 where sRGB has no such colour. */
export function labToLinear([l, a, b]) {
  const fy = (l + 16) / 116;
  const curve = (value) => (value > DELTA ? value ** 3 : 3 * DELTA ** 2 * (value - 4 / 29));
  return times(LINEAR_FROM_XYZ, [curve(fy + a / 500), curve(fy), curve(fy - b / 200)]);
}

/** Whether sRGB has this colour. */
export function inGamut(lab) {
  return labToLinear(lab).every((value) => value >= -0.0005 && value <= 1.0005);
}

/** The nearest colour sRGB has at the same lightness and hue. */
export function fitToGamut([l, a, b]) {
  const lightness = Math.min(100, Math.max(0, l));
  if (inGamut([lightness, a, b])) return [lightness, a, b];
  let [inside, outside] = [0, 1];
  for (let step = 0; step < GAMUT_STEPS; step += 1) {
    const middle = (inside + outside) / 2;
    if (inGamut([lightness, a * middle, b * middle])) inside = middle;
    else outside = middle;
  }
  return [lightness, a * inside, b * inside];
}

/** Three levels 0..255 of CIELAB, clipped. */
export function labToBytes(lab) {
  return labToLinear(lab).map((linear) => {
    const value = linear <= 0.0031308 ? 12.92 * linear : 1.055 * linear ** (1 / 2.4) - 0.055;
    return Math.round(255 * Math.min(1, Math.max(0, value)));
  });
}

/** "#rrggbb" of CIELAB; its chroma shrinks where sRGB has no such colour. */
export function labToHex(lab) {
  return bytesToHex(labToBytes(fitToGamut(lab)));
}

/** What a colour becomes where the photo has lightness `l`: its hue and chroma, that lightness. */
export function atLightness(hex, l) {
  const [, a, b] = hexToLab(hex);
  return labToHex([l, a, b]);
}

/** Three levels 0..255 of "#rrggbb". */
export function hexToBytes(hex) {
  return [1, 3, 5].map((at) => Number.parseInt(hex.slice(at, at + 2), 16));
}

/** "#rrggbb" of three levels 0..255. */
export function bytesToHex(levels) {
  return `#${[...levels]
    .slice(0, 3)
    .map((level) => level.toString(16).padStart(2, "0"))
    .join("")}`;
}

/**
 * @param {Triple[]} matrix
 * @param {Triple} vector
 * @returns {Triple}
 */
function times(matrix, [first, second, third]) {
  return matrix.map((row) => row[0] * first + row[1] * second + row[2] * third);
}

/**
 * @param {Triple[]} matrix
 * @returns {Triple[]}
 */
function inverse([[a, b, c], [d, e, f], [g, h, i]]) {
  const determinant = a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g);
  return [
    [e * i - f * h, c * h - b * i, b * f - c * e],
    [f * g - d * i, a * i - c * g, c * d - a * f],
    [d * h - e * g, b * g - a * h, a * e - b * d],
  ].map((row) => row.map((value) => value / determinant));
}
