/**
 * Where things of a photo lie once it is straightened: turned about its middle by a few degrees and cut
 * to the largest upright part inside.
 *
 * Not here: turning pixels, which the service does (`photo/straighten.py`, whose sizes these are; a test
 * holds the two to each other).
 */

/**
 * Width and height of the largest upright rectangle inside a photo of this size, turned.
 *
 * @param {number} width
 * @param {number} height
 * @param {number} degrees
 */
export function straightenedSize(width, height, degrees) {
  if (!degrees) return [width, height];
  const angle = (degrees * Math.PI) / 180;
  const [sin, cos] = [Math.abs(Math.sin(angle)), Math.cos(angle)];
  const [long, short] = [Math.max(width, height), Math.min(width, height)];
  let [across, down] = [short / 2 / sin, short / 2 / cos];
  if (short <= 2 * sin * cos * long) {
    if (width < height) [across, down] = [down, across];
  } else {
    const stretch = cos * cos - sin * sin;
    across = (width * cos - height * sin) / stretch;
    down = (height * cos - width * sin) / stretch;
  }
  return [Math.max(1, Math.floor(across + 1e-6)), Math.max(1, Math.floor(down + 1e-6))];
}

/**
 * Where a place of a photo of size `from` comes to lie in one of size `to`, turned by `degrees` more.
 *
 * @param {{x: number, y: number}} place
 * @param {number} degrees clockwise
 * @param {number[]} from
 * @param {number[]} to
 */
export function turnedPlace({ x, y }, degrees, from, to) {
  const angle = (degrees * Math.PI) / 180;
  const [sin, cos] = [Math.sin(angle), Math.cos(angle)];
  const [across, down] = [x - from[0] / 2, y - from[1] / 2];
  return { x: to[0] / 2 + cos * across - sin * down, y: to[1] / 2 + sin * across + cos * down };
}
