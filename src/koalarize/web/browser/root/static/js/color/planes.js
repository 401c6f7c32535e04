/**
 * Planes of float32 on a grid: resized as Pillow resizes, averaged, ranked.
 *
 * Not here: photos (`photo.js`), what the planes mean. The same as `koalarize.color.planes` and the
 * parts of NumPy it stands on; tests/web/test_browser_color.py holds both together.
 */

/** @typedef {{data: Float32Array, height: number, width: number}} Plane values row by row */

const RADIUS = 4; // of the window of `boxMean`

/**
 * @param {number} height
 * @param {number} width
 * @param {number} [value]
 * @returns {Plane}
 */
export function planeOf(height, width, value = 0) {
  const data = new Float32Array(height * width);
  if (value !== 0) data.fill(value);
  return { data, height, width };
}

/** A whole number nearest to a value; halves go to even ones, as in Python. */
export function roundEven(value) {
  const floor = Math.floor(value);
  const rest = value - floor;
  if (rest !== 0.5) return Math.round(value);
  return floor % 2 === 0 ? floor : floor + 1;
}

export const clamp = (value, low, high) => Math.min(Math.max(value, low), high);

/** A share that rises smoothly from 0 at `low` and below to 1 at `high` and above. */
export function smoothstep(value, low, high) {
  const share = clamp((value - low) / (high - low), 0, 1);
  return share * share * (3 - 2 * share);
}

/**
 * What of which source places makes each new one.
 *
 * @param {number} from places there are
 * @param {number} to places there shall be
 * @param {(away: number) => number} kernel
 * @param {number} support how far it reaches
 * @param {number} [end] where the source ends, in its places
 */
function mixtures(from, to, kernel, support, end = from) {
  const scale = end / to;
  const stretch = Math.max(scale, 1);
  const reach = support * stretch;
  const found = [];
  for (let at = 0; at < to; at += 1) {
    const middle = (at + 0.5) * scale;
    const first = Math.max(0, Math.trunc(middle - reach + 0.5));
    const last = Math.min(from, Math.trunc(middle + reach + 0.5));
    const weights = new Float64Array(last - first);
    let total = 0;
    for (let k = 0; k < weights.length; k += 1) {
      weights[k] = kernel((k + first - middle + 0.5) / stretch);
      total += weights[k];
    }
    if (total !== 0) for (let k = 0; k < weights.length; k += 1) weights[k] /= total;
    found.push({ first, weights });
  }
  return found;
}

const triangle = (away) => Math.max(0, 1 - Math.abs(away));

function bicubic(away) {
  const a = -0.5;
  const x = Math.abs(away);
  if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
  if (x < 2) return (((x - 5) * x + 8) * x - 4) * a;
  return 0;
}

/**
 * A plane at another size, bilinearly, with antialiasing where it shrinks.
 *
 * @param {Plane} plane
 * @returns {Plane}
 */
export function resize(plane, height, width) {
  let { data } = plane;
  if (width !== plane.width) {
    const out = new Float32Array(plane.height * width);
    mixtures(plane.width, width, triangle, 1).forEach(({ first, weights }, column) => {
      for (let row = 0; row < plane.height; row += 1) {
        const start = row * plane.width + first;
        let sum = 0;
        for (let k = 0; k < weights.length; k += 1) sum += data[start + k] * weights[k];
        out[row * width + column] = sum;
      }
    });
    data = out;
  }
  if (height !== plane.height) {
    const out = new Float32Array(height * width);
    mixtures(plane.height, height, triangle, 1).forEach(({ first, weights }, row) => {
      for (let column = 0; column < width; column += 1) {
        let sum = 0;
        for (let k = 0; k < weights.length; k += 1) {
          sum += data[(first + k) * width + column] * weights[k];
        }
        out[row * width + column] = sum;
      }
    });
    data = out;
  }
  return { data: data === plane.data ? data.slice() : data, height, width };
}

