// Names of classes, loaded once for each network.

import { ask } from "./wire.js";

/** @type {Map<string, Promise<string[]>>} */
const known = new Map();

/** The names of all classes of a network. @returns {Promise<string[]>} */
export function classNames(/** @type {string} */ model) {
  const names = known.get(model) ?? load(model);
  known.set(model, names);
  return names;
}

async function load(/** @type {string} */ model) {
  /** @type {string[]} */
  const names = [];
  let count = 1;
  while (names.length < count) {
    const answer = await ask("classes", { model, first: names.length });
    names.push(...answer.names);
    count = answer.count;
  }
  return names;
}

/** The indices of the highest numbers, highest first. */
export function highest(/** @type {ArrayLike<number>} */ numbers, /** @type {number} */ count) {
  return Array.from(numbers, (_, index) => index)
    .sort((a, b) => numbers[b] - numbers[a])
    .slice(0, count);
}
