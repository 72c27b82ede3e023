// A layer: all its maps at once, in an order that can be chosen, and what a patch changes in them.

import { createAlone } from "../away/alone.js";
import { classesOf, classNames, predictionsOf, targetName } from "../classes.js";
import { colorNames } from "../colors.js";
import { digits, element, onceAFrame, progressBar, refusal } from "../elements.js";
import { NO_LAYERS, createChooser, layerOf, networkOf, toUnit } from "../layers.js";
import { change, state } from "../state.js";
import { createCover } from "../units/cover.js";
import { Mosaic } from "../units/mosaic.js";
import { mapsTaken } from "../units/panels.js";
import { ask } from "../wire.js";

/** @typedef {import("../wire.js").Answer} Answer */

const ORDERS = {
  number: "Number",
  strength: "Strength: mean value",
  contrast: "Contrast: deviation",
  target: "Effect on the class",
  change: "Change by the patch",
};

/** @returns {import("../main.js").View} */
export function create(/** @type {import("../main.js").Context} */ context) {
  const chooser = createChooser(context);
  const about = element("p", { class: "quiet about" });
  const here = element("p", { class: "quiet here" }, "Point at a map; click it to open the filter.");
  const trouble = element("div");
  const bar = progressBar("Computing the maps…");
  bar.element.hidden = true;
  const mosaic = new Mosaic({
    point,
    open: (map) => change(toUnit(layer, map)),
  });
  const cover = createCover((answer, given) => {
    [covered, coveredBy] = [answer, given ?? {}];
    redraw();
  });
  const order = choose("Order", "order", Object.entries(ORDERS));
  const range = choose("Colors", "range", [
    ["each", "each map its own range"],
    ["common", "one range for all"],
  ]);
  const cmap = choose(
    "Color map",
    "cmap",
    colorNames().map((name) => [name, name]),
  );
  const differ = element("input", {
    type: "checkbox",
    onchange: () => change({ differ: differ.checked ? "1" : "" }, { replace: true }),
  });
  const number = element("input", {
    type: "number",
    min: 0,
    "aria-label": "Find a filter by its number",
    oninput: () => find(),
    onkeydown: (/** @type {KeyboardEvent} */ event) => {
      if (event.key === "Enter" && find()) change(toUnit(layer, Number(number.value)));
    },
  });
  const beside = element(
    "div",
    { class: "beside" },
    cover.element,
    element("label", {}, differ, " Show only what the patch changes"),
  );
  const maps = element(
    "section",
    { class: "maps", "aria-label": "Maps" },
    here,
    mosaic.element,
  );
  const work = element("div", { class: "halves" }, beside, maps);
  const root = element(
    "section",
    { class: "layer", "aria-label": "Layer" },
    element(
      "div",
      { class: "tools" },
      chooser.element,
      order.label,
      range.label,
      cmap.label,
      element("label", {}, "Find filter ", number),
    ),
    about,
    bar.element,
    trouble,
    work,
  );
  const alone = createAlone(root, [{ name: "maps", element: maps, taken }], [beside]);
  root.append(alone.takeaway);
  work.before(alone.back);

  let layer = "";
  let mapsKey = "";
  let cleanKey = "";
  let targetKey = "";
  let asking = new AbortController();
  let ranking = new AbortController();
  /** @type {Answer | null} */
  let clean = null;
  /** @type {Answer | null} With the patch. */
  let covered = null;
  /** @type {Answer | null} */
  let contributions = null;
  /** @type {Record<string, string | number>} What the maps with the patch were asked with. */
  let coveredBy = {};
  let rankedBy = "";
  const redraw = onceAFrame(draw);

  /**
   * @param {string} title
   * @param {string} name Of a property of the state.
   * @param {string[][]} options
   */
  function choose(title, name, options) {
    const select = element(
      "select",
      { onchange: () => change({ [name]: select.value }, { replace: true }) },
      ...options.map(([value, text]) => element("option", { value }, text)),
    );
    return { select, label: element("label", {}, `${title} `, select) };
  }

  function find() {
    const isThere = number.value !== "" && mosaic.find(Number(number.value));
    if (isThere) point({ map: Number(number.value), row: 0, column: 0 });
    return isThere;
  }

  async function load() {
    const { model, photo } = state();
    const asked = layer;
    asking.abort();
    asking = new AbortController();
    const { signal } = asking;
    bar.element.hidden = false;
    try {
      const answer = await ask("layer_maps", { model, photo, layer: asked }, { signal });
      if (signal.aborted) return;
      clean = answer;
      cleanKey = `${photo} ${asked}`;
      covered = null;
      contributions = null;
      targetKey = "";
      trouble.replaceChildren();
      work.hidden = false;
      const [height, width, count] = answer.shape;
      number.max = String(count - 1);
      const shrunk = answer.factor > 1 ? `, shown by averages over ${answer.factor}×${answer.factor}` : "";
      about.textContent = `${answer.kind}: ${count} maps of ${height}×${width}${shrunk}.`;
      cover.update(layer);
      rank();
      redraw();
    } catch (error) {
      if (signal.aborted) return;
      clean = null;
      work.hidden = true;
      about.textContent = "";
      trouble.replaceChildren(refusal(error));
    }
    bar.element.hidden = true;
  }

  /** Ask how much each map contributes to the class that is explained, where that is the order. */
  async function rank() {
    const { model, photo, target, order } = state();
    const key = `${mapsKey} ${target}`;
    if (order !== "target" || key === targetKey || !clean) return;
    targetKey = key;
    ranking.abort();
    ranking = new AbortController();
    const { signal } = ranking;
    bar.element.hidden = false;
    try {
      const [answer, names] = await Promise.all([predictionsOf(model, photo), classNames(model)]);
      const classes = classesOf(target, answer.arrays.probabilities.data);
      const wanted = classes ? classes.join("-") : target;
      const found = await ask(
        "map_contributions",
        { model, photo, layer, target: wanted },
        { signal },
      );
      if (signal.aborted) return;
      [contributions, rankedBy] = [found, wanted];
      const name = classes ? targetName(classes, names) : target;
      trouble.replaceChildren(
        element(
          "p",
          { class: "quiet" },
          `Order: how much each map moves the score of ${name} (Σ |gradient × deviation of the map from its mean|).`,
        ),
      );
      redraw();
    } catch (error) {
      if (!signal.aborted) trouble.replaceChildren(refusal(error));
    }
    if (!signal.aborted) bar.element.hidden = true;
  }

  function draw() {
    if (!clean) return;
    const now = state();
    const isDifference = now.differ !== "" && covered !== null;
    const { maps } = (covered ?? clean).arrays;
    if (maps.shape[0] !== clean.arrays.maps.shape[0]) return;
    mosaic.show(maps, {
      order: ordered(now.order),
      cmap: now.cmap,
      isSigned: isDifference || clean.is_signed,
      isCommon: now.range === "common" || isDifference,
      // With a patch the colors stay what they were: what moves are the numbers.
      ranges: isDifference ? maps : clean.arrays.maps,
    });
    mosaic.element.dataset.shown = cleanKey;
    mosaic.element.dataset.order = now.order === "target" && !contributions ? "" : now.order;
    mosaic.element.dataset.mark = covered ? `${covered.y},${covered.x}` : "";
    alone.update();
  }

  function taken() {
    if (!clean) return "The maps are on their way.";
    const { model, photo, order } = state();
    const isRanked = order === "target" && contributions !== null;
    return mapsTaken(
      mosaic.canvas,
      { model, photo, layer },
      { answer: clean, given: {} },
      isRanked ? { answer: contributions, given: { target: rankedBy } } : null,
      covered && { answer: covered, given: coveredBy },
    );
  }

  /** @returns {ArrayLike<number>} */
  function ordered(/** @type {string} */ order) {
    const { arrays } = /** @type {Answer} */ (clean);
    if (order === "strength") return arrays.by_strength.data;
    if (order === "contrast") return arrays.by_contrast.data;
    if (order === "target" && contributions) return contributions.arrays.order.data;
    if (order === "change" && covered) return covered.arrays.by_change.data;
    return Array.from({ length: arrays.maps.shape[0] }, (_, i) => i);
  }

  function point(/** @type {import("../units/mosaic.js").Pointed | null} */ at) {
    if (!at || !clean) {
      here.textContent = "Point at a map; click it to open the filter.";
      return;
    }
    const { low = [], high = [] } = mosaic.maps;
    const { factor } = clean;
    const effects = contributions?.arrays.contributions.data;
    here.textContent =
      `Filter ${at.map}, row ${at.row * factor}, column ${at.column * factor}: ` +
      `${digits(mosaic.value(at))}; its range: ${digits(low[at.map])} to ${digits(high[at.map])}` +
      (effects && state().order === "target" ? `; effect ${digits(effects[at.map])}` : "") +
      ".";
  }

  return {
    element: root,
    update(now) {
      if (!now.photo) return;
      if (networkOf(context, now).is_opaque) {
        work.hidden = true;
        trouble.replaceChildren(element("p", {}, NO_LAYERS));
        return;
      }
      layer = layerOf(context, now);
      chooser.update();
      alone.update();
      order.select.value = now.order;
      range.select.value = now.range;
      cmap.select.value = now.cmap;
      differ.checked = now.differ !== "";
      const key = `${now.model} ${now.photo} ${layer}`;
      if (key !== mapsKey) {
        mapsKey = key;
        load();
        return;
      }
      cover.update(layer);
      rank();
      redraw();
    },
    destroy() {
      asking.abort();
      ranking.abort();
      chooser.destroy();
      cover.destroy();
      mosaic.destroy();
    },
  };
}
