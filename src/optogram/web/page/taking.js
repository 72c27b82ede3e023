// What is taken away of the whole page: a frozen page, and the report.

import { element, progressBar, refusal, say } from "./elements.js";
import { freeze } from "./freezing/freezing.js";
import { saveAs } from "./saving.js";
import { state } from "./state.js";
import { ask, photos } from "./wire.js";

const MOST_REPORTED = 50;

/**
 * Buttons that save a frozen page and the report; on a frozen page, when it was frozen.
 * @param {{name: string, title: string}[]} views
 * @param {string | null} frozenAt
 */
export function createTaking(views, frozenAt) {
  if (frozenAt !== null) {
    return element("p", { class: "taking" }, `Frozen on ${frozenAt} UTC: nothing is computed here.`);
  }
  const said = element("span", { class: "taking-said" });
  /** @type {AbortController | null} */
  let working = null;

  async function work(/** @type {string} */ name, /** @type {Work} */ run) {
    if (working) return;
    working = new AbortController();
    const { signal } = working;
    const bar = progressBar(`${name}…`);
    const stop = element(
      "button",
      { type: "button", onclick: () => working?.abort() },
      "Stop",
    );
    said.replaceChildren(bar.element, stop);
    try {
      const sentence = await run((done, total) => bar.show(done, total, `${name}…`), signal);
      said.replaceChildren(sentence);
      say(sentence);
    } catch (error) {
      said.replaceChildren(signal.aborted ? "" : refusal(error));
    }
    working = null;
  }

  const report = (/** @type {boolean} */ isOfAll) =>
    work("Report", async (progress, signal) => {
      const now = state();
      const ids = isOfAll ? (await photos()).slice(0, MOST_REPORTED).map(({ id }) => id) : [now.photo];
      const given = { model: now.model, photos: ids.join(",") };
      const { name, arrays } = await ask("report", given, { progress, signal });
      saveAs(new Blob([/** @type {any} */ (arrays.content.data)], { type: "text/html" }), name);
      return `The report on ${ids.length === 1 ? "this photo" : `${ids.length} photos`} is saved.`;
    });

  const button = (
    /** @type {string} */ text,
    /** @type {string} */ title,
    /** @type {() => void} */ onclick,
  ) => element("button", { type: "button", title, onclick }, text);
  return element(
    "div",
    { class: "taking", role: "group", "aria-label": "Take away" },
    button("Freeze", "Save what was looked at since the page was loaded, as one HTML file that works offline", () =>
      work("Freezing", async (progress) => {
        const { content, sentence } = await freeze(views, progress);
        saveAs(content, "optogram.html");
        return sentence;
      }),
    ),
    button("Report", "Save the report on this photo", () => report(false)),
    button("Report on all", "Save the report on all photos", () => report(true)),
    said,
  );
}

/** @typedef {(progress: (done: number, total: number) => void, signal: AbortSignal) => Promise<string>} Work */
