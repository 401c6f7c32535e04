/**
 * Ask the network about a plane of lightness: twice, the second time smaller, and decode what it says.
 *
 * Not here: ONNX Runtime (`worker.js` opens the session), photos (`look.js`). The same as
 * `koalarize.engines` and `koalarize.color.violets`, whose facts it is given.
 */

import { along, padded, planeOf, resize, roundEven, smoothstep } from "./planes.js";

/** @typedef {import("./planes.js").Plane} Plane */
/** @typedef {{data: Float32Array, bins: number, height: number, width: number}} Logits */

export class Network {
  /**
   * @param {(lightness: Plane, hints: Plane[]) => Promise<Logits>} run
   * @param {any} model facts of the model: stride, size, temperature, bins, overview, ...
   * @param {any} constants of `violets` and `sized`
   */
  constructor(run, model, { violets, sized }) {
    this.run = run;
    this.model = model;
    this.violets = violets;
    this.leastMask = sized.LEAST_MASK;
  }

  /** Height and width that a grid is padded to before the network. */
  padded(height, width) {
    const { stride } = this.model;
    return [height, width].map((side) => Math.ceil(side / stride) * stride);
  }

  /**
   * Both looks' logits of padded lightness, joined on the first one's grid.
   *
   * @param {Plane} lightness
   * @param {Plane[] | null} hints
   * @returns {Promise<Logits>}
   */
  async logits(lightness, hints) {
    const first = await this.run(lightness, hints ?? nothing(lightness));
    const { overview } = this.model;
    const side = Math.min(lightness.height, lightness.width);
    if (!overview || side <= overview.size) return first;
    const shape = [lightness.height, lightness.width].map((length) =>
      Math.max(1, roundEven((length * overview.size) / side)),
    );
    const [rows, columns] = this.padded(shape[0], shape[1]);
    const shown = (plane) => padded(resize(plane, shape[0], shape[1]), rows, columns);
    const small = shown(lightness);
    const given = hints === null ? nothing(small) : wholeHints(hints.map(shown), this.leastMask);
    const second = await this.run(small, given);
    const places = (count, length, whole, fresh) =>
      Array.from(
        { length: fresh },
        (_, at) => (at + 0.5) * ((length * count) / whole / fresh) - 0.5,
      );
    const down = places(second.height, shape[0], rows, first.height);
    const across = places(second.width, shape[1], columns, first.width);
    const cells = second.height * second.width;
    const area = first.height * first.width;
    for (let bin = 0; bin < first.bins; bin += 1) {
      const data = second.data.subarray(bin * cells, (bin + 1) * cells);
      const seen = along(
        along({ data, height: second.height, width: second.width }, down, 0),
        across,
        1,
      );
      const target = first.data.subarray(bin * area, (bin + 1) * area);
      for (let at = 0; at < area; at += 1) {
        target[at] = (target[at] + seen.data[at] * overview.weight) / (1 + overview.weight);
      }
    }
    return first;
  }

  /**
   * The ab of logits, before the gain: the annealed mean, dark violets paler.
   *
   * @param {Logits} logits
   * @param {Plane} lightness as the network has seen it
   * @param {Plane[] | null} hints
   * @returns {[Plane, Plane]}
   */
  decoded({ data, bins, height, width }, lightness, hints) {
    const area = height * width;
    const [a, b] = [planeOf(height, width), planeOf(height, width)];
    const sharp = new Float32Array(bins);
    for (let at = 0; at < area; at += 1) {
      let most = -Infinity;
      for (let bin = 0; bin < bins; bin += 1) {
        sharp[bin] = data[bin * area + at] / this.model.temperature;
        most = Math.max(most, sharp[bin]);
      }
      let [total, sumA, sumB] = [0, 0, 0];
      for (let bin = 0; bin < bins; bin += 1) {
        const share = Math.exp(sharp[bin] - most);
        total += share;
        sumA += share * this.model.bins[bin][0];
        sumB += share * this.model.bins[bin][1];
      }
      a.data[at] = sumA / total;
      b.data[at] = sumB / total;
    }
    if (this.model.violets > 0) this.pale(a, b, resize(lightness, height, width), hints);
    return [a, b];
  }

  /** Make dark violets paler, but for hues that a hint asks for. */
  pale(a, b, lightness, hints) {
    const facts = this.violets;
    const asked = hints === null ? [] : askedHues(hints, facts._GREY);
    const radians = Math.PI / 180;
    for (let at = 0; at < a.data.length; at += 1) {
      const hue = Math.atan2(b.data[at], a.data[at]) / radians;
      const near = Math.cos(
        (Math.min(degreesApart(hue, facts._VIOLET) / facts._WIDTH, 1) * Math.PI) / 2,
      );
      const dark = 1 - smoothstep(lightness.data[at], facts._DARK, facts._BRIGHT);
      let wanted = 0;
      for (const other of asked) {
        const away = degreesApart(hue, other);
        wanted = Math.max(wanted, 1 - smoothstep(away, facts._SAME, facts._OTHER));
      }
      const left = 1 - near * near * dark * this.model.violets * (1 - wanted);
      a.data[at] *= left;
      b.data[at] *= left;
    }
  }
}

/** How many degrees two hues are apart. */
function degreesApart(hue, other) {
  const turned = (((hue - other + 180) % 360) + 360) % 360;
  return Math.abs(turned - 180);
}

/** The hues of hints, in whole degrees, each once. */
function askedHues([a, b, mask], grey) {
  const found = new Set();
  mask.data.forEach((there, at) => {
    if (there > 0 && Math.hypot(a.data[at], b.data[at]) > grey) {
      found.add(roundEven((Math.atan2(b.data[at], a.data[at]) * 180) / Math.PI));
    }
  });
  return [...found];
}

const nothing = ({ height, width }) => [0, 1, 2].map(() => planeOf(height, width));

/** Hint planes that were resized: whole where a hint is, else none. */
function wholeHints(/** @type {Plane[]} */ [a, b, mask], least) {
  mask.data.forEach((share, at) => {
    const there = share > least;
    a.data[at] = there ? a.data[at] / share : 0;
    b.data[at] = there ? b.data[at] / share : 0;
    mask.data[at] = there ? 1 : 0;
  });
  return [a, b, mask];
}

/** Probabilities of the bins around a cell, the middle one counting most. */
export function likelyAround({ data, bins, height, width }, row, column) {
  const area = height * width;
  const found = new Float64Array(bins);
  let weights = 0;
  for (let y = Math.max(0, row - 1); y <= Math.min(height - 1, row + 1); y += 1) {
    for (let x = Math.max(0, column - 1); x <= Math.min(width - 1, column + 1); x += 1) {
      const weight = (y === row ? 2 : 1) * (x === column ? 2 : 1);
      let most = -Infinity;
      for (let bin = 0; bin < bins; bin += 1) {
        most = Math.max(most, data[bin * area + y * width + x]);
      }
      const shares = Array.from({ length: bins }, (_, bin) =>
        Math.exp(data[bin * area + y * width + x] - most),
      );
      const total = shares.reduce((sum, share) => sum + share, 0);
      shares.forEach((share, bin) => {
        found[bin] += (weight * share) / total;
      });
      weights += weight;
    }
  }
  return found.map((share) => share / weights);
}
