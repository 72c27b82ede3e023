// The network: all its steps with their maps, in space or as a list.

import { pictureOf } from "../away/picture.js";
import { createTakeaway } from "../away/takeaway.js";
import { element, progressBar, refusal } from "../elements.js";
import { networkOf } from "../layers.js";
import { VIEWS } from "../main.js";
import { detail } from "../space/detail.js";
import { Flat } from "../space/flat.js";
import { Graph } from "../space/graph.js";
import { hasWebGL } from "../space/scene.js";
import { Space } from "../space/space.js";
import { load, Tiles } from "../space/tiles.js";
import { change, state } from "../state.js";
import { ask } from "../wire.js";

const WITHOUT_WEBGL =
  "This browser cannot draw in three dimensions (it has no WebGL 2), so the network is shown as a list.";
/** Maps of each step. */
const MAPS = 9;

/** @returns {import("../main.js").View} */
export function create(/** @type {import("../main.js").Context} */ context) {
  const isAble = hasWebGL();
  /** @type {Space | null} */
  let space = null;
  let isReady = false;
  const flat = new Flat({ choose, open, toggle });
  /** @type {Graph | null} */
  let graph = null;
  /** @type {Tiles | null} */
  let tiles = null;
  let model = "";
  let photo = "";
  let asking = new AbortController();
  let isGone = false;

  const trouble = element("div");
  const panel = element("div", { class: "detail" });
  const place = element("div", { class: "shown" });
  const bar = progressBar("Computing maps…");
  bar.element.hidden = true;
  const names = element("datalist", { id: "network-steps" });
  const find = element("input", {
    type: "search",
    list: "network-steps",
    placeholder: "Find a layer",
    "aria-label": "Find a layer by name",
    onchange: () => find.value && goTo(find.value),
  });
  const looks = ["space", "flat"].map((look) =>
    element(
      "button",
      { type: "button", "data-look": look, onclick: () => change({ look }) },
      look === "space" ? "In space" : "As a list",
    ),
  );
  const whole = button("Whole network", () => space?.home());
  const tools = element(
    "div",
    { class: "buttons tools" },
    isAble && element("span", { role: "group", "aria-label": "Shown as" }, looks),
    isAble && whole,
    button("Unfold all", () => change({ folds: "all" })),
    button("Fold all", () => change({ folds: "none" })),
    find,
  );
  const keys = element(
    "p",
    { class: "quiet keys" },
    "Drag to turn, wheel to come nearer, Shift and drag to move. Keys: W A S D Q E fly, arrows turn, " +
      "comma and period walk along the steps, Space folds, Enter opens, Home shows all.",
  );
  const halves = element(
    "div",
    { class: "halves" },
    element("div", { class: "holder" }, place, bar.element),
    panel,
  );
  const takeaway = createTakeaway();
  const root = element(
    "section",
    { class: "network", "aria-label": "Network" },
    tools,
    trouble,
    !isAble && element("p", { role: "note" }, WITHOUT_WEBGL),
    halves,
    names,
    isAble && keys,
    element("details", {}, element("summary", {}, "Take away"), takeaway.element),
  );

  function button(/** @type {string} */ text, /** @type {() => void} */ click) {
    return element("button", { type: "button", onclick: click }, text);
  }

  function choose(/** @type {number} */ step) {
    if (graph) change({ layer: graph.steps[step].name });
  }

  /** Open the view of a layer, where there is one. */
  function open(/** @type {number} */ step) {
    const hasView = VIEWS.some(([name]) => name === "layer");
    if (graph && hasView && graph.steps[step].has_maps) {
      change({ view: "layer", layer: graph.steps[step].name, eye: "" });
    } else choose(step);
  }

  function toggle(/** @type {number} */ block) {
    if (!graph) return;
    graph.toggle(block);
    change({ folds: foldsText(graph) });
  }

  /** Choose a step, unfold what hides it, and go there. */
  function goTo(/** @type {string} */ name) {
    const step = graph?.places.get(name);
    if (!graph || step === undefined) return;
    const folds = graph.reveal(step) ? foldsText(graph) : state().folds;
    change({ layer: name, folds });
    (state().look === "flat" || !space ? flat : space).choose(step, true);
  }

  async function loadGraph() {
    bar.element.hidden = false;
    bar.show(0, 0, "Reading the network…");
    try {
      const [{ steps }, { blocks }] = await Promise.all([
        ask("steps", { model }),
        ask("blocks", { model }),
      ]);
      if (isGone || model !== state().model) return;
      graph = new Graph(steps, blocks);
      halves.hidden = tools.hidden = false;
      names.replaceChildren(...steps.map((/** @type {{name: string}} */ { name }) => element("option", { value: name })));
      photo = "";
      await show();
      // What was written before the steps were there.
      if (find.value) goTo(find.value);
    } catch (error) {
      if (isGone) return;
      trouble.replaceChildren(refusal(error));
      bar.element.hidden = true;
      halves.hidden = tools.hidden = keys.hidden = true;
    }
  }

  /** Ask for the maps of the photo. */
  function loadMaps() {
    const known = /** @type {Graph} */ (graph);
    asking.abort();
    asking = new AbortController();
    const { signal } = asking;
    const mine = new Tiles(known.steps.length, MAPS);
    tiles = mine;
    trouble.replaceChildren();
    bar.element.hidden = false;
    load(mine, model, photo, {
      signal,
      progress: bar.show,
      came: () => {
        if (signal.aborted) return;
        space?.came();
        flat.came();
      },
    })
      .catch((error) => signal.aborted || trouble.replaceChildren(refusal(error)))
      .finally(() => signal.aborted || (bar.element.hidden = true));
    return mine;
  }

  /**
   * Show what the state says.
   * @returns {Promise<void>}
   */
  async function show() {
    const now = state();
    if (!graph || isGone) return;
    const look = isAble && now.look !== "flat" ? "space" : "flat";
    if (foldsText(graph) !== now.folds) applyFolds(graph, now.folds);
    if (now.photo && photo !== now.photo) {
      photo = now.photo;
      const made = loadMaps();
      if (isReady) space?.setTiles(made);
      flat.setTiles(made);
    }
    if (!tiles) return;
    for (const each of looks) each.setAttribute("aria-pressed", String(each.dataset.look === look));
    whole.hidden = keys.hidden = look !== "space";
    if (look === "space" && !space) {
      space = new Space({ choose, open, toggle, rested: (eye) => change({ eye }, { replace: true }) });
      place.replaceChildren(space.element);
      space.eye = now.eye;
      await space.start();
      isReady = true;
      if (isGone) space.destroy();
      else await show();
      return;
    }
    const shown = look === "space" ? space : flat;
    if (!shown || (shown === space && !isReady)) return;
    if (shown.element.parentNode !== place) place.replaceChildren(shown.element);
    shown.setColors(now.cmap);
    if (shown.graph !== graph) shown.setGraph(graph, tiles);
    else if (shown.version !== graph.version) shown.arrange();
    const step = graph.places.get(now.layer) ?? -1;
    shown.choose(step, shown === flat);
    if (shown === space) space.setEye(now.eye);
    panel.replaceChildren(...(step < 0 ? [hint()] : describe(graph, step)));
    takeaway.show({
      title: "network",
      picture: look === "space" ? picture : () => pictureOf(flat.element, { isWhole: true }),
      again: networkOf(context, now),
    });
  }

  /** The network in space, as it is seen. */
  function picture() {
    space?.scene?.draw(); // what WebGL draws is there until the browser shows it
    return pictureOf(place);
  }

  function hint() {
    return element("p", { class: "quiet" }, "Choose a step to see what it reads and feeds.");
  }

  /**
   * @param {Graph} known
   * @param {number} step
   */
  function describe(known, step) {
    const hasView = VIEWS.some(([name]) => name === "layer");
    const go = (/** @type {number} */ other) => goTo(known.steps[other].name);
    return detail(known, step, { choose: go, open: hasView ? open : null, fold: toggle });
  }

  return {
    element: root,
    update(now) {
      if (now.model !== model) {
        model = now.model;
        graph = null;
        loadGraph();
      } else show();
    },
    destroy() {
      isGone = true;
      asking.abort();
      space?.destroy();
    },
  };
}

/**
 * Which blocks are unfolded, as text: "all", "none", or those that differ from what is at first.
 * @param {Graph} graph
 */
function foldsText(graph) {
  const first = new Graph(graph.steps, graph.blocks).unfolded;
  const differing = [...graph.blocks.keys()].filter(
    (block) => first.has(block) !== graph.unfolded.has(block),
  );
  if (differing.length && graph.unfolded.size === graph.blocks.length) return "all";
  if (differing.length && graph.unfolded.size === 0) return "none";
  return differing.join(".");
}

/**
 * Fold and unfold as the text says.
 * @param {Graph} graph
 * @param {string} text
 */
function applyFolds(graph, text) {
  if (text === "all" || text === "none") {
    graph.setAll(text === "all");
    return;
  }
  graph.unfoldSome();
  for (const block of text.split(".")) {
    if (/^\d+$/.test(block) && Number(block) < graph.blocks.length) graph.toggle(Number(block));
  }
}
