/**
 * A photo looked at once, to be steered often: its working grid, what the network says of it.
 *
 * Not here: full size (`merge.js`), what hints do (`spread.js`). The same as
 * `koalarize.colorizer.look`, `answers` and `plan`, for what the page offers.
 */

import { barsBy } from "./bars.js";
import { blankBy } from "./blank.js";
import { endsBy, stretched } from "./ends.js";
import { guide } from "./merge.js";
import { Network, likelyAround } from "./network.js";
import { joined, numberAt, placeIn } from "./page.js";
import { cut, padded, planeOf, resize, roundEven } from "./planes.js";
import { enlarged, lightnessOf, part } from "./photo.js";
import { printsBy } from "./prints.js";
import { recolored } from "./recolor.js";
import { spreadBy } from "./spread.js";
import { suggestBy } from "./suggest.js";

/** @typedef {import("./planes.js").Plane} Plane */
/** @typedef {{x: number, y: number, color: string, radius?: number | null, reach?: number | null}} Hint */
/**
 * @typedef {object} Steering what a person asks for
 * @property {Hint[]} hints places in pixels of the photo
 * @property {{was: string, becomes: string}[]} recolors
 * @property {number} vividness
 * @property {number} warmth
 * @property {number} tint
 * @property {number} reach
 */

/** Colours photos by one network, with the facts that the program's own modules wrote down. */
export class Colorizer {
  /**
   * @param {any} facts
   * @param {any} colors conversions of a few colours: `hexToLab`, `labToHex`, `fitToGamut`
   * @param {(lightness: Plane, hints: Plane[]) => Promise<import("./network.js").Logits>} run
   */
  constructor(facts, colors, run) {
    this.facts = facts;
    this.colors = colors;
    const { constants } = facts;
    this.network = new Network(run, facts.model, constants);
    this.ends = endsBy(constants.ends);
    this.bars = barsBy(constants.bars);
    this.blank = blankBy(constants.blank);
    this.prints = printsBy(constants.prints);
    this.spreading = spreadBy(constants);
    this.suggesting = suggestBy(constants.alternatives, facts.model.bins, colors);
  }

  /** What each level becomes where a faded photo is to reach from black to white. */
  restoring(pixels, size) {
    const { constants } = this.facts;
    const seen = lightnessOf(pixels, size, size, this.facts);
    const stretch = this.ends.stretchOf(seen, constants.prepare._ENDS);
    const greys = Uint8ClampedArray.from({ length: 1024 }, (_, at) => Math.trunc(at / 4));
    const row = { width: 256, height: 1 };
    const own = lightnessOf(greys, row, row, this.facts);
    return Array.from(own.data, (value) => {
      const wanted = stretched(value, stretch);
      const above = own.data.findIndex((other) => other >= wanted);
      if (above <= 0) return above < 0 ? 255 : 0;
      const [low, high] = [own.data[above - 1], own.data[above]];
      return roundEven(above - 1 + (wanted - low) / (high - low));
    });
  }

  /**
   * Look at a photo.
   *
   * @param {Uint8ClampedArray} pixels RGBA
   * @param {{width: number, height: number}} size
   */
  look(pixels, size) {
    return new Look(this, pixels, size, this.facts.constants.look.LAYERS);
  }
}

export class Look {
  /**
   * @param {Colorizer} colorizer
   * @param {Uint8ClampedArray} pixels RGBA
   * @param {{width: number, height: number}} size
   * @param {number} layers how many pages may lie in one another
   */
  constructor(colorizer, pixels, { width, height }, layers) {
    this.colorizer = colorizer;
    this.photo = { width, height };
    const { facts, network } = colorizer;
    const [rows, columns] = workingSize(height, width, facts.model, facts.constants.grid, network);
    this.lightness = lightnessOf(pixels, this.photo, { height: rows, width: columns }, facts);
    this.small = enlarged(pixels, this.photo, rows, columns, facts);
    const [downTo, acrossTo] = network.padded(rows, columns);
    const stretch = colorizer.ends.stretchOf(this.lightness, facts.constants.answers._ENDS);
    this.seen = padded(this.lightness, downTo, acrossTo);
    this.seen.data = this.seen.data.map((value) => stretched(value, stretch));
    const apart = layers > 0 && colorizer.prints.hasPage(this.lightness);
    this.page = apart ? this.pageOf(pixels, layers - 1) : null;
    this.calm = this.calmOf();
    /** @type {Promise<import("./network.js").Logits> | null} */
    this.plain = null;
    /** @type {{key: string, logits: Promise<import("./network.js").Logits>} | null} */
    this.last = null;
  }

  /** From 0 to 1 how far the photo shows anything to colour. */
  get shows() {
    const own = this.calm.data.reduce((most, value) => Math.max(most, value), 0);
    return this.page === null ? own : Math.max(own, ...this.page.looks.map((look) => look.shows));
  }

