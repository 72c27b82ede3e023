// How one element of a map is computed: window × kernel + bias, then what follows, with its numbers.

import { SIGNED, rangeOf, shade } from "../colors.js";
import { digits, element, refusal } from "../elements.js";
import { ask } from "../wire.js";

/** @typedef {import("../wire.js").Array_} Array_ */

/** Windows with more numbers have them in small letters. */
const FEW = 25;

/**
 * The panels with the arithmetic of an element, and with the largest weights of the filter.
 * @param {() => void} arrived   An answer came, or was refused.
 */
export function createArithmetic(arrived) {
  const sum = element("div");
  const weights = element("div", { class: "weights" });
  let asking = new AbortController();
  /** @type {import("./panels.js").Found | null} */
  let found = null;

  /** @param {{model: string, photo: string, layer: string, filter: number}} unit */
  async function show(unit, /** @type {number[]} */ [row, column]) {
    asking.abort();
    asking = new AbortController();
    const { signal } = asking;
    const given = { ...unit, row, column };
    found = null;
    try {
      const answer = await ask("arithmetic", given, { signal });
      if (signal.aborted) return;
      found = { given, answer };
      sum.replaceChildren(
        element(
          "p",
          { class: "quiet" },
          `${answer.convolution}, filter ${unit.filter}, at row ${row}, column ${column}: ` +
            "window × kernel, on the input channels that add most.",
        ),
        figure(answer, unit.layer),
      );
      const range = rangeOf(answer.arrays.weights.data, true);
      weights.replaceChildren(
        ...answer.weight_channels.map((/** @type {number} */ channel, /** @type {number} */ i) =>
          element(
            "figure",
            {},
            numbers(answer.arrays.weights, i, range, "kernel"),
            element("figcaption", {}, `channel ${channel}`),
          ),
        ),
      );
    } catch (error) {
      if (signal.aborted) return;
      sum.replaceChildren(refusal(error));
      weights.replaceChildren(element("p", { class: "quiet" }, "There are no weights to show."));
    }
    arrived();
  }

  return {
    element: element(
      "section",
      { class: "panel wide", "aria-label": "Arithmetic" },
      element("h2", {}, "How it is computed"),
      sum,
    ),
    weights: element(
      "section",
      { class: "panel", "aria-label": "Largest weights" },
      element("h2", {}, "Largest weights"),
      weights,
    ),
    show,
    found: () => found,
    destroy: () => asking.abort(),
  };
}

/**
 * The figure of an element.
 * @param {import("../wire.js").Answer} answer Of `arithmetic`.
 * @param {string} layer The layer that is looked at; steps after it may follow.
 */
function figure(answer, layer) {
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
    element("table", { class: "sum" }, element("tbody", {}, ...lines(answer, layer))),
    isPadded && element("p", { class: "quiet" }, "Crossed out: padding, outside the input."),
  );
}

/** The rows of the sum, from the products to the value of the map. */
function lines(/** @type {import("../wire.js").Answer} */ answer, /** @type {string} */ layer) {
  const shown = answer.sums.reduce((/** @type {number} */ a, /** @type {number} */ b) => a + b, 0);
  const { others, rest, bias, steps } = answer;
  /** @type {[string, string, number, boolean][]} */
  const listed = [["", `${answer.channels.length} channels above`, shown, false]];
  if (others) listed.push(["+", `${others} other channels`, rest, false]);
  listed.push(["+", "bias", bias, false]);
  steps.forEach((/** @type {{name: string, value: number}} */ step, /** @type {number} */ i) => {
    listed.push([i ? "→" : "=", step.name, step.value, step.name === layer]);
  });
  return listed.map(([sign, name, value, isMap]) =>
    element(
      "tr",
      { class: isMap ? "map" : null },
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
function numbers({ data, shape }, item, range, what, padding) {
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
          isPadding ? "" : short(value, range[1]),
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

/** A number as a cell has room for it: three digits of the largest, `most`. */
function short(/** @type {number} */ value, /** @type {number} */ most) {
  if (most >= 1e4 || most < 1e-3) return value ? value.toExponential(0) : "0";
  return value.toFixed(Math.max(0, 3 - Math.ceil(Math.log10(most))));
}
