// What activates a unit: its pattern, made on the spot, beside the strongest crops of real photos.

import { paint, picture } from "../colors.js";
import { digits, element, progressBar, refusal, say } from "../elements.js";
import { state } from "../state.js";
import { ask } from "../wire.js";

/** @typedef {import("../wire.js").Answer} Answer */

/** Patterns that are kept while others are looked at. */
const KEPT = 40;

/**
 * The panels of the pattern, and of the crops.
 * @param {() => string} layerNow The layer that is looked at.
 * @param {() => void} arrived    An answer came.
 */
export function createMaking(layerNow, arrived) {
  const canvas = element("canvas", {
    class: "pattern",
    role: "img",
    "aria-label": "An image that maximizes the mean of the map",
  });
  canvas.hidden = true;
  const make = element("button", { type: "button", onclick: start }, "Make its pattern");
  const stop = element("button", { type: "button", onclick: () => end("The pattern was stopped.") }, "Stop");
  stop.hidden = true;
  const bar = progressBar("Making the pattern");
  bar.element.hidden = true;
  const said = element("p", { class: "quiet" });
  const own = element("div", { class: "crops" });
  const folder = element("div", { class: "crops" });
  const looking = progressBar("Looking through the photos");
  looking.element.hidden = true;
  const about = element("p", { class: "quiet" });

  let unitKey = "";
  let making = new AbortController();
  let searching = new AbortController();
  /** @type {Map<string, Answer>} */
  const made = new Map();
  /** @type {Record<"own" | "folder", import("./panels.js").Found | null>} */
  const found = { own: null, folder: null };

  const unit = () => ({ model: state().model, layer: layerNow(), filter: state().filter });

  async function start() {
    const key = JSON.stringify(unit());
    making.abort();
    making = new AbortController();
    const { signal } = making;
    running(true);
    said.textContent = "";
    bar.show(0, 0, "Making the pattern…");
    try {
      const answer = await ask("pattern", unit(), {
        signal,
        partial: ({ arrays }) => grow(arrays),
        progress: (done, total) => bar.show(done, total, `${done} of ${total} steps`),
      });
      if (signal.aborted) return;
      made.set(key, answer);
      if (made.size > KEPT) made.delete(/** @type {string} */ ([...made.keys()][0]));
      finish(answer);
    } catch (error) {
      if (!signal.aborted) said.replaceChildren(refusal(error));
    }
    if (!signal.aborted) running(false);
  }

  function grow(/** @type {Answer["arrays"]} */ arrays) {
    paint(canvas, picture(arrays.pixels));
    canvas.hidden = false;
  }

  function finish(/** @type {Answer} */ answer) {
    grow(answer.arrays);
    say("The pattern is complete.");
    const warnings = answer.warnings.join(" ");
    said.textContent = `Mean of the map: ${digits(answer.score)}. ${warnings}`;
    arrived();
  }

  function end(/** @type {string} */ sentence) {
    making.abort();
    running(false);
    said.textContent = sentence;
  }

  function running(/** @type {boolean} */ is) {
    make.hidden = is;
    stop.hidden = !is;
    bar.element.hidden = !is;
  }

  async function search() {
    const { photo } = state();
    searching.abort();
    searching = new AbortController();
    const { signal } = searching;
    own.replaceChildren();
    folder.replaceChildren();
    about.textContent = "";
    found.own = found.folder = null;
    const given = unit();
    const mine = ask("photo_crop", { ...given, photo }, { signal }).then((answer) => {
      if (signal.aborted) return;
      found.own = { answer, given: { ...given, photo } };
      own.replaceChildren(...crops(answer, "this photo"));
    });
    const theirs = ask("strongest_crops", given, {
      signal,
      progress: (done, total) => {
        looking.element.hidden = false;
        looking.show(done, total, `${done} of ${total} photos`);
      },
    }).then((answer) => {
      if (signal.aborted) return;
      if (answer.photos) found.folder = { answer, given };
      about.textContent = answer.photos
        ? `The strongest of ${answer.photos} photos.`
        : "For the strongest crops of many photos, start the explorer with a folder: " +
          "optogram explore photo.jpg --photos folder/";
      folder.replaceChildren(...crops(answer));
    });
    for (const each of [mine, theirs]) {
      each.catch((error) => {
        if (!signal.aborted) about.replaceChildren(refusal(error));
      });
    }
    await Promise.allSettled([mine, theirs]);
    if (signal.aborted) return;
    looking.element.hidden = true;
    arrived();
  }

  return {
    pattern: element(
      "section",
      { class: "panel", "aria-label": "Pattern" },
      element("h2", {}, "A pattern that activates it"),
      canvas,
      make,
      stop,
      bar.element,
      said,
    ),
    crops: element(
      "section",
      { class: "panel making", "aria-label": "Crops of photos" },
      element("h2", {}, "The photos that activate it most"),
      own,
      looking.element,
      folder,
      about,
    ),
    /** @returns {import("./panels.js").Found | null} */
    foundPattern() {
      const answer = made.get(JSON.stringify(unit()));
      return answer ? { answer, given: unit() } : null;
    },
    foundCrops: () => found.folder ?? found.own,
    question: () => (found.folder ? "strongest_crops" : "photo_crop"),
    update() {
      const { photo } = state();
      const key = `${JSON.stringify(unit())} ${photo}`;
      if (key === unitKey) return;
      const isOther = !unitKey.startsWith(JSON.stringify(unit()));
      unitKey = key;
      if (isOther) {
        end("");
        canvas.hidden = true;
        const known = made.get(JSON.stringify(unit()));
        if (known) finish(known);
      }
      search();
    },
    destroy() {
      making.abort();
      searching.abort();
    },
  };
}

/** The crops of an answer, with their values. */
function crops(/** @type {Answer} */ answer, /** @type {string} */ name = "") {
  return answer.crops.map((/** @type {{photo: string, value: number}} */ crop, /** @type {number} */ i) => {
    const label = `${name || crop.photo}: ${digits(crop.value)}`;
    const canvas = element("canvas", { role: "img", "aria-label": `Crop of ${crop.photo}`, title: crop.photo });
    paint(canvas, picture(answer.arrays[`crop${i}`]));
    return element("figure", {}, canvas, element("figcaption", {}, label));
  });
}
