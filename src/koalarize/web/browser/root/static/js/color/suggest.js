/**
 * Likely colours at a spot: one distribution turned into colours that look distinct there.
 *
 * Not here: distributions (`network.js`). The same as `koalarize.steering.alternatives.suggest`,
 * whose constants it is given.
 */

/** Make what suggests, of the constants of `koalarize.steering.alternatives` and the model's bins. */
export function suggestBy(facts, bins, colors) {
  const apart = (one, other) => (one[0] - other[0]) ** 2 + (one[1] - other[1]) ** 2;
  const near = bins.map((one) =>
    Float64Array.from(bins, (other) => (apart(one, other) <= facts._REACH ** 2 ? 1 : 0)),
  );

  /** The distinct colours of one distribution, most probable first. */
  function modes(likely, count) {
    const left = Float64Array.from(likely);
    const found = [];
    while (found.length < count) {
      let [top, most] = [0, -Infinity];
      near.forEach((row, bin) => {
        let sum = 0;
        if (left[bin] > 0) row.forEach((weight, other) => (sum += weight * left[other]));
        if (sum > most) [top, most] = [bin, sum];
      });
      const taken = near[top].map((weight, other) => weight * left[other]);
      const share = taken.reduce((sum, value) => sum + value, 0);
      if (share <= 0 || (found.length > 0 && share < facts._LEAST)) break;
      const ab = [0, 1].map(
        (axis) => taken.reduce((sum, value, bin) => sum + value * bins[bin][axis], 0) / share,
      );
      near[top].forEach((weight, other) => {
        if (weight > 0) left[other] = 0;
      });
      if (found.every((mode) => apart(ab, mode.ab) >= facts._REACH ** 2)) {
        found.push({ ab, probability: share });
      }
    }
    return found;
  }

  /**
   * Colours at a lightness, distinct to the eye.
   *
   * @returns {{color: string, probability: number}[]}
   */
  function suggest(likely, lightness, count) {
    const found = [];
    for (const mode of modes(likely, 4 * count)) {
      const lab = colors.fitToGamut([lightness, ...mode.ab]);
      const ab = lab.slice(1);
      if (found.some((other) => apart(ab, other.ab) < facts._LOOK_ALIKE ** 2)) continue;
      found.push({ color: colors.labToHex(lab), ab, probability: mode.probability });
      if (found.length === count) break;
    }
    return found.map(({ color, probability }) => ({ color, probability }));
  }

  return { suggest };
}
