// Files that the browser saves.

import { element } from "./elements.js";

/** Save `content` as a file. */
export function saveAs(/** @type {Blob} */ content, /** @type {string} */ name) {
  const address = URL.createObjectURL(content);
  const link = element("a", { href: address, download: name });
  document.body.append(link);
  link.click();
  link.remove();
  // The browser reads it after the click.
  setTimeout(() => URL.revokeObjectURL(address), 60_000);
}

/** Save the pixels of a canvas as PNG. */
export function savePicture(/** @type {HTMLCanvasElement} */ canvas, /** @type {string} */ name) {
  canvas.toBlob((content) => content && saveAs(content, name), "image/png");
}
