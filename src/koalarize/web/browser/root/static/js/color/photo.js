/**
 * A photo's pixels: its lightness at another size, and parts of it.
 *
 * Not here: files, which browsers open (`opened.js`), what is made of the lightness (`look.js`).
 */

import { planeOf, resizeLevels } from "./planes.js";

/** L* of a photo brought to its working size. */
export function lightnessOf(pixels, photo, grid, facts) {
  const small = resizeLevels(
    withoutAlpha(pixels),
    { ...photo, channels: 3 },
    grid,
    facts.constants.look._GAP,
  );
  const { luminance } = facts.tables;
  const { DELTA } = facts.tables.numbers;
  const plane = planeOf(grid.height, grid.width);
  plane.data.forEach((_, at) => {
    const light =
      luminance[small[3 * at]] +
      luminance[256 + small[3 * at + 1]] +
      luminance[512 + small[3 * at + 2]];
    const curve = light > DELTA ** 3 ? Math.cbrt(light) : light / (3 * DELTA ** 2) + 4 / 29;
    plane.data[at] = 116 * curve - 16;
  });
  return plane;
}

/** L* of a photo smaller than its grid, each pixel a square; null of others. */
export function enlarged(pixels, photo, rows, columns, facts) {
  const { _MOST_ENLARGED, _LEAST_SHOWN } = facts.constants.look;
  const { height, width } = photo;
  const side = Math.min(Math.floor(rows / height), Math.floor(columns / width), _MOST_ENLARGED);
  if (side < 2 || Math.min(height, width) < _LEAST_SHOWN) return null;
  const own = lightnessOf(pixels, photo, photo, facts);
  const large = planeOf(height * side, width * side);
  large.data.forEach((_, at) => {
    const row = Math.trunc(at / large.width / side);
    large.data[at] = own.data[row * width + Math.trunc((at % large.width) / side)];
  });
  return large;
}

/** The pixels of a part of a photo. */
export function part(pixels, width, left, top, size) {
  const out = new Uint8ClampedArray(size.width * size.height * 4);
  for (let row = 0; row < size.height; row += 1) {
    const start = ((top + row) * width + left) * 4;
    out.set(pixels.subarray(start, start + size.width * 4), row * size.width * 4);
  }
  return out;
}

function withoutAlpha(pixels) {
  const count = pixels.length / 4;
  const out = new Uint8Array(count * 3);
  for (let at = 0; at < count; at += 1) {
    out[3 * at] = pixels[4 * at];
    out[3 * at + 1] = pixels[4 * at + 1];
    out[3 * at + 2] = pixels[4 * at + 2];
  }
  return out;
}
