// The networks: their titles, and which one is looked at, where there are several.

import { element } from "./elements.js";
import { change, state } from "./state.js";

/** @typedef {import("./main.js").Network} Network */

/** The name of a network; with its file, where several have the same name. */
export function titleOf(
  /** @type {Network[]} */ networks,
  /** @type {Network} */ network,
) {
  const file = network.origin.split(/[\\/]/).pop() ?? "";
  const isAlone = networks.filter(({ name }) => name === network.name).length === 1;
  if (isAlone) return network.name;
  return file && file !== network.name
    ? `${network.name} (${file})`
    : `${network.name} (${networks.indexOf(network)})`;
}

/**
 * The title of the network; of several, a choice.
 * @param {HTMLElement} place
 * @param {Network[]} networks
 */
export function createNetworkChoice(place, networks) {
  const select = element(
    "select",
    { "aria-label": "Network", onchange: () => go(Number(select.value)) },
    ...networks.map((each, number) => element("option", { value: number }, titleOf(networks, each))),
  );
  place.replaceChildren(networks.length > 1 ? select : networks[0].name);

  /** Layers and classes that the other network does not have are let go. */
  function go(/** @type {number} */ number) {
    const now = state();
    const [before, after] = [networks[Number(now.model)] ?? networks[0], networks[number]];
    const hasLayer = after.map_layers.includes(now.layer);
    change({
      model: String(number),
      layer: hasLayer ? now.layer : "",
      filter: hasLayer ? now.filter : "",
      target: before.classes === after.classes ? now.target : "",
      cell: "",
      factor: "",
      explained: "",
      folds: "",
    });
  }

  return {
    update() {
      select.value = state().model;
    },
  };
}
