// What a token reads, in words.

import { percent } from "../elements.js";

/**
 * @typedef {import("./rows.js").Rows} Rows
 * @typedef {import("./rows.js").Query} Query
 */

/** The name of a token without a place on the photo. */
export function looseName(/** @type {Rows} */ rows, /** @type {number} */ query) {
  if (!rows.from.length) return `Query ${query}`;
  return query === 0 ? "Class token" : `Token ${query} in front`;
}

/** The name of a token, or of the mean of all, at the beginning of a sentence. */
export function nameOf(/** @type {Rows} */ rows, /** @type {Query} */ query) {
  if (query === "mean") return "All tokens on average";
  const patch = rows.queryPatches[query];
  if (patch >= 0) return `Row ${Math.floor(patch / rows.from[1])}, column ${patch % rows.from[1]}`;
  const name = looseName(rows, query);
  return name === "Class token" ? "The class token" : name;
}

/**
 * What a token reads.
 * @param {Rows} rows
 * @param {Query} query
 * @param {import("./rows.js").Reads} reads
 */
export function sentenceOf(rows, query, { map, front, own }) {
  const isPatch = query !== "mean" && rows.queryPatches[query] >= 0;
  const parts = [];
  if (query !== "mean" && rows.isOneGrid) parts.push(`itself ${percent(own)}`);
  const others = query === "mean" || isPatch ? front : front - own;
  // Where there is one token in front, another one reads it, or nothing.
  const isAny = rows.front > (query === "mean" || isPatch ? 0 : 1);
  if (isAny) parts.push(`${rows.front === 1 ? "the class token" : "other tokens in front"} ${percent(others)}`);
  else if (others > 5e-4) parts.push(`padding ${percent(others)}`);
  let most = 0;
  let sum = 0;
  for (let i = 0; i < map.length; i++) {
    sum += map[i];
    if (map[i] > map[most]) most = i;
  }
  parts.push(`${isPatch ? "other patches" : "patches"} ${percent(Math.max(0, isPatch ? sum - own : sum))}`);
  const [row, column] = [Math.floor(most / rows.to[1]), most % rows.to[1]];
  return (
    `${nameOf(rows, query)} read${query === "mean" ? "" : "s"} ${parts.join(", ")}. ` +
    `The patch read most: row ${row}, column ${column}, ${percent(map[most])}.`
  );
}
