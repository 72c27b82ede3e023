// Predictions as bars: each a class that can be chosen. They move with what changes the photo.

import { classesOf, classNames, highest, highestOf, predictionsOf, targetName } from "./classes.js";
import { digits, element, percent, refusal } from "./elements.js";
import { addressOf, change, listen, state } from "./state.js";

/** @typedef {import("./wire.js").Answer} Answer */
/** @typedef {ArrayLike<number>} Numbers */

const BARS = 5;

/** @type {((probabilities: Numbers | null, mark: string) => void) | null} */
let paintAll = null;

/**
 * Show the probabilities of a changed photo, and how they differ; null: those of the photo itself.
 * @param {Numbers | null} probabilities
 * @param {string} [mark] What they belong to, as the attribute `data-mark` of the bars.
 */
export function showChanged(probabilities, mark = "") {
  paintAll?.(probabilities, mark);
}

/** The predictions of the chosen photo, which follow the state. */
export function createPredictions() {
  const bars = element("ol", { class: "bars", "aria-label": "Predictions" });
  const explained = element("span");
  const reset = element(
    "button",
    { type: "button", hidden: true, onclick: () => change({ target: "" }) },
    "Highest class",
  );
  const why = element("a", {
    onclick: (/** @type {MouseEvent} */ event) => {
      if (event.ctrlKey || event.metaKey || event.shiftKey) return;
      event.preventDefault();
      change({ view: "why" });
    },
  });
  const place = element("div", {}, bars, element("p", { class: "explained" }, explained, why, reset));

  /** @type {Bar[]} */
  let shown = [];
  /** @type {Bar | null} Shows the highest class where it is none of the others. */
  let newcomer = null;
  /** @type {Numbers} */
  let clean = [];
  /** @type {string[]} */
  let names = [];
  let write = percent;

  /** @type {[Numbers | null, string]} */
  let changed = [null, ""];
  paintAll = (probabilities, mark) => {
    if (probabilities && probabilities.length !== clean.length) return;
    changed = [probabilities, mark];
    const now = probabilities ?? clean;
    for (const bar of shown) bar.paint(now, clean, write);
    if (newcomer) {
      const best = highestOf(now);
      const isNew = !shown.some((bar) => bar.index === best);
      if (isNew) {
        newcomer.become(best, names[best]);
        newcomer.paint(now, clean, write);
      }
      newcomer.element.classList.toggle("absent", !isNew);
    }
    bars.classList.toggle("changed", probabilities !== null);
    bars.dataset.mark = mark;
  };

  let wanted = "";
  let photoShown = "";
  async function update() {
    const { view, model, photo, target } = state();
    why.hidden = view === "why";
    why.href = addressOf({ view: "why" });
    const key = `${model} ${photo} ${target}`;
    if (!photo || key === wanted) return;
    wanted = key;
    try {
      const [answer, all] = await Promise.all([predictionsOf(model, photo), classNames(model)]);
      if (wanted !== key) return;
      names = all;
      show(answer, target, `${model} ${photo}`);
    } catch (error) {
      if (wanted !== key) return;
      wanted = "";
      bars.replaceChildren(element("li", {}, refusal(error)));
    }
  }

  function show(
    /** @type {Answer} */ answer,
    /** @type {string} */ target,
    /** @type {string} */ photo,
  ) {
    clean = answer.arrays.probabilities.data;
    const isOutput = answer.kind === "linear" && clean.length === 1;
    write = isOutput ? digits : percent;
    const classes = classesOf(target, clean);
    const listed = highest(clean, BARS);
    for (const index of classes ?? []) if (!listed.includes(index)) listed.push(index);
    const kept = document.activeElement;
    const focused = shown.find((bar) => bar.element.contains(kept))?.index;
    shown = listed.map((index) => new Bar(index, names[index], classes?.[0] === index));
    newcomer = clean.length > listed.length ? new Bar(listed[0], "", false) : null;
    bars.replaceChildren(
      ...shown.map((bar) => bar.element),
      ...(newcomer ? [newcomer.element] : []),
    );
    shown.find((bar) => bar.index === focused)?.button.focus();
    // With another target, what changed the photo still does.
    if (photo !== photoShown) changed = [null, ""];
    photoShown = photo;
    showChanged(...changed);
    const name = classes ? targetName(classes, names) : target;
    explained.textContent = `Explained: ${name}`;
    why.textContent = `Why ${name}?`;
    reset.hidden = target === "";
    // A network that scores every position has no class that is explained by itself.
    if (answer.is_spatial && !target) change({ target: String(listed[0]) }, { replace: true });
  }

  listen(update);
  update();
  return place;
}

/** The bar of one class. */
class Bar {
  constructor(
    /** @type {number} */ index,
    /** @type {string} */ name,
    /** @type {boolean} */ isChosen,
  ) {
    this.index = index;
    this.name = element("span", { class: "name" }, name);
    this.value = element("span", { class: "value" });
    this.change = element("span", { class: "change" });
    this.bar = element("span", { class: "bar" });
    this.button = element(
      "button",
      {
        type: "button",
        "aria-pressed": isChosen ? "true" : "false",
        title: `Explain ${name}`,
        onclick: () => change({ target: String(this.index) }),
      },
      this.name,
      this.change,
      this.value,
      this.bar,
    );
    this.element = element("li", {}, this.button);
  }

  become(/** @type {number} */ index, /** @type {string} */ name) {
    if (this.index === index) return;
    this.index = index;
    this.name.textContent = name;
    this.button.title = `Explain ${name}`;
  }

  /**
   * @param {Numbers} now
   * @param {Numbers} clean
   * @param {(value: number) => string} write
   */
  paint(now, clean, write) {
    const value = now[this.index];
    const before = clean[this.index];
    this.value.textContent = write(value);
    const fall = value - before;
    const points = write === percent ? (100 * Math.abs(fall)).toFixed(1) : digits(Math.abs(fall));
    this.change.textContent = Number(points) ? `${fall < 0 ? "−" : "+"}${points}` : "";
    this.change.classList.toggle("rises", fall > 0);
    const most = write === percent ? 1 : 1.25 * Math.max(Math.abs(value), Math.abs(before)) || 1;
    this.bar.style.setProperty("--share", String(Math.abs(value) / most));
    this.bar.style.setProperty("--was", String(Math.abs(before) / most));
  }
}
