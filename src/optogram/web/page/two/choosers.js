// Above each side: its network and its photo.

import { element } from "../elements.js";
import { titleOf } from "../networks.js";
import { change } from "../state.js";

/** @typedef {import("./sides.js").Pair} Pair */

const NAMES = ["Left", "Right"];
const KEYS = [
  ["model", "photo"],
  ["model2", "photo2"],
];

/** @param {import("../main.js").Context} context */
export function createChoosers({ networks }) {
  const ends = NAMES.map((name, i) => {
    const [ofModel, ofPhoto] = KEYS[i];
    const network = element(
      "select",
      {
        "aria-label": `${name}: network`,
        onchange: () => change({ [ofModel]: network.value, layer2: "" }),
      },
      ...networks.map((one, number) => element("option", { value: number }, titleOf(networks, one))),
    );
    const photo = element("select", {
      "aria-label": `${name}: photo`,
      onchange: () => change({ [ofPhoto]: photo.value }),
    });
    network.hidden = networks.length < 2;
    const place = element(
      "div",
      { class: "chooser", role: "group", "aria-label": name },
      element("h2", {}, name),
      network,
      photo,
    );
    return { element: place, network, photo };
  });
  let listed = "";

  return {
    elements: ends.map((end) => end.element),
    /** @param {Pair} pair @param {import("./sides.js").Photo[]} photos */
    update({ sides }, photos) {
      const key = JSON.stringify(photos.map(({ id }) => id));
      for (const [i, end] of ends.entries()) {
        if (key !== listed) {
          end.photo.replaceChildren(
            ...photos.map((one, i) => element("option", { value: one.id }, nameOf(photos, one, i))),
          );
        }
        end.network.value = sides[i].model;
        end.photo.value = sides[i].photo;
      }
      listed = key;
    },
  };
}

/** The name of a photo; with its place in the strip, where several have the same name. */
function nameOf(
  /** @type {import("./sides.js").Photo[]} */ photos,
  /** @type {import("./sides.js").Photo} */ { name },
  /** @type {number} */ place,
) {
  const isAlone = photos.filter((other) => other.name === name).length === 1;
  return isAlone ? name : `${name} (${place + 1})`;
}
