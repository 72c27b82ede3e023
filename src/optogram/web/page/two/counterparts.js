// Which unit on the right belongs to a unit on the left: the same, or the one whose map is nearest.

import { Refused, ask } from "../wire.js";

/** @typedef {import("./sides.js").Pair} Pair */

export class Counterparts {
  constructor() {
    /** Whether units have the same numbers on both sides. */
    this.isSame = true;
    /** @type {ArrayLike<number>} */
    this.nearest = [];
    /** @type {ArrayLike<number>} */
    this.correlations = [];
    this.key = "";
    this.sentence = "";
  }

  /**
   * Find out; returns a sentence where units are not the same.
   * @param {Pair} pair
   * @param {AbortSignal} signal
   */
  async update({ sides: [left, right], link }, signal) {
    this.isSame = left.layer === right.layer && link.isSameNetwork;
    this.isSame ||= link.layerOf(left.layer) === right.layer;
    if (this.isSame) return "";
    if (!left.layer || !right.layer) return "";
    const given = {
      model: left.model,
      photo: left.photo,
      layer: left.layer,
      model2: right.model,
      layer2: right.layer,
    };
    const key = JSON.stringify([given, link.isSamePhoto]);
    if (key === this.key) return this.sentence;
    this.nearest = [];
    this.key = key;
    this.sentence = "";
    if (!link.isSamePhoto) {
      this.sentence =
        "These layers have different units: which ones correspond is found by their maps of the same photo on both sides.";
      return this.sentence;
    }
    try {
      const { arrays } = await ask("nearest_units", given, { signal });
      if (this.key !== key) return "";
      this.nearest = arrays.nearest.data;
      this.correlations = arrays.correlations.data;
      this.sentence =
        "These layers have different units: each is paired with the one whose map of this photo correlates most.";
    } catch (error) {
      if (signal.aborted || !(error instanceof Refused)) throw error;
      this.sentence = error.message;
    }
    return this.sentence;
  }

  /** The unit on the right; -1: none. */
  of(/** @type {number} */ unit) {
    return this.isSame ? unit : (this.nearest[unit] ?? -1);
  }

  /** The first unit on the left that one on the right belongs to; -1: none. */
  back(/** @type {number} */ unit) {
    return this.isSame ? unit : Array.from(this.nearest).indexOf(unit);
  }
}
