// The map of one attribution method on both sides; the pointer on one shows the place on both.

import { highestOf, targetName } from "../classes.js";
import { colorNames } from "../colors.js";
import { element } from "../elements.js";
import { change, state } from "../state.js";
import { ask, pictureOf } from "../wire.js";
import { Panel } from "../why/panel.js";
import { zoomOf, zoomText } from "../why/pointer.js";
import { targetOn } from "./sides.js";
import { check, choice } from "./tools.js";

/**
 * @typedef {import("../wire.js").Answer} Answer
 * @typedef {import("./sides.js").Pair} Pair
 * @typedef {import("../why/painting.js").Map_} Map_
 */

export function createWhy() {
  const method = choice("Method", "method", []);
  const cmap = choice("Color map", "cmap", colorNames().map((name) => [name, name]));
  const apart = check("The same range of colors on both sides", "apart", ["1", ""]);
  const opacity = element("input", {
    type: "range",
    min: 0,
    max: 1,
    step: 0.05,
    oninput: () => change({ opacity: opacity.value }, { replace: true }),
  });
  const tools = element(
    "div",
    { class: "tools" },
    method.element,
    cmap.element,
    element("label", {}, "Opacity ", opacity),
    apart.element,
  );
  const ends = [0, 1].map(() => {
    const photo = new Image();
    photo.onload = () => paint();
    const said = element("p", { class: "quiet" });
    const place = element("div", {});
    return { photo, said, place, element: element("div", { class: "end why" }, said, place) };
  });
  /** @type {Panel[]} */
  let panels = [];
  let asked = "";
  let asking = new AbortController();
  /** @type {{x: number, y: number} | null} */
  let pointed = null;
  /** @type {import("../why/panel.js").Given[]} */
  let given = [];
  let isChecking = false;

  const point = (/** @type {{x: number, y: number} | null} */ at) => {
    pointed = at;
    for (const panel of panels) panel.point(at, zoomOf(state().zoom));
  };

  /** @param {number} side */
  const shared = (side) => ({
    hands: {
      zoom: () => zoomOf(state().zoom),
      setZoom: (/** @type {import("../why/painting.js").Zoom} */ zoom) =>
        change({ zoom: zoomText(zoom) }, { replace: true }),
      point,
      pointed: () => pointed,
      speak: () => {},
    },
    // The view of all methods has it large, with what is taken away of it.
    enlarge: (/** @type {string} */ name) => {
      const { model, photo, target } = given[side];
      change({ view: "why", alone: name, model, photo, target });
    },
    arrived: () => {
      paint();
      checkNext();
    },
    wantVerdict: () => checkNext(),
  });

  /** Checks are slow: one after the other, after both maps. */
  async function checkNext() {
    if (isChecking || panels.some(({ isComing }) => isComing)) return;
    const panel = panels.find((each) => each.isDue);
    if (!panel) return;
    isChecking = true;
    const { signal } = asking;
    try {
      await panel.check(given[panels.indexOf(panel)], signal);
    } finally {
      isChecking = false;
    }
    if (!signal.aborted) checkNext();
  }

  function paint() {
    const { cmap, opacity, blend, zoom, apart } = state();
    const maps = /** @type {Map_[]} */ (panels.map(({ map }) => map).filter(Boolean));
    const scale = apart ? "own" : "common";
    for (const [i, panel] of panels.entries()) {
      const { photo } = ends[i];
      if (!photo.complete || !photo.naturalWidth) continue;
      const look = { cmap, scale, blend, opacity: Number(opacity) };
      panel.paint(photo, look, zoomOf(zoom), maps, false);
      panel.point(pointed, zoomOf(zoom));
    }
  }

  const methods = ask("methods", {});

  return {
    tools,
    elements: ends.map((end) => end.element),
    /** @param {Pair} pair @param {Answer[]} answers @param {string[][]} names */
    async update({ sides, link }, answers, names) {
      const now = state();
      const known = (await methods).methods.filter((/** @type {any} */ { name }) =>
        sides.some(({ network }) => !network.left_out.includes(name)),
      );
      if (now !== state()) return;
      method.fill(known.map((/** @type {any} */ each) => [each.name, each.title]));
      const chosen =
        known.find((/** @type {any} */ each) => each.name === now.method) ?? known[0];
      for (const one of [cmap, apart]) one.update();
      method.update(chosen.name);
      opacity.value = now.opacity;
      const targets = [now.target, targetOn(link, now.target)].map((target, i) => {
        const best = String(highestOf(answers[i].arrays.probabilities.data));
        return target || (answers[i].is_spatial ? best : "");
      });
      given = sides.map(({ model, photo }, i) => ({
        model,
        photo,
        target: targets[i],
        layer: i === 0 ? now.explained : "",
      }));
      if (link.isSameNetwork) given[1].layer = given[0].layer;
      const key = JSON.stringify([given, chosen.name]);
      if (key !== asked) {
        asked = key;
        asking.abort();
        asking = new AbortController();
        panels = ends.map((end, i) => {
          const panel = new Panel(chosen, shared(i));
          panel.isSeen = true;
          end.place.replaceChildren(panel.element);
          end.photo.src = pictureOf(sides[i].photo);
          const { data } = answers[i].arrays.probabilities;
          const isOwn = targets[i] === "" || (i === 1 && targetOn(link, now.target) === null);
          const classes = isOwn ? [highestOf(data)] : targets[i].split("-").map(Number);
          const isLost = i === 1 && now.target !== "" && targetOn(link, now.target) === null;
          end.said.textContent =
            (isLost ? "The class that is explained on the left is not one of this network's. " : "") +
            (classes.some(Number.isNaN)
              ? `Explained: ${targets[i]}`
              : `Explained: ${targetName(classes, names[i])}${isOwn ? ", the highest class" : ""}`);
          return panel;
        });
        for (const [i, panel] of panels.entries()) panel.start(given[i], asking.signal);
      }
      paint();
    },
    pictures: () => panels.map(({ canvas }) => [canvas]),
    destroy() {
      asking.abort();
    },
  };
}
