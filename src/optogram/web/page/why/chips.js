// Classes as chips: pick one to explain it, drag one onto another for "why this and not that".

import { classesOf, highest } from "../classes.js";
import { digits, element, percent, say } from "../elements.js";
import { change, state } from "../state.js";

const TOP = 5;

/**
 * Chips of the top classes, and those of the target.
 * With "and not…" the next class that is chosen, here or elsewhere, is subtracted.
 */
export function createChips() {
  const list = element("ul", { class: "chips", "aria-label": "Classes" });
  const sentence = element("h2", { class: "asked" });
  const buttons = element("span", { class: "buttons" });
  const hint = element("p", { class: "hint" });
  const place = element(
    "div",
    { class: "why-classes" },
    list,
    element("div", { class: "why-asked" }, sentence, buttons),
    hint,
  );
  /** @type {number | null} The class from which the next one is subtracted. */
  let minuend = null;

  function subtract(/** @type {number} */ winner, /** @type {number} */ other) {
    minuend = null;
    if (winner !== other) change({ target: `${winner}-${other}` });
  }

  /**
   * @param {string} target
   * @param {ArrayLike<number>} probabilities
   * @param {string[]} names
   * @param {boolean} isOutput   Whether it is one linear output, no probability.
   */
  function update(target, probabilities, names, isOutput) {
    const classes = classesOf(target, probabilities);
    const [winner, other] = classes ?? [];
    if (minuend !== null && state().target !== "" && classes && winner !== minuend) {
      subtract(minuend, winner);
      return;
    }
    const listed = highest(probabilities, TOP);
    for (const index of classes ?? []) if (!listed.includes(index)) listed.push(index);
    const focused = /** @type {HTMLElement | null} */ (document.activeElement)?.dataset?.index;
    list.replaceChildren(...listed.map((index) => chip(index, index === winner, index === other)));
    if (focused) {
      /** @type {HTMLElement | null} */ (list.querySelector(`[data-index="${focused}"]`))?.focus();
    }
    sentence.textContent = !classes
      ? `Why ${target}?`
      : other === undefined
        ? `Why ${names[winner]}?`
        : `Why ${names[winner]} and not ${names[other]}?`;
    buttons.replaceChildren(...actions());
    hint.hidden = probabilities.length < 2;
    hint.textContent =
      minuend !== null
        ? "Choose the other class: a chip, or any class beside the photo."
        : other === undefined
          ? "Drag a class onto another to see what speaks for the first and against the second."
          : "Positive: speaks for the first class; negative: for the second.";

    function chip(
      /** @type {number} */ index,
      /** @type {boolean} */ isFirst,
      /** @type {boolean} */ isSecond,
    ) {
      const button = element(
        "button",
        {
          type: "button",
          class: isSecond ? "chip second" : "chip",
          draggable: "true",
          "data-index": index,
          "aria-pressed": isFirst || isSecond ? "true" : "false",
          onclick: () => {
            if (minuend !== null && minuend !== index) subtract(minuend, index);
            else change({ target: String(index) });
          },
          ondragstart: (/** @type {DragEvent} */ event) =>
            event.dataTransfer?.setData("text/x-class", String(index)),
          ondragover: (/** @type {DragEvent} */ event) => {
            if (!event.dataTransfer?.types.includes("text/x-class")) return;
            event.preventDefault();
            button.classList.add("over");
          },
          ondragleave: () => button.classList.remove("over"),
          ondrop: (/** @type {DragEvent} */ event) => {
            const dragged = event.dataTransfer?.getData("text/x-class");
            if (!dragged) return;
            event.preventDefault();
            event.stopPropagation();
            subtract(Number(dragged), index);
          },
        },
        isSecond && "− ",
        element("span", { class: "name" }, names[index]),
        " ",
        element("span", { class: "value" }, (isOutput ? digits : percent)(probabilities[index])),
      );
      return element("li", {}, button);
    }

    function actions() {
      if (!classes) return [];
      const act = (/** @type {string} */ text, /** @type {() => void} */ onclick) =>
        element("button", { type: "button", onclick }, text);
      if (other !== undefined) {
        return [
          act("Swap", () => change({ target: `${other}-${winner}` })),
          act(`Only ${names[winner]}`, () => change({ target: String(winner) })),
        ];
      }
      const minus = act("and not…", () => {
        minuend = minuend === null ? winner : null;
        say(minuend === null ? "" : "Choose the other class.");
        update(target, probabilities, names, isOutput);
      });
      minus.setAttribute("aria-pressed", minuend === null ? "false" : "true");
      return probabilities.length > 1 ? [minus] : [];
    }
  }

  return { element: place, update };
}
