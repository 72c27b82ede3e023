// The photo beside the maps of a layer, with a patch that can be dragged: what it changes in them.

import { element, progressBar, refusal } from "../elements.js";
import { FILLS, fillOf, sideOf, usualSide } from "../patch/asked.js";
import { sizesFor } from "../patch/controls.js";
import { createStage } from "../patch/stage.js";
import { change, state } from "../state.js";
import { ask, latest } from "../wire.js";

/**
 * @typedef {import("../wire.js").Answer} Answer
 * @typedef {import("../patch/stage.js").Place} Place
 */

/** Milliseconds for which a size must be kept before a patch of that size is prepared. */
const PATIENCE = 150;

/**
 * The photo and the patch. `hear` gets the maps with the patch, and what was asked; null: there is
 * no patch.
 * @param {(answer: Answer | null, given: Record<string, any> | null) => void} hear
 */
export function createCover(hear) {
  const stage = createStage({
    move,
    point: () => {},
    resize: (steps) => resize(sizes.indexOf(nearestSize()) + steps),
    refill: () => change({ fill: FILLS[(FILLS.indexOf(fillOf()) + 1) % 3] }, { replace: true }),
    lift,
    clear: lift,
  });
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
    {
      "aria-label": "Fill of the patch",
      onchange: () => change({ fill: fills.value }, { replace: true }),
    },
    ...FILLS.map((one) => element("option", { value: one }, one)),
  );
  const lifting = element("button", { type: "button", onclick: lift }, "Lift the patch");
  const bar = progressBar("Preparing the patch");
  bar.element.classList.add("absent");
  const trouble = element("div");

  let layer = "";
  let photoKey = "";
  let probeKey = "";
  let readyKey = "";
  let placeShown = "";
  let timer = 0;
  let gone = new AbortController();
  let preparing = new AbortController();
  /** @type {number[]} */
  let size = [];
  let sizes = [1];
  /** @type {Place | null} */
  let center = null;

  const side = () => sideOf(size);
  const nearestSize = () =>
    sizes.reduce((best, one) => (Math.abs(one - side()) < Math.abs(best - side()) ? one : best));
  const asked = () => ({
    model: state().model,
    photo: state().photo,
    layer,
    patch: side(),
    fill: fillOf(),
  });

  async function loadPhoto() {
    const { model, photo } = state();
    gone.abort();
    gone = new AbortController();
    const { signal } = gone;
    size = [];
    try {
      const { pixels } = (await ask("prepared", { model, photo }, { signal })).arrays;
      size = pixels.shape.slice(0, 2);
      sizes = sizesFor(Math.min(...size));
      stage.setPhoto(pixels);
      trouble.replaceChildren();
      update(layer);
    } catch (error) {
      if (!signal.aborted) trouble.replaceChildren(refusal(error));
    }
  }

  /** Prepare a patch for the layer: once it is wanted, since it takes a moment. */
  function prepare() {
    const key = JSON.stringify(asked());
    if (key === probeKey) return;
    preparing.abort();
    preparing = new AbortController();
    const { signal } = preparing;
    probeKey = key;
    clearTimeout(timer);
    bar.show(0, 1, "Preparing the patch…");
    bar.element.classList.remove("absent");
    timer = setTimeout(async () => {
      try {
        const answer = await ask("layer_probe", asked(), { signal });
        if (signal.aborted) return;
        readyKey = key;
        stage.setFill(answer.arrays.fill);
        trouble.replaceChildren();
        measure();
      } catch (error) {
        if (signal.aborted) return;
        probeKey = "";
        trouble.replaceChildren(refusal(error));
      }
      bar.element.classList.add("absent");
    }, PATIENCE);
  }

  function measure() {
    if (!center) return;
    if (readyKey !== JSON.stringify(asked())) {
      prepare();
      return;
    }
    const [y, x] = stage.corner(center);
    const show = state().differ ? "difference" : "maps";
    askLatest({ ...asked(), y, x, show });
  }

  const askLatest = latest(
    "covered_maps",
    (answer, given) => {
      const { y: _y, x: _x, show, ...about } = given;
      const isWanted = show === (state().differ ? "difference" : "maps");
      if (center && isWanted && JSON.stringify(about) === JSON.stringify(asked())) hear(answer, given);
    },
    (error) => trouble.replaceChildren(refusal(error)),
  );

  function move(/** @type {Place} */ middle, /** @type {boolean} */ isLast) {
    if (!size.length) return;
    center = middle;
    stage.setCenter(middle);
    measure();
    if (!isLast) return;
    placeShown = middle.map((value) => Math.round(value)).join(",");
    change({ place: placeShown }, { replace: true });
  }

  function resize(/** @type {number} */ index) {
    const one = sizes[Math.max(0, Math.min(sizes.length - 1, index))];
    change({ patch: one === usualSide(size) ? "" : String(one) }, { replace: true });
  }

  function lift() {
    center = null;
    placeShown = "";
    stage.setCenter(null);
    hear(null, null);
    change({ place: "" }, { replace: true });
  }

  let shownKey = "";
  function update(/** @type {string} */ wanted) {
    const now = state();
    layer = wanted;
    const key = `${now.model} ${now.photo}`;
    if (key !== photoKey) {
      photoKey = key;
      loadPhoto();
    }
    if (!size.length) return;
    slider.max = String(sizes.length - 1);
    slider.value = String(sizes.indexOf(nearestSize()));
    slider.setAttribute("aria-valuetext", `${side()} pixels`);
    sizeOf.textContent = `${side()} px`;
    fills.value = fillOf();
    stage.setPatch(side());
    const isElsewhere = now.place !== placeShown;
    if (isElsewhere) {
      placeShown = now.place;
      const [row, column] = now.place.split(",").map(Number);
      const isPlace = Number.isFinite(row) && Number.isFinite(column);
      center = isPlace ? [Math.min(row, size[0]), Math.min(column, size[1])] : null;
      stage.setCenter(center);
      if (!center) hear(null, null);
    }
    const wantedKey = `${JSON.stringify(asked())} ${now.differ}`;
    if (wantedKey !== shownKey || isElsewhere) measure();
    shownKey = wantedKey;
  }

  return {
    element: element(
      "div",
      { class: "covering" },
      stage.element,
      element("p", { class: "quiet" }, "Drag a patch over the photo: the maps move with it."),
      element("div", { class: "buttons" }, element("label", {}, "Size ", slider, sizeOf)),
      element("div", { class: "buttons" }, element("label", {}, "Fill ", fills), lifting),
      bar.element,
      trouble,
    ),
    update,
    destroy() {
      gone.abort();
      preparing.abort();
      clearTimeout(timer);
    },
  };
}
