// Colors are made here, from numbers, by one table for all: what is seen and what is saved agree.

import { ask } from "./wire.js";

// Odd, so that 0 on a two-sided scale has the middle color; as in render/colors.py.
export const STEPS = 257;
const UNKNOWN = 128;

/** @type {Map<string, Uint8Array>} */
const tables = new Map();

/** Load the color tables: 257 RGB triples each. */
export async function loadColors() {
  const { names, arrays } = await ask("colors", {});
  names.forEach((/** @type {string} */ name, /** @type {number} */ i) => {
    const bytes = /** @type {Uint8Array} */ (arrays.tables.data);
    tables.set(name, bytes.subarray(3 * STEPS * i, 3 * STEPS * (i + 1)));
  });
}

/** Names of the color maps; those of `signed` maps have a neutral middle. */
export function colorNames() {
  return [...tables.keys()];
}

/** The 257 RGB triples of a color map. */
export function table(/** @type {string} */ name) {
  return /** @type {Uint8Array} */ (tables.get(name) ?? tables.values().next().value);
}

/** The two-sided color map that goes with any. */
export const SIGNED = "RdBu_r";

/** Range of numbers without NaN: [lowest, highest]; two-sided where `isSigned`. */
export function rangeOf(/** @type {ArrayLike<number>} */ numbers, isSigned = false) {
  let low = Infinity;
  let high = -Infinity;
  for (let i = 0; i < numbers.length; i++) {
    const value = numbers[i];
    if (Number.isFinite(value)) {
      if (value < low) low = value;
      if (value > high) high = value;
    }
  }
  if (low > high) return [0, 1];
  if (!isSigned) return [low, high];
  const most = Math.max(Math.abs(low), Math.abs(high));
  return [-most, most];
}

/**
 * Numbers as the pixels of a picture.
 * @param {ArrayLike<number>} numbers height × width of them
 * @param {number} width
 * @param {number} height
 * @param {string} cmap
 * @param {[number, number] | number[]} range
 * @returns {ImageData}
 */
export function colored(numbers, width, height, cmap, [low, high]) {
  const colors = table(cmap);
  const image = new ImageData(width, height);
  const factor = high > low ? (STEPS - 1) / (high - low) : 0;
  for (let i = 0; i < width * height; i++) {
    const value = numbers[i];
    const at = 3 * Math.max(0, Math.min(STEPS - 1, Math.round((value - low) * factor)));
    for (let c = 0; c < 3; c++) {
      image.data[4 * i + c] = Number.isFinite(value) ? colors[at + c] : UNKNOWN;
    }
    image.data[4 * i + 3] = 255;
  }
  return image;
}

/** Let what is beneath `image` be seen where the numbers that it shows are small. */
export function faded(
  /** @type {ImageData} */ image,
  /** @type {ArrayLike<number>} */ numbers,
  /** @type {[number, number] | number[]} */ range,
) {
  const most = Math.max(...range.map(Math.abs));
  for (let i = 0; i < numbers.length; i++) {
    const strength = most ? Math.min(1, Math.abs(numbers[i]) / most) : 0;
    image.data[4 * i + 3] = Number.isFinite(strength) ? Math.round(255 * strength) : 255;
  }
  return image;
}

/** Draw a picture into `canvas`, which takes its size; CSS may enlarge it. */
export function paint(/** @type {HTMLCanvasElement} */ canvas, /** @type {ImageData} */ image) {
  canvas.width = image.width;
  canvas.height = image.height;
  /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d")).putImageData(image, 0, 0);
}

/** uint8 pixels (H, W, 3) or (H, W, 1) as a picture. */
export function picture(/** @type {{data: ArrayLike<number>, shape: number[]}} */ { data, shape }) {
  const [height, width, channels] = shape;
  const image = new ImageData(width, height);
  for (let i = 0; i < width * height; i++) {
    for (let c = 0; c < 3; c++) {
      image.data[4 * i + c] = data[channels * i + (channels === 1 ? 0 : c)];
    }
    image.data[4 * i + 3] = 255;
  }
  return image;
}

/**
 * Scaled maps (maps, height, width) as one picture, side by side in rows.
 * @param {import("./wire.js").Array_} array
 * @param {number} columns Maps in a row.
 * @param {string} cmap
 * @param {(map: number) => number[]} range What the ends of the colors stand for, of each map.
 * @returns {ImageData}
 */
export function sprite({ data, shape, low, high }, columns, cmap, range) {
  const [count, height, width] = shape;
  const image = new ImageData(columns * width, Math.ceil(count / columns) * height);
  const pixels = new Uint32Array(image.data.buffer);
  const colors = table(cmap);
  const shades = new Uint32Array(256);
  const bytes = new Uint8Array(shades.buffer);
  bytes.fill(255);
  for (let map = 0; map < count; map++) {
    const [from, to] = range(map);
    const least = low?.[map] ?? 0;
    const extent = ((high?.[map] ?? 255) - least) / 255;
    const factor = to > from ? (STEPS - 1) / (to - from) : 0;
    for (let shade = 0; shade < 256; shade++) {
      const step = Math.round((least + extent * shade - from) * factor);
      const at = 3 * Math.max(0, Math.min(STEPS - 1, step));
      for (let c = 0; c < 3; c++) bytes[4 * shade + c] = colors[at + c];
    }
    const start = Math.floor(map / columns) * height * image.width + (map % columns) * width;
    for (let row = 0; row < height; row++) {
      const to = start + row * image.width;
      const from = (map * height + row) * width;
      for (let x = 0; x < width; x++) pixels[to + x] = shades[data[from + x]];
    }
  }
  return image;
}

/** The color of a number, and black or white, whichever can be read on it. */
export function shade(
  /** @type {number} */ value,
  /** @type {string} */ cmap,
  /** @type {number[]} */ [low, high],
) {
  const factor = high > low ? (STEPS - 1) / (high - low) : 0;
  const at = 3 * Math.max(0, Math.min(STEPS - 1, Math.round((value - low) * factor)));
  const rgb = [...table(cmap).subarray(at, at + 3)];
  const linear = rgb.map((part) => {
    const unit = part / 255;
    return unit <= 0.04045 ? unit / 12.92 : ((unit + 0.055) / 1.055) ** 2.4;
  });
  // As WCAG defines relative luminance; 0.179 is as far from black as from white.
  const luminance = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2];
  return { color: `rgb(${rgb.join(" ")})`, text: luminance > 0.179 ? "#000" : "#fff" };
}
