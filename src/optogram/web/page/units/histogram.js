// How often the values of a map occur.

import { digits, element } from "../elements.js";

/**
 * @param {ArrayLike<number>} counts
 * @param {ArrayLike<number>} edges One more than counts.
 */
export function histogram(counts, edges) {
  const heights = Array.from(counts, (count) => Math.log1p(count));
  const most = Math.max(...heights, 1e-9);
  const total = Array.from(counts).reduce((a, b) => a + b, 0);
  const commonest = Array.from(counts).indexOf(Math.max(...Array.from(counts)));
  const label =
    `Histogram of ${total} values from ${digits(edges[0])} to ${digits(edges[edges.length - 1])}; ` +
    `most often ${digits(edges[commonest])} to ${digits(edges[commonest + 1])}.`;
  return element(
    "figure",
    { class: "histogram" },
    element(
      "div",
      { class: "bins", role: "img", "aria-label": label },
      ...heights.map((height, i) =>
        element("span", {
          title: `${digits(edges[i])} to ${digits(edges[i + 1])}: ${counts[i]}`,
          style: { "--share": height / most },
        }),
      ),
    ),
    element(
      "div",
      { class: "ends" },
      element("span", {}, digits(edges[0])),
      element("span", {}, digits(edges[edges.length - 1])),
    ),
    element("figcaption", { class: "quiet" }, `${total} values of this map; heights are logarithms.`),
  );
}
