// Lines of code that can be copied.

import { element, say } from "./elements.js";

/** Text with a button that copies it. */
export function code(/** @type {string} */ title, /** @type {string} */ text) {
  const shown = element("pre", { tabindex: 0, "aria-label": title }, text);
  const copy = element(
    "button",
    {
      type: "button",
      onclick: async () => {
        try {
          await navigator.clipboard.writeText(text);
          copy.textContent = "Copied";
          say(`${title}: copied.`);
        } catch {
          // Not allowed here: it can be copied by hand.
          getSelection()?.selectAllChildren(shown);
        }
      },
    },
    "Copy",
  );
  return element("div", { class: "code" }, element("h3", {}, title), copy, shown);
}
