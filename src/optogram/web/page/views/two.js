// Two: the same view of two photos, or of two networks, side by side; the units that differ most.

import { classNames, predictionsOf } from "../classes.js";
import { element, refusal } from "../elements.js";
import { createChooser } from "../layers.js";
import { titleOf } from "../networks.js";
import { savePicture } from "../saving.js";
import { change, state } from "../state.js";
import { createChoosers } from "../two/choosers.js";
import { createMaps } from "../two/maps.js";
import { createPatches } from "../two/patch.js";
import { pictureOfBoth } from "../two/picture.js";
import { createTable } from "../two/predictions.js";
import { pairOf, partnerOf, swapped } from "../two/sides.js";
import { createUnit } from "../two/unit.js";
import { createUnits } from "../two/units.js";
import { createWhy } from "../two/why.js";
import { photos } from "../wire.js";

/** @typedef {import("../two/sides.js").Pair} Pair */

/** @type {[name: string, title: string][]} */
const SHOWN = [
  ["patch", "Patch"],
  ["why", "Why"],
  ["maps", "Maps"],
  ["unit", "Unit"],
];
const ALONE =
  "There is one photo and one network. Add a second photo beside this view, or start the explorer " +
  "with two networks: optogram explore photo.jpg --model first.keras --model second.keras";

/** @returns {import("../main.js").View} */
export function create(/** @type {import("../main.js").Context} */ context) {
  const choosers = createChoosers(context);
  const tabs = SHOWN.map(([name, title]) =>
    element("button", { type: "button", onclick: () => change({ show: name }) }, title),
  );
  const layers = createChooser(context);
  const layer2 = element("select", {
    onchange: () => change({ layer2: layer2.value }),
  });
  const beside = element("label", {}, "Right layer ", layer2);
  const button = (/** @type {string} */ text, /** @type {() => void} */ onclick) =>
    element("button", { type: "button", onclick }, text);
  const swap = button("Swap sides", () => pair && change(swapped(state(), pair)));
  const save = button("Save PNG", () => savePair());
  const toolPlace = element("div");
  const places = [element("div"), element("div")];
  const ends = element(
    "div",
    { class: "ends" },
    ...places.map((place, i) =>
      element("div", { class: "side" }, choosers.elements[i], place),
    ),
  );
  const table = createTable();
  const units = createUnits();
  const trouble = element("div");
  const work = element(
    "div",
    { class: "work" },
    element(
      "div",
      { class: "tools" },
      element("div", { class: "buttons", role: "group", "aria-label": "Shown on both sides" }, ...tabs),
      layers.element,
      beside,
      swap,
      save,
    ),
    toolPlace,
    ends,
    element("div", { class: "below" }, table.element, units.element),
    element(
      "details",
      {},
      element("summary", {}, "Keys"),
      element(
        "p",
        {},
        "Arrow keys move the patch, or the place that is read, on both sides. With a patch: + and −: " +
          "size; f: fill; c: clear the trails; Escape: lift it. Maps: arrow keys go from map to map, " +
          "Enter opens the unit. n and p: next and previous layer; period and comma: next and " +
          "previous filter. A click with Shift on a photo of the strip puts it on the right.",
      ),
    ),
  );
  const root = element("section", { class: "two", "aria-label": "Two" }, trouble, work);

  /** @type {import("../wire.js").Photo[]} */
  let known = [];
  let photoKnown = "";
  /** @type {Pair | null} */
  let pair = null;
  /** @type {ReturnType<typeof createPatches> | ReturnType<typeof createWhy> | ReturnType<typeof createMaps> | ReturnType<typeof createUnit> | null} */
  let shown = null;
  let shownName = "";
  let tableKey = "";
  let isThere = true;

  function choose(/** @type {string} */ name) {
    if (name === shownName) return;
    shownName = name;
    shown?.destroy();
    const made = { why: createWhy, maps: createMaps, unit: createUnit }[name];
    shown = made ? made() : createPatches((side, numbers) => table.show(side, numbers));
    toolPlace.replaceChildren(shown.tools);
    for (const [i, place] of places.entries()) place.replaceChildren(shown.elements[i]);
    ends.dataset.show = name;
  }

  function showLayers(/** @type {Pair} */ { sides: [, right], link }, /** @type {string} */ name) {
    const hasLayers = name === "maps" || name === "unit" || state().within === "layer";
    layers.element.hidden = !hasLayers;
    layers.update();
    beside.hidden = !hasLayers || link.isSameNetwork;
    if (beside.hidden) return;
    layer2.replaceChildren(
      element("option", { value: "" }, "(corresponding)"),
      ...right.network.map_layers.map((each) => element("option", { value: each }, each)),
    );
    layer2.value = state().layer2;
  }

  function savePair() {
    if (!pair || !shown) return;
    const stacks = shown.pictures();
    if (stacks.length < 2) return;
    const titles = pair.sides.map(
      ({ network, name }) => `${titleOf(context.networks, network)}: ${name}`,
    );
    const name = pair.sides.map((side) => side.name.replace(/\.[^.]*$/, "")).join("-");
    savePicture(pictureOfBoth(stacks, titles, Number(state().opacity)), `${name}-${shownName}.png`);
  }

  async function update() {
    const now = state();
    if (!now.photo) return;
    try {
      // Photos may have come and gone.
      if (now.photo !== photoKnown || !known.some(({ id }) => id === now.photo2)) {
        known = await photos();
        photoKnown = now.photo;
      }
      if (!isThere || now !== state()) return;
      const partner = partnerOf(context, now, known);
      work.hidden = partner === undefined;
      if (partner === undefined) {
        trouble.replaceChildren(element("p", {}, ALONE));
        return;
      }
      if (partner) {
        change(partner, { replace: true });
        return;
      }
      const found = await pairOf(context, now, known);
      const [left, right] = found.sides;
      const [answers, names] = await Promise.all([
        Promise.all([left, right].map(({ model, photo }) => predictionsOf(model, photo))),
        Promise.all([left, right].map(({ model }) => classNames(model))),
      ]);
      if (!isThere || now !== state()) return;
      pair = found;
      trouble.replaceChildren();
      const name = SHOWN.some(([each]) => each === now.show) ? now.show : SHOWN[0][0];
      for (const [i, [each]] of SHOWN.entries()) {
        tabs[i].setAttribute("aria-pressed", String(each === name));
      }
      choosers.update(found, known);
      showLayers(found, name);
      const key = JSON.stringify([now.model, now.photo, now.model2, now.photo2, now.target]);
      if (key !== tableKey) {
        tableKey = key;
        table.update(found, answers, names, now.target);
      }
      choose(name);
      shown?.update(found, answers, names);
      units.update(found);
    } catch (error) {
      if (isThere) trouble.replaceChildren(refusal(error));
    }
  }

  return {
    element: root,
    update,
    destroy() {
      isThere = false;
      shown?.destroy();
      units.destroy();
      layers.destroy();
    },
  };
}
