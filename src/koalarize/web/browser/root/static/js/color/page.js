/**
 * What is asked of a page with prints, print by print, and their colours put together again.
 *
 * Not here: where prints lie (`prints.js`), how each is coloured (`look.js`). The same as
 * `koalarize.colorizer.pages`.
 */

import { clamp, planeOf, resize, roundEven } from "./planes.js";

/** @typedef {import("./planes.js").Plane} Plane */

/** Which print's box a point of the photo is in; null if none's. */
export function numberAt({ boxes }, x, y) {
  const number = boxes.findIndex(
    ([left, top, right, bottom]) => left <= x && x < right && top <= y && y < bottom,
  );
  return number < 0 ? null : number;
}

/** Where a point of the photo lies in what is looked at of a print, or next to it. */
export function placeIn({ inner }, number, x, y) {
  const [left, top, right, bottom] = inner[number];
  return { x: clamp(x, left, right - 1) - left, y: clamp(y, top, bottom - 1) - top };
}

/**
 * The guidance of a page and of all prints on it, in one.
 *
 * @param {import("./look.js").Look} look at the page
 * @param {Plane[]} beside the prints
 * @param {Plane[][]} prints of each
 * @returns {Plane[]}
 */
export function joined(look, beside, prints) {
  const { photo, colorizer } = look;
  const page = /** @type {NonNullable<typeof look.page>} */ (look.page);
  const { height, width } = photo;
  const finest = Math.max(
    ...page.looks.map((own, number) => {
      const [, top, , bottom] = page.inner[number];
      return (own.lightness.height * height) / (bottom - top);
    }),
  );
  const most = colorizer.facts.constants.pages._MOST_SIDE / Math.min(height, width);
  const scale = Math.min(finest / height, most, 1);
  const rows = Math.max(1, roundEven(height * scale));
  const columns = Math.max(1, roundEven(width * scale));
  const planes = beside.map((plane) => resize(plane, rows, columns));
  const boxes = page.scaled(rows, columns);
  page.scaled(rows, columns, true).forEach(([first, above, last, below], number) => {
    const [left, top, right, bottom] = boxes[number];
    const share = resize(shareOf(page.prints, number), bottom - top, right - left);
    prints[number].forEach((plane, at) => {
      const own = resize(plane, below - above, last - first);
      for (let row = top; row < bottom; row += 1) {
        const down = clamp(row - above, 0, own.height - 1) * own.width;
        for (let column = left; column < right; column += 1) {
          const value = own.data[down + clamp(column - first, 0, own.width - 1)];
          const place = row * columns + column;
          const weight = share.data[(row - top) * share.width + column - left];
          planes[at].data[place] += weight * (value - planes[at].data[place]);
        }
      }
    });
  });
  return planes;
}

/** 1 where a print lies in its box, 0 elsewhere. */
function shareOf({ boxes, numbers, other }, number) {
  const [left, top, right, bottom] = boxes[number];
  const share = planeOf(bottom - top, right - left);
  for (let row = top; row < bottom; row += 1) {
    for (let column = left; column < right; column += 1) {
      if (numbers[row * other.width + column] !== number) continue;
      share.data[(row - top) * share.width + column - left] = 1;
    }
  }
  return share;
}
