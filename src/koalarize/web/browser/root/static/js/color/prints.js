/**
 * Prints on a page: an album's, or what lay on a scanner together, each a photo of its own.
 *
 * Not here: how they are coloured (`look.js`). The same as `koalarize.colorizer.prints`, whose
 * constants it is given; why each step is as it is stands there.
 */

import { clamp, median, planeOf, roundEven } from "./planes.js";

/** @typedef {import("./planes.js").Plane} Plane */
/** @typedef {[number, number, number, number]} Box left, top, right, bottom */
/**
 * @typedef {object} Prints
 * @property {Box[]} boxes of each, in the picture that was looked at
 * @property {Int16Array} numbers which of them lies at a place; -1 where none does
 * @property {Plane} other 1 where something large lies that is no print
 */

/** Make what finds prints, of the constants of `koalarize.colorizer.prints`. */
export function printsBy(facts) {
  /** Whether a picture's edges are of one tone, as a page's are; quick. */
  const hasPage = (lightness) => pageOf(lightness) !== null;

  /**
   * The prints on a page; null of pictures that are none, or have no print.
   *
   * @param {Plane} lightness
   * @returns {Prints | null}
   */
  function printsOf(lightness) {
    const { height, width } = lightness;
    const page = pageOf(lightness);
    if (page === null) return null;
    const ground = labels(opened(page, height, width, facts._GROUND), height, width);
    const edges = new Set();
    for (let column = 0; column < width; column += 1) {
      edges.add(ground.of[column]).add(ground.of[(height - 1) * width + column]);
    }
    for (let row = 0; row < height; row += 1) {
      edges.add(ground.of[row * width]).add(ground.of[row * width + width - 1]);
    }
    edges.delete(0);
    const beside = Uint8Array.from(ground.of, (label) => (edges.has(label) ? 0 : 1));
    const things = labels(opened(beside, height, width, facts._THING), height, width);
    const least = facts._LEAST * Math.min(height, width);
    const sizes = new Uint32Array(things.count + 1);
    for (const label of things.of) sizes[label] += 1;
    const boxes = boxesOf(things, height, width);
    const found = {
      boxes: [],
      numbers: new Int16Array(height * width).fill(-1),
      other: planeOf(height, width),
    };
    for (let label = 1; label <= things.count; label += 1) {
      const box = boxes[label];
      if (sizes[label] < facts._HOLLOW * least * least) continue;
      if (Math.min(box[2] - box[0], box[3] - box[1]) < least) continue;
      take(found, things.of, label, box, width);
    }
    found.numbers.forEach((number, at) => {
      if (number >= 0) found.other.data[at] = 0;
    });
    const area = height * width;
    const much = found.numbers.reduce((sum, number) => sum + (number >= 0 ? 1 : 0), 0) / area;
    const rest = found.other.data.reduce((sum, value) => sum + value, 0) / area;
    const one = found.boxes.length === 1;
    const isPage =
      much >= (one ? facts._LEAST_ALONE : facts._LEAST_AREA) &&
      rest <= (one ? 0 : facts._MOST_OTHER * (much + rest));
    return isPage && found.boxes.length >= 1 && found.boxes.length <= facts._MOST ? found : null;
  }

  /** Take a thing on a page for a print, or for something else that is large. */
  function take(found, things, label, /** @type {number[]} */ [left, top, right, bottom], width) {
    const [rows, columns] = [bottom - top, right - left];
    const part = (row, column) => things[(top + row) * width + left + column] === label;
    let count = 0;
    for (let row = 0; row < rows; row += 1) {
      for (let column = 0; column < columns; column += 1) if (part(row, column)) count += 1;
    }
    const filled = count / (rows * columns);
    const near = roundEven(facts._STRAIGHT[0] * Math.min(rows, columns));
    const reaches = (length, depth, at) => {
      let met = 0;
      for (let k = 0; k < length; k += 1) {
        for (let step = 0; step <= Math.min(near, depth - 1); step += 1) {
          if (at(k, step)) {
            met += 1;
            break;
          }
        }
      }
      return met / length >= facts._STRAIGHT[1];
    };
    const straight =
      reaches(columns, rows, (k, step) => part(step, k)) &&
      reaches(columns, rows, (k, step) => part(rows - 1 - step, k)) &&
      reaches(rows, columns, (k, step) => part(k, step)) &&
      reaches(rows, columns, (k, step) => part(k, columns - 1 - step));
    const whole = straight && filled >= facts._HOLLOW;
    const isPrint = whole || filled >= facts._FILLED;
    const number = found.boxes.length;
    for (let row = 0; row < rows; row += 1) {
      for (let column = 0; column < columns; column += 1) {
        const at = (top + row) * width + left + column;
        if (!isPrint && part(row, column)) found.other.data[at] = 1;
        else if (isPrint && (whole || part(row, column))) found.numbers[at] = number;
      }
    }
    if (isPrint) found.boxes.push([left, top, right, bottom]);
  }

  /** What is of the tone of a picture's edges, 1 on it; null if they have no one tone. */
  function pageOf({ data, height, width }) {
    const wide = Math.max(1, roundEven(facts._RING * Math.min(height, width)));
    if (Math.min(height, width) < 8 * wide) return null;
    const rows = ends(height, wide);
    const columns = ends(width, wide);
    const places = [];
    for (const row of rows)
      for (let column = 0; column < width; column += 1) places.push([row, column]);
    for (let row = 0; row < height; row += 1)
      for (const column of columns) places.push([row, column]);
    const tone = places.map(([row, column]) => data[row * width + column]);
    const middle = median(tone);
    let alike = tone.map((value) => Math.abs(value - middle) <= facts._MOST_ALIKE);
    const enough = () => alike.filter(Boolean).length / alike.length >= facts._SIDE_PLAIN;
    if (!enough()) return null;
    const slopes = places.map(([row, column]) => [1, row / height - 0.5, column / width - 0.5]);
    let fitted = [0, 0, 0];
    let spread = 0;
    for (let turn = 0; turn < 3; turn += 1) {
      fitted = leastSquares(slopes, tone, alike);
      const off = tone.map((value, at) => Math.abs(value - dot(fitted, slopes[at])));
      spread = 1.4826 * median(off);
      const most = Math.max(3, 3 * spread);
      alike = off.map((away) => away <= most);
      if (!enough()) return null;
    }
    if (Math.max(Math.abs(fitted[1]), Math.abs(fitted[2])) > facts._MOST_TILT) return null;
    const within = clamp(4 * spread + 2, facts._LEAST_ALIKE, facts._MOST_ALIKE);
    const page = new Uint8Array(height * width);
    for (let row = 0, at = 0; row < height; row += 1) {
      for (let column = 0; column < width; column += 1, at += 1) {
        const expected = dot(fitted, [1, row / height - 0.5, column / width - 0.5]);
        page[at] = Math.abs(data[at] - expected) <= within ? 1 : 0;
      }
    }
    const counts = [
      countOf(page, width, 0, wide, 0, width),
      countOf(page, width, height - wide, height, 0, width),
      countOf(page, width, 0, height, 0, wide),
      countOf(page, width, 0, height, width - wide, width),
    ];
    const sizes = [width * wide, width * wide, height * wide, height * wide];
    const plain = Math.min(...counts.map((count, at) => count / sizes[at]));
    const around = counts.reduce(add, 0) / sizes.reduce(add, 0);
    return plain >= facts._SIDE_PLAIN && around >= facts._PLAIN ? page : null;
  }

  /** The boxes in a picture of another size, whole pixels, none empty. */
  function scaled({ boxes, other }, height, width, inner = false) {
    const [down, across] = [height / other.height, width / other.width];
    const less = inner ? facts._RIM : 0;
    return boxes.map(([left, top, right, bottom]) => {
      const first = Math.trunc((left + less) * across);
      const above = Math.trunc((top + less) * down);
      const last = roundEven((right - less) * across);
      const below = roundEven((bottom - less) * down);
      return /** @type {Box} */ ([
        first,
        above,
        Math.max(last, first + 1),
        Math.max(below, above + 1),
      ]);
    });
  }

  return { hasPage, printsOf, scaled };
}

