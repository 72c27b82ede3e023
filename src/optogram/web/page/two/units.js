// The units that differ most between the two sides, as a list: each leads to the unit, shown twice.

import { code } from "../code.js";
import { digits, element, progressBar, refusal } from "../elements.js";
import { toLayer, toUnit } from "../layers.js";
import { addressOf, change, state } from "../state.js";
import { ask } from "../wire.js";
import { choice } from "./tools.js";

/**
 * @typedef {import("../wire.js").Answer} Answer
 * @typedef {import("./sides.js").Pair} Pair
 * @typedef {{layer: string, other_layer: string, unit: number, value: number,
 *   means: [number, number], maxima: [number, number]}} Unit
 */

const COUNT = 20;
/** @type {Record<string, [title: string, about: string]>} */
const MEASURES = {
  maps: [
    "shape of the maps (1 − r)",
    "1 − r, where r is the correlation of the unit's two maps over their positions: 0 for the same shape, 1 for none in common.",
  ],
  mean: [
    "mean of the map",
    "Difference of the means, divided by the sum of the roots of the mean squares: 0 for equal means, 1 at most.",
  ],
  maximum: [
    "maximum of the map",
    "Difference of the maxima, divided by the sum of the largest magnitudes: 0 for equal maxima, 1 at most.",
  ],
  weights: [
    "weights",
    "Length of the difference of kernel and bias, divided by the larger of their lengths.",
  ],
};

export function createUnits() {
  const by = choice("By", "by", []);
  const within = choice("Units of", "within", [
    ["all", "all layers"],
    ["layer", "the chosen layer"],
  ]);
  const bar = progressBar("Comparing the units…");
  bar.element.hidden = true;
  const about = element("p", { class: "quiet" });
  const trouble = element("div");
  const list = element("ol", { class: "differing" });
  const lines = element("details", {}, element("summary", {}, "In Python"));
  const place = element(
    "section",
    { class: "units-that-differ", "aria-label": "Units that differ most" },
    element("h2", {}, "Units that differ most"),
    element("div", { class: "tools" }, by.element, within.element),
    bar.element,
    trouble,
    about,
    list,
    lines,
  );
  let asked = "";
  let asking = new AbortController();
  /** @type {Pair | null} */
  let pair = null;

  async function load(/** @type {Record<string, string | number>} */ given) {
    asking.abort();
    asking = new AbortController();
    const { signal } = asking;
    bar.element.hidden = false;
    bar.show(0, 1, "Comparing the units…");
    try {
      const answer = await ask("differing_units", given, {
        signal,
        progress: (done, total) => bar.show(done, total, `${done} of ${total} layers`),
      });
      if (signal.aborted) return;
      trouble.replaceChildren();
      show(answer);
    } catch (error) {
      if (signal.aborted) return;
      empty(refusal(error));
    }
    bar.element.hidden = true;
  }

  function empty(/** @type {Node} */ why) {
    trouble.replaceChildren(why);
    list.replaceChildren();
    about.textContent = "";
    lines.hidden = true;
    by.element.hidden = within.element.hidden = true;
    list.dataset.by = "";
  }

  function show(/** @type {Answer} */ answer) {
    by.element.hidden = within.element.hidden = false;
    by.fill(answer.measures.map((/** @type {string} */ name) => [name, MEASURES[name][0]]));
    by.update(answer.by);
    const silent = answer.inactive ? ` ${answer.inactive} of them are inactive on both sides.` : "";
    about.textContent =
      `${MEASURES[answer.by][1]} ${answer.compared} units were compared.${silent}` +
      (answer.units.length ? "" : " None differs.");
    const most = Math.max(...answer.units.map((/** @type {Unit} */ unit) => unit.value), 1e-9);
    list.replaceChildren(...answer.units.map((/** @type {Unit} */ unit) => entry(unit, answer.by, most)));
    list.dataset.by = answer.by;
    lines.replaceChildren(element("summary", {}, "In Python"), code("Python lines", answer.python));
    lines.hidden = false;
    mark();
  }

  function entry(/** @type {Unit} */ unit, /** @type {string} */ by, /** @type {number} */ most) {
    const { layer, other_layer, value, means, maxima } = unit;
    const numbers = by === "maximum" ? maxima : means;
    const what = by === "maximum" ? "maximum" : "mean";
    const isElsewhere = other_layer !== layer && other_layer !== pair?.link.layerOf(layer);
    const open = element(
      "button",
      {
        type: "button",
        title: "Show the unit on both sides",
        "data-layer": layer,
        "data-unit": unit.unit,
        onclick: () => change({ ...toLayer(layer), layer2: "", show: "unit", filter: String(unit.unit) }),
      },
      element("span", { class: "name" }, `${layer} · ${unit.unit}`),
      element("span", { class: "value" }, digits(value)),
      element("span", { class: "bar" }),
      element(
        "span",
        { class: "quiet numbers" },
        `${what} ${digits(numbers[0])} → ${digits(numbers[1])}${isElsewhere ? ` (${other_layer})` : ""}`,
      ),
    );
    open.style.setProperty("--share", String(value / most));
    const goal = toUnit(layer, unit.unit);
    return element(
      "li",
      {},
      open,
      element(
        "a",
        {
          href: addressOf(goal),
          "aria-label": `Unit ${unit.unit} of ${layer} alone, for the left side`,
          onclick: (/** @type {MouseEvent} */ event) => {
            if (event.ctrlKey || event.metaKey || event.shiftKey) return;
            event.preventDefault();
            change(goal);
          },
        },
        "Unit",
      ),
    );
  }

  /** Mark the unit that is shown. */
  function mark() {
    const { filter, show } = state();
    const layer = pair?.sides[0].layer;
    for (const button of list.querySelectorAll("button")) {
      const { layer: of, unit } = button.dataset;
      const isShown = show === "unit" && of === layer && unit === (filter || "0");
      button.setAttribute("aria-pressed", String(isShown));
    }
  }

  return {
    element: place,
    update(/** @type {Pair} */ given) {
      pair = given;
      const { sides, link } = given;
      const now = state();
      within.update();
      if (link.isSameNetwork && link.isSamePhoto) {
        asking.abort();
        asked = "";
        bar.element.hidden = true;
        empty(
          element(
            "p",
            {},
            "Both sides show the same photo in the same network: choose another photo or network on one side.",
          ),
        );
        return;
      }
      const wanted = {
        model: sides[0].model,
        photo: sides[0].photo,
        model2: sides[1].model,
        photo2: sides[1].photo,
        layer: now.within === "layer" ? sides[0].layer : "",
        by: now.by in MEASURES && fits(now.by, link) ? now.by : "first",
        count: COUNT,
      };
      const key = JSON.stringify(wanted);
      if (key === asked) {
        mark();
        return;
      }
      asked = key;
      load(wanted);
    },
    destroy() {
      asking.abort();
    },
  };
}

/** Whether units can be compared by a measure here. */
function fits(/** @type {string} */ by, /** @type {import("./sides.js").Link} */ link) {
  if (by === "maps") return link.isSamePhoto;
  return by !== "weights" || !link.isSameNetwork;
}
