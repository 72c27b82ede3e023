// The frame of the page: what is looked at, the views, the photos and predictions beside them.

import { loadColors } from "./colors.js";
import { element, refusal } from "./elements.js";
import { beginRecording } from "./freezing/recording.js";
import { thaw } from "./freezing/thawing.js";
import { createNetworkChoice } from "./networks.js";
import { createSide } from "./side.js";
import { addressOf, change, listen, state } from "./state.js";
import { createTaking } from "./taking.js";
import { ask } from "./wire.js";

/**
 * @typedef {object} Network
 * @property {string} name
 * @property {string} origin
 * @property {[number, number]} size
 * @property {number} channels
 * @property {number} classes
 * @property {boolean} is_opaque
 * @property {string[]} left_out       Attribution methods that it has no maps or attention for.
 * @property {string[]} map_layers
 * @property {string[]} attention_layers
 * @property {string | null} default_layer
 * @property {string[]} warnings
 * @property {string} python             Lines that open it.
 * @property {string | null} command
 * @property {string | null} no_command
 *
 * @typedef {object} Survey
 * @property {string} model
 * @property {number} photos
 * @property {number[]} quantiles        What the quantiles of each unit are of.
 * @property {{name: string, kind: string, maps: number[], units: number, patterns: number}[]} layers
 *
 * @typedef {object} Context
 * @property {Network[]} networks
 * @property {Survey | null} survey
 *
 * @typedef {object} View
 * @property {HTMLElement} element
 * @property {(state: Readonly<Record<string, string>>) => void} update   Called at first, and on each change.
 * @property {() => void} [destroy]
 */

/** @type {[name: string, title: string][]} */
export const VIEWS = [
  ["patch", "Patch"],
  ["why", "Why"],
  ["network", "Network"],
  ["layer", "Layer"],
  ["unit", "Unit"],
  ["two", "Two"],
];

/** @type {[name: string, title: string]} There where a network has attention; after the layers. */
const OF_ATTENTION = ["attention", "Attention"];

/** @type {[name: string, title: string]} There where a survey is open; without a network, alone. */
const OF_SURVEY = ["survey", "Survey"];

/** @type {Record<string, string>} What each view is for. */
const ABOUT = {
  patch: "Hide parts of the photo: how do the predictions change?",
  why: "Maps over the photo: which parts speak for a class?",
  network: "All layers and their maps, in space or as a list",
  layer: "All maps of one layer",
  attention: "What each patch of the photo reads, in each attention layer and head",
  two: "Two photos or two networks, side by side",
  unit: "One filter: what it sees, what activates it, what it causes",
  survey: "All units over many photos: patterns, strongest photos, statistics",
};

/** @type {View | null} */
let view = null;
let shown = "";
/** @type {ReturnType<typeof createNetworkChoice> | null} */
let choice = null;

function viewsOf(/** @type {Context} */ { networks, survey }) {
  const own = networks.length ? [...VIEWS] : [];
  if (networks.some(({ attention_layers }) => attention_layers.length)) {
    own.splice(own.findIndex(([name]) => name === "unit") + 1, 0, OF_ATTENTION);
  }
  return [...own, ...(survey ? [OF_SURVEY] : [])];
}

async function show(/** @type {Context} */ context) {
  const place = /** @type {HTMLElement} */ (document.getElementById("view"));
  const now = state();
  const views = viewsOf(context);
  const name = views.some(([known]) => known === now.view) ? now.view : views[0][0];
  const network = context.networks[Number(now.model)] ?? context.networks[0];
  choice?.update();
  const nav = /** @type {HTMLElement} */ (document.getElementById("views"));
  nav.replaceChildren(
    ...views.map(([known, title]) =>
      element(
        "a",
        {
          href: addressOf({ view: known }),
          title: ABOUT[known],
          "aria-current": known === name ? "page" : null,
          onclick: (/** @type {MouseEvent} */ event) => {
            if (event.ctrlKey || event.metaKey || event.shiftKey) return;
            event.preventDefault();
            change({ view: known });
          },
        },
        title,
      ),
    ),
  );
  if (name !== shown) {
    view?.destroy?.();
    view = null;
    shown = name;
    const title = views.find(([known]) => known === name)?.[1];
    document.title = `${title} · ${network?.name ?? context.survey?.model} · optogram`;
    const module = await import(`./views/${name}.js`);
    if (shown !== name) return;
    const made = /** @type {View} */ (module.create(context));
    view = made;
    place.replaceChildren(made.element);
  }
  view?.update(state());
}

async function start() {
  try {
    const frozenAt = await thaw();
    if (frozenAt === null) beginRecording();
    const [{ networks, survey }] = await Promise.all([ask("networks", {}), loadColors()]);
    /** @type {Context} */
    const context = { networks, survey };
    const title = /** @type {HTMLElement} */ (document.getElementById("network"));
    if (networks.length) {
      const views = viewsOf(context).map(([name, title]) => ({ name, title }));
      document.querySelector("header")?.append(createTaking(views, frozenAt));
      choice = createNetworkChoice(title, networks);
      await createSide();
    } else {
      title.textContent = survey.model;
      document.body.classList.add("survey-only");
      document.getElementById("side")?.remove();
    }
    listen(() => show(context));
    await show(context);
  } catch (error) {
    document.getElementById("view")?.replaceChildren(refusal(error));
  }
}

start();
