// What the state says about the patch, as questions are asked.

import { state } from "../state.js";
import { keyOf as keyIn } from "../wire.js";

export const FILLS = /** @type {const} */ (["gray", "blur", "mean"]);

/** Steps of the map, as parts of the patch. */
export const PARTS = ["1", "2", "4", "8"];
const USUAL_PART = "4";

/** The side of the patch that is taken unless another is chosen. */
export function usualSide(/** @type {number[]} */ size) {
  return Math.max(1, Math.round(Math.min(...size) / 7));
}

/** The side of the patch, in pixels of a photo of `size`. */
export function sideOf(/** @type {number[]} */ size) {
  const side = Math.round(Number(state().patch));
  return side > 0 ? Math.min(side, ...size) : usualSide(size);
}

export function fillOf() {
  return FILLS.find((one) => one === state().fill) ?? FILLS[0];
}

export function partOf() {
  return PARTS.includes(state().stride) ? state().stride : USUAL_PART;
}

/** The part, as it is kept in the state. */
export function statedPart(/** @type {string} */ part) {
  return part === USUAL_PART ? "" : part;
}

/** What a patch is asked for with. */
export function askedFor(/** @type {number[]} */ size) {
  const { model, photo } = state();
  return { model, photo, patch: sideOf(size), fill: fillOf() };
}

/** What the whole map is asked for with. */
export function mapFor(/** @type {number[]} */ size, /** @type {number[]} */ classes) {
  const stride = Math.max(1, Math.round(sideOf(size) / Number(partOf())));
  return { ...askedFor(size), target: classes.join("-"), stride };
}

/** What identifies a patch or a map. */
export function keyOf(/** @type {Record<string, string | number>} */ given) {
  return keyIn("patch", given);
}
