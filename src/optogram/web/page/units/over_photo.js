// How a map is drawn over the photo: its opacity and its colors.

import { colorNames } from "../colors.js";
import { element } from "../elements.js";
import { change } from "../state.js";

export function overPhotoControls() {
  const opacity = element("input", {
    type: "range",
    min: 0,
    max: 1,
    step: 0.05,
    "aria-label": "Opacity of the map over the photo",
    oninput: () => change({ opacity: opacity.value }, { replace: true }),
  });
  const cmap = element(
    "select",
    { "aria-label": "Color map", onchange: () => change({ cmap: cmap.value }, { replace: true }) },
    ...colorNames().map((name) => element("option", { value: name }, name)),
  );
  return { opacity, cmap };
}
