// Beside each view: the photos, and what the network takes the chosen one for.

import { element } from "./elements.js";
import { createPredictions } from "./predictions.js";
import { createSearch } from "./search.js";
import { createStrip } from "./strip.js";

/** Set up the side of the page. */
export async function createSide() {
  const place = /** @type {HTMLElement} */ (document.getElementById("side"));
  const strip = await createStrip();
  place.append(
    element("h2", {}, "Photos"),
    strip,
    element("h2", {}, "Predictions"),
    createPredictions(),
    createSearch(),
  );
}