  /** The prints on a page, each looked at by itself; null if the photo is none. */
  pageOf(pixels, layers) {
    const { colorizer, photo } = this;
    const { facts } = colorizer;
    const { SIDE } = facts.constants.prints;
    const { width, height } = photo;
    const most = (facts.constants.look._MOST_SQUARES * SIDE ** 2) / (height * width);
    const scale = Math.min(SIDE / Math.min(height, width), most ** 0.5);
    const grid = {
      height: Math.max(1, roundEven(height * scale)),
      width: Math.max(1, roundEven(width * scale)),
    };
    const prints = colorizer.prints.printsOf(lightnessOf(pixels, photo, grid, facts));
    if (prints === null) return null;
    const scaled = (rows, columns, inner) => colorizer.prints.scaled(prints, rows, columns, inner);
    const inner = scaled(height, width, true);
    const looks = inner.map(([left, top, right, bottom]) => {
      const size = { width: right - left, height: bottom - top };
      return new Look(colorizer, part(pixels, width, left, top, size), size, layers);
    });
    return { prints, boxes: scaled(height, width), inner, looks, scaled };
  }

  /** The factor on the chroma: 1 where something is shown, 0 on a mat and on bars. */
  calmOf() {
    const { height, width } = this.lightness;
    const { blank, ends, bars } = this.colorizer;
    let shows = blank.calmness(this.lightness);
    if (this.small !== null) shows = Math.max(shows, blank.calmness(this.small));
    const calm = planeOf(height, width, shows);
    const mat = ends.matOf(this.lightness);
    if (mat !== null) calm.data.forEach((_, at) => (calm.data[at] *= 1 - mat[at]));
    const found = bars.barsOf(this.lightness);
    if (found !== null) {
      const [top, bottom, left, right] = found;
      calm.data.forEach((_, at) => {
        const [row, column] = [Math.trunc(at / width), at % width];
        const inside = row >= top && row < height - bottom;
        if (!inside || column < left || column >= width - right) calm.data[at] = 0;
      });
    }
    if (this.page !== null) {
      const other = resize(this.page.prints.other, height, width);
      calm.data.forEach((_, at) => (calm.data[at] *= other.data[at]));
    }
    return calm;
  }

  /** What the network says, to hints or none; the plain answer and the last one are kept. */
  logits(hints) {
    if (hints.length === 0) {
      this.plain ??= this.colorizer.network.logits(this.seen, null);
      return this.plain;
    }
    const key = JSON.stringify(hints.map(({ x, y, color, radius }) => [x, y, color, radius]));
    if (this.last?.key !== key) {
      this.last = { key, logits: this.colorizer.network.logits(this.seen, this.planes(hints)) };
    }
    return this.last.logits;
  }

  /** Hint planes a*, b* and mask on the padded grid; a later hint covers an earlier one. */
  planes(hints) {
    const { height, width } = this.lightness;
    const { photo, colorizer } = this;
    const planes = [0, 1, 2].map(() => planeOf(height, width));
    const usual =
      colorizer.facts.constants.hints._DEFAULT_RADIUS * Math.min(photo.width, photo.height);
    for (const hint of hints) {
      const radius = hint.radius ?? usual;
      const ab = this.abOf(hint.color);
      const home = this.cell(hint.x, hint.y);
      for (let row = 0, at = 0; row < height; row += 1) {
        const down = ((row + 0.5) * photo.height) / height - hint.y;
        for (let column = 0; column < width; column += 1, at += 1) {
          const away = Math.hypot(down, ((column + 0.5) * photo.width) / width - hint.x);
          if (away > radius && !(row === home.row && column === home.column)) continue;
          [planes[0].data[at], planes[1].data[at], planes[2].data[at]] = [ab[0], ab[1], 1];
        }
      }
    }
    return planes.map((plane) => padded(plane, this.seen.height, this.seen.width));
  }

  /** Row and column of a point of the photo on the working grid. */
  cell(x, y, { height, width } = this.lightness) {
    return {
      row: Math.min(Math.trunc((y * height) / this.photo.height), height - 1),
      column: Math.min(Math.trunc((x * width) / this.photo.width), width - 1),
    };
  }

  /** L* at a point of the photo. */
  lightnessAt(x, y) {
    const { row, column } = this.cell(x, y);
    return this.lightness.data[row * this.lightness.width + column];
  }

  /** The Lab colour that guidance gives a point of the photo, where it has some L*. */
  colorAt([slopeA, offsetA, slopeB, offsetB], x, y, lightness) {
    const { row, column } = this.cell(x, y, slopeA);
    const at = row * slopeA.width + column;
    const of = (slope, offset) => slope.data[at] * lightness + offset.data[at];
    return [lightness, of(slopeA, offsetA), of(slopeB, offsetB)];
  }

  abOf(color) {
    const [, a, b] = this.colorizer.colors.hexToLab(color);
    return [a, b];
  }

  /** a* and b* on the working grid of what the network says to hints. */
  async answered(hints) {
    const logits = await this.logits(hints);
    const { network } = this.colorizer;
    const given = hints.length > 0 ? this.planes(hints) : null;
    const { height, width } = this.lightness;
    return network
      .decoded(logits, this.seen, given)
      .map((plane) => cut(resize(plane, this.seen.height, this.seen.width), height, width));
  }