const add = (one, other) => one + other;
const dot = (one, other) => one[0] * other[0] + one[1] * other[1] + one[2] * other[2];
const ends = (length, wide) =>
  Array.from({ length: 2 * wide }, (_, at) => (at < wide ? at : length - 2 * wide + at));

function countOf(mask, width, top, bottom, left, right) {
  let count = 0;
  for (let row = top; row < bottom; row += 1) {
    for (let column = left; column < right; column += 1) count += mask[row * width + column];
  }
  return count;
}

/** The plane that is nearest to the values that count. */
function leastSquares(slopes, values, counts) {
  const rows = [0, 1, 2].map(() => [0, 0, 0, 0]);
  slopes.forEach((slope, at) => {
    if (!counts[at]) return;
    for (let row = 0; row < 3; row += 1) {
      for (let column = 0; column < 3; column += 1) rows[row][column] += slope[row] * slope[column];
      rows[row][3] += slope[row] * values[at];
    }
  });
  for (let pivot = 0; pivot < 3; pivot += 1) {
    for (let row = 0; row < 3; row += 1) {
      if (row === pivot) continue;
      const share = rows[row][pivot] / rows[pivot][pivot];
      for (let column = pivot; column < 4; column += 1)
        rows[row][column] -= share * rows[pivot][column];
    }
  }
  return rows.map((row, at) => row[3] / row[at]);
}

