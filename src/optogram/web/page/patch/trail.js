// What each place of the patch cost: measured while it was dragged, or computed as a whole map.

/** @typedef {import("../wire.js").Answer} Answer */

/** @typedef {{y: number, x: number, scores: ArrayLike<number>}} Visit Center, and scores there. */

/** Visits that one trail keeps: a thousand scores each are four megabytes in all. */
const MOST = 1000;

/** The visits of one photo with one patch, as falls of a score at pixels of the photo. */
export class Trail {
  constructor(/** @type {number} */ height, /** @type {number} */ width) {
    this.height = height;
    this.width = width;
    /** @type {Visit[]} */
    this.visits = [];
    /** Where nothing was measured: NaN. */
    this.falls = new Float32Array(height * width).fill(NaN);
    /** @type {(scores: ArrayLike<number>) => number} */
    this.fall = () => NaN;
    this.brush = 1;
  }

  /**
   * Say which score is meant.
   * @param {(scores: ArrayLike<number>) => number} fall from the scores of all classes
   * @param {number} brush side of the square that one visit paints, in pixels
   */
  measure(fall, brush) {
    this.fall = fall;
    this.brush = brush;
    this.falls.fill(NaN);
    for (const visit of this.visits) this.#paint(visit);
  }

  /** @returns {number} the fall there */
  add(/** @type {Visit} */ visit) {
    this.visits.push(visit);
    if (this.visits.length > MOST) this.visits.shift();
    return this.#paint(visit);
  }

  clear() {
    this.visits = [];
    this.falls.fill(NaN);
  }

  #paint(/** @type {Visit} */ { y, x, scores }) {
    const fall = this.fall(scores);
    const top = Math.max(0, Math.round(y - this.brush / 2));
    const left = Math.max(0, Math.round(x - this.brush / 2));
    for (let row = top; row < Math.min(this.height, top + this.brush); row++) {
      const start = row * this.width;
      this.falls.fill(
        fall,
        Math.min(start + this.width, start + left),
        Math.min(start + this.width, start + left + this.brush),
      );
    }
    return fall;
  }
}

/**
 * A map at the pixels of the photo: each shows the position whose center is nearest.
 * @param {Answer} answer of the question `occlusion_map`
 * @param {number} height
 * @param {number} width
 */
export function spread({ arrays, patch, stride }, height, width) {
  const [rows, columns] = arrays.values.shape;
  const nearest = (/** @type {number} */ pixel, /** @type {number} */ axis, /** @type {number} */ count) =>
    Math.max(0, Math.min(count - 1, Math.round((pixel + 0.5 - patch[axis] / 2) / stride[axis])));
  const falls = new Float32Array(height * width);
  const exact = new Uint8Array(height * width);
  for (let y = 0; y < height; y++) {
    const start = nearest(y, 0, rows) * columns;
    for (let x = 0; x < width; x++) {
      const cell = start + nearest(x, 1, columns);
      falls[y * width + x] = arrays.values.data[cell];
      exact[y * width + x] = arrays.exact.data[cell];
    }
  }
  return { falls, exact };
}
