// The photo with the patch, twice: where one is dragged, the other goes too.

import { classesOf, highestOf, scoreOf, targetName } from "../classes.js";
import { element } from "../elements.js";
import { FILLS, fillOf, sideOf, usualSide } from "../patch/asked.js";
import { sizesFor } from "../patch/controls.js";
import { change, state } from "../state.js";
import { PatchEnd } from "./patch_end.js";
import { targetOn } from "./sides.js";

/**
 * @typedef {import("../wire.js").Answer} Answer
 * @typedef {import("./cross.js").Place} Place
 * @typedef {import("./sides.js").Pair} Pair
 */

/**
 * @param {(side: number, probabilities: ArrayLike<number> | null) => void} show
 *   Gets the probabilities with the patch.
 */
export function createPatches(show) {
  /** @type {PatchEnd[]} */
  const ends = [0, 1].map(
    (i) =>
      new PatchEnd({
        name: ["Left", "Right"][i],
        move: (place, isLast) => move(place, isLast),
        point: (place) => point(place),
        resize: (steps) => resize(sizes.indexOf(nearestSize()) + steps),
        refill: () => change({ fill: FILLS[(FILLS.indexOf(fillOf()) + 1) % 3] }, { replace: true }),
        lift: () => lift(),
        clear: () => clear(),
        measured: (probabilities) => show(i, center ? probabilities : null),
        ready: () => update(),
      }),
  );
  const slider = element("input", {
    type: "range",
    min: 0,
    step: 1,
    "aria-label": "Size of the patch",
    oninput: () => resize(Number(slider.value)),
  });
  const sizeOf = element("output", {});
  const fills = element(
    "select",
    { onchange: () => change({ fill: fills.value }, { replace: true }) },
    ...FILLS.map((one) => element("option", { value: one }, one)),
  );
  const lifting = element("button", { type: "button", onclick: () => lift() }, "Lift the patch");
  const clearing = element("button", { type: "button", onclick: () => clear() }, "Clear trails");
  const explained = element("p", { class: "quiet" });
  const tools = element(
    "div",
    { class: "tools" },
    element("label", {}, "Size ", slider, sizeOf),
    element("label", {}, "Fill ", fills),
    lifting,
    clearing,
    explained,
  );

  let sizes = [1];
  /** @type {Place | null} */
  let center = null;
  let placeShown = "";
  /** @type {Pair | null} */
  let pair = null;
  /** @type {Answer[]} */
  let answers = [];
  /** @type {string[][]} */
  let names = [];

  const size = () => ends[0].size;
  const side = () => sideOf(size());
  const nearestSize = () =>
    sizes.reduce((best, one) => (Math.abs(one - side()) < Math.abs(best - side()) ? one : best));

  function resize(/** @type {number} */ index) {
    const one = sizes[Math.max(0, Math.min(sizes.length - 1, index))];
    change({ patch: one === usualSide(size()) ? "" : String(one) }, { replace: true });
  }

  function move(/** @type {Place} */ place, /** @type {boolean} */ isLast) {
    center = place;
    for (const end of ends) end.move(place);
    if (!isLast) return;
    placeShown = place.map((part, axis) => Math.round(part * size()[axis])).join(",");
    change({ place: placeShown }, { replace: true });
  }

  function lift() {
    center = null;
    placeShown = "";
    for (const end of ends) end.move(null);
    for (const i of [0, 1]) show(i, null);
    change({ place: "" }, { replace: true });
  }

  function clear() {
    for (const end of ends) end.clear();
  }

  function point(/** @type {Place | null} */ place) {
    for (const end of ends) end.point(place);
  }

  function update() {
    if (!pair || !ends[0].size[0]) return;
    const now = state();
    sizes = sizesFor(Math.min(...size()));
    slider.max = String(sizes.length - 1);
    slider.value = String(sizes.indexOf(nearestSize()));
    sizeOf.textContent = `${side()} px`;
    fills.value = fillOf();
    const share = side() / Math.min(...size());
    const isUsual = side() === usualSide(size());
    const targets = [now.target, targetOn(pair.link, now.target)];
    const said = ends.map((end, i) => {
      if (!end.size[0]) return "";
      const { data } = answers[i].arrays.probabilities;
      const clean = answers[i].arrays.scores.data;
      const classes = classesOf(targets[i] ?? "", data) ?? [highestOf(data)];
      const before = scoreOf(classes, clean);
      end.explain((after) => before - scoreOf(classes, after));
      end.stage.trail.style.setProperty("opacity", now.opacity);
      end.prepare(isUsual ? usualSide(end.size) : share * Math.min(...end.size), fillOf());
      return targetName(classes, names[i]);
    });
    explained.textContent =
      said[0] === said[1] || !said[1]
        ? `Colors: how far the score of ${said[0]} falls (red) or rises (blue).`
        : `Colors: fall (red) or rise (blue) of the score of ${said[0]} (left), ${said[1]} (right).`;
    if (now.place !== placeShown) {
      placeShown = now.place;
      const [row, column] = now.place.split(",").map(Number);
      if (Number.isFinite(row) && Number.isFinite(column)) {
        const fraction = (/** @type {number} */ at, /** @type {number} */ of) =>
          Math.max(0, Math.min(1, at / of));
        move([fraction(row, size()[0]), fraction(column, size()[1])], false);
      } else if (center) lift();
    }
  }

  return {
    tools,
    elements: ends.map((end) => end.element),
    /** @param {Pair} given @param {Answer[]} predicted @param {string[][]} named */
    update(given, predicted, named) {
      pair = given;
      answers = predicted;
      names = named;
      for (const [i, end] of ends.entries()) end.load(given.sides[i]);
      update();
    },
    /** What is shown, for a picture. */
    pictures: () => ends.map((end) => end.stage.layers()),
    destroy() {
      for (const end of ends) end.destroy();
      for (const i of [0, 1]) show(i, null);
    },
  };
}
