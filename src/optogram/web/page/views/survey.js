// A survey: the units of its layers by strength, class and likeness, with patterns and crops that
// were made before. Nothing is computed by the network.

import { digits, element, percent, progressBar, refusal } from "../elements.js";
import { isTyping } from "../layers.js";
import { addressOf, change } from "../state.js";
import { cropsOf, patternsOf } from "../survey/pictures.js";
import { ORDERS, ordered, served } from "../survey/table.js";
import { unitFacts } from "../survey/unit.js";
import { ask } from "../wire.js";

/**
 * @typedef {import("../wire.js").Answer} Answer
 * @typedef {Readonly<Record<string, string>>} Now
 */

const PAGE = 24;

/** @returns {import("../main.js").View} */
export function create(/** @type {import("../main.js").Context} */ context) {
  const survey = /** @type {import("../main.js").Survey} */ (context.survey);
  const layers = select(
    "Layer",
    survey.layers.map(({ name }) => [name, name]),
    (layer) => change({ layer, filter: "", served: "" }),
  );
  const sorted = select("Order by", [], (value) => change({ sorted: value, served: "" }));
  const serving = select("Serving", [], (value) => change({ served: value }));
  const about = element("p", { class: "quiet" });
  const trouble = element("div");
  const bar = progressBar("Reading the survey…");
  const place = element("div");
  const root = element(
    "section",
    { class: "survey", "aria-label": "Survey" },
    element("div", { class: "tools" }, layers.label, sorted.label, serving.label),
    about,
    bar.element,
    trouble,
    place,
  );
  let asking = new AbortController();
  /** @type {Answer | null} */
  let table = null;
  let layer = "";
  let shownKey = "";
  /** @type {number[]} */
  let units = [];
  /** @type {number | null} */
  let unit = null;

  addEventListener("keydown", key);

  /** @param {string} title @param {string[][]} options @param {(value: string) => void} chosen */
  function select(title, options, chosen) {
    const list = element("select", { onchange: () => chosen(list.value) });
    const label = element("label", {}, `${title} `, list);
    const fill = (/** @type {string[][]} */ given) =>
      list.replaceChildren(...given.map(([value, words]) => element("option", { value }, words)));
    fill(options);
    return { list, label, fill };
  }

  async function update(/** @type {Now} */ now) {
    const usual = survey.layers.find(({ patterns }) => patterns) ?? survey.layers[0];
    const chosen = survey.layers.find(({ name }) => name === now.layer) ?? usual;
    const key = [chosen.name, now.filter, now.sorted, now.served].join("\n");
    if (key === shownKey) return;
    shownKey = key;
    asking.abort();
    asking = new AbortController();
    const { signal } = asking;
    bar.element.hidden = false;
    trouble.replaceChildren();
    try {
      if (chosen.name !== layer || !table) {
        table = await ask("surveyed_layer", { layer: chosen.name }, { signal });
        layer = chosen.name;
        fillTools(table);
      }
      if (signal.aborted) return;
      const known = ORDERS.filter(([name]) => name === "number" || table?.arrays[source(name)]);
      const order = known.find(([name]) => name === now.sorted) ?? known[0];
      layers.list.value = layer;
      sorted.list.value = order[0];
      serving.list.value = now.served;
      units = ordered(table, chosen.units, order[0], now.served);
      unit = now.filter === "" ? null : Number(now.filter);
      const said = now.served ? `that serve ${table.names[now.served] ?? "no class"}` : order[2];
      about.textContent =
        `${chosen.kind}, ${units.length.toLocaleString("en")} units ${said}; ` +
        `${survey.photos.toLocaleString("en")} photos.`;
      await (unit === null ? showUnits(table, signal) : showUnit(table, unit, chosen, signal));
    } catch (error) {
      if (!signal.aborted) {
        trouble.replaceChildren(refusal(error));
        place.replaceChildren();
      }
    }
    if (!signal.aborted) bar.element.hidden = true;
  }

  const source = (/** @type {string} */ name) => (name === "likeness" ? "correlation" : name);

  function fillTools(/** @type {Answer} */ table) {
    sorted.fill(
      ORDERS.filter(([name]) => name === "number" || table.arrays[source(name)]).map(
        ([name, words]) => [name, words],
      ),
    );
    const classes = Object.entries(/** @type {Record<string, string>} */ (table.names));
    classes.sort(([, a], [, b]) => a.localeCompare(b));
    serving.fill([["", "any class"], ...classes]);
    serving.label.hidden = !classes.length;
  }

  async function showUnits(/** @type {Answer} */ table, /** @type {AbortSignal} */ signal) {
    const grid = element("div", { class: "grid", onkeydown: walk });
    const more = element(
      "button",
      { type: "button", onclick: () => add().catch((error) => trouble.append(refusal(error))) },
      "Show more",
    );
    place.replaceChildren(grid, more);
    let shown = 0;
    async function add() {
      const next = units.slice(shown, shown + PAGE);
      shown += next.length;
      more.hidden = shown >= units.length;
      const cards = next.map((number) => card(table, number));
      grid.append(...cards.map(({ link }) => link));
      if (!next.length) return;
      const given = { layer, units: next.join(","), most: 3, side: 96 };
      const found = await ask("surveyed_pictures", given, { signal, progress: bar.show });
      cards.forEach(({ pictures }, row) => {
        const patterns = patternsOf(found, row, layer).slice(0, 1);
        const crops = cropsOf(found, row, layer).slice(0, 3 - patterns.length);
        pictures.replaceChildren(...patterns, ...crops.map(({ picture }) => picture));
      });
    }
    await add();
  }

  function card(/** @type {Answer} */ table, /** @type {number} */ number) {
    const pictures = element("span", { class: "pictures" });
    const { strength, fires } = table.arrays;
    const facts = [
      strength ? `max ${digits(strength.data[number])}` : "",
      fires ? `fires ${percent(fires.data[number]).replace(" ", "\u00a0")}` : "",
    ];
    const [first] = served(table, number);
    const link = element(
      "a",
      { class: "card", ...toUnit(number) },
      pictures,
      element("b", {}, `unit ${number}`),
      first ? ` ${first.name}` : "",
      element("span", { class: "quiet" }, facts.filter(Boolean).join(", ")),
    );
    return { link, pictures };
  }

  function toUnit(/** @type {number} */ number) {
    const changes = { layer, filter: String(number) };
    return {
      href: addressOf(changes),
      onclick: (/** @type {MouseEvent} */ event) => {
        if (event.ctrlKey || event.metaKey || event.shiftKey) return;
        event.preventDefault();
        change(changes);
      },
    };
  }

  /** @param {Answer} table @param {number} number @param {{units: number}} of @param {AbortSignal} signal */
  async function showUnit(table, number, of, signal) {
    if (!(Number.isInteger(number) && number >= 0 && number < of.units)) {
      throw new Error(`${layer} has no unit ${number}: they are numbered 0 to ${of.units - 1}.`);
    }
    const given = { layer, units: number, most: 100, side: 128 };
    const found = await ask("surveyed_pictures", given, { signal, progress: bar.show });
    const at = units.indexOf(number);
    const step = (/** @type {number} */ by, /** @type {string} */ words, /** @type {string} */ rel) => {
      const next = units[at + by];
      return at < 0 || next === undefined ? null : element("a", { ...toUnit(next), rel }, words);
    };
    const patterns = patternsOf(found, 0, layer);
    const crops = cropsOf(found, 0, layer);
    place.replaceChildren(
      element(
        "div",
        { class: "tools" },
        element("h2", {}, `${layer}, unit ${number}`),
        element(
          "a",
          {
            href: addressOf({ filter: "" }),
            onclick: (/** @type {MouseEvent} */ event) => {
              event.preventDefault();
              change({ filter: "" });
            },
          },
          "All units",
        ),
        step(-1, "← Previous", "prev"),
        step(1, "Next →", "next"),
      ),
      element("div", { class: "pictures large" }, patterns),
      element(
        "div",
        { class: "pictures" },
        crops.map(({ picture, activation, label }) =>
          element(
            "figure",
            {},
            picture,
            element("figcaption", {}, element("b", {}, digits(activation)), label ? ` ${label}` : ""),
          ),
        ),
      ),
      unitFacts(table, survey.quantiles, number, (nearest) =>
        element("a", toUnit(nearest), `unit ${nearest}`),
      ),
    );
  }

  /** Arrow keys walk from card to card. */
  function walk(/** @type {KeyboardEvent} */ event) {
    const cards = /** @type {HTMLElement[]} */ ([...place.querySelectorAll(".card")]);
    const at = cards.indexOf(/** @type {HTMLElement} */ (document.activeElement));
    if (at < 0) return;
    const across = cards.filter((one) => one.offsetTop === cards[0].offsetTop).length;
    const steps = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -across, ArrowDown: across };
    const by = steps[/** @type {keyof typeof steps} */ (event.key)];
    if (!by) return;
    event.preventDefault();
    cards[Math.min(Math.max(at + by, 0), cards.length - 1)].focus();
  }

  /** In one unit, the arrow keys go to the next one, Escape goes back to all. */
  function key(/** @type {KeyboardEvent} */ event) {
    if (unit === null || isTyping(event)) return;
    const rel = { ArrowLeft: "prev", ArrowRight: "next" }[event.key];
    if (rel) /** @type {HTMLElement | null} */ (place.querySelector(`a[rel=${rel}]`))?.click();
    if (event.key === "Escape") change({ filter: "" });
  }

  return {
    element: root,
    update,
    destroy() {
      asking.abort();
      removeEventListener("keydown", key);
    },
  };
}
