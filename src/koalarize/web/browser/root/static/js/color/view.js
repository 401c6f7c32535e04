/**
 * A part of a plane, turned or mirrored, without copying it.
 *
 * Not here: arithmetic on whole planes (`planes.js`).
 */

export class View {
  /**
   * @param {ArrayLike<number>} data
   * @param {number} height
   * @param {number} width
   * @param {number} [start] where the first place lies in the data
   * @param {number} [down] from a row to the next
   * @param {number} [across] from a column to the next
   */
  constructor(data, height, width, start = 0, down = width, across = 1) {
    this.data = data;
    this.height = height;
    this.width = width;
    this.start = start;
    this.down = down;
    this.across = across;
  }

  at(row, column) {
    return this.data[this.start + row * this.down + column * this.across];
  }

  /** The place in the data of a row and a column. */
  place(row, column) {
    return this.start + row * this.down + column * this.across;
  }

  /** Rows and columns from the first to before the last. */
  part(top, bottom, left, right) {
    const height = Math.max(0, bottom - top);
    const width = Math.max(0, right - left);
    return new View(this.data, height, width, this.place(top, left), this.down, this.across);
  }

  /** What is left without so many lines at the top, the bottom, the left and the right. */
  without(/** @type {number[]} */ [top, bottom, left, right]) {
    return this.part(top, Math.max(top, this.height - bottom), left, this.width - right);
  }

  /** With rows for columns. */
  get transposed() {
    return new View(this.data, this.width, this.height, this.start, this.across, this.down);
  }

  /** Upside down. */
  get flipped() {
    const start = this.place(this.height - 1, 0);
    return new View(this.data, this.height, this.width, start, -this.down, this.across);
  }

  /** Turned by a quarter, against the clock. */
  get turned() {
    const start = this.place(0, this.width - 1);
    return new View(this.data, this.width, this.height, start, -this.across, this.down);
  }

  row(number) {
    return Array.from({ length: this.width }, (_, column) => this.at(number, column));
  }

  column(number) {
    return this.transposed.row(number);
  }

  values() {
    const found = new Float32Array(this.height * this.width);
    for (let row = 0, k = 0; row < this.height; row += 1) {
      for (let column = 0; column < this.width; column += 1, k += 1)
        found[k] = this.at(row, column);
    }
    return found;
  }

  /** The share of each row for which a test holds. */
  shares(test) {
    return Array.from({ length: this.height }, (_, row) => {
      let count = 0;
      for (let column = 0; column < this.width; column += 1) {
        if (test(this.at(row, column))) count += 1;
      }
      return count / this.width;
    });
  }
}

/** How many of the first of a list hold; all where each does. */
export function leading(holds) {
  const first = holds.indexOf(false);
  return first < 0 ? holds.length : first;
}