  /**
   * How chroma follows lightness on the whole photo, steered so.
   *
   * @param {Steering} steering
   * @returns {Promise<Plane[]>}
   */
  async plan(steering) {
    const { page } = this;
    if (page === null) return this.planned(steering);
    const beside = steering.hints.filter(({ x, y }) => numberAt(page, x, y) === null);
    const guidance = await this.planned({ ...steering, hints: beside });
    const prints = [];
    for (const [number, look] of page.looks.entries()) {
      const own = steering.hints.filter(({ x, y }) => numberAt(page, x, y) === number);
      const hints = own.map((hint) => ({ ...hint, ...placeIn(page, number, hint.x, hint.y) }));
      prints.push(await look.plan({ ...steering, hints }));
    }
    return joined(this, guidance, prints);
  }

  /** a* and b* on the working grid where no hint reaches. */
  async unhinted() {
    const { height, width } = this.lightness;
    if (this.page !== null && this.calm.data.every((value) => value === 0)) {
      return [planeOf(height, width), planeOf(height, width)];
    }
    const ab = await this.answered([]);
    for (const plane of ab) plane.data.forEach((_, at) => (plane.data[at] *= this.calm.data[at]));
    return ab;
  }

  /** How chroma follows lightness, prints on a page not counted. */
  async planned(steering) {
    const { facts, spreading } = this.colorizer;
    const gain = facts.model.chroma_gain;
    const recolor = (colors) =>
      recolored(colors, steering.recolors, gain, this.colorizer.colors, facts.constants.recolor);
    let ab = recolor(await this.unhinted());
    if (steering.hints.length > 0) {
      const hinted = recolor(await this.answered(steering.hints));
      const places = steering.hints.map((hint) => ({
        ...this.cell(hint.x, hint.y),
        ab: this.abOf(hint.color),
        radius: ((hint.radius ?? 0) * this.lightness.height) / this.photo.height,
        reach: hint.reach ?? null,
      }));
      const asked = { reach: steering.reach, gain };
      ab = spreading.spread(ab, hinted, this.lightness, places, asked);
    }
    balance(ab, steering, gain, facts.constants.apply);
    const guidance = guide(ab, this.lightness, facts.constants.merge._EPSILON);
    const factor = steering.vividness * gain;
    for (const plane of guidance) plane.data.forEach((_, at) => (plane.data[at] *= factor));
    return guidance;
  }

  /**
   * The colours that the network holds likely at a spot, given the hints so far.
   *
   * @returns {Promise<{color: string, probability: number}[]>}
   */
  async likely(x, y, hints, count) {
    const { page } = this;
    const number = page === null ? null : numberAt(page, x, y);
    if (page !== null && number !== null) {
      const own = hints
        .filter((hint) => numberAt(page, hint.x, hint.y) === number)
        .map((hint) => ({ ...hint, ...placeIn(page, number, hint.x, hint.y) }));
      const place = placeIn(page, number, x, y);
      return page.looks[number].likely(place.x, place.y, own, count);
    }
    const logits = await this.logits(hints);
    const { row, column } = this.cell(x, y);
    const cell = {
      row: Math.trunc((row * logits.height) / this.seen.height),
      column: Math.trunc((column * logits.width) / this.seen.width),
    };
    const spot = this.lightness.data[row * this.lightness.width + column];
    const shares = likelyAround(logits, cell.row, cell.column);
    return this.colorizer.suggesting.suggest(shares, spot, count);
  }
}

/** Shift colours towards warm or cold and towards magenta or green, as a white balance does. */
function balance(ab, { warmth, tint }, gain, facts) {
  if (warmth === 0 && tint === 0) return;
  const shift = [0, 1].map(
    (axis) => facts._WARM[axis] * (warmth / gain) + facts._MAGENTA[axis] * (tint / gain),
  );
  ab[0].data.forEach((a, at) => {
    const chroma = Math.hypot(a, ab[1].data[at]) * gain;
    const coloured = 1 - Math.exp(-chroma / facts._COLOURED);
    const share = facts._GREY_SHARE + (1 - facts._GREY_SHARE) * coloured;
    ab[0].data[at] += shift[0] * share;
    ab[1].data[at] += shift[1] * share;
  });
}

/** Height and width of the working grid: the shorter side as the model wants it, panoramas smaller. */
function workingSize(height, width, model, facts, network) {
  const { size } = model;
  let scale = size / Math.min(height, width);
  const squares = (height * scale * (width * scale)) / size ** 2;
  if (squares > facts._MOST_SQUARES) scale *= (facts._MOST_SQUARES / squares) ** 0.5;
  const shape = [height, width].map((side) => Math.max(1, roundEven(side * scale)));
  const [rows, columns] = network.padded(shape[0], shape[1]);
  const [down, across] = network.padded(size, size);
  const most = facts._MOST_SQUARES_PADDED * down * across;
  if (rows * columns <= most) return shape;
  const longest = Math.max(1, Math.floor(most / Math.min(rows, columns)));
  return shape.map((side) => Math.min(side, longest));
}
