// The panels of layers and units, and what is taken away of each.

import { pictureOf } from "../away/picture.js";

/**
 * @typedef {import("../away/alone.js").Panel} Panel
 * @typedef {object} Found   An answer, and what was asked with.
 * @property {import("../wire.js").Answer} answer
 * @property {Record<string, string | number>} given
 */

/**
 * A panel that shows an answer.
 * @param {string} name
 * @param {HTMLElement} section
 * @param {() => string} unit        The layer and the filter, as a part of the names of files.
 * @param {string | (() => string)} question   Whose numbers are shown.
 * @param {() => Found | null} found
 * @param {string} why               Why nothing is taken away yet.
 * @returns {Panel}
 */
function panelOf(name, section, unit, question, found, why) {
  return {
    name,
    element: section,
    taken() {
      const shown = found();
      if (!shown) return why;
      const { answer, given } = shown;
      const again = name === "weights" ? answer.weights : answer;
      const title = `${unit()}-${name}`;
      const asked = typeof question === "string" ? question : question();
      return { title, picture: () => pictureOf(section), question: asked, given, again };
    },
  };
}

/**
 * What is taken away of all maps: with the patch, where there is one.
 * @param {HTMLCanvasElement} canvas
 * @param {{model: string, photo: string, layer: string}} about
 * @param {Found} clean
 * @param {{answer: import("../wire.js").Answer | null, given: Record<string, string>} | null} ranked
 * @param {Found | null} covered
 * @returns {import("../away/takeaway.js").Taken}
 */
export function mapsTaken(canvas, about, clean, ranked, covered) {
  const shared = { title: `${about.layer}-maps`, picture: () => canvas };
  if (covered) {
    const { answer: again, given } = covered;
    return { ...shared, question: "covered_values", given, again };
  }
  if (ranked?.answer) {
    const given = { ...about, ...ranked.given };
    return { ...shared, question: "map_contributions", given, again: ranked.answer };
  }
  return { ...shared, question: "map_values", given: about, again: clean.answer };
}

/**
 * The panels of a unit.
 * @param {object} parts
 * @param {HTMLElement} parts.screens
 * @param {HTMLElement} parts.counted
 * @param {ReturnType<typeof import("./pixel.js").createPixel>} parts.pixel
 * @param {ReturnType<typeof import("./slider.js").createSlider>} parts.slider
 * @param {ReturnType<typeof import("./arithmetic.js").createArithmetic>} parts.arithmetic
 * @param {ReturnType<typeof import("./making.js").createMaking>} parts.making
 * @param {() => string} unit    The layer and the filter, as a part of the names of files.
 * @param {() => Found | null} map
 * @returns {Panel[]}
 */
export function unitPanels({ screens, counted, pixel, slider, arithmetic, making }, unit, map) {
  const coming = "The numbers are on their way.";
  return [
    panelOf("map", screens, unit, "unit_map", map, coming),
    panelOf("pixel", pixel.element, unit, "units_at", pixel.found, "Point at the photo first."),
    panelOf("slider", slider.element, unit, "changed_unit", slider.found, "Move the slider first."),
    panelOf("arithmetic", arithmetic.element, unit, "arithmetic", arithmetic.found, coming),
    panelOf("weights", arithmetic.weights, unit, "arithmetic", arithmetic.found, coming),
    panelOf("histogram", counted, unit, "unit_map", map, coming),
    panelOf("pattern", making.pattern, unit, "pattern", making.foundPattern, "Make the pattern first."),
    panelOf("crops", making.crops, unit, making.question, making.foundCrops, coming),
  ];
}
