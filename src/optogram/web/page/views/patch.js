// The patch: drag it over the photo, and all predictions move; the trail shows what each place cost.

import { classesOf, classNames, highestOf, predictionsOf, scoreOf } from "../classes.js";
import { SIGNED, colored, paint } from "../colors.js";
import { digits, element, refusal, say } from "../elements.js";
import {
  FILLS,
  askedFor,
  fillOf,
  keyOf,
  mapFor,
  partOf,
  sideOf,
  statedPart,
  usualSide,
} from "../patch/asked.js";
import { createControls, sizesFor } from "../patch/controls.js";
import { createMap } from "../patch/map.js";
import { Measured } from "../patch/measured.js";
import { createStage } from "../patch/stage.js";
import { createTaken } from "../patch/taken.js";
import { sentenceOf, sentenceUnder } from "../patch/words.js";
import { showChanged } from "../predictions.js";
import { change, state } from "../state.js";
import { ask, latest } from "../wire.js";

/**
 * @typedef {import("../wire.js").Answer} Answer
 * @typedef {import("../patch/stage.js").Place} Place
 */

/** Milliseconds for which a size must be kept before a patch of that size is prepared. */
const PATIENCE = 150;
/** Milliseconds between two paintings of the trail. */
const REST = 60;

const HINT =
  "Drag a patch over the photo: the predictions are those without the part that it hides. " +
  "“Map the whole photo” tries every place.";

