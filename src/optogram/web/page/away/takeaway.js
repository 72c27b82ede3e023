// What is taken away of a panel: its picture, its numbers, and what makes them again.

import { code } from "../code.js";
import { element, refusal } from "../elements.js";
import { saveAs, savePicture } from "../saving.js";
import { state } from "../state.js";
import { numbersOf, photos } from "../wire.js";

/**
 * @typedef {object} Taken
 * @property {string} title                         What the panel shows, as a part of names of files.
 * @property {() => HTMLCanvasElement} picture
 * @property {string} [question]                    Whose numbers are saved; none: there are none.
 * @property {Record<string, string | number>} [given]
 * @property {Record<string, any>} again   Its `python`, `command` or `no_command`.
 */

/** Buttons that save a panel, and the lines that make it; `show` says which panel. */
export function createTakeaway() {
  const place = element("section", { class: "takeaway", "aria-label": "Take away" });
  const trouble = element("div");
  let shown = "";

  /** @param {Taken | null} taken @param {string} [why] Why there is nothing. */
  function show(taken, why = "") {
    const key = JSON.stringify([taken?.title, taken?.question, taken?.given, taken?.again, why]);
    if (key === shown) return;
    shown = key;
    trouble.replaceChildren();
    place.replaceChildren(...(taken ? contents(taken) : why ? [hint(why)] : []));
  }

  function contents(/** @type {Taken} */ taken) {
    const { question, given, again } = taken;
    return [
      element(
        "p",
        { class: "buttons" },
        press("Save PNG", async () => savePicture(taken.picture(), `${await nameOf(taken.title)}.png`)),
        question && press("Save .npz", () => saveNumbers(question, given ?? {})),
      ),
      trouble,
      code("In Python", again.python),
      again.command ? code("As a command", again.command) : hint(again.no_command),
    ];
  }

  async function saveNumbers(
    /** @type {string} */ question,
    /** @type {Record<string, string | number>} */ given,
  ) {
    trouble.replaceChildren();
    try {
      const { content, name } = await numbersOf(question, given);
      saveAs(content, name);
    } catch (error) {
      trouble.replaceChildren(refusal(error));
    }
  }

  return { element: place, show };
}

/** The name of the photo that is looked at, and of what is shown of it. */
async function nameOf(/** @type {string} */ title) {
  const known = (await photos()).find(({ id }) => id === state().photo);
  return `${known?.name.replace(/\.[^.]*$/, "") || "photo"}-${title}`;
}

function press(/** @type {string} */ text, /** @type {() => void} */ onclick) {
  return element("button", { type: "button", onclick }, text);
}

function hint(/** @type {string} */ sentence) {
  return element("p", { class: "hint" }, sentence);
}
