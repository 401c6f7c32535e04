/**
 * Run the network: planes in, logits out, whichever build of ONNX Runtime it is.
 *
 * Not here: opening the session (`worker.js`), what is asked (`network.js`).
 */

/**
 * What runs a session, as `Colorizer` takes it.
 *
 * @param {any} ort ONNX Runtime
 * @param {any} session
 * @returns {(lightness: import("./planes.js").Plane, hints: import("./planes.js").Plane[]) => Promise<import("./network.js").Logits>}
 */
export function runnerOf(ort, session) {
  return async (lightness, hints) => {
    const { height, width } = lightness;
    const planes = new Float32Array(3 * height * width);
    hints.forEach(({ data }, number) => planes.set(data, number * height * width));
    const { logits } = await session.run({
      l: new ort.Tensor("float32", lightness.data, [1, 1, height, width]),
      hints: new ort.Tensor("float32", planes, [1, 3, height, width]),
    });
    const [, bins, rows, columns] = logits.dims;
    return { data: logits.data.slice(), bins, height: rows, width: columns };
  };
}
