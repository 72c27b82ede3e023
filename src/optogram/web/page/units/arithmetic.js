// How one element of a map is computed: window × kernel + bias, then what follows, with its numbers.

import { SIGNED, rangeOf, shade } from "../colors.js";
import { digits, element } from "../elements.js";

/** @typedef {import("../wire.js").Array_} Array_ */

/** Windows with more numbers have them in small letters. */
const FEW = 25;

/**
 * The figure of an element.
 * @param {import("../wire.js").Answer} answer Of `arithmetic`.
 */
export function arithmeticFigure(answer) {
  const { window: read, kernel, products, padding } = answer.arrays;
  const ranges = [read, kernel, products].map((array) => rangeOf(array.data, true));
  const rows = answer.channels.map((/** @type {number} */ channel, /** @type {number} */ i) =>
    element(
      "div",
      { class: "channel", role: "group", "aria-label": `Input channel ${channel}` },
      element("span", { class: "which" }, `channel ${channel}`),
      numbers(read, i, ranges[0], "window", padding.data),
      element("span", { class: "sign" }, "×"),
      numbers(kernel, i, ranges[1], "kernel"),
      element("span", { class: "sign" }, "="),
      numbers(products, i, ranges[2], "products", padding.data),
      element("span", { class: "sign" }, "Σ"),
      element("output", {}, digits(answer.sums[i])),
    ),
  );
  const isPadded = padding.data.some((value) => value > 0);
  return element(
    "div",
    { class: "arithmetic" },
    element("div", { class: "channels", tabindex: 0, role: "group", "aria-label": "Products" }, rows),
    element("table", { class: "sum" }, element("tbody", {}, ...lines(answer))),
    isPadded && element("p", { class: "quiet" }, "Crossed out: padding, outside the input."),
  );
}

/** The rows of the sum, from the products to the value of the map. */
function lines(/** @type {import("../wire.js").Answer} */ answer) {
  const shown = answer.sums.reduce((/** @type {number} */ a, /** @type {number} */ b) => a + b, 0);
  const { others, rest, bias, steps } = answer;
  /** @type {[string, string, number, boolean][]} */
  const listed = [["", `${answer.channels.length} channels above`, shown, false]];
  if (others) listed.push(["+", `${others} other channels`, rest, false]);
  listed.push(["+", "bias", bias, false]);
  steps.forEach((/** @type {{name: string, value: number}} */ step, /** @type {number} */ i) => {
    listed.push([i ? "→" : "=", step.name, step.value, i === steps.length - 1]);
  });
  return listed.map(([sign, name, value, isLast]) =>
    element(
      "tr",
      { class: isLast ? "last" : null },
      element("td", {}, sign),
      element("th", { scope: "row" }, name),
      element("td", {}, digits(value)),
    ),
  );
}

/**
 * The numbers of a window as a table, in color.
 * @param {Array_} array (n, h, w)
 * @param {number} item
 * @param {number[]} range
 * @param {string} what
 * @param {ArrayLike<number>} [padding] (h, w): not 0 where the place is padding.
 */
export function numbers({ data, shape }, item, range, what, padding) {
  const [, height, width] = shape;
  const rows = Array.from({ length: height }, (_, row) =>
    element(
      "tr",
      {},
      ...Array.from({ length: width }, (_, column) => {
        const at = row * width + column;
        const value = data[item * height * width + at];
        const { color, text } = shade(value, SIGNED, range);
        const isPadding = Boolean(padding?.[at]);
        return element(
          "td",
          {
            class: isPadding ? "padding" : null,
            title: isPadding ? "padding" : String(value),
            style: isPadding ? {} : { "background-color": color, color: text },
          },
          isPadding ? "" : short(value),
        );
      }),
    ),
  );
  const size = height * width > FEW ? " small" : "";
  return element(
    "table",
    { class: `numbers${size}`, "aria-label": what },
    element("tbody", {}, ...rows),
  );
}

/** A number in as few letters as a cell has room for. */
function short(/** @type {number} */ value) {
  const size = Math.abs(value);
  if (size !== 0 && (size < 0.005 || size >= 1000)) return value.toExponential(0);
  return String(Number(value.toFixed(size < 10 ? 2 : size < 100 ? 1 : 0)));
}