/** @returns {import("../main.js").View} */
export function create() {
  const stage = createStage({
    move,
    point,
    resize: (steps) => resize(sizes.indexOf(nearestSize()) + steps),
    refill: () => change({ fill: FILLS[(FILLS.indexOf(fill()) + 1) % 3] }, { replace: true }),
    lift,
    clear,
  });
  const controls = createControls({
    resize,
    fill: (one) => change({ fill: one }, { replace: true }),
    step: (part) => change({ stride: statedPart(part) }, { replace: true }),
    opacity: (value) => change({ opacity: value }, { replace: true }),
    finish: () => map.finish(mapAsked(), keyOf(mapAsked())),
    stop: () => map.stop(),
    clear,
    lift,
  });
  const taking = createTaken(stage.element);
  const view = element(
    "section",
    { class: "patch", "aria-label": "Patch" },
    stage.element,
    controls.element,
  );
  controls.element.append(taking.element);

  // -- what is looked at
  let gone = new AbortController(); // of the photo
  let preparing = new AbortController();
  let timer = 0;
  let photoKey = "";
  let probeKey = "";
  let classKey = "";
  let placeShown = "";
  let isReady = false;
  /** @type {number[]} */
  let size = [1, 1];
  /** @type {number[]} */
  let sizes = [1];
  /** @type {Place | null} */
  let center = null;
  /** @type {Answer | null} Predictions of the photo itself. */
  let clean = null;
  /** @type {string[]} */
  let names = [];
  /** @type {number[]} */
  let classes = [0];
  /** @type {Place | null} */
  let pointed = null;

  const measured = new Measured();
  const map = createMap(controls, {
    partial(answer, key) {
      measured.setMap(key, answer);
      repaint();
    },
    complete(answer, key, given) {
      taken = { answer, given, question: "occlusion_map" };
      // The map has what the trail had, at all positions.
      measured.trail.clear();
      measured.setMap(key, answer);
      repaint();
      say("The map is complete.");
    },
  });
  let isPainting = false;
  /** @type {import("../patch/taken.js").Measurement | null} */
  let taken = null;

  const side = () => sideOf(size);
  const fill = fillOf;
  const asked = () => askedFor(size);
  const mapAsked = () => mapFor(size, classes);
  const nearestSize = () =>
    sizes.reduce((best, one) => (Math.abs(one - side()) < Math.abs(best - side()) ? one : best));

  // -- the photo, and a patch for it

  async function loadPhoto() {
    const { model, photo } = state();
    gone.abort();
    gone = new AbortController();
    const { signal } = gone;
    isReady = false;
    clean = null;
    probeKey = "";
    try {
      const [shown, answer, all] = await Promise.all([
        ask("prepared", { model, photo }, { signal }),
        predictionsOf(model, photo),
        classNames(model),
      ]);
      if (signal.aborted) return;
      clean = answer;
      names = all;
      const { pixels } = shown.arrays;
      size = pixels.shape.slice(0, 2);
      sizes = sizesFor(Math.min(...size));
      stage.setPhoto(pixels);
      controls.trouble(null);
      update(state());
    } catch (error) {
      if (!signal.aborted) controls.trouble(refusal(error));
    }
  }

  function prepare(/** @type {string} */ key) {
    preparing.abort();
    preparing = new AbortController();
    const { signal } = preparing;
    const isFirst = probeKey === "";
    probeKey = key;
    isReady = false;
    measured.chooseTrail(key, size);
    classKey = "";
    showChanged(null);
    stage.setPatch(side());
    stage.setFill(null);
    controls.progress([0, 1, `Preparing a patch of ${side()} pixels…`]);
    clearTimeout(timer);
    timer = setTimeout(
      async () => {
        try {
          const answer = await ask("patch_probe", asked(), { signal });
          if (signal.aborted) return;
          isReady = true;
          stage.setFill(answer.arrays.fill);
          controls.progress(null);
          controls.trouble(null);
          if (center) measure(center);
        } catch (error) {
          if (signal.aborted) return;
          controls.progress(null);
          controls.trouble(refusal(error));
        }
      },
      isFirst ? 0 : PATIENCE,
    );
  }

  function resize(/** @type {number} */ index) {
    const one = sizes[Math.max(0, Math.min(sizes.length - 1, index))];
    change({ patch: one === usualSide(size) ? "" : String(one) }, { replace: true });
  }

  // -- the patch

  function move(/** @type {Place} */ middle, /** @type {boolean} */ isLast) {
    center = middle;
    stage.setCenter(middle);
    measure(middle);
    if (!isLast) return;
    placeShown = middle.map((value) => Math.round(value)).join(",");
    change({ place: placeShown }, { replace: true });
  }

  function measure(/** @type {Place} */ middle) {
    if (!isReady) return;
    const [y, x] = stage.corner(middle);
    askLatest({ ...asked(), y, x });
  }

  const askLatest = latest("patched", hear, (error) => controls.trouble(refusal(error)));

  function hear(/** @type {Answer} */ answer, /** @type {Record<string, any>} */ given) {
    const { y, x, ...about } = given;
    if (keyOf(about) !== probeKey || !isReady) return;
    taken = { answer, given, question: "patched" };
    const half = side() / 2;
    const fall = measured.trail.add({ y: y + half, x: x + half, scores: answer.arrays.scores.data });
    if (center) {
      const { data } = answer.arrays.probabilities;
      showChanged(data, `${y},${x}`);
      controls.here(sentenceOf(data, names, classes, clean, [y, x], fall));
    }
    repaint();
  }

  function lift() {
    center = null;
    placeShown = "";
    stage.setCenter(null);
    showChanged(null);
    controls.here(HINT);
    change({ place: "" }, { replace: true });
  }

  // -- the trail and the map

  function explainClasses() {
    if (!clean) return;
    const { scores, probabilities } = clean.arrays;
    classes = classesOf(state().target, probabilities.data) ?? [highestOf(probabilities.data)];
    const before = scoreOf(classes, scores.data);
    measured.chooseMap(keyOf(mapAsked()));
    measured.trail.measure(
      (after) => before - scoreOf(classes, after),
      Math.max(1, Math.round(side() / 4)),
    );
    controls.trouble(
      classesOf(state().target, probabilities.data)
        ? null
        : element("p", {}, "The patch shows scores of classes: this is of the highest class."),
    );
  }

  function clear() {
    map.stop();
    measured.clear();
    repaint();
    say("The trail was cleared.");
  }

  function repaint() {
    if (isPainting) return;
    isPainting = true;
    // Later: the frame that shows the bars comes first.
    setTimeout(() => {
      isPainting = false;
      const { image, range } = measured.picture();
      paint(stage.trail, image);
      controls.legend(range && [digits(range[0]), digits(range[1])]);
      taking.show(taken);
      point(pointed);
    }, REST);
  }

  function point(/** @type {Place | null} */ pixel) {
    pointed = pixel;
    if (!pixel) {
      controls.under("");
      return;
    }
    const [row, column] = pixel.map((value, axis) => Math.min(size[axis] - 1, Math.floor(value)));
    controls.under(sentenceUnder(row, column, measured.at(row, column)));
  }

  // -- the state

  function update(/** @type {Readonly<Record<string, string>>} */ now) {
    if (!now.photo) return;
    const wanted = `${now.model} ${now.photo}`;
    if (wanted !== photoKey) {
      photoKey = wanted;
      taken = null;
      map.stop();
      loadPhoto();
      return;
    }
    if (!clean) return;
    controls.show(sizes, side(), fill(), partOf());
    controls.setOpacity(now.opacity);
    stage.trail.style.setProperty("opacity", now.opacity);
    const key = keyOf(asked());
    if (key !== probeKey) {
      map.stop();
      prepare(key);
    }
    const target = `${key} ${now.target} ${partOf()}`;
    if (target !== classKey) {
      if (classKey) map.stop();
      classKey = target;
      explainClasses();
      repaint();
    }
    if (now.place !== placeShown) {
      placeShown = now.place;
      const [row, column] = now.place.split(",").map(Number);
      if (Number.isFinite(row) && Number.isFinite(column)) {
        move([Math.min(row, size[0]), Math.min(column, size[1])], false);
      } else lift();
    }
  }

  controls.here(HINT);
  paint(
    controls.ramp,
    colored(Float32Array.from({ length: 257 }, (_, i) => i), 257, 1, SIGNED, [0, 256]),
  );
  return {
    element: view,
    update,
    destroy() {
      gone.abort();
      preparing.abort();
      map.stop();
      clearTimeout(timer);
      showChanged(null);
    },
  };
}
