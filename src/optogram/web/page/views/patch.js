// The patch: drag it over the photo, and see what each place costs.

import { element } from "../elements.js";
import { pictureOf } from "../wire.js";

/** @returns {import("../main.js").View} */
export function create() {
  const photo = element("img", { alt: "The photo" });
  return {
    element: element("section", { "aria-label": "Patch" }, photo),
    update(state) {
      if (state.photo) photo.src = pictureOf(state.photo);
    },
  };
}
