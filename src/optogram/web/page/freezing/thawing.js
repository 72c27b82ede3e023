// A frozen page: its answers and photos are in the page itself.

import { frozen, frozenPhotos, unpacked } from "../wire.js";
import { decompressed } from "./bytes.js";

/**
 * Read what a frozen page has.
 * @returns {Promise<string | null>} When it was frozen; null if it is no frozen page.
 */
export async function thaw() {
  const place = document.getElementById("frozen");
  if (!place) return null;
  const { answers, photos, pictures, query, made } = JSON.parse(place.textContent ?? "");
  for (const [key, text] of answers) frozen.set(key, unpacked((await decompressed(text)).buffer));
  for (const photo of photos) frozenPhotos.set(photo.id, { ...photo, picture: pictures[photo.id] });
  if (!location.search && query) {
    history.replaceState(null, "", query);
    dispatchEvent(new PopStateEvent("popstate"));
  }
  document.documentElement.classList.add("frozen");
  return made;
}
