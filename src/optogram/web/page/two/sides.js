// The two sides: which network, photo and layer each has, and what corresponds in them.

import { layerOf } from "../layers.js";
import { ask } from "../wire.js";

/**
 * @typedef {import("../main.js").Network} Network
 * @typedef {import("../main.js").Context} Context
 * @typedef {import("../layers.js").Now} Now
 * @typedef {import("../wire.js").Photo} Photo
 *
 * @typedef {object} Side
 * @property {string} model    Number of the network.
 * @property {string} photo    Identifier of the photo.
 * @property {Network} network
 * @property {string} name     Of the photo.
 * @property {string} layer    "" where the network has none with maps.
 *
 * @typedef {object} Link What corresponds on both sides.
 * @property {boolean} isSameNetwork
 * @property {boolean} isSamePhoto
 * @property {(index: number) => number} classOf  Class on the right of one on the left; -1: none.
 * @property {(index: number) => number} classBack
 * @property {boolean} hasClasses                 Whether classes can be compared at all.
 * @property {string} sentence                    What is to be known about classes.
 * @property {(layer: string) => string | undefined} layerOf The layer on the right with the same units.
 *
 * @typedef {{sides: [Side, Side], link: Link}} Pair
 */

/** What the state becomes so that two sides differ; null: it does; undefined: they cannot. */
export function partnerOf(
  /** @type {Context} */ context,
  /** @type {Now} */ now,
  /** @type {Photo[]} */ photos,
) {
  const isKnown = (/** @type {string} */ id) => photos.some((photo) => photo.id === id);
  const { networks } = context;
  const model = networks[Number(now.model)] ? now.model : "0";
  const isThere = now.model2 !== "" && networks[Number(now.model2)] !== undefined;
  if (isThere && isKnown(now.photo2)) return null;
  if (isKnown(now.photo2)) return { model2: model, photo2: now.photo2 };
  if (isThere && now.model2 !== model) return { model2: now.model2, photo2: now.photo };
  if (!isThere && networks.length > 1) {
    return { model2: String((Number(model) + 1) % networks.length), photo2: now.photo };
  }
  if (photos.length < 2) return undefined;
  const at = photos.findIndex(({ id }) => id === now.photo);
  return { model2: model, photo2: photos[(at + 1) % photos.length].id };
}

/** Left and right change places. */
export function swapped(/** @type {Now} */ now, /** @type {Pair} */ { sides, link }) {
  const classes = now.target.split("-").map((each) => link.classOf(Number(each)));
  const isClass = /^\d+(-\d+)?$/.test(now.target) && classes.every((each) => each >= 0);
  return {
    model: sides[1].model,
    photo: sides[1].photo,
    model2: sides[0].model,
    photo2: sides[0].photo,
    layer: sides[1].layer,
    layer2: now.layer2 && sides[0].layer,
    target: isClass ? classes.join("-") : "",
    place: "",
    patch: "",
  };
}

/** The two sides and what corresponds in them. @returns {Promise<Pair>} */
export async function pairOf(
  /** @type {Context} */ context,
  /** @type {Now} */ now,
  /** @type {Photo[]} */ photos,
) {
  const link = await linkOf(now);
  const nameOf = (/** @type {string} */ id) => photos.find((photo) => photo.id === id)?.name ?? "photo";
  const [first, second] = [now.model, now.model2].map(
    (model) => context.networks[Number(model)] ?? context.networks[0],
  );
  const layer = layerOf(context, now);
  const left = { model: now.model, photo: now.photo, network: first, name: nameOf(now.photo), layer };
  const right = {
    model: now.model2,
    photo: now.photo2,
    network: second,
    name: nameOf(now.photo2),
    layer: now.layer2 || link.layerOf(layer) || second.default_layer || "",
  };
  return { sides: /** @type {[Side, Side]} */ ([left, right]), link };
}

/** @returns {Promise<Link>} */
async function linkOf(/** @type {Now} */ { model, model2, photo, photo2 }) {
  const isSamePhoto = photo === photo2;
  if (model === model2) {
    return {
      isSameNetwork: true,
      isSamePhoto,
      classOf: (index) => index,
      classBack: (index) => index,
      hasClasses: true,
      sentence: "",
      layerOf: (layer) => layer,
    };
  }
  const found = await ask("correspondence", { model, model2 });
  const classes = found.arrays.classes.data;
  const layers = new Map(found.layers);
  return {
    isSameNetwork: false,
    isSamePhoto,
    classOf: (index) => classes[index] ?? -1,
    classBack: (index) => classes.indexOf(index),
    hasClasses: found.how !== "none",
    sentence: found.sentence,
    layerOf: (layer) => layers.get(layer),
  };
}

/** The target on the right: the same classes; null where it has none of that kind. */
export function targetOn(/** @type {Link} */ link, /** @type {string} */ target) {
  if (!target || link.isSameNetwork) return target;
  if (!/^\d+(-\d+)?$/.test(target)) return null;
  const classes = target.split("-").map((each) => link.classOf(Number(each)));
  return classes.every((each) => each >= 0) ? classes.join("-") : null;
}
