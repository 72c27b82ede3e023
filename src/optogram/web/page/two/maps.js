// All maps of a layer on both sides; the map under the pointer is marked on the other side, too.

import { colorNames } from "../colors.js";
import { digits, element, progressBar, refusal } from "../elements.js";
import { NO_LAYERS } from "../layers.js";
import { change, state } from "../state.js";
import { Mosaic } from "../units/mosaic.js";
import { ask } from "../wire.js";
import { Counterparts } from "./counterparts.js";
import { check, choice } from "./tools.js";

/**
 * @typedef {import("../wire.js").Answer} Answer
 * @typedef {import("../wire.js").Array_} Array_
 * @typedef {import("../units/mosaic.js").Pointed} Pointed
 * @typedef {import("./sides.js").Pair} Pair
 */

const ORDERS = [
  ["number", "number"],
  ["strength", "mean on the left"],
  ["contrast", "deviation on the left"],
  ["change", "difference"],
];
const MOST = 500;

export function createMaps() {
  const order = choice("Order", "order", ORDERS);
  const cmap = choice("Color map", "cmap", colorNames().map((name) => [name, name]));
  const apart = check("The same range of colors on both sides", "apart", ["1", ""]);
  const note = element("p", { class: "quiet" });
  const tools = element("div", { class: "tools" }, order.element, cmap.element, apart.element, note);
  const ends = [0, 1].map((i) => {
    const mosaic = new Mosaic({
      point: (at) => point(i, at),
      open: (map) => open(i, map),
    });
    const bar = progressBar("Computing the maps…");
    const about = element("p", { class: "quiet" });
    const reading = element("p", { class: "reading" }, "\u00a0");
    const trouble = element("div");
    const place = element(
      "div",
      { class: "end" },
      about,
      reading,
      bar.element,
      trouble,
      mosaic.element,
    );
    const answer = /** @type {Answer | null} */ (null);
    return { mosaic, bar, about, reading, trouble, element: place, answer, key: "" };
  });
  /** @type {Pair | null} */
  let pair = null;
  let asking = new AbortController();
  let isThere = true;
  const counterparts = new Counterparts();
  let differKey = "";
  /** @type {number[]} */
  let differing = [];

  function open(/** @type {number} */ side, /** @type {number} */ map) {
    const left = side === 0 ? map : counterparts.back(map);
    if (left >= 0) change({ show: "unit", filter: String(left), cell: "", factor: "" });
  }

  async function load(/** @type {number} */ i) {
    const end = ends[i];
    const { model, photo, layer, network } = /** @type {Pair} */ (pair).sides[i];
    const key = `${model} ${photo} ${layer}`;
    if (key === end.key) return;
    end.key = key;
    end.answer = null;
    end.mosaic.element.hidden = true;
    end.about.textContent = "";
    end.trouble.replaceChildren();
    end.bar.element.hidden = network.is_opaque;
    if (network.is_opaque) {
      end.trouble.replaceChildren(element("p", {}, NO_LAYERS));
      return;
    }
    try {
      const answer = await ask("layer_maps", { model, photo, layer }, { signal: asking.signal });
      if (end.key !== key) return;
      end.answer = answer;
      const [height, width, count] = answer.shape;
      end.about.textContent = `${layer}: ${count} maps of ${height}×${width}`;
      end.mosaic.element.hidden = false;
      draw();
    } catch (error) {
      if (end.key !== key || asking.signal.aborted) return;
      end.trouble.replaceChildren(refusal(error));
    }
    end.bar.element.hidden = true;
  }

  /** Ask for the order by difference, where it is wanted and there is one. */
  async function rank() {
    const { sides, link } = /** @type {Pair} */ (pair);
    const { order, by } = state();
    const [left, right] = sides;
    if (order !== "change" || !counterparts.isSame || (link.isSameNetwork && link.isSamePhoto)) return;
    const given = {
      model: left.model,
      photo: left.photo,
      model2: right.model,
      photo2: right.photo,
      layer: left.layer,
      by: by || "first",
      count: MOST,
    };
    const key = JSON.stringify(given);
    if (key === differKey) return;
    differKey = key;
    differing = [];
    try {
      const answer = await ask("differing_units", given, { signal: asking.signal });
      if (differKey !== key) return;
      differing = answer.units.map((/** @type {{unit: number}} */ { unit }) => unit);
      draw();
    } catch (error) {
      if (differKey === key && !asking.signal.aborted) note.textContent = /** @type {Error} */ (error).message;
    }
  }

  function draw() {
    if (!pair || !isThere) return;
    const [left, right] = ends.map(({ answer }) => answer);
    const now = state();
    const isPaired = Boolean(left && right && counterparts.isSame);
    const isSigned = Boolean(left?.is_signed || right?.is_signed);
    for (const [i, { answer, mosaic }] of ends.entries()) {
      if (!answer) continue;
      const { maps } = answer.arrays;
      mosaic.show(maps, {
        order: orderOf(isPaired && left ? left : answer, now.order),
        cmap: now.cmap,
        isSigned: isPaired ? isSigned : answer.is_signed,
        isCommon: false,
        ranges:
          isPaired && left && right && !now.apart ? joined(left.arrays.maps, right.arrays.maps) : maps,
      });
      mosaic.element.dataset.order = now.order === "change" && !differing.length ? "" : now.order;
      mosaic.element.setAttribute("aria-label", `${i ? "Right" : "Left"}: ${mosaic.element.getAttribute("aria-label")}`);
    }
  }

  /** @returns {ArrayLike<number>} */
  function orderOf(/** @type {Answer} */ { arrays }, /** @type {string} */ order) {
    if (order === "strength") return arrays.by_strength.data;
    if (order === "contrast") return arrays.by_contrast.data;
    const all = Array.from({ length: arrays.maps.shape[0] }, (_, i) => i);
    if (order !== "change" || !counterparts.isSame) return all;
    return [...differing, ...all.filter((each) => !differing.includes(each))];
  }

  function point(/** @type {number} */ side, /** @type {Pointed | null} */ at) {
    const other = 1 - side;
    const map = at ? (side === 0 ? counterparts.of(at.map) : counterparts.back(at.map)) : -1;
    const [here, there] = [ends[side], ends[other]];
    here.mosaic.markAt(at);
    here.reading.textContent = at && here.answer ? readingOf(here, at) : "\u00a0";
    const shape = there.answer?.arrays.maps.shape;
    if (!at || map < 0 || !shape) {
      there.mosaic.markAt(null);
      there.reading.textContent = at ? "No unit corresponds." : "\u00a0";
      return;
    }
    const [, height, width] = here.mosaic.maps.shape;
    const place = {
      map,
      row: Math.min(shape[1] - 1, Math.floor(((at.row + 0.5) / height) * shape[1])),
      column: Math.min(shape[2] - 1, Math.floor(((at.column + 0.5) / width) * shape[2])),
    };
    there.mosaic.markAt(place);
    there.reading.textContent = readingOf(there, place);
  }

  function readingOf(/** @type {typeof ends[0]} */ { mosaic, answer }, /** @type {Pointed} */ at) {
    const { factor } = /** @type {any} */ (answer);
    return `Filter ${at.map}, row ${at.row * factor}, column ${at.column * factor}: ${digits(mosaic.value(at))}`;
  }

  return {
    tools,
    elements: ends.map((end) => end.element),
    /** @param {Pair} given */
    async update(given) {
      pair = given;
      const now = state();
      order.update(ORDERS.some(([name]) => name === now.order) ? now.order : "number");
      for (const one of [cmap, apart]) one.update();
      for (const i of [0, 1]) load(i);
      note.textContent = "";
      draw();
      const sentence = await counterparts.update(given, asking.signal);
      if (pair !== given || !isThere) return;
      note.textContent = sentence;
      rank();
      draw();
    },
    pictures: () => ends.map(({ mosaic }) => [mosaic.canvas]),
    destroy() {
      isThere = false;
      asking.abort();
      for (const { mosaic } of ends) mosaic.destroy();
    },
  };
}

/** The ranges of maps that are shown beside each other: of each, that of both. @returns {Array_} */
function joined(/** @type {Array_} */ one, /** @type {Array_} */ two) {
  const [low, high] = [one.low ?? [], one.high ?? []];
  return {
    ...one,
    low: low.map((each, i) => Math.min(each, two.low?.[i] ?? each)),
    high: high.map((each, i) => Math.max(each, two.high?.[i] ?? each)),
  };
}
