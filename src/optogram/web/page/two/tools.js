// Choices of a property of the state, with a label.

import { element } from "../elements.js";
import { change, state } from "../state.js";

/**
 * @param {string} label
 * @param {string} property
 * @param {string[][]} options   Value and text of each.
 */
export function choice(label, property, options) {
  const select = element("select", { onchange: () => change({ [property]: select.value }) });
  const fill = (/** @type {string[][]} */ given) =>
    select.replaceChildren(...given.map(([value, text]) => element("option", { value }, text)));
  fill(options);
  return {
    element: element("label", {}, `${label} `, select),
    /** Show what is chosen. */
    update(value = state()[property]) {
      select.value = value;
    },
    /** Offer other options. */
    fill,
  };
}

/**
 * @param {string} label
 * @param {string} property
 * @param {[off: string, on: string]} values
 */
export function check(label, property, [off, on]) {
  const box = element("input", {
    type: "checkbox",
    onchange: () => change({ [property]: box.checked ? on : off }),
  });
  return {
    element: element("label", {}, box, ` ${label}`),
    update() {
      box.checked = state()[property] === on;
    },
  };
}
