// Which units of a layer a pixel of the photo activates most.

import { digits, element, refusal } from "../elements.js";
import { latest } from "../wire.js";
import { createThrough } from "./through.js";

/** @typedef {import("../wire.js").Answer} Answer */

/**
 * @param {object} about
 * @param {() => {model: string, photo: string, layer: string, filter: number}} about.asked
 * @param {(cell: number[]) => void} about.point The element of the maps that is drawn at the pixel.
 * @param {(filter: number) => void} about.open
 */
export function createPixel({ asked, point, open }) {
  const units = element("ol", { class: "units", "aria-label": "Units that this pixel activates most" });
  const where = element("p", { class: "quiet" });
  const by = element(
    "select",
    { onchange: () => at[0] >= 0 && look(at) },
    element("option", { value: "activation" }, "value"),
    element("option", { value: "z-score" }, "value against its map"),
  );
  let at = [-1, -1];
  /** @type {import("./panels.js").Found | null} */
  let found = null;

  const find = latest(
    "units_at",
    (answer, given) => {
      const { layer, photo, model } = asked();
      const isAskedStill = at[0] >= 0;
      if (!isAskedStill || given.layer !== layer || given.photo !== photo || given.model !== model) {
        return;
      }
      found = { answer, given };
      show(answer, given);
    },
    (error) => units.replaceChildren(element("li", {}, refusal(error))),
  );

  function look(/** @type {number[]} */ pixel) {
    at = pixel;
    const { filter: _, ...rest } = asked();
    find({ ...rest, y: pixel[0], x: pixel[1], by: by.value });
  }

  function show(/** @type {Answer} */ answer, /** @type {Record<string, any>} */ { y, x }) {
    const [row, column] = answer.cell;
    where.textContent = `Row ${y}, column ${x} of the photo: element ${row}, ${column} of the maps.`;
    point(answer.cell);
    units.dataset.mark = `${y},${x}`;
    through.update();
    units.replaceChildren(...answer.units.map(line));
  }

  /** @param {{filter: number, value: number, z_score: number}} unit */
  function line(unit) {
    return element(
      "li",
      {},
      element(
        "button",
        {
          type: "button",
          "aria-pressed": unit.filter === asked().filter ? "true" : "false",
          onclick: () => open(unit.filter),
        },
        element("span", {}, `filter ${unit.filter}`),
        element("span", {}, digits(unit.value)),
        element("span", { class: "quiet" }, `${unit.z_score.toFixed(1)} σ`),
      ),
    );
  }

  const through = createThrough(
    () => at[0] >= 0,
    () => {
      const { model, photo } = asked();
      return { model, photo, y: at[0], x: at[1] };
    },
  );

  function clear() {
    at = [-1, -1];
    through.update();
    found = null;
    units.replaceChildren();
    delete units.dataset.mark;
    where.textContent = "Point at the photo: the units of the layer that are strongest there.";
  }

  clear();
  return {
    element: element(
      "section",
      { class: "panel", "aria-label": "Units at a pixel" },
      element("h2", {}, "Units at a pixel"),
      where,
      element("label", {}, "Rank by ", by),
      units,
      through.element,
    ),
    look,
    clear,
    found: () => found,
    destroy: through.destroy,
  };
}