/** Places without what is narrower than a square; outside all is as at the edge. */
function opened(places, height, width, radius) {
  const not = (mask) => mask.map((held) => 1 - held);
  return grown(not(grown(not(places), height, width, radius)), height, width, radius);
}

/** Places with those up to so many pixels away across, down, or both. */
function grown(places, height, width, radius) {
  let found = places;
  for (let step = 0; step < radius; step += 1) {
    const wide = found.slice();
    for (let at = 0; at < wide.length; at += 1) {
      if (at >= width && found[at - width]) wide[at] = 1;
      if (at + width < wide.length && found[at + width]) wide[at] = 1;
    }
    found = wide.slice();
    for (let row = 0, at = 0; row < height; row += 1) {
      for (let column = 0; column < width; column += 1, at += 1) {
        if (column > 0 && wide[at - 1]) found[at] = 1;
        if (column + 1 < width && wide[at + 1]) found[at] = 1;
      }
    }
  }
  return found;
}

/** The number from 1 on of the connected part that a place is in, 0 elsewhere; corners connect. */
function labels(places, height, width) {
  const of = new Int32Array(height * width);
  let count = 0;
  const waiting = [];
  for (let start = 0; start < of.length; start += 1) {
    if (!places[start] || of[start] !== 0) continue;
    count += 1;
    of[start] = count;
    waiting.push(start);
    while (waiting.length > 0) {
      const at = /** @type {number} */ (waiting.pop());
      const [row, column] = [Math.trunc(at / width), at % width];
      for (let y = Math.max(0, row - 1); y <= Math.min(height - 1, row + 1); y += 1) {
        for (let x = Math.max(0, column - 1); x <= Math.min(width - 1, column + 1); x += 1) {
          const other = y * width + x;
          if (!places[other] || of[other] !== 0) continue;
          of[other] = count;
          waiting.push(other);
        }
      }
    }
  }
  return { of, count };
}

/** The box around each part. */
function boxesOf({ of, count }, height, width) {
  const boxes = Array.from({ length: count + 1 }, () => [width, height, 0, 0]);
  for (let row = 0, at = 0; row < height; row += 1) {
    for (let column = 0; column < width; column += 1, at += 1) {
      const box = boxes[of[at]];
      box[0] = Math.min(box[0], column);
      box[1] = Math.min(box[1], row);
      box[2] = Math.max(box[2], column + 1);
      box[3] = Math.max(box[3], row + 1);
    }
  }
  return boxes;
}
