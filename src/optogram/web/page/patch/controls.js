// What can be set for the patch, and what is said about it.

import { element, progressBar } from "../elements.js";
import { FILLS, PARTS } from "./asked.js";

/**
 * Sizes of the patch for a photo: each about 1.4 times the one before, a seventh among them.
 * @param {number} side shorter side of the photo, in pixels
 */
export function sizesFor(/** @type {number} */ side) {
  const sizes = Array.from({ length: 9 }, (_, i) => Math.round((side / 7) * 2 ** ((i - 4) / 2)));
  return [...new Set(sizes.map((size) => Math.max(1, Math.min(side, size))))];
}

/**
 * @typedef {object} Wishes
 * @property {(index: number) => void} resize    To the size with this index.
 * @property {(fill: string) => void} fill
 * @property {(part: string) => void} step       Step of the map as a part of the patch.
 * @property {(opacity: string) => void} opacity
 * @property {() => void} finish
 * @property {() => void} stop
 * @property {() => void} clear
 * @property {() => void} lift
 */

export function createControls(/** @type {Wishes} */ wishes) {
  const sizeOf = element("output", {});
  const slider = element("input", {
    type: "range",
    min: 0,
    step: 1,
    "aria-label": "Size of the patch",
    oninput: () => wishes.resize(Number(slider.value)),
  });
  const fills = FILLS.map((fill) =>
    element("button", { type: "button", onclick: () => wishes.fill(fill) }, fill),
  );
  const step = element(
    "select",
    { "aria-label": "Step of the map", onchange: () => wishes.step(step.value) },
    ...PARTS.map((part) =>
      element("option", { value: part }, part === "1" ? "a whole patch" : `1/${part} of the patch`),
    ),
  );
  const opacity = element("input", {
    type: "range",
    min: 0,
    max: 1,
    step: 0.05,
    "aria-label": "Opacity of the trail",
    oninput: () => wishes.opacity(opacity.value),
  });
  const button = (/** @type {string} */ text, /** @type {() => void} */ does) =>
    element("button", { type: "button", onclick: does }, text);
  const finish = button("Map the whole photo", () => wishes.finish());
  const stop = button("Stop", () => wishes.stop());
  const clear = button("Clear trail", () => wishes.clear());
  const lift = button("Lift the patch", () => wishes.lift());
  const bar = progressBar("Preparing the patch");
  const trouble = element("div");
  const under = element("p", { class: "under" });
  const here = element("p", { class: "here" });
  const low = element("span");
  const high = element("span");
  const ramp = element("canvas", { class: "ramp", width: 257, height: 1, "aria-hidden": "true" });
  const legend = element(
    "figure",
    { class: "legend", hidden: true },
    element("figcaption", {}, "Fall of the score"),
    element("div", {}, low, ramp, high),
  );
  stop.hidden = true;
  bar.element.classList.add("absent");

  return {
    element: element(
      "div",
      { class: "controls" },
      here,
      bar.element,
      trouble,
      element("label", {}, "Size ", slider, sizeOf),
      element("div", { class: "buttons", role: "group", "aria-label": "Fill" }, "Fill ", ...fills),
      element("div", { class: "buttons" }, finish, stop, element("label", {}, "step ", step)),
      element("div", { class: "buttons" }, clear, lift),
      legend,
      under,
      element("label", {}, "Opacity of the trail ", opacity),
      element(
        "details",
        {},
        element("summary", {}, "Keys"),
        element(
          "p",
          {},
          "Drag the patch over the photo, or move it with the arrow keys (with Shift by one " +
            "pixel). Wheel, + and −: size. f: fill. c: clear the trail. Escape: lift the patch. " +
            "The trail is colored at the center of the patch.",
        ),
      ),
    ),
    ramp,
    /**
     * @param {number[]} sizes
     * @param {number} size
     * @param {string} fill
     * @param {string} part
     */
    show(sizes, size, fill, part) {
      slider.max = String(sizes.length - 1);
      const nearest = sizes.reduce(
        (best, one, i) => (Math.abs(one - size) < Math.abs(sizes[best] - size) ? i : best),
        0,
      );
      slider.value = String(nearest);
      slider.setAttribute("aria-valuetext", `${size} pixels`);
      sizeOf.textContent = `${size} px`;
      for (const one of fills) one.setAttribute("aria-pressed", String(one.textContent === fill));
      step.value = part;
    },
    setOpacity(/** @type {string} */ value) {
      if (document.activeElement !== opacity) opacity.value = value;
    },
    /** Show how far something is; null: nothing is being done. */
    progress(/** @type {[done: number, total: number, what: string] | null} */ told) {
      bar.element.classList.toggle("absent", told === null);
      if (told) bar.show(...told);
    },
    finishing(/** @type {boolean} */ is) {
      finish.hidden = is;
      stop.hidden = !is;
    },
    trouble(/** @type {HTMLElement | null} */ said) {
      trouble.replaceChildren(...(said ? [said] : []));
    },
    here(/** @type {string} */ sentence) {
      here.textContent = sentence;
    },
    under(/** @type {string} */ sentence) {
      under.textContent = sentence;
    },
    legend(/** @type {[string, string] | null} */ ends) {
      legend.hidden = ends === null;
      if (ends) [low.textContent, high.textContent] = ends;
    },
  };
}
