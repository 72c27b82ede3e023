// Why: the maps of all methods side by side, on one photo, for one class or for the difference of two.

import { classNames, highestOf, predictionsOf } from "../classes.js";
import { element, refusal } from "../elements.js";
import { change, state } from "../state.js";
import { ask, photos, pictureOf } from "../wire.js";
import { createChips } from "../why/chips.js";
import { chosenMethods, createControls } from "../why/controls.js";
import { createDetails } from "../why/details.js";
import { Panel } from "../why/panel.js";
import { zoomOf, zoomText } from "../why/pointer.js";

/**
 * @typedef {import("../why/panel.js").Given} Given
 * @typedef {import("../why/painting.js").Map_} Map_
 */

/** @returns {import("../main.js").View} */
export function create(/** @type {import("../main.js").Context} */ context) {
  const chips = createChips();
  const top = element("div");
  const grid = element("div", { class: "maps" });
  const trouble = element("div");
  const back = element(
    "button",
    { type: "button", hidden: true, onclick: () => change({ alone: "" }) },
    "All methods",
  );
  const details = createDetails(() => given);
  const place = element(
    "section",
    { class: "why", "aria-label": "Why" },
    chips.element,
    top,
    trouble,
    element("p", {}, back),
    grid,
    details.element,
  );

  /** @type {ReturnType<typeof createControls> | null} */
  let controls = null;
  /** @type {Panel[]} All methods', in the library's order. */
  let panels = [];
  let isThere = true;
  let asking = new AbortController();
  /** @type {Given} Parameters of the questions that are asked. */
  let given = {};
  let asked = "";
  let isChecking = false;
  const photo = new Image();
  /** @type {{x: number, y: number} | null} */
  let pointed = null;
  const methods = ask("methods", {});
  /** @type {Record<string, string>} Names of photos. */
  let photoNames = {};

  const watcher = new IntersectionObserver(
    (entries) => {
      for (const entry of entries) {
        const panel = panels.find((each) => each.element === entry.target);
        if (panel) panel.isSeen = entry.isIntersecting;
      }
      askSeen();
    },
    { rootMargin: "120px" },
  );

  const shared = {
    hands: {
      zoom: () => zoomOf(state().zoom),
      setZoom: (/** @type {import("../why/painting.js").Zoom} */ zoom) =>
        change({ zoom: zoomText(zoom) }, { replace: true }),
      point,
      pointed: () => pointed,
      speak: () => {},
    },
    enlarge: (/** @type {string} */ method) =>
      change({ alone: state().alone === method ? "" : method }),
    arrived: () => {
      paint();
      checkNext();
    },
    wantVerdict: () => checkNext(),
  };

  function point(/** @type {{x: number, y: number} | null} */ at) {
    pointed = at;
    const zoom = zoomOf(state().zoom);
    for (const panel of shown()) panel.point(at, zoom);
  }

  function networkOf(/** @type {string} */ model) {
    return context.networks[Number(model)] ?? context.networks[0];
  }

  /** The panels that are shown. */
  function shown() {
    const { methods, alone, model } = state();
    const all = panels.map(({ method }) => method);
    const only = all.filter(({ name }) => name === alone);
    const { left_out } = networkOf(model);
    const chosen = only.length ? only : chosenMethods(all, methods, left_out);
    return panels.filter(({ method }) => chosen.includes(method));
  }

  function askSeen() {
    if (!asked) return;
    const seen = shown().filter(({ isSeen }) => isSeen);
    // What takes one pass comes before what takes many.
    const slowLast = [...seen].sort((a, b) => Number(a.method.is_slow) - Number(b.method.is_slow));
    for (const panel of slowLast) panel.start(given, asking.signal);
    checkNext();
  }

  /** Checks are slow: one at a time, after the maps of one pass. */
  async function checkNext() {
    if (isChecking || panels.some(({ isComing, method }) => isComing && !method.is_slow)) return;
    const panel = shown().find((each) => each.isDue);
    if (!panel) return;
    isChecking = true;
    try {
      await panel.check(given, asking.signal);
    } finally {
      isChecking = false;
    }
    if (!isThere) return;
    paint();
    checkNext();
  }

  function paint() {
    if (!photo.complete || !photo.naturalWidth) return;
    const { cmap, opacity, scale, blend, zoom, alone } = state();
    const look = { cmap, scale, blend, opacity: Number(opacity) };
    const now = shown();
    const maps = /** @type {Map_[]} */ (now.map(({ map }) => map).filter(Boolean));
    const isLarge = now.length === 1 && now[0].method.name === alone;
    for (const panel of now) {
      panel.paint(photo, look, zoomOf(zoom), maps, isLarge);
      panel.point(pointed, zoomOf(zoom));
    }
    details.update(isLarge ? now[0] : null, photoNames[state().photo] ?? "photo");
  }
  photo.onload = paint;

  async function update() {
    const now = state();
    if (!now.photo) return;
    try {
      const [known, predictions, names] = await Promise.all([
        methods,
        predictionsOf(now.model, now.photo),
        classNames(now.model),
      ]);
      if (!(now.photo in photoNames)) {
        photoNames = Object.fromEntries((await photos()).map(({ id, name }) => [id, name]));
      }
      if (!isThere || now !== state()) return;
      if (!panels.length) setUp(known.methods);
      const { data } = predictions.arrays.probabilities;
      // A network that scores every position needs a target: the class with the largest share.
      const target = now.target || (predictions.is_spatial ? String(highestOf(data)) : "");
      const isOutput = predictions.kind === "linear" && data.length === 1;
      chips.update(target, data, names, isOutput);
      trouble.replaceChildren();
      show(now, target);
    } catch (error) {
      if (isThere) trouble.replaceChildren(refusal(error));
    }
  }

  function setUp(/** @type {import("../why/panel.js").Method[]} */ methods) {
    controls = createControls(methods);
    top.replaceChildren(controls.element);
    panels = methods.map((method) => new Panel(method, shared));
    grid.replaceChildren(...panels.map((panel) => panel.element));
    for (const panel of panels) watcher.observe(panel.element);
  }

  function show(/** @type {Readonly<Record<string, string>>} */ now, /** @type {string} */ target) {
    controls?.update(networkOf(now.model), now.model);
    const key = JSON.stringify([now.model, now.photo, target, now.explained]);
    if (key !== asked) {
      asking.abort();
      asking = new AbortController();
      const before = given;
      given = { model: now.model, photo: now.photo, target, layer: now.explained };
      const isSame = ["model", "photo", "target"].every((name) => given[name] === before[name]);
      // With another layer, the maps of methods without one stay.
      for (const panel of panels) {
        if (panel.method.has_layer || !isSame || panel.isComing || panel.verdict === "coming") {
          panel.reset();
        }
      }
      asked = key;
      photo.src = pictureOf(now.photo);
    }
    const visible = shown();
    for (const panel of panels) panel.element.hidden = !visible.includes(panel);
    const isAlone = visible.length === 1 && visible[0].method.name === now.alone;
    grid.classList.toggle("alone", isAlone);
    back.hidden = !isAlone;
    paint();
    askSeen();
  }

  return {
    element: place,
    update,
    destroy() {
      isThere = false;
      asking.abort();
      watcher.disconnect();
    },
  };
}