/**
 * Levels at another size: reduced by whole factors first, then bicubically, rounded as Pillow does.
 *
 * @param {Uint8ClampedArray | Uint8Array} levels interleaved, `channels` a pixel
 * @param {{height: number, width: number, channels: number}} from
 * @param {{height: number, width: number}} to
 * @param {number} gap how much larger than `to` they stay when they are reduced
 */
export function resizeLevels(levels, from, to, gap) {
  const { channels } = from;
  const across = Math.trunc(from.width / to.width / gap) || 1;
  const down = Math.trunc(from.height / to.height / gap) || 1;
  let { height, width } = from;
  let data = levels;
  const ends = { width, height };
  if (across > 1 || down > 1) {
    data = reduced(levels, from, across, down);
    [ends.width, ends.height] = [width / across, height / down];
    [width, height] = [Math.ceil(width / across), Math.ceil(height / down)];
  }
  if (to.width !== width || ends.width !== width) {
    const parts = fixed(mixtures(width, to.width, bicubic, 2, ends.width));
    const out = new Uint8Array(height * to.width * channels);
    for (let row = 0; row < height; row += 1) {
      for (let column = 0; column < to.width; column += 1) {
        const { first, weights } = parts[column];
        for (let channel = 0; channel < channels; channel += 1) {
          let start = (row * width + first) * channels + channel;
          let sum = HALF;
          for (let k = 0; k < weights.length; k += 1, start += channels) {
            sum += data[start] * weights[k];
          }
          out[(row * to.width + column) * channels + channel] = level(sum);
        }
      }
    }
    data = out;
    width = to.width;
  }
  if (to.height !== height || ends.height !== height) {
    const parts = fixed(mixtures(height, to.height, bicubic, 2, ends.height));
    const line = width * channels;
    const out = new Uint8Array(to.height * line);
    for (let row = 0; row < to.height; row += 1) {
      const { first, weights } = parts[row];
      for (let at = 0; at < line; at += 1) {
        let start = first * line + at;
        let sum = HALF;
        for (let k = 0; k < weights.length; k += 1, start += line) sum += data[start] * weights[k];
        out[row * line + at] = level(sum);
      }
    }
    data = out;
  }
  return data;
}

const BITS = 2 ** 22; // of the fixed point that Pillow weighs levels in
const HALF = BITS / 2;
const level = (sum) => clamp(Math.floor(sum / BITS), 0, 255);

function fixed(parts) {
  return parts.map(({ first, weights }) => ({
    first,
    weights: weights.map((weight) => Math.trunc(weight * BITS + (weight < 0 ? -0.5 : 0.5))),
  }));
}

/** Means of boxes of levels; those at the right and lower ends may be smaller. */
function reduced(levels, { height, width, channels }, across, down) {
  const columns = Math.ceil(width / across);
  const rows = Math.ceil(height / down);
  const out = new Uint8Array(rows * columns * channels);
  for (let row = 0; row < rows; row += 1) {
    const bottom = Math.min(height, (row + 1) * down);
    for (let column = 0; column < columns; column += 1) {
      const right = Math.min(width, (column + 1) * across);
      const count = (bottom - row * down) * (right - column * across);
      const factor = Math.trunc(2 ** 32 / (256 * count));
      for (let channel = 0; channel < channels; channel += 1) {
        let sum = Math.trunc(count / 2);
        for (let y = row * down; y < bottom; y += 1) {
          let at = (y * width + column * across) * channels + channel;
          for (let x = column * across; x < right; x += 1, at += channels) sum += levels[at];
        }
        out[(row * columns + column) * channels + channel] = Math.floor((sum * factor) / 2 ** 24);
      }
    }
  }
  return out;
}

/**
 * The mean over a square window of 9 x 9, cut off at the borders.
 *
 * @param {Plane} plane
 * @returns {Plane}
 */
