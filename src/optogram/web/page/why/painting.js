// Maps over the photo: numbers become colors and opacities here, the same way in every panel.

import { SIGNED, STEPS, colored, paint, table } from "../colors.js";

/**
 * @typedef {object} Map_ A map and what is known of its numbers.
 * @property {ArrayLike<number>} values   height × width, NaN outside what the network saw.
 * @property {number} width
 * @property {number} height
 * @property {string} unit
 * @property {number} lowest
 * @property {number} highest
 * @property {number} usual   99 of 100 magnitudes are no larger.
 *
 * @typedef {object} Look How all maps are painted: a part of the state.
 * @property {string} cmap
 * @property {number} opacity
 * @property {string} scale   own, common or percentile.
 * @property {string} blend   value: neutral places show the photo; even: the same opacity everywhere.
 *
 * @typedef {{low: number, high: number, isSigned: boolean}} Scale
 * @typedef {{x: number, y: number, k: number}} Zoom   Center, as fractions of the photo, and factor.
 */

const DIVERGING = ["RdBu_r", "PuOr", "coolwarm"];
/** Above so many pixels of a canvas for one of a picture, its pixels stay squares. */
const SHARP = 6;

/** The map in an answer. @returns {Map_} */
export function mapOf(/** @type {import("../wire.js").Answer} */ answer) {
  const { data, shape } = answer.arrays.values;
  let lowest = Infinity;
  let highest = -Infinity;
  const magnitudes = new Float32Array(data.length);
  let count = 0;
  for (let i = 0; i < data.length; i++) {
    const value = data[i];
    if (!Number.isFinite(value)) continue;
    if (value < lowest) lowest = value;
    if (value > highest) highest = value;
    magnitudes[count++] = Math.abs(value);
  }
  const sorted = magnitudes.subarray(0, count).sort();
  if (!count) [lowest, highest] = [0, 0];
  const usual = count ? sorted[Math.min(count - 1, Math.floor(0.99 * count))] : 0;
  const [height, width] = shape;
  return { values: data, width, height, unit: answer.unit, lowest, highest, usual };
}

/**
 * The numbers at the two ends of the colors.
 * @param {Map_} map
 * @param {string} how
 * @param {Map_[]} all   The maps that are shown: those of the same unit have a common scale.
 * @param {string} cmap
 * @returns {Scale}
 */
export function scaleOf(map, how, all, cmap) {
  const together = how === "common" ? all.filter(({ unit }) => unit === map.unit) : [map];
  const isSigned = together.some(({ lowest }) => lowest < 0) || DIVERGING.includes(cmap);
  const ends = together.map(({ lowest, highest, usual }) =>
    how === "percentile" && usual > 0 ? usual : Math.max(Math.abs(lowest), Math.abs(highest)),
  );
  const high = Math.max(...ends);
  return { low: isSigned ? -high : 0, high, isSigned };
}

/** The color map of a scale: a two-sided one has a neutral middle. */
export function cmapOf(/** @type {Scale} */ scale, /** @type {string} */ cmap) {
  return scale.isSigned && !DIVERGING.includes(cmap) ? SIGNED : cmap;
}

/** The map as a picture with opacities. */
function layerOf(/** @type {Map_} */ map, /** @type {Scale} */ scale, /** @type {Look} */ look) {
  const { values, width, height } = map;
  const range = [scale.low, scale.high > scale.low ? scale.high : scale.low + 1];
  const image = colored(values, width, height, cmapOf(scale, look.cmap), range);
  for (let i = 0; i < values.length; i++) {
    const value = values[i];
    let strength = 1;
    if (!Number.isFinite(value)) strength = 0;
    else if (look.blend !== "even") {
      strength = scale.high ? Math.min(1, Math.abs(value) / scale.high) : 0;
    }
    image.data[4 * i + 3] = Math.round(255 * look.opacity * strength);
  }
  return image;
}

/**
 * Draw the photo, and a map over it.
 * @param {HTMLCanvasElement} canvas
 * @param {HTMLImageElement} photo
 * @param {number} side   Longer side of the canvas in pixels.
 * @param {Zoom} zoom
 * @param {{map: Map_, scale: Scale, look: Look} | null} over
 */
export function draw(canvas, photo, side, zoom, over) {
  const { naturalWidth, naturalHeight } = photo;
  const factor = side / Math.max(naturalWidth, naturalHeight);
  canvas.width = Math.max(1, Math.round(factor * naturalWidth));
  canvas.height = Math.max(1, Math.round(factor * naturalHeight));
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  const { left, top } = cornerOf(zoom);
  const lay = (/** @type {CanvasImageSource} */ picture, /** @type {number} */ width) => {
    const [w, h] = [zoom.k * canvas.width, zoom.k * canvas.height];
    context.imageSmoothingEnabled = w / width < SHARP;
    context.imageSmoothingQuality = "high";
    context.drawImage(picture, -left * w, -top * h, w, h);
  };
  lay(photo, naturalWidth);
  if (!over) return;
  const layer = document.createElement("canvas");
  paint(layer, layerOf(over.map, over.scale, over.look));
  lay(layer, over.map.width);
}

/** The upper left corner of what is seen, as fractions of the photo. */
export function cornerOf(/** @type {Zoom} */ { x, y, k }) {
  const within = (/** @type {number} */ at) => Math.max(0, Math.min(1 - 1 / k, at - 0.5 / k));
  return { left: within(x), top: within(y) };
}

/** The scale's colors, from low to high, as a row of pixels. */
export function drawBar(
  /** @type {HTMLCanvasElement} */ canvas,
  /** @type {Scale} */ scale,
  /** @type {string} */ cmap,
) {
  const colors = table(cmapOf(scale, cmap));
  const image = new ImageData(STEPS, 1);
  for (let i = 0; i < STEPS; i++) {
    for (let c = 0; c < 3; c++) image.data[4 * i + c] = colors[3 * i + c];
    image.data[4 * i + 3] = 255;
  }
  paint(canvas, image);
}

/** The number at a place, given as fractions of the photo's width and height. */
export function numberAt(
  /** @type {Map_} */ map,
  /** @type {number} */ x,
  /** @type {number} */ y,
) {
  const column = Math.max(0, Math.min(map.width - 1, Math.floor(x * map.width)));
  const row = Math.max(0, Math.min(map.height - 1, Math.floor(y * map.height)));
  return map.values[row * map.width + column];
}
