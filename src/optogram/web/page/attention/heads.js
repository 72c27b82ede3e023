// What the chosen token reads in each head: small maps, of which one can be chosen.

import { colored, paint, rangeOf } from "../colors.js";
import { element, percent } from "../elements.js";
import { change, state } from "../state.js";

/** @typedef {import("./rows.js").Rows} Rows */

export function createHeads() {
  const list = element("ol", { class: "heads-list" });
  const place = element(
    "section",
    { class: "panel heads", "aria-label": "Heads" },
    element("h2", {}, "Heads"),
    element("p", { class: "quiet" }, "Each map has its own range; choose a head to see it over the photo."),
    list,
  );
  /** @type {{button: HTMLButtonElement, canvas: HTMLCanvasElement, most: HTMLElement}[]} */
  let tiles = [];

  function tile(/** @type {number} */ head) {
    const canvas = element("canvas", { class: "pixels", "aria-hidden": "true" });
    const most = element("span", { class: "quiet" });
    const button = element(
      "button",
      {
        type: "button",
        onclick: () => change({ head: state().head === String(head) ? "" : String(head) }),
      },
      canvas,
      element("span", {}, `head ${head}`),
      most,
    );
    return { button, canvas, most };
  }

  /**
   * @param {Rows} rows
   * @param {import("./rows.js").Query} query
   */
  function show(rows, query) {
    if (tiles.length !== rows.heads) {
      tiles = Array.from({ length: rows.heads }, (_, head) => tile(head));
      list.replaceChildren(...tiles.map(({ button }) => element("li", {}, button)));
    }
    const { head: chosen, cmap } = state();
    for (const [head, { button, canvas, most }] of tiles.entries()) {
      const { map } = rows.reads(query, head);
      const [, highest] = rangeOf(map);
      paint(canvas, colored(map, rows.to[1], rows.to[0], cmap, [0, highest]));
      canvas.style.setProperty("aspect-ratio", `${rows.to[1]} / ${rows.to[0]}`);
      most.textContent = `≤ ${percent(highest)}`;
      button.setAttribute("aria-pressed", String(chosen === String(head)));
    }
  }

  return { element: place, show };
}
