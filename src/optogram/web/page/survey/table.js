// The table of a layer's units: in which order they come, and what each serves.

/** @typedef {import("../wire.js").Answer} Answer */

/** @type {[name: string, title: string, about: string][]} */
export const ORDERS = [
  ["strength", "strength", "by their largest activation"],
  ["fires", "how often it fires", "by the share of photos in which they are active"],
  ["selectivity", "selectivity", "by how much more they contribute to one class than to others"],
  ["likeness", "likeness", "by the correlation with the unit that is most alike"],
  ["number", "number", "by number"],
];

/**
 * The numbers of the units of a layer.
 * @param {Answer} table
 * @param {number} count
 * @param {string} order One of ORDERS.
 * @param {string} index Of a class: those that serve it, most first; "" for all.
 * @returns {number[]}
 */
export function ordered(table, count, order, index) {
  const units = Array.from({ length: count }, (_, unit) => unit);
  if (index !== "") {
    const amount = (/** @type {number} */ unit) =>
      served(table, unit).find((one) => one.index === Number(index))?.amount ?? 0;
    return units.filter((unit) => amount(unit) > 0).sort((a, b) => amount(b) - amount(a));
  }
  if (order === "number") return units;
  const { data, shape } = table.arrays[order === "likeness" ? "correlation" : order];
  const each = shape[1] ?? 1;
  const key = (/** @type {number} */ unit) => {
    const value = data[unit * each];
    return Number.isFinite(value) ? value : -Infinity;
  };
  return units.sort((a, b) => key(b) - key(a) || a - b);
}

/** The classes that a unit serves, most first. */
export function served(/** @type {Answer} */ table, /** @type {number} */ unit) {
  const { served: classes, contribution } = table.arrays;
  if (!classes) return [];
  const found = [];
  for (let i = unit * classes.shape[1]; i < (unit + 1) * classes.shape[1]; i++) {
    const [index, amount] = [classes.data[i], contribution.data[i]];
    if (index >= 0 && amount > 0) found.push({ index, amount, name: String(table.names[index]) });
  }
  return found;
}

/** The units of the layer that are most like one. */
export function nearest(/** @type {Answer} */ table, /** @type {number} */ unit) {
  const { nearest: units, correlation } = table.arrays;
  if (!units) return [];
  const found = [];
  for (let i = unit * units.shape[1]; i < (unit + 1) * units.shape[1]; i++) {
    if (units.data[i] >= 0) found.push({ unit: units.data[i], likeness: correlation.data[i] });
  }
  return found;
}
