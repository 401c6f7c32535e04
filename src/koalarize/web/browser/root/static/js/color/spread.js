/**
 * What hints do to the colours around them: three effects, each with a share that falls.
 *
 * Not here: what can be asked, what the network answers (`network.js`). The same as
 * `koalarize.steering.spread`, `reach` and `small`, whose constants it is given; why each step is as
 * it is stands there.
 */

import { clamp, median, planeOf, resize, roundEven, smoothstep } from "./planes.js";

/** @typedef {import("./planes.js").Plane} Plane */
/** @typedef {{row: number, column: number, ab: number[], radius: number, reach: number | null}} Place */

const FAR = 1e6;

/** Make what spreads hints, of the constants of `spread`, `reach` and `small`. */
export function spreadBy(facts) {
  const { spread: own, reach: ways, small } = facts;

  /**
   * Colours with hints obeyed where they are, and less and less away from them.
   *
   * @param {Plane[]} plain a* and b* as the network answers without the hints
   * @param {Plane[]} hinted a* and b* as it answers them
   * @param {Plane} lightness
   * @param {Place[]} places of the hints on it, at least one
   * @param {{reach: number, gain: number}} asked
   * @returns {Plane[]}
   */
  function spread(plain, hinted, lightness, places, { reach, gain }) {
    const { data, height, width } = lightness;
    const count = data.length;
    const paths = places.map((place) => wayTo(lightness, place));
    const weights = counted(paths, places, width);
    const nearest = new Float32Array(count).fill(Infinity);
    const support = new Float32Array(count);
    places.forEach((place, number) => {
      const stretch = own._REACH / (place.reach ?? reachAt(lightness, place, reach));
      const way = paths[number];
      const wider = Math.min(1, stretch) ** 2;
      const within = place.radius / Math.min(height, width);
      for (let at = 0; at < count; at += 1) {
        if (within > 0) way[at] = Math.max(0, way[at] - within);
        if (stretch > 1) way[at] *= stretch;
        const wide = way[at] * wider;
        nearest[at] = Math.min(nearest[at], wide);
        support[at] += weights[number] * Math.exp(-wide / own._SUPPORT);
      }
    });
    const doubt = 1 - Math.max(1, gain) ** -own._CERTAIN;
    const answered = new Float32Array(count);
    const led = hinted.map((plane) => plane.data.slice());
    for (let at = 0; at < count; at += 1) {
      const shared = -Math.expm1(-Math.max(support[at] - 1, 0));
      led[0][at] *= 1 - doubt * shared;
      led[1][at] *= 1 - doubt * shared;
      const share = fallen(own.ANSWERED, nearest[at]);
      answered[at] = share + (1 - share) * shared;
    }
    return ruled(plain, led, answered, lightness, places, paths, gain).map((found) => ({
      data: found,
      height,
      width,
    }));
  }

  /** The plain colours, led to the answer, to what it lacks at the hints, and to their own. */
  function ruled(plain, led, answered, lightness, places, paths, gain) {
    const { data, width } = lightness;
    const count = data.length;
    const sums = [0, 1, 2, 3, 4, 5].map(() => new Float32Array(count));
    const [addedA, addedB, ownA, ownB, owned, rules] = sums;
    places.forEach((place, number) => {
      const home = place.row * width + place.column;
      const [homeA, homeB] = [led[0][home], led[1][home]];
      const wanted = place.ab.map((value) => value / gain);
      const lacking = [wanted[0] - homeA, wanted[1] - homeB];
      const contrary = smoothstep(Math.hypot(...lacking) * gain, ...own._CONTRARY);
      const brief = smoothstep(data[home], ...own._BRIGHT) * contrary;
      const [adding, owning] = [own.ADDED, own.OWN].map((fall) => toward(fall, own._BRIEF, brief));
      const way = paths[number];
      for (let at = 0; at < count; at += 1) {
        const unlike = Math.abs(data[at] - data[home]);
        const away = Math.hypot(led[0][at] - homeA, led[1][at] - homeB) * gain;
        const far = Math.max(way[at], way[at] * way[at]);
        const alike = fallen(adding, far, unlike, away);
        const rule = alike / (way[at] * way[at] + own._ALONE ** 2);
        const share = fallen(owning, far, unlike, away) * rule;
        rules[at] += rule;
        owned[at] += share;
        addedA[at] += rule * alike * lacking[0];
        addedB[at] += rule * alike * lacking[1];
        ownA[at] += share * wanted[0];
        ownB[at] += share * wanted[1];
      }
    });
    return [0, 1].map((axis) => {
      const [added, given] = axis === 0 ? [addedA, ownA] : [addedB, ownB];
      return Float32Array.from({ length: count }, (_, at) => {
        const all = Math.max(rules[at], 1e-6);
        const before = plain[axis].data[at];
        const ab = before + answered[at] * (led[axis][at] - before) + added[at] / all;
        return ab * (1 - owned[at] / all) + given[at] / all;
      });
    });
  }

  /** The reach of a hint without one of its own: less where its thing is small. */
  function reachAt(lightness, place, reach) {
    const least = Math.max(reach * own._LEAST_SHARE, Math.min(reach, own._LEAST));
    return Math.max(least, reach * (least / reach) ** smallness(lightness, place));
  }

  /** The length of the way from a place to every other, in shorter sides. */
  function wayTo(lightness, { row, column }) {
    const { height, width } = lightness;
    const rows = Math.max(1, roundEven(height / ways._CELL));
    const columns = Math.max(1, roundEven(width / ways._CELL));
    const coarse = resize(lightness, rows, columns);
    const cell = [
      Math.min(Math.trunc((row * rows) / height), rows - 1),
      Math.min(Math.trunc((column * columns) / width), columns - 1),
    ];
    const steps = geodesic(coarse, cell);
    steps.data = steps.data.map((step) => step / Math.min(rows, columns));
    const way = resize(steps, height, width).data;
    const home = way[row * width + column];
    const side = Math.min(height, width);
    for (let y = 0, at = 0; y < height; y += 1) {
      for (let x = 0; x < width; x += 1, at += 1) {
        const straight = Math.sqrt(((y - row) / side) ** 2 + ((x - column) / side) ** 2);
        way[at] = Math.max(way[at] - home, straight);
      }
    }
    return way;
  }

  /** The length of the shortest way from a cell, in steps of one cell; sweeps until none shortens. */
  function geodesic({ data, height, width }, /** @type {number[]} */ [startRow, startColumn]) {
    const found = planeOf(height, width, FAR);
    found.data[startRow * width + startColumn] = 0;
    const shorten = (row, column, other, across) => {
      if (other < 0 || other >= height || across < 0 || across >= width) return false;
      const [here, there] = [row * width + column, other * width + across];
      const length = row !== other && column !== across ? Math.SQRT2 : 1;
      const cost = length * (1 + ways._EDGE * Math.abs(data[here] - data[there]));
      if (found.data[there] + cost >= found.data[here]) return false;
      found.data[here] = found.data[there] + cost;
      return found.data[here] < Infinity;
    };
    let before = null;
    for (let pass = 0; pass < ways._MOST_PASSES; pass += 1) {
      const forward = pass % 2 === 0;
      for (let k = 0; k < height * width; k += 1) {
        const at = forward ? k : height * width - 1 - k;
        const [row, column] = [Math.trunc(at / width), at % width];
        for (let y = -1; y <= 1; y += 1) {
          for (let x = -1; x <= 1; x += 1) {
            if (x !== 0 || y !== 0) shorten(row, column, row + y, column + x);
          }
        }
      }
      if (before !== null && before.every((value, at) => value === found.data[at])) break;
      before = found.data.slice();
    }
    return found;
  }

  /** How much each hint counts: those that are neighbours share what one counts. */
  function counted(paths, places, width) {
    return places.map(({ row, column }) => {
      let total = 0;
      for (const way of paths) total += Math.exp(-way[row * width + column] / own._NEIGHBOURS);
      return 1 / total;
    });
  }

  /** How far a place is a small thing that stands out from all around it, from 0 to 1. */
  function smallness({ data, height, width }, { row, column }) {
    const side = Math.min(height, width);
    const window = Math.max(small._LEAST_WINDOW, roundEven(small._WINDOW * side));
    const [top, left] = [Math.max(0, row - window), Math.max(0, column - window)];
    const rows = Math.min(height, row + window + 1) - top;
    const columns = Math.min(width, column + window + 1) - left;
    const seen = (y, x) => data[(top + y) * width + left + x];
    const [homeRow, homeColumn] = [row - top, column - left];
    const around = [];
    for (let y = Math.max(0, homeRow - 1); y < Math.min(rows, homeRow + 2); y += 1) {
      for (let x = Math.max(0, homeColumn - 1); x < Math.min(columns, homeColumn + 2); x += 1) {
        around.push([y, x]);
      }
    }
    const tone = median(around.map(([y, x]) => seen(y, x)));
    const unlike = (y, x) => Math.abs(seen(y, x) - tone);
    const thing = new Uint8Array(rows * columns);
    const border = around.map(([y, x]) => y * columns + x);
    for (const at of border) thing[at] = 1;
    while (border.length > 0) {
      const at = /** @type {number} */ (border.pop());
      const [y, x] = [Math.trunc(at / columns), at % columns];
      for (const [down, across] of STEPS) {
        const [otherY, otherX] = [y + down, x + across];
        if (otherY < 0 || otherY >= rows || otherX < 0 || otherX >= columns) continue;
        const other = otherY * columns + otherX;
        const near = Math.abs(seen(otherY, otherX) - seen(y, x)) <= small._STEP;
        if (thing[other] || !near || unlike(otherY, otherX) >= 2 * small._ALIKE) continue;
        thing[other] = 1;
        border.push(other);
      }
    }
    const beyond = grown(thing, rows, columns, small._MARGIN);
    let [extent, alike, all] = [0, 0, 0];
    for (let at = 0; at < thing.length; at += 1) {
      const [y, x] = [Math.trunc(at / columns), at % columns];
      const away = Math.hypot(y - homeRow, x - homeColumn) / side;
      if (thing[at]) extent = Math.max(extent, away);
      if (away < small._NEAR && !beyond[at]) {
        all += 1;
        if (unlike(y, x) < small._ALIKE) alike += 1;
      }
    }
    const large = smoothstep(extent, ...small._EXTENT);
    const common = smoothstep(all > 0 ? alike / all : 1, ...small._OTHERS);
    return (1 - large) * (1 - common);
  }

  /** A share at differences from the hinted place. */
  function fallen({ high, way, lightness, ab }, far, unlike = 0, away = 0) {
    const beyond = far * way + lightness * unlike + ab * away - high;
    return (1 + Math.exp(-high)) / (1 + Math.exp(Math.min(beyond, own._LARGEST)));
  }

  return { spread };
}

const STEPS = [
  [1, 0],
  [-1, 0],
  [0, 1],
  [0, -1],
];

const toward = (fall, other, share) => ({
  ...fall,
  high: fall.high + share * (other.high - fall.high),
  way: fall.way + share * (other.way - fall.way),
});

/** A set of cells, and those so many steps around it. */
function grown(cells, rows, columns, steps) {
  let found = cells;
  for (let step = 0; step < steps; step += 1) {
    const before = found;
    found = before.slice();
    for (let at = 0; at < before.length; at += 1) {
      if (!before[at]) continue;
      const [y, x] = [Math.trunc(at / columns), at % columns];
      for (const [down, across] of STEPS) {
        const [otherY, otherX] = [clamp(y + down, 0, rows - 1), clamp(x + across, 0, columns - 1)];
        found[otherY * columns + otherX] = 1;
      }
    }
  }
  return found;
}
