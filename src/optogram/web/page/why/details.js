// One map alone: its numbers, and what is taken away of it.

import { code } from "../code.js";
import { digits, element, refusal } from "../elements.js";
import { ask } from "../wire.js";
import { saveAs, savePicture } from "../saving.js";

/**
 * @typedef {import("./panel.js").Panel} Panel
 * @typedef {import("./panel.js").Given} Given
 */

/** What is known of a panel's map, and buttons that save it. */
export function createDetails(/** @type {() => Given} */ given) {
  const place = element("section", { class: "details", "aria-label": "This map" });
  let shown = "";

  return {
    element: place,
    /** @param {Panel | null} panel @param {string} name   Of the photo. */
    update(panel, name) {
      const { answer, checked } = panel ?? {};
      const key = JSON.stringify([panel?.method.name, answer?.python, answer?.score, !!checked]);
      if (key === shown) return;
      shown = key;
      place.replaceChildren(...(panel && answer ? contents(panel, name) : []));
    },
  };

  function contents(/** @type {Panel} */ panel, /** @type {string} */ name) {
    const answer = /** @type {import("../wire.js").Answer} */ (panel.answer);
    const stem = `${name.replace(/\.[^.]*$/, "") || "photo"}-${panel.method.name}`;
    const trouble = element("div");
    const facts = [
      ["Explained", answer.target],
      ["Score", `${digits(answer.score)} ${answer.score_unit}`],
      ["Layer", answer.layer],
      ["Range", panel.map && `${digits(panel.map.lowest)} … ${digits(panel.map.highest)} ${answer.unit}`],
      ["Cells", answer.arrays.cells.shape.join("×")],
      ...Object.entries(answer.parameters),
    ].filter(([, text]) => text !== null && text !== undefined);

    async function saveArrays() {
      trouble.replaceChildren();
      try {
        const file = await ask("result_file", panel.parameters(given()));
        saveAs(new Blob([/** @type {any} */ (file.arrays.content.data)]), file.name);
      } catch (error) {
        trouble.replaceChildren(refusal(error));
      }
    }

    const press = (/** @type {string} */ text, /** @type {() => void} */ onclick) =>
      element("button", { type: "button", onclick }, text);
    return [
      element(
        "p",
        { class: "buttons" },
        press("Save PNG", () => savePicture(panel.canvas, `${stem}.png`)),
        press("Save .npz", saveArrays),
      ),
      trouble,
      code("In Python", answer.python),
      answer.command
        ? code("As a command", answer.command)
        : element("p", { class: "hint" }, answer.no_command),
      element(
        "dl",
        { class: "facts" },
        ...facts.flatMap(([term, text]) => [element("dt", {}, term), element("dd", {}, text)]),
      ),
      ...(panel.checked ? [areas(panel.checked)] : []),
    ];
  }
}

/** The numbers behind a verdict. */
function areas(/** @type {import("../wire.js").Answer} */ checked) {
  const row = (/** @type {string} */ name) => {
    const { data, shape } = checked.arrays[name];
    const points = shape[1];
    return [0, 1, 2].map((rival) => {
      let area = 0;
      for (let i = 1; i < points; i++) {
        area += (data[rival * points + i - 1] + data[rival * points + i]) / 2;
      }
      return element("td", {}, (area / (points - 1)).toFixed(3));
    });
  };
  const { data } = checked.arrays.correlations;
  return element(
    "div",
    { class: "scrolls", tabindex: 0, role: "group", "aria-label": "Sanity checks" },
    element(
      "table",
      {},
      element("caption", {}, `Sanity checks, in ${checked.steps} steps`),
      element(
        "tr",
        {},
        ...["Area under the curve", "this map", "random", "edges"].map((text) =>
          element("th", { scope: "col" }, text),
        ),
      ),
      element("tr", {}, element("th", { scope: "row" }, "deletion (small is good)"), row("deletion")),
      element("tr", {}, element("th", { scope: "row" }, "insertion (large is good)"), row("insertion")),
      element(
        "tr",
        {},
        element("th", { scope: "col" }, "Weights scrambled"),
        ...checked.stages.map((/** @type {string} */ stage) =>
          element("th", { scope: "col" }, stage),
        ),
      ),
      element(
        "tr",
        {},
        element("th", { scope: "row" }, "rank correlation with the map"),
        ...Array.from(data, (value) => element("td", {}, value.toFixed(2))),
      ),
    ),
  );
}
