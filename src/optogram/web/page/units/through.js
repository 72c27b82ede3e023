// A pixel of the photo through all layers: the filter of each in which it stands out most.

import { colored, paint } from "../colors.js";
import { element, progressBar, refusal } from "../elements.js";
import { toUnit } from "../layers.js";
import { change, state } from "../state.js";
import { ask } from "../wire.js";

/** @typedef {{layer: string, filter: number, z_score: number}} Unit */

/**
 * A button that asks for them, and the list: each filter is a link to itself.
 * @param {() => boolean} isPointed  Whether there is a pixel.
 * @param {() => {model: string, photo: string, y: number, x: number}} asked
 */
export function createThrough(isPointed, asked) {
  const button = element("button", { type: "button", onclick: () => load() }, "In every layer");
  const bar = progressBar("Looking through all layers…");
  bar.element.hidden = true;
  const words = element("p", { class: "quiet" });
  const list = element("ol", { class: "through", "aria-label": "Units of every layer" });
  let asking = new AbortController();
  let shownFor = "";

  const sourceOf = () => `${asked().model} ${asked().photo}`;

  async function load() {
    asking.abort();
    asking = new AbortController();
    const { signal } = asking;
    const given = asked();
    shownFor = sourceOf();
    bar.element.hidden = false;
    try {
      const answer = await ask("units_through_layers", given, { signal, progress: bar.show });
      if (signal.aborted) return;
      words.textContent =
        `Of each layer, the filter in which row ${given.y}, column ${given.x} stands out most ` +
        "(value minus the mean of its map, in standard deviations σ):";
      const lines = answer.units.map((/** @type {Unit} */ unit, /** @type {number} */ i) =>
        line(unit, answer.arrays[`map${i}`]),
      );
      list.replaceChildren(...lines);
    } catch (error) {
      if (signal.aborted) return;
      list.replaceChildren(element("li", {}, refusal(error)));
    }
    bar.element.hidden = true;
  }

  function line(
    /** @type {Unit} */ { layer, filter, z_score },
    /** @type {import("../wire.js").Array_} */ map,
  ) {
    const canvas = element("canvas", { class: "pixels" });
    paint(canvas, colored(map.data, map.shape[1], map.shape[0], state().cmap, [0, 255]));
    return element(
      "li",
      {},
      element(
        "button",
        { type: "button", onclick: () => change(toUnit(layer, filter)) },
        canvas,
        element("span", { class: "name" }, layer),
        element("span", { class: "quiet" }, `filter ${filter}, ${z_score.toFixed(1)} σ`),
      ),
    );
  }

  return {
    element: element("div", {}, button, bar.element, words, list),
    /** A pixel was chosen, or another photo: what belongs to another photo goes. */
    update() {
      button.hidden = !isPointed();
      if (shownFor === "" || shownFor === sourceOf()) return;
      asking.abort();
      shownFor = "";
      bar.element.hidden = true;
      words.textContent = "";
      list.replaceChildren();
    },
    destroy: () => asking.abort(),
  };
}
