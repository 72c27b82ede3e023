// A slider that silences a unit or makes it stronger: the probabilities of the classes move.

import { classNames, highest, predictionsOf } from "../classes.js";
import { digits, element, percent, progressBar, refusal } from "../elements.js";
import { showChanged } from "../predictions.js";
import { change, state } from "../state.js";
import { ask, latest } from "../wire.js";

/** Classes that are always listed, and those that change most. */
const [FIRST, CHANGED] = [4, 3];

/**
 * @param {() => string} layerNow The layer that is looked at.
 * @param {() => void} arrived    An answer came.
 */
export function createSlider(layerNow, arrived) {
  const slider = element("input", {
    type: "range",
    min: 0,
    max: 4,
    step: 0.05,
    "aria-label": "What the map of this unit is multiplied by",
    oninput: () => set(Number(slider.value)),
  });
  const size = element("output", {});
  const bar = progressBar("Preparing the slider");
  bar.element.hidden = true;
  const trouble = element("div");
  const list = element("ol", { class: "effects", "aria-label": "Probabilities with the change" });
  const button = (/** @type {string} */ text, /** @type {number} */ factor) =>
    element("button", { type: "button", onclick: () => set(factor) }, text);

  let readyKey = "";
  let unitKey = "";
  let preparing = new AbortController();
  /** @type {ArrayLike<number>} */
  let clean = [];
  /** @type {string[]} */
  let names = [];
  let isOutput = false;
  /** @type {import("./panels.js").Found | null} */
  let found = null;

  const factor = () => {
    const number = Number(state().factor);
    return Number.isFinite(number) ? Math.max(0, Math.min(4, number)) : 1;
  };
  const asked = () => ({ model: state().model, photo: state().photo, layer: layerNow() });

  function set(/** @type {number} */ value) {
    change({ factor: String(value) }, { replace: true });
  }

  async function prepare() {
    const key = JSON.stringify(asked());
    preparing.abort();
    preparing = new AbortController();
    const { signal } = preparing;
    bar.element.hidden = false;
    bar.show(0, 0, "Preparing the slider…");
    try {
      await ask("unit_probe", asked(), { signal });
      if (signal.aborted) return;
      readyKey = key;
      trouble.replaceChildren();
      measure();
    } catch (error) {
      if (signal.aborted) return;
      trouble.replaceChildren(refusal(error));
    }
    bar.element.hidden = true;
    preparing = new AbortController();
    isPreparing = "";
  }

  let isPreparing = "";
  function measure() {
    const key = JSON.stringify(asked());
    if (readyKey === key) {
      askLatest({ ...asked(), filter: state().filter, factor: factor() });
    } else if (isPreparing !== key) {
      isPreparing = key;
      prepare();
    }
  }

  const askLatest = latest(
    "changed_unit",
    (answer, given) => {
      const now = { ...asked(), filter: state().filter, factor: factor() };
      if (JSON.stringify(given) !== JSON.stringify(now)) return;
      found = { answer, given };
      show(answer.arrays.probabilities.data, String(answer.factor));
      arrived();
    },
    (error) => trouble.replaceChildren(refusal(error)),
  );

  function show(/** @type {ArrayLike<number>} */ after, /** @type {string} */ mark) {
    showChanged(mark === "1" ? null : after, `×${mark}`);
    const first = highest(clean, FIRST);
    const changes = Array.from(after, (value, i) => Math.abs(value - clean[i]));
    for (const index of highest(changes, CHANGED)) {
      if (changes[index] > 0 && !first.includes(index)) first.push(index);
    }
    const write = isOutput ? digits : percent;
    const most = isOutput ? Math.max(...first.map((i) => Math.abs(after[i])), 1e-9) : 1;
    const words = (/** @type {number} */ i) =>
      mark === "1" ? write(clean[i]) : `${write(clean[i])} → ${write(after[i])}`;
    list.dataset.mark = mark;
    list.replaceChildren(
      ...first.map((index) =>
        element(
          "li",
          {},
          element("span", { class: "name" }, names[index]),
          element("span", { class: "value" }, words(index)),
          element("span", {
            class: "bar",
            style: {
              "--share": Math.abs(after[index]) / most,
              "--was": Math.abs(clean[index]) / most,
            },
          }),
        ),
      ),
    );
  }

  async function begin(/** @type {string} */ key) {
    const { model, photo } = state();
    found = null;
    list.replaceChildren();
    trouble.replaceChildren();
    showChanged(null);
    try {
      const [answer, all] = await Promise.all([predictionsOf(model, photo), classNames(model)]);
      if (key !== unitKey) return;
      clean = answer.arrays.probabilities.data;
      names = all;
      isOutput = answer.kind === "linear" && clean.length === 1;
      show(clean, "1");
      if (factor() !== 1) measure();
    } catch (error) {
      if (key === unitKey) trouble.replaceChildren(refusal(error));
    }
  }

  let shown = 1;
  return {
    element: element(
      "section",
      { class: "panel", "aria-label": "What the unit causes" },
      element("h2", {}, "What it causes"),
      element("p", { class: "quiet" }, "Multiply the whole map of this unit, and see what the network says."),
      element("div", { class: "buttons" }, slider, size),
      element("div", { class: "buttons" }, button("Silence", 0), button("Double", 2), button("As it is", 1)),
      bar.element,
      trouble,
      list,
    ),
    update() {
      const key = `${JSON.stringify(asked())} ${state().filter}`;
      const value = factor();
      slider.value = String(value);
      slider.setAttribute("aria-valuetext", `times ${value}`);
      size.textContent = `×${value.toFixed(2)}`;
      if (key !== unitKey) {
        unitKey = key;
        shown = value;
        begin(key);
      } else if (value !== shown) {
        shown = value;
        if (clean.length) measure();
      }
    },
    found: () => found,
    destroy() {
      preparing.abort();
      showChanged(null);
    },
  };
}
