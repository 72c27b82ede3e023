// Patterns and crops of units, as canvases.

import { paint, picture } from "../colors.js";
import { digits, element } from "../elements.js";

/** @typedef {import("../wire.js").Answer} Answer */

/** The patterns of the unit in a row of an answer. */
export function patternsOf(
  /** @type {Answer} */ answer,
  /** @type {number} */ row,
  /** @type {string} */ layer,
) {
  const { patterns, pattern_sizes: sizes } = answer.arrays;
  const label = `Pattern of ${layer}, unit ${answer.units[row]}`;
  return Array.from({ length: patterns.shape[1] }, (_, i) =>
    canvas(patterns, sizes, row, i, label),
  ).flatMap((made) => made ?? []);
}

/** The crops of the unit in a row of an answer: pictures, or the names of photos that are gone. */
export function cropsOf(
  /** @type {Answer} */ answer,
  /** @type {number} */ row,
  /** @type {string} */ layer,
) {
  const { crops, crop_sizes: sizes } = answer.arrays;
  /** @type {{name: string, activation: number, label: string | null}[]} */
  const photos = answer.photos[row];
  return photos.map(({ name, activation, label }, i) => ({
    activation,
    label,
    picture:
      canvas(crops, sizes, row, i, `${name}: ${digits(activation)} in ${layer}`) ??
      element("span", { class: "gone" }, `${name} is gone`),
  }));
}

/**
 * @param {import("../wire.js").Array_} pictures
 * @param {import("../wire.js").Array_} sizes
 * @param {number} row
 * @param {number} column
 * @param {string} label
 */
function canvas(pictures, sizes, row, column, label) {
  const [, columns, side] = pictures.shape;
  const at = row * columns + column;
  const [height, width] = sizes.data.subarray(2 * at, 2 * at + 2);
  if (!height) return null;
  const made = element("canvas", { role: "img", "aria-label": label, title: label });
  const pixels = new Uint8Array(height * width * 3);
  for (let y = 0; y < height; y++) {
    const start = (at * side + y) * side * 3;
    pixels.set(pictures.data.subarray(start, start + 3 * width), 3 * y * width);
  }
  paint(made, picture({ data: pixels, shape: [height, width, 3] }));
  return made;
}
