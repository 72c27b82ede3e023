// All that was measured: the trail of each patch, and the maps; as a picture, and at a pixel.

import { SIGNED, colored, rangeOf } from "../colors.js";
import { Trail, spread } from "./trail.js";

/** Trails and maps that are kept while others are looked at. */
const KEPT = 12;
/** Opacity of places without effect, and what the others have more; of 255. */
const [FAINT, MORE] = [60, 195];

export class Measured {
  constructor() {
    this.size = [1, 1];
    /** @type {Map<string, Trail>} */
    this.trails = new Map();
    /** @type {Map<string, {falls: Float32Array, exact: Uint8Array}>} */
    this.maps = new Map();
    this.trail = new Trail(1, 1);
    this.mapKey = "";
  }

  /** Show the trail of a patch, which goes on where it was left. */
  chooseTrail(/** @type {string} */ key, /** @type {number[]} */ size) {
    this.size = size;
    this.trail = this.trails.get(key) ?? new Trail(size[0], size[1]);
    keep(this.trails, key, this.trail);
  }

  /** Show a map, if there is one. */
  chooseMap(/** @type {string} */ key) {
    this.mapKey = key;
  }

  setMap(/** @type {string} */ key, /** @type {import("../wire.js").Answer} */ answer) {
    keep(this.maps, key, spread(answer, this.size[0], this.size[1]));
  }

  clear() {
    this.trail.clear();
    this.maps.delete(this.mapKey);
  }

  /**
   * What is known of a pixel; null where nothing is.
   * @returns {{fall: number, isExact: boolean} | null}
   */
  at(/** @type {number} */ row, /** @type {number} */ column) {
    const i = row * this.size[1] + column;
    const visited = this.trail.falls[i];
    if (!Number.isNaN(visited)) return { fall: visited, isExact: true };
    const map = this.maps.get(this.mapKey);
    return map ? { fall: map.falls[i], isExact: map.exact[i] > 0 } : null;
  }

  /**
   * The trail, and the map where there is no trail. Places without effect are faint, and so are
   * those that are interpolated.
   * @returns {{image: ImageData, range: number[] | null}} The range is null where all is unknown.
   */
  picture() {
    const [height, width] = this.size;
    const map = this.maps.get(this.mapKey);
    const falls = this.trail.falls.slice();
    const exact = new Uint8Array(falls.length);
    let isEmpty = !map;
    for (let i = 0; i < falls.length; i++) {
      if (!Number.isNaN(falls[i])) {
        exact[i] = 1;
        isEmpty = false;
      } else if (map) {
        falls[i] = map.falls[i];
        exact[i] = map.exact[i];
      }
    }
    const range = rangeOf(falls, true);
    const image = colored(falls, width, height, SIGNED, range);
    const most = range[1] || 1;
    for (let i = 0; i < falls.length; i++) {
      const strength = FAINT + (MORE * Math.abs(falls[i])) / most;
      image.data[4 * i + 3] = Number.isNaN(falls[i]) ? 0 : exact[i] ? strength : strength / 2;
    }
    return { image, range: isEmpty ? null : range };
  }
}

/**
 * Keep `one`, and forget the oldest.
 * @template T
 * @param {Map<string, T>} kept
 * @param {string} key
 * @param {T} one
 */
function keep(kept, key, one) {
  kept.delete(key);
  kept.set(key, one);
  if (kept.size > KEPT) kept.delete(/** @type {string} */ ([...kept.keys()][0]));
}
