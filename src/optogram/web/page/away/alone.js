// One panel of a view alone and large, with what is taken away of it.

import { element } from "../elements.js";
import { change, state } from "../state.js";
import { createTakeaway } from "./takeaway.js";

/**
 * @typedef {import("./takeaway.js").Taken} Taken
 * @typedef {object} Panel
 * @property {string} name
 * @property {HTMLElement} element
 * @property {() => Taken | string} taken   What is taken away; or why nothing is.
 */

/**
 * @param {HTMLElement} root         Gets the class "alone".
 * @param {Panel[]} panels
 * @param {HTMLElement[]} others     What is hidden too where a panel is alone.
 */
export function createAlone(root, panels, others = []) {
  const takeaway = createTakeaway();
  const back = element(
    "button",
    { type: "button", hidden: true, onclick: () => change({ alone: "" }) },
    "Show all",
  );
  for (const { name, element: panel } of panels) {
    const label = panel.getAttribute("aria-label") ?? name;
    const title = panel.querySelector(":scope > h2") ?? element("h2", {}, label);
    panel.prepend(
      element(
        "div",
        { class: "panel-head" },
        title,
        element(
          "button",
          {
            type: "button",
            class: "large",
            "aria-label": `${label} alone and large`,
            onclick: () => change({ alone: name }),
          },
          "Large",
        ),
      ),
    );
  }

  function update() {
    const alone = panels.find(({ name }) => name === state().alone);
    for (const panel of panels) panel.element.hidden = alone !== undefined && panel !== alone;
    for (const other of others) other.hidden = alone !== undefined;
    root.classList.toggle("alone", alone !== undefined);
    back.hidden = !alone;
    const taken = alone?.taken() ?? null;
    if (typeof taken === "string") takeaway.show(null, taken);
    else takeaway.show(taken);
  }

  return { back: element("p", {}, back), takeaway: takeaway.element, update };
}
