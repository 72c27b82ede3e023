// How the maps look, and which are shown: one setting for all panels.

import { colorNames } from "../colors.js";
import { element } from "../elements.js";
import { change, state } from "../state.js";

/** @typedef {import("./panel.js").Method} Method */

const SCALES = [
  ["percentile", "each, to its 99th percentile"],
  ["own", "each its own"],
  ["common", "common to maps of one unit"],
];
const BLENDS = [
  ["value", "show the photo"],
  ["even", "are colored"],
];

/**
 * The methods that the state asks for; the common ones where it names none.
 * @param {Method[]} all
 * @param {string} text
 * @param {string[]} leftOut   Methods that the network has nothing for.
 */
export function chosenMethods(all, text, leftOut) {
  const known = all.filter(({ name }) => !leftOut.includes(name));
  if (text === "all") return known;
  const names = text.split(",");
  const chosen = known.filter(({ name }) => names.includes(name));
  return chosen.length ? chosen : known.filter(({ is_common }) => is_common);
}

/**
 * Controls over all panels.
 * @param {Method[]} methods
 */
export function createControls(methods) {
  const cmap = choice("Color map", "cmap", colorNames().map((name) => [name, name]));
  const scale = choice("Scale", "scale", SCALES);
  const blend = choice("Neutral places", "blend", BLENDS);
  const opacity = element("input", {
    type: "range",
    min: 0,
    max: 1,
    step: 0.01,
    oninput: () => change({ opacity: opacity.value }, { replace: true }),
  });
  const layer = element("select", { onchange: () => change({ explained: layer.value }) });
  const boxes = methods.map(({ name }) =>
    element("input", { type: "checkbox", value: name, onchange: () => choose() }),
  );
  const chosen = element("summary");

  function choose() {
    const names = boxes.filter((box) => box.checked).map((box) => box.value);
    const common = methods.filter(({ is_common }) => is_common).map(({ name }) => name);
    const isCommon = names.join() === common.filter((name) => !leftOut.includes(name)).join();
    const isAll = names.length === methods.length - leftOut.length;
    change({ methods: isCommon ? "" : isAll ? "all" : names.join() });
  }

  const labels = methods.map(({ title }, i) => element("label", {}, boxes[i], ` ${title}`));
  const groups = [
    ["Show the common ones", ""],
    ["Show all", "all"],
  ].map(([text, group]) =>
    element("button", { type: "button", onclick: () => change({ methods: group }) }, text),
  );
  const layerLabel = element("label", {}, "Layer of the CAM methods ", layer);
  const place = element(
    "div",
    { class: "controls" },
    element("details", { class: "methods" }, chosen, element("p", {}, ...groups), ...labels),
    layerLabel,
    cmap.element,
    element("label", {}, "Opacity ", opacity),
    blend.element,
    scale.element,
  );

  let network = "";
  /** @type {string[]} */
  let leftOut = [];
  return {
    element: place,
    /** @param {import("../main.js").Network} of @param {string} model */
    update(of, model) {
      const now = state();
      for (const each of [cmap, scale, blend]) each.update();
      opacity.value = now.opacity;
      leftOut = of.left_out;
      const shown = chosenMethods(methods, now.methods, leftOut);
      chosen.textContent = `Methods: ${shown.length} of ${methods.length - leftOut.length}`;
      methods.forEach((method, i) => {
        boxes[i].checked = shown.includes(method);
        // The last one stays.
        boxes[i].disabled = shown.length === 1 && boxes[i].checked;
        labels[i].hidden = leftOut.includes(method.name);
      });
      layerLabel.hidden = !of.map_layers.length;
      if (network !== model) {
        network = model;
        layer.replaceChildren(
          element("option", { value: "" }, `${of.default_layer} (the last)`),
          ...of.map_layers
            .slice(0, -1)
            .reverse()
            .map((name) => element("option", { value: name }, name)),
        );
      }
      layer.value = now.explained;
    },
  };
}

/** A labeled choice of a property of the state. */
function choice(
  /** @type {string} */ label,
  /** @type {string} */ property,
  /** @type {string[][]} */ options,
) {
  const select = element(
    "select",
    { onchange: () => change({ [property]: select.value }) },
    ...options.map(([value, text]) => element("option", { value }, text)),
  );
  return {
    element: element("label", {}, `${label} `, select),
    update() {
      select.value = state()[property];
    },
  };
}
