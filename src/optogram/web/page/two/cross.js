// A mark at a place of a picture, given as fractions of its height and width.

import { element } from "../elements.js";

/** @typedef {[y: number, x: number]} Place */

/** A mark that lies over its parent. */
export function createCross() {
  const mark = element("span", { class: "cross", "aria-hidden": "true", hidden: true });
  return {
    element: mark,
    /** @param {Place | null} place */
    show(place) {
      mark.hidden = !place;
      if (!place) return;
      mark.style.setProperty("--y", String(place[0]));
      mark.style.setProperty("--x", String(place[1]));
    },
  };
}
