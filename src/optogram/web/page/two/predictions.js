// The predictions of both sides, class by class, and how far they are apart.

import { classesOf, highest } from "../classes.js";
import { digits, element, percent } from "../elements.js";
import { change } from "../state.js";

/**
 * @typedef {import("../wire.js").Answer} Answer
 * @typedef {import("./sides.js").Pair} Pair
 * @typedef {{element: HTMLElement, index: number[], cells: HTMLElement[], apart: HTMLElement}} Row
 */

const TOP = 5;

export function createTable() {
  const body = element("tbody");
  const heads = ["Left", "Right"].map((name) => element("th", { scope: "col" }, name));
  const sentence = element("p", { class: "quiet" });
  const place = element(
    "section",
    { class: "both-predictions", "aria-label": "Predictions of both sides" },
    element("h2", {}, "Predictions"),
    sentence,
    element(
      "table",
      {},
      element(
        "thead",
        {},
        element(
          "tr",
          {},
          element("th", { scope: "col" }, "Class"),
          ...heads,
          element("th", { scope: "col" }, "Right − left"),
        ),
      ),
      body,
    ),
  );
  /** @type {Row[]} */
  let rows = [];
  /** @type {ArrayLike<number>[]} */
  let clean = [[], []];
  /** @type {(ArrayLike<number> | null)[]} */
  let changed = [null, null];
  let isOutput = [false, false];

  function paint() {
    for (const { index, cells, apart } of rows) {
      const values = index.map((at, i) => (at < 0 ? NaN : (changed[i] ?? clean[i])[at]));
      for (const [i, value] of values.entries()) {
        const write = isOutput[i] ? digits : percent;
        cells[i].textContent = Number.isNaN(value) ? "–" : write(value);
        const share = isOutput[i] || Number.isNaN(value) ? 0 : value;
        cells[i].style.setProperty("--share", String(share));
      }
      const difference = values[1] - values[0];
      if (Number.isNaN(difference) || isOutput[0] !== isOutput[1]) apart.textContent = "–";
      else if (isOutput[0]) apart.textContent = signed(digits(Math.abs(difference)), difference);
      else {
        const points = (100 * Math.abs(difference)).toFixed(1);
        apart.textContent = `${signed(points, Number(points) && difference)} points`;
      }
    }
    body.dataset.mark = changed.map((each) => (each ? "patch" : "photo")).join(" ");
  }

  return {
    element: place,
    /**
     * @param {Pair} pair
     * @param {Answer[]} answers Predictions of both sides.
     * @param {string[][]} names
     * @param {string} target
     */
    update({ link }, answers, names, target) {
      clean = answers.map(({ arrays }) => arrays.probabilities.data);
      isOutput = answers.map(({ kind }, i) => kind === "linear" && clean[i].length === 1);
      const chosen = classesOf(target, clean[0]) ?? [];
      const left = highest(clean[0], TOP);
      for (const each of chosen) if (!left.includes(each)) left.push(each);
      const listed = left.map((at) => [at, link.classOf(at)]);
      for (const at of highest(clean[1], TOP)) {
        const back = link.classBack(at);
        if (back < 0 || !left.includes(back)) listed.push([back, at]);
      }
      const best = (/** @type {number[]} */ index) =>
        Math.max(...index.map((at, i) => (at < 0 ? 0 : clean[i][at])));
      listed.sort((a, b) => best(b) - best(a));
      rows = listed.map((index) => rowOf(index, names, chosen[0]));
      body.replaceChildren(...rows.map((row) => row.element));
      sentence.textContent = link.sentence;
      sentence.hidden = !link.sentence;
      changed = [null, null];
      paint();
    },
    /**
     * Show the probabilities of a changed photo on one side; null: those of the photo itself.
     * @param {number} side
     * @param {ArrayLike<number> | null} probabilities
     */
    show(side, probabilities) {
      if (probabilities && probabilities.length !== clean[side].length) return;
      changed[side] = probabilities;
      paint();
    },
  };
}

function signed(/** @type {string} */ text, /** @type {number} */ value) {
  return value < 0 ? `−${text}` : value > 0 ? `+${text}` : text;
}

/** @returns {Row} */
function rowOf(
  /** @type {number[]} */ index,
  /** @type {string[][]} */ names,
  /** @type {number | undefined} */ chosen,
) {
  const [left, right] = index;
  const name = left >= 0 ? names[0][left] : names[1][right];
  const title =
    left >= 0
      ? element(
          "button",
          {
            type: "button",
            "aria-pressed": String(left === chosen),
            title: `Explain ${name} on both sides`,
            onclick: () => change({ target: String(left) }),
          },
          name,
        )
      : name;
  const cells = index.map(() => element("td", { class: "share" }));
  const apart = element("td", { class: "apart" });
  return {
    element: element("tr", {}, element("th", { scope: "row" }, title), ...cells, apart),
    index,
    cells,
    apart,
  };
}
