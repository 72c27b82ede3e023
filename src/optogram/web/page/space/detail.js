// What is chosen: what it is, what it reads and feeds, and where one can go from there.

import { element } from "../elements.js";
import { kindText, shapeText } from "./graph.js";

/**
 * @param {import("./graph.js").Graph} graph
 * @param {number} step
 * @param {{choose: (step: number) => void, open: ((step: number) => void) | null, fold: (block: number) => void}} told
 */
export function detail(graph, step, told) {
  const { name, shape, reads } = graph.steps[step];
  const block = graph.blockOf[step];
  const links = (/** @type {string} */ word, /** @type {number[]} */ steps) =>
    element(
      "p",
      { class: "links" },
      element("span", {}, steps.length ? word : ""),
      ...steps.slice(0, 12).map((other) =>
        element("button", { type: "button", onclick: () => told.choose(other) }, graph.steps[other].name),
      ),
      steps.length > 12 && ` and ${steps.length - 12} more`,
    );
  const { open } = told;
  return [
    element("h2", {}, name),
    element("p", {}, `${kindText(graph.steps[step])}, output ${shapeText(shape)}`),
    links("Reads", reads),
    links("Feeds", graph.feeds[step]),
    element(
      "p",
      { class: "buttons" },
      open && graph.steps[step].has_maps &&
        element("button", { type: "button", onclick: () => open(step) }, "Open the layer"),
      block >= 0 &&
        element("button", { type: "button", onclick: () => told.fold(block) }, `Fold ${graph.blocks[block].name}`),
    ),
  ];
}
