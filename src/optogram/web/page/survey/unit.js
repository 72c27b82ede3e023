// What a survey knows about one unit, in numbers.

import { digits, element, percent } from "../elements.js";
import { nearest, served } from "./table.js";

/** @typedef {import("../wire.js").Answer} Answer */

/**
 * @param {Answer} table
 * @param {number[]} quantiles What the quantiles are of.
 * @param {number} unit
 * @param {(unit: number) => HTMLElement} link To another unit.
 */
export function unitFacts(table, quantiles, unit, link) {
  const { strength, mean, fires, active, selectivity, quantiles: values } = table.arrays;
  /** @type {[string, string][]} */
  const facts = [];
  if (strength) facts.push(["Largest activation", digits(strength.data[unit])]);
  if (mean) facts.push(["Mean activation", digits(mean.data[unit])]);
  if (fires) facts.push(["Fires in", `${percent(fires.data[unit])} of photos`]);
  if (active) facts.push(["Active at", `${percent(active.data[unit])} of positions`]);
  if (selectivity) facts.push(["Selectivity", digits(selectivity.data[unit])]);
  const classes = served(table, unit);
  const most = Math.max(...classes.map(({ amount }) => amount));
  const alike = nearest(table, unit);
  return element(
    "div",
    { class: "facts" },
    element(
      "dl",
      {},
      facts.map(([word, value]) =>
        element("div", {}, element("dt", {}, word), element("dd", {}, value)),
      ),
    ),
    values
      ? element(
          "p",
          { class: "quiet" },
          `Quantiles, ${quantiles
            .map((at, i) => {
              const value = values.data[unit * quantiles.length + i];
              return `${Number((100 * at).toFixed(1))} %: ${digits(value)}`;
            })
            .join(", ")}`,
        )
      : null,
    classes.length
      ? [
          element("h3", {}, "Classes that it serves: mean gradient × activation"),
          element(
            "div",
            { class: "served" },
            classes.map(({ name, amount }) => [
              element("span", {}, name),
              element("meter", { value: amount / most, "aria-label": name }),
              element("span", {}, digits(amount)),
            ]).flat(),
          ),
        ]
      : null,
    alike.length
      ? [
          element("h3", {}, "Units that are most alike: correlation of activations"),
          element(
            "p",
            { class: "alike" },
            alike.map(({ unit: other, likeness }) =>
              element("span", {}, link(other), ` ${digits(likeness)}`),
            ),
          ),
        ]
      : null,
  );
}
