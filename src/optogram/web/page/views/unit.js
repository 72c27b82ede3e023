// A unit: its map over the photo, what it sees, its arithmetic, what it causes, what activates it.

import { createAlone } from "../away/alone.js";
import { SIGNED, colored, faded, paint, picture, rangeOf } from "../colors.js";
import { digits, element, progressBar, refusal, say } from "../elements.js";
import { NO_LAYERS, createChooser, isTyping, layerOf, networkOf, toUnit } from "../layers.js";
import { change, state } from "../state.js";
import { createArithmetic } from "../units/arithmetic.js";
import { histogram } from "../units/histogram.js";
import { createMaking } from "../units/making.js";
import { unitPanels } from "../units/panels.js";
import { createPixel } from "../units/pixel.js";
import { overPhotoControls } from "../units/over_photo.js";
import { Screen } from "../units/screens.js";
import { createSlider } from "../units/slider.js";
import { ask } from "../wire.js";

/**
 * @typedef {import("../wire.js").Answer} Answer
 * @typedef {import("../units/screens.js").Cell} Cell
 */

/** @returns {import("../main.js").View} */
export function create(/** @type {import("../main.js").Context} */ context) {
  const chooser = createChooser(context);
  const number = element("input", {
    type: "number",
    min: 0,
    "aria-label": "Number of the filter",
    onchange: () => go(Number(number.value)),
  });
  const all = element("button", { type: "button", onclick: () => change({ view: "layer" }) }, "All maps");
  const step = (/** @type {string} */ text, /** @type {string} */ title, /** @type {number} */ by) =>
    element(
      "button",
      { type: "button", title, "aria-label": title, onclick: () => go(filter() + by) },
      text,
    );
  const { opacity, cmap } = overPhotoControls();
  const photo = new Screen("The photo. Arrow keys move over it: the units it activates are listed.", {
    point: overPhoto,
  });
  const map = new Screen(
    "The map. Arrow keys move over it: the part of the photo that it sees is framed; Enter chooses.",
    { point: overMap, leave: () => overMap(null), choose: chooseCell },
  );
  const here = element("p", { class: "quiet here" });
  const about = element("p", { class: "quiet" });
  const bar = progressBar("Computing the map…");
  bar.element.hidden = true;
  const trouble = element("div");
  const pixel = createPixel({
    asked: () => asked(),
    point: ([row, column]) => map.box("pointed", [row, column, row + 1, column + 1]),
    open: (one) => go(one),
  });
  const arithmetic = createArithmetic(() => alone.update());
  const slider = createSlider(() => layer, () => alone.update());
  const making = createMaking(() => layer, () => alone.update());
  const screens = element(
    "section",
    { class: "panel screens", "aria-label": "Map and photo" },
    element("figure", {}, photo.element, element("figcaption", {}, "Photo and map")),
    element("figure", {}, map.element, element("figcaption", {}, "Map: click an element")),
    here,
    element(
      "div",
      { class: "buttons" },
      element("label", {}, "Opacity ", opacity),
      element("label", {}, "Color map ", cmap),
    ),
  );
  const bins = element("div");
  const counted = element(
    "section",
    { class: "panel", "aria-label": "Histogram" },
    element("h2", {}, "Histogram"),
    bins,
  );
  const work = element(
    "div",
    { class: "panels" },
    screens,
    slider.element,
    pixel.element,
    making.pattern,
    making.crops,
    arithmetic.element,
    arithmetic.weights,
    counted,
  );
  const root = element(
    "section",
    { class: "unit", "aria-label": "Unit" },
    element(
      "div",
      { class: "tools" },
      chooser.element,
      element("label", {}, "Filter ", number),
      step("‹", "Previous filter (,)", -1),
      step("›", "Next filter (.)", 1),
      all,
    ),
    about,
    bar.element,
    trouble,
    work,
  );

  const panels = unitPanels(
    { screens, counted, pixel, slider, arithmetic, making },
    () => `${layer}-${filter()}`,
    () => found && { answer: found, given: asked() },
  );
  const alone = createAlone(root, panels);
  root.append(alone.takeaway);
  work.before(alone.back);

  let layer = "";
  let unitKey = "";
  let photoKey = "";
  let cellKey = "";
  let choosing = "";
  let asking = new AbortController();
  const leaving = new AbortController();
  /** @type {Answer | null} */
  let found = null;

  const filter = () => Math.max(0, Math.floor(Number(state().filter)) || 0);
  const asked = () => ({
    model: state().model,
    photo: state().photo,
    layer,
    filter: filter(),
  });

  function go(/** @type {number} */ wanted) {
    const last = found ? found.filters - 1 : Infinity;
    const next = Math.max(0, Math.min(last, wanted || 0));
    number.value = String(next);
    if (next === filter()) return;
    change(toUnit(layer, next));
    say(`Filter ${next}`);
  }

  const key = (/** @type {KeyboardEvent} */ event) => {
    if (isTyping(event)) return;
    if (event.key === ".") go(filter() + 1);
    else if (event.key === ",") go(filter() - 1);
  };
  document.addEventListener("keydown", key);

  async function loadPhoto() {
    const { model, photo: id } = state();
    try {
      const { pixels } = (await ask("prepared", { model, photo: id })).arrays;
      if (photoKey !== `${model} ${id}`) return;
      const size = pixels.shape.slice(0, 2);
      paint(photo.below, picture(pixels));
      photo.resize(size, Math.max(1, Math.round(Math.min(...size) / 16)));
    } catch (error) {
      trouble.replaceChildren(refusal(error));
    }
  }

  async function load() {
    asking.abort();
    asking = new AbortController();
    const { signal } = asking;
    bar.element.hidden = false;
    try {
      const answer = await ask("unit_map", asked(), { signal });
      if (signal.aborted) return;
      found = answer;
      trouble.replaceChildren();
      work.hidden = false;
      const [height, width] = answer.arrays.map.shape;
      number.max = String(answer.filters - 1);
      about.textContent = `${answer.kind}: filter ${filter()} of 0–${answer.filters - 1}, map of ${height}×${width}.`;
      map.resize([height, width]);
      pixel.clear();
      photo.box("pixel", null);
      bins.replaceChildren(histogram(answer.arrays.counts.data, answer.arrays.edges.data));
      draw();
      update(state());
    } catch (error) {
      if (signal.aborted) return;
      found = null;
      work.hidden = true;
      about.textContent = "";
      trouble.replaceChildren(refusal(error));
    }
    bar.element.hidden = true;
  }

  function draw() {
    if (!found) return;
    const { map: values, over } = found.arrays;
    const range = rangeOf(values.data, found.is_signed);
    const name = found.is_signed ? SIGNED : state().cmap;
    paint(map.below, colored(values.data, values.shape[1], values.shape[0], name, range));
    const image = colored(over.data, over.shape[1], over.shape[0], name, range);
    paint(photo.above, state().blend === "even" ? image : faded(image, over.data, range));
    photo.above.style.setProperty("opacity", state().opacity);
  }

  /** Choose the filter whose map is strongest: none was named. */
  async function chooseStrongest() {
    const { model, photo: id } = state();
    const wanted = { model, photo: id, layer };
    const key = JSON.stringify(wanted);
    if (key === choosing) return;
    choosing = key;
    bar.element.hidden = false;
    let strongest = 0;
    try {
      strongest = (await ask("layer_maps", wanted, { signal: leaving.signal })).arrays.by_strength.data[0];
    } catch {
      // Without maps, the question for filter 0 is refused in a sentence.
    }
    choosing = "";
    const now = state();
    const isWanted = JSON.stringify({ model: now.model, photo: now.photo, layer }) === key;
    if (leaving.signal.aborted || now.filter !== "") return;
    if (isWanted) change({ filter: String(strongest) }, { replace: true });
    else chooseStrongest();
  }

  /** The element that was chosen, else the highest. @returns {Cell} */
  function cell() {
    const given = state().cell.split(",").map(Number);
    const { highest, arrays } = /** @type {Answer} */ (found);
    const isCell =
      given.length === 2 &&
      given.every((place, axis) => Number.isInteger(place) && place >= 0 && place < arrays.map.shape[axis]);
    return isCell ? /** @type {Cell} */ (given) : highest;
  }

  /** The part of the photo that an element sees: top, left, bottom, right. */
  function fieldOf(/** @type {Cell} */ [row, column]) {
    const { field_rows: rows, field_columns: columns } = /** @type {Answer} */ (found).arrays;
    return [rows.data[2 * row], columns.data[2 * column], rows.data[2 * row + 1], columns.data[2 * column + 1]];
  }

  function overMap(/** @type {Cell | null} */ pointed) {
    if (!found) return;
    const at = pointed ?? cell();
    const field = fieldOf(at);
    const [row, column] = at;
    map.box("pointed", [row, column, row + 1, column + 1]);
    photo.box("field", field);
    const value = found.arrays.map.data[row * found.arrays.map.shape[1] + column];
    const [top, left, bottom, right] = field;
    here.textContent =
      `Row ${row}, column ${column}: ${digits(value)}. It can depend on rows ` +
      `${top}–${bottom - 1} and columns ${left}–${right - 1} of the photo.`;
  }

  function chooseCell(/** @type {Cell} */ at) {
    change({ cell: at.join(",") }, { replace: true });
  }

  function overPhoto(/** @type {Cell} */ [y, x]) {
    photo.box("pixel", [y, x, y + 1, x + 1]);
    pixel.look([y, x]);
  }

  function update(/** @type {Readonly<Record<string, string>>} */ now) {
    if (!now.photo) return;
    if (networkOf(context, now).is_opaque) {
      work.hidden = true;
      trouble.replaceChildren(element("p", {}, NO_LAYERS));
      return;
    }
    layer = layerOf(context, now);
    chooser.update();
    alone.update();
    if (now.filter === "") {
      chooseStrongest();
      return;
    }
    if (document.activeElement !== number) number.value = String(filter());
    if (document.activeElement !== opacity) opacity.value = now.opacity;
    cmap.value = now.cmap;
    if (photoKey !== `${now.model} ${now.photo}`) {
      photoKey = `${now.model} ${now.photo}`;
      loadPhoto();
    }
    const wanted = JSON.stringify(asked());
    if (wanted !== unitKey) {
      unitKey = wanted;
      cellKey = "";
      found = null;
      load();
      return;
    }
    if (!found) return;
    draw();
    slider.update();
    making.update();
    alone.update();
    const [row, column] = cell();
    map.box("chosen", [row, column, row + 1, column + 1]);
    const chosen = `${wanted} ${row} ${column}`;
    if (chosen === cellKey) return;
    cellKey = chosen;
    map.at = [row, column];
    overMap(null);
    arithmetic.show(asked(), [row, column]);
  }

  return {
    element: root,
    update,
    destroy() {
      pixel.destroy();
      asking.abort();
      leaving.abort();
      arithmetic.destroy();
      chooser.destroy();
      slider.destroy();
      making.destroy();
      document.removeEventListener("keydown", key);
    },
  };
}
