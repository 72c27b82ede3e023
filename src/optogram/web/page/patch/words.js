// What is said about the patch.

import { highestOf, targetName } from "../classes.js";
import { digits, percent } from "../elements.js";

/**
 * What the patch does where it is.
 * @param {ArrayLike<number>} probabilities with the patch
 * @param {string[]} names
 * @param {number[]} classes that are explained
 * @param {import("../wire.js").Answer | null} clean predictions of the photo itself
 * @param {[row: number, column: number]} corner
 * @param {number} fall of the score
 */
export function sentenceOf(probabilities, names, classes, clean, [row, column], fall) {
  const isOutput = clean?.kind === "linear" && probabilities.length === 1;
  const best = highestOf(probabilities);
  const first = isOutput ? "" : `; first is ${names[best]}, ${percent(probabilities[best])}`;
  const change = `${fall < 0 ? "rises" : "falls"} by ${digits(Math.abs(fall))}`;
  const name = targetName(classes, names);
  return `Patch at row ${row}, column ${column}: the score of ${name} ${change}${first}.`;
}

/**
 * What is known of the place under the pointer.
 * @param {number} row
 * @param {number} column
 * @param {{fall: number, isExact: boolean} | null} found
 */
export function sentenceUnder(row, column, found) {
  const known = found && `fall of ${digits(found.fall)}${found.isExact ? "" : ", interpolated"}`;
  return `Under the pointer, row ${row}, column ${column}: ${known ?? "not measured"}.`;
}
