// One unit on both sides: its map over the photo; the pointer on one shows the place on both.

import { SIGNED, colorNames, colored, paint, picture, rangeOf } from "../colors.js";
import { digits, element, progressBar, refusal, say } from "../elements.js";
import { NO_LAYERS, isTyping, toUnit } from "../layers.js";
import { addressOf, change, state } from "../state.js";
import { Screen } from "../units/screens.js";
import { ask } from "../wire.js";
import { Counterparts } from "./counterparts.js";
import { check, choice } from "./tools.js";

/**
 * @typedef {import("../wire.js").Answer} Answer
 * @typedef {import("../units/screens.js").Cell} Cell
 * @typedef {import("./sides.js").Pair} Pair
 */

export function createUnit() {
  const cmap = choice("Color map", "cmap", colorNames().map((name) => [name, name]));
  const apart = check("The same range of colors on both sides", "apart", ["1", ""]);
  const opacity = element("input", {
    type: "range",
    min: 0,
    max: 1,
    step: 0.05,
    oninput: () => change({ opacity: opacity.value }, { replace: true }),
  });
  const number = element("input", {
    type: "number",
    min: 0,
    onchange: () => go(Number(number.value)),
  });
  const step = (/** @type {string} */ text, /** @type {string} */ title, /** @type {number} */ by) =>
    element(
      "button",
      { type: "button", title, "aria-label": title, onclick: () => go(filter() + by) },
      text,
    );
  const note = element("p", { class: "quiet" });
  const tools = element(
    "div",
    { class: "tools" },
    element("label", {}, "Filter ", number),
    step("‹", "Previous filter (,)", -1),
    step("›", "Next filter (.)", 1),
    cmap.element,
    element("label", {}, "Opacity ", opacity),
    apart.element,
    note,
  );
  const ends = ["Left", "Right"].map((name, i) => {
    const screen = new Screen(`${name}: the map over the photo. Arrow keys move over it, on both sides.`, {
      point: (cell) => point(i, cell),
      leave: () => point(i, null),
    });
    screen.element.addEventListener("keydown", (event) => {
      if (!event.key.startsWith("Arrow")) return;
      const [left, right] = ends.map(({ reading }) => reading.textContent);
      say(`Left: ${left}. Right: ${right}.`);
    });
    const about = element("p", { class: "quiet" });
    const reading = element("p", { class: "reading" }, "\u00a0");
    const bar = progressBar("Computing the map…");
    const trouble = element("div");
    const link = element("a", {}, "This unit alone");
    const place = element(
      "div",
      { class: "end" },
      about,
      screen.element,
      reading,
      bar.element,
      trouble,
      link,
    );
    link.addEventListener("click", (event) => {
      if (event.ctrlKey || event.metaKey || event.shiftKey) return;
      event.preventDefault();
      change(alone(i));
    });
    const answer = /** @type {Answer | null} */ (null);
    return { screen, about, reading, bar, trouble, link, element: place, answer, key: "", photoKey: "", unit: 0 };
  });
  const counterparts = new Counterparts();
  const asking = new AbortController();
  let isThere = true;
  /** @type {Pair | null} */
  let pair = null;

  const filter = () => Math.max(0, Math.floor(Number(state().filter)) || 0);

  function go(/** @type {number} */ wanted) {
    const last = ends[0].answer ? ends[0].answer.filters - 1 : Infinity;
    change({ filter: String(Math.max(0, Math.min(last, wanted || 0))), cell: "", factor: "" });
  }
  const key = (/** @type {KeyboardEvent} */ event) => {
    if (isTyping(event)) return;
    if (event.key === ".") go(filter() + 1);
    else if (event.key === ",") go(filter() - 1);
  };
  document.addEventListener("keydown", key);

  /** The state that shows the unit of a side alone. */
  function alone(/** @type {number} */ i) {
    const { model, photo, layer } = /** @type {Pair} */ (pair).sides[i];
    return { ...toUnit(layer, ends[i].unit), model, photo };
  }

  async function load(/** @type {number} */ i, /** @type {number} */ unit) {
    const end = ends[i];
    const { model, photo, layer, network } = /** @type {Pair} */ (pair).sides[i];
    end.unit = unit;
    const wanted = `${model} ${photo} ${layer} ${unit}`;
    end.link.href = addressOf(alone(i));
    if (wanted === end.key) return;
    end.key = wanted;
    end.answer = null;
    end.about.textContent = "";
    end.trouble.replaceChildren();
    const isShown = !network.is_opaque && unit >= 0;
    end.bar.element.hidden = !isShown;
    end.screen.element.hidden = end.link.hidden = !isShown;
    if (!isShown) {
      const why = network.is_opaque ? NO_LAYERS : "No unit of this layer corresponds to that on the left.";
      end.trouble.replaceChildren(element("p", {}, why));
      return;
    }
    try {
      const { signal } = asking;
      const [answer, shown] = await Promise.all([
        ask("unit_map", { model, photo, layer, filter: unit }, { signal }),
        ask("prepared", { model, photo }, { signal }),
      ]);
      if (end.key !== wanted) return;
      end.answer = answer;
      const { pixels } = shown.arrays;
      paint(end.screen.below, picture(pixels));
      end.screen.resize(answer.arrays.map.shape);
      end.screen.element.style.setProperty("--ratio", String(pixels.shape[1] / pixels.shape[0]));
      const [low, high] = rangeOf(answer.arrays.map.data);
      end.about.textContent = `${layer}, filter ${unit}: ${digits(low)} to ${digits(high)}`;
      draw();
    } catch (error) {
      if (end.key !== wanted || asking.signal.aborted) return;
      end.trouble.replaceChildren(refusal(error));
    }
    end.bar.element.hidden = true;
  }

  function draw() {
    if (!isThere) return;
    const now = state();
    const known = /** @type {Answer[]} */ (ends.map(({ answer }) => answer).filter(Boolean));
    const isSigned = known.some(({ is_signed }) => is_signed);
    const ranges = known.map(({ arrays }) => rangeOf(arrays.map.data, isSigned));
    const both = [Math.min(...ranges.map(([low]) => low)), Math.max(...ranges.map(([, high]) => high))];
    for (const { answer, screen } of ends) {
      if (!answer) continue;
      const { map, over } = answer.arrays;
      const range = now.apart ? rangeOf(map.data, isSigned) : both;
      const [height, width] = over.shape;
      paint(screen.above, colored(over.data, width, height, isSigned ? SIGNED : now.cmap, range));
      screen.above.style.setProperty("opacity", now.opacity);
    }
  }

  function point(/** @type {number} */ side, /** @type {Cell | null} */ cell) {
    const from = ends[side].answer?.arrays.map.shape;
    for (const [i, { answer, screen, reading }] of ends.entries()) {
      if (!cell || !answer || !from) {
        screen.box("pointed", null);
        reading.textContent = "\u00a0";
        continue;
      }
      const { map } = answer.arrays;
      const [row, column] =
        i === side
          ? cell
          : cell.map((place, axis) => Math.floor(((place + 0.5) / from[axis]) * map.shape[axis]));
      screen.at = [row, column];
      screen.box("pointed", [row, column, row + 1, column + 1]);
      const value = map.data[row * map.shape[1] + column];
      reading.textContent = `Row ${row}, column ${column}: ${digits(value)}`;
    }
  }

  return {
    tools,
    elements: ends.map((end) => end.element),
    /** @param {Pair} given */
    async update(given) {
      pair = given;
      const now = state();
      for (const one of [cmap, apart]) one.update();
      if (document.activeElement !== number) number.value = String(filter());
      opacity.value = now.opacity;
      load(0, filter());
      const sentence = await counterparts.update(given, asking.signal);
      if (pair !== given || !isThere) return;
      const unit = counterparts.of(filter());
      const r = counterparts.isSame || unit < 0 ? null : counterparts.correlations[filter()];
      note.textContent = r === null ? sentence : `${sentence} Here r = ${digits(r)}.`;
      load(1, unit);
      draw();
    },
    pictures: () => ends.map(({ screen }) => [screen.below, screen.above]),
    destroy() {
      isThere = false;
      asking.abort();
      document.removeEventListener("keydown", key);
    },
  };
}
