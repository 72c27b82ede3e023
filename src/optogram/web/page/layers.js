// The layer that is looked at, and how another one is chosen: by its name, or the next one.

import { element, say } from "./elements.js";
import { change, state } from "./state.js";

/**
 * @typedef {import("./main.js").Context} Context
 * @typedef {Readonly<Record<string, string>>} Now
 */

/** The network that is looked at. */
export function networkOf(/** @type {Context} */ context, /** @type {Now} */ now) {
  return context.networks[Number(now.model)] ?? context.networks[0];
}

/** The name of the layer that is looked at; "" where a network has none with maps. */
export function layerOf(/** @type {Context} */ context, /** @type {Now} */ now) {
  return now.layer || networkOf(context, now).default_layer || "";
}

/** What the state becomes when another layer is looked at. */
export function toLayer(/** @type {string} */ layer) {
  return { layer, filter: "", cell: "", factor: "" };
}

/** What the state becomes when a filter is looked at. */
export function toUnit(/** @type {string} */ layer, /** @type {number} */ filter) {
  return { ...toLayer(layer), view: "unit", filter: String(filter) };
}

/** Why a network has no layers to look at. */
export const NO_LAYERS =
  "This network is one opaque step: its layers cannot be looked at. Build it from Keras layers, or " +
  "as a functional model, to see them.";

/** Whether a key is meant for what is being written or chosen. */
export function isTyping(/** @type {KeyboardEvent} */ event) {
  const target = /** @type {Element} */ (event.target);
  const isField = target.closest("input, select, textarea, dialog") !== null;
  return isField || event.ctrlKey || event.metaKey || event.altKey;
}

/** A box that finds layers by name, and buttons and keys (p, n) for the one before and after. */
export function createChooser(/** @type {Context} */ context) {
  const names = element("datalist", { id: "layer-names" });
  const box = element("input", {
    type: "search",
    list: "layer-names",
    autocomplete: "off",
    spellcheck: "false",
    "aria-label": "Layer: write a part of its name",
    onfocus: () => {
      // Suggestions are those that fit what is written: at first, all of them.
      box.placeholder = box.value;
      box.value = "";
    },
    onblur: () => show(),
    onchange: () => choose(box.value),
  });
  const before = step("‹", "Previous layer (p)", -1);
  const after = step("›", "Next layer (n)", 1);
  const place = element(
    "div",
    { class: "chooser" },
    element("label", {}, "Layer ", box),
    names,
    before,
    after,
  );

  function step(/** @type {string} */ text, /** @type {string} */ title, /** @type {number} */ by) {
    return element(
      "button",
      { type: "button", title, "aria-label": title, onclick: () => move(by) },
      text,
    );
  }

  const layers = () => networkOf(context, state()).map_layers;

  function choose(/** @type {string} */ text) {
    if (!text) return;
    const known = layers();
    const found = known.find((name) => name === text) ?? known.find((name) => name.includes(text));
    if (found) change(toLayer(found));
    else say(`There is no layer ${text}.`);
    box.blur();
    show();
  }

  function move(/** @type {number} */ by) {
    const known = layers();
    const at = known.indexOf(layerOf(context, state()));
    const next = known[at + by];
    if (next === undefined) return;
    change(toLayer(next));
    say(`Layer ${next}`);
  }

  const key = (/** @type {KeyboardEvent} */ event) => {
    if (isTyping(event)) return;
    if (event.key === "n") move(1);
    else if (event.key === "p") move(-1);
  };
  document.addEventListener("keydown", key);

  let listed = "";
  function show() {
    const known = layers();
    const now = layerOf(context, state());
    if (document.activeElement !== box) box.value = now;
    const at = known.indexOf(now);
    before.disabled = at <= 0;
    after.disabled = at < 0 || at === known.length - 1;
    if (listed === state().model) return;
    listed = state().model;
    names.replaceChildren(...known.map((name) => element("option", { value: name })));
  }

  return {
    element: place,
    update: show,
    destroy: () => document.removeEventListener("keydown", key),
  };
}
