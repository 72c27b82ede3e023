// What is looked at. It is the query of the address: every view is a link, back and forward work.

import { ending } from "./token.js";

/**
 * @typedef {object} State
 * @property {string} view       Name of the view.
 * @property {string} model      Number of the network.
 * @property {string} photo      Identifier of the photo.
 * @property {string} target     What is explained: "285", "285-282"; "" for the first class.
 * @property {string} layer      Name of the layer.
 * @property {string} filter     Number of the filter; "" for the one whose map is strongest.
 * @property {string} cmap       Name of the color map.
 * @property {string} opacity    Of maps over the photo, 0..1.
 * @property {string} patch      Side of the patch in pixels; "" for a seventh of the photo's.
 * @property {string} fill       What the patch shows: gray, blur or mean.
 * @property {string} stride     Between the patch's positions in a map; "" for a quarter of it.
 * @property {string} place      Center of the patch, "row,column"; "" for no patch.
 * @property {string} look       Of the network: "space" or "flat".
 * @property {string} eye        Where the network is seen from; "" for its beginning.
 * @property {string} folds      "all" or "none" unfolded, or the blocks that are not as at first.
 * @property {string} blend      Opacity grows with the value ("value"), or is the same ("even").
 * @property {string} scale      Of maps: percentile, own or common.
 * @property {string} zoom       Of maps: center, as fractions of the photo, and factor; "" for none.
 * @property {string} methods    Names of the attribution methods, by commas; "all", or "" for the common ones.
 * @property {string} explained  Layer of the CAM methods; "" for the last one with feature maps.
 * @property {string} alone      Name of the method that is shown alone and large.
 * @property {string} order      Of a layer's maps: number, strength, contrast, target or change.
 * @property {string} range      Of the colors of a layer's maps: each or common.
 * @property {string} differ     "1": how maps differ with the patch.
 * @property {string} cell       Element of a map, "row,column"; "" for the highest.
 * @property {string} attention  Name of the attention layer; "" for the last one.
 * @property {string} head       Number of the head; "" for the mean of all.
 * @property {string} token      Whose attention is shown: "0" for the first token in front, "mean" for the mean of all, or
 *                               a patch, "row,column"; "" for the class token, or, without one, the mean of all.
 * @property {string} factor     What the map of the unit is multiplied by.
 * @property {string} model2     Number of the network on the right, where two are compared; "" for that on the left.
 * @property {string} photo2     Identifier of the photo on the right; "" for that on the left.
 * @property {string} layer2     Layer on the right; "" for what corresponds to that on the left.
 * @property {string} show       What is shown twice: patch, why, maps or unit.
 * @property {string} method     The attribution method that is shown twice.
 * @property {string} by         What units are compared by; "" for the first measure there is.
 * @property {string} within     Which units are compared: those of all layers ("all"), or of the "layer".
 * @property {string} sorted     Order of the units of a survey.
 * @property {string} served     Number of the class that the shown units of a survey serve; "" for any.
 * @property {string} apart      "1": the colors of each side have their own range.
 */

const DEFAULTS = {
  view: "patch",
  model: "0",
  photo: "",
  target: "",
  layer: "",
  filter: "",
  cmap: "inferno",
  opacity: "0.7",
  patch: "",
  fill: "gray",
  stride: "",
  place: "",
  look: "space",
  eye: "",
  folds: "",
  blend: "value",
  scale: "percentile",
  zoom: "",
  methods: "",
  explained: "",
  alone: "",
  order: "strength",
  range: "each",
  differ: "",
  cell: "",
  attention: "",
  head: "",
  token: "",
  factor: "1",
  model2: "",
  photo2: "",
  layer2: "",
  show: "patch",
  method: "gradcam",
  by: "",
  within: "all",
  apart: "",
  sorted: "strength",
  served: "",
};

/** @type {Set<(state: Readonly<Record<string, string>>) => void>} */
const listeners = new Set();

/** @returns {Record<string, string>} */
function read() {
  return { ...DEFAULTS, ...Object.fromEntries(new URLSearchParams(location.search)) };
}

let current = read();

/** The state: the properties of `State`, and those that views add. */
export function state() {
  return current;
}

/** The address of the state with some properties changed. */
export function addressOf(/** @type {Record<string, string>} */ changes) {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries({ ...current, ...changes })) {
    if (value !== "" && value !== /** @type {Record<string, string>} */ (DEFAULTS)[name]) {
      query.set(name, value);
    }
  }
  return `?${query}${ending}`;
}

/**
 * Change some properties, and tell all who listen.
 * @param {Record<string, string>} changes
 * @param {{replace?: boolean}} how replace: no step in the history, as for sliders.
 */
export function change(changes, { replace = false } = {}) {
  const address = addressOf(changes);
  if (address === addressOf({})) return;
  history[replace ? "replaceState" : "pushState"](null, "", address);
  tell();
}

/** Call `listener` with the state whenever it has changed. Returns a function that ends this. */
export function listen(/** @type {(state: Readonly<Record<string, string>>) => void} */ listener) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

function tell() {
  current = read();
  for (const listener of [...listeners]) listener(current);
}

addEventListener("popstate", tell);
