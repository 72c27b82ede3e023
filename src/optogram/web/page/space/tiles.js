// The maps of all steps as they come: each a tile of one texture, as bytes, and how to color it.

import { ask } from "../wire.js";

export const SIDE = 32;
export const PAGE = 1024;
const ACROSS = PAGE / SIDE;
const EACH_PAGE = ACROSS * ACROSS;

/**
 * @typedef {object} Stack
 * @property {number} step
 * @property {number} height @property {number} width
 * @property {number} count
 * @property {number[]} channels
 * @property {number} low @property {number} high
 * @property {boolean} is_signed
 * @property {Uint8Array[]} maps  height × width each
 * @property {number} first       Number of its first tile.
 */

export class Tiles {
  /**
   * @param {number} steps
   * @param {number} count Maps of each step, at most.
   */
  constructor(steps, count) {
    this.count = count;
    /** @type {(Stack | undefined)[]} */
    this.stacks = new Array(steps);
    this.pages = Math.max(1, Math.ceil((steps * count) / EACH_PAGE));
    this.bytes = new Uint8Array(this.pages * PAGE * PAGE);
    /** @type {Set<number>} Pages that have changed since they were last drawn. */
    this.changed = new Set();
  }

  /**
   * Take in the maps that an answer has.
   * @param {import("../wire.js").Answer} answer
   */
  add(answer) {
    const bytes = /** @type {Uint8Array} */ (answer.arrays.tiles.data);
    let at = 0;
    for (const about of answer.stacks) {
      const each = about.height * about.width;
      const maps = [];
      const first = about.step * this.count;
      for (let i = 0; i < about.count; i++, at += each) {
        const map = bytes.subarray(at, at + each);
        maps.push(map);
        this.#enlarge(map, about.height, about.width, first + i);
      }
      this.stacks[about.step] = { ...about, maps, first };
    }
  }

  /** Fill a tile: pixels are repeated, so that a texel of a smaller mipmap is a part of one map. */
  #enlarge(
    /** @type {Uint8Array} */ map,
    /** @type {number} */ height,
    /** @type {number} */ width,
    /** @type {number} */ tile,
  ) {
    const page = Math.floor(tile / EACH_PAGE);
    const inside = tile % EACH_PAGE;
    const top = page * PAGE + Math.floor(inside / ACROSS) * SIDE;
    const left = (inside % ACROSS) * SIDE;
    for (let y = 0; y < SIDE; y++) {
      const from = Math.floor((y * height) / SIDE) * width;
      const to = (top + y) * PAGE + left;
      for (let x = 0; x < SIDE; x++) {
        this.bytes[to + x] = map[from + Math.floor((x * width) / SIDE)];
      }
    }
    this.changed.add(page);
  }
}

/**
 * Where a tile lies: [left, top, page], left and top in 0..1.
 * @param {number} tile
 */
export function placeOf(tile) {
  const inside = tile % EACH_PAGE;
  return [
    (inside % ACROSS) / ACROSS,
    Math.floor(inside / ACROSS) / ACROSS,
    Math.floor(tile / EACH_PAGE),
  ];
}

/**
 * Ask for the maps of a photo; `came` is called when some are there.
 * @param {Tiles} tiles
 * @param {string} model
 * @param {string} photo
 * @param {{came: () => void, progress: import("../wire.js").Heard["progress"], signal: AbortSignal}} heard
 */
export async function load(tiles, model, photo, { came, progress, signal }) {
  const answer = await ask(
    "stacks",
    { model, photo, count: tiles.count },
    {
      signal,
      progress,
      partial(part) {
        tiles.add(part);
        came();
      },
    },
  );
  tiles.add(answer);
  came();
}
