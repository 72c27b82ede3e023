// Classes: names, predictions, and the class that is explained.

import { ask } from "./wire.js";

/** @typedef {import("./wire.js").Answer} Answer */

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

const KEPT = 20;
/** @type {Map<string, Promise<Answer>>} */
const predicted = new Map();

/**
 * Scores and probabilities of a photo; of the last photos they are not asked for again.
 * @param {string} model
 * @param {string} photo
 */
export function predictionsOf(model, photo) {
  const key = `${model} ${photo}`;
  let answer = predicted.get(key);
  if (!answer) {
    answer = ask("predictions", { model, photo });
    answer.catch(() => predicted.delete(key));
    predicted.set(key, answer);
    if (predicted.size > KEPT) predicted.delete(/** @type {string} */ ([...predicted.keys()][0]));
  }
  return answer;
}

/** The index of the highest number. */
export function highestOf(/** @type {ArrayLike<number>} */ numbers) {
  let best = 0;
  for (let i = 1; i < numbers.length; i++) if (numbers[i] > numbers[best]) best = i;
  return best;
}

/** The indices of the highest numbers, highest first. */
export function highest(/** @type {ArrayLike<number>} */ numbers, /** @type {number} */ count) {
  return Array.from(numbers, (_, index) => index)
    .sort((a, b) => numbers[b] - numbers[a])
    .slice(0, count);
}

/**
 * The classes that a target is about: [winner], or [winner, other] for their difference; null where
 * it is no class.
 * @param {string} target   As in the state; "" for the highest class.
 * @param {ArrayLike<number>} probabilities   Of the photo.
 * @returns {number[] | null}
 */
export function classesOf(target, probabilities) {
  if (!target) return [highestOf(probabilities)];
  if (!/^\d+(-\d+)?$/.test(target)) return null;
  const classes = target.split("-").map(Number);
  return classes.every((index) => index < probabilities.length) ? classes : null;
}

/** The score of a target, from the scores of all classes. */
export function scoreOf(/** @type {number[]} */ classes, /** @type {ArrayLike<number>} */ scores) {
  const [winner, other] = classes;
  return scores[winner] - (other === undefined ? 0 : scores[other]);
}

/** A target in words. */
export function targetName(/** @type {number[]} */ classes, /** @type {string[]} */ names) {
  return classes.map((index) => names[index] ?? String(index)).join(" minus ");
}
