// What is taken away of the patch: the whole map, or the scores with the patch where it is.

import { pictureOf } from "../away/picture.js";
import { createTakeaway } from "../away/takeaway.js";
import { element } from "../elements.js";

/**
 * @typedef {object} Measurement
 * @property {"patched" | "occlusion_map"} question
 * @property {Record<string, string | number>} given
 * @property {import("../wire.js").Answer} answer
 */

export function createTaken(/** @type {HTMLElement} */ stage) {
  const takeaway = createTakeaway();
  return {
    element: element("details", {}, element("summary", {}, "Take away"), takeaway.element),
    /** @param {Measurement | null} measured */
    show(measured) {
      if (!measured) {
        takeaway.show(null, "Drag the patch over the photo first.");
        return;
      }
      const { question, given, answer } = measured;
      const title = question === "patched" ? "patch" : "occlusion";
      takeaway.show({ title, picture: () => pictureOf(stage), question, given, again: answer });
    },
  };
}