export function boxMean({ data, height, width }) {
  const across = new Float32Array(data.length);
  for (let row = 0; row < height; row += 1) {
    windowSums(data, across, row * width, 1, width);
  }
  const out = new Float32Array(data.length);
  for (let column = 0; column < width; column += 1) {
    windowSums(across, out, column, width, height);
  }
  const span = (at, length) => Math.min(length - 1, at + RADIUS) - Math.max(0, at - RADIUS) + 1;
  for (let row = 0; row < height; row += 1) {
    for (let column = 0; column < width; column += 1) {
      out[row * width + column] /= span(row, height) * span(column, width);
    }
  }
  return { data: out, height, width };
}

function windowSums(source, target, start, step, length) {
  let sum = 0;
  for (let at = 0; at < Math.min(RADIUS, length); at += 1) sum += source[start + at * step];
  for (let at = 0; at < length; at += 1) {
    if (at + RADIUS < length) sum += source[start + (at + RADIUS) * step];
    if (at - RADIUS - 1 >= 0) sum -= source[start + (at - RADIUS - 1) * step];
    target[start + at * step] = sum;
  }
}

/**
 * The values at fractional places along an axis, linear between those at whole ones.
 *
 * @param {Plane} plane
 * @param {number[]} places outside ones get the value at the end
 * @param {0 | 1} axis rows or columns
 * @returns {Plane}
 */
export function along({ data, height, width }, places, axis) {
  const last = (axis === 0 ? height : width) - 1;
  const rows = axis === 0 ? places.length : height;
  const columns = axis === 0 ? width : places.length;
  const out = new Float32Array(rows * columns);
  places.forEach((place, at) => {
    const inside = clamp(place, 0, last);
    const lower = Math.trunc(inside);
    const upper = Math.min(lower + 1, last);
    const weight = Math.fround(inside - lower);
    const [count, step] = axis === 0 ? [width, 1] : [height, width];
    for (let k = 0; k < count; k += 1) {
      const below = data[axis === 0 ? lower * width + k : k * step + lower];
      const above = data[axis === 0 ? upper * width + k : k * step + upper];
      out[axis === 0 ? at * columns + k : k * columns + at] = below + (above - below) * weight;
    }
  });
  return { data: out, height: rows, width: columns };
}

/**
 * A plane larger by a border at the lower right, by reflection.
 *
 * @param {Plane} plane
 * @returns {Plane}
 */
export function padded({ data, height, width }, rows, columns) {
  const mirrored = (at, length) => {
    if (length === 1) return 0;
    const period = 2 * (length - 1);
    const place = at % period;
    return place < length ? place : period - place;
  };
  const out = planeOf(rows, columns);
  const across = Array.from({ length: columns }, (_, at) => mirrored(at, width));
  for (let row = 0; row < rows; row += 1) {
    const start = mirrored(row, height) * width;
    for (let column = 0; column < columns; column += 1) {
      out.data[row * columns + column] = data[start + across[column]];
    }
  }
  return out;
}

/**
 * The upper left part of a plane.
 *
 * @param {Plane} plane
 * @returns {Plane}
 */
export function cut({ data, width }, rows, columns) {
  const out = planeOf(rows, columns);
  for (let row = 0; row < rows; row += 1) {
    out.data.set(data.subarray(row * width, row * width + columns), row * columns);
  }
  return out;
}

/** The values below which shares of all lie, linear between them, as `numpy.quantile`. */
export function quantiles(values, shares) {
  const sorted = Float32Array.from(values).sort();
  return shares.map((share) => {
    const place = share * (sorted.length - 1);
    const lower = Math.floor(place);
    const upper = Math.min(lower + 1, sorted.length - 1);
    return sorted[lower] + (sorted[upper] - sorted[lower]) * (place - lower);
  });
}

export const median = (values) => quantiles(values, [0.5])[0];

export function mean(values) {
  let sum = 0;
  for (const value of values) sum += value;
  return sum / values.length;
}

export function variance(values) {
  const middle = mean(values);
  let sum = 0;
  for (const value of values) sum += (value - middle) ** 2;
  return sum / values.length;
}
