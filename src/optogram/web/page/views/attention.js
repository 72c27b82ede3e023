// Attention: what each patch of the photo reads in a layer, in each head or in all.

import { createHeads } from "../attention/heads.js";
import { Rows } from "../attention/rows.js";
import { looseName, sentenceOf } from "../attention/words.js";
import { createAlone } from "../away/alone.js";
import { pictureOf } from "../away/picture.js";
import { colored, faded, paint, picture, rangeOf } from "../colors.js";
import { element, onceAFrame, percent, progressBar, refusal, say } from "../elements.js";
import { isTyping, networkOf } from "../layers.js";
import { change, state } from "../state.js";
import { overPhotoControls } from "../units/over_photo.js";
import { Screen } from "../units/screens.js";
import { ask } from "../wire.js";
import { drawBar } from "../why/painting.js";

/**
 * @typedef {import("../wire.js").Answer} Answer
 * @typedef {import("../units/screens.js").Cell} Cell
 * @typedef {import("../attention/rows.js").Query} Query
 */

const NONE = "This network has no attention layers: the view “Layer” shows what its layers return.";

/** @returns {import("../main.js").View} */
export function create(/** @type {import("../main.js").Context} */ context) {
  const layers = element("select", {
    onchange: () => change({ attention: layers.value, head: "" }),
  });
  const headChoice = element("select", { onchange: () => change({ head: headChoice.value }) });
  const { opacity, cmap } = overPhotoControls();
  const about = element("p", { class: "quiet about" });
  const bar = progressBar("Computing the attention…");
  bar.element.hidden = true;
  const trouble = element("div");
  const screen = new Screen(
    "The photo. Arrow keys move over its patches: what each patch reads is drawn and said; Enter keeps it.",
    { point, leave, choose },
  );
  const here = element("p", { class: "here", "aria-live": "polite" });
  const bars = element("canvas", { class: "scale-colors", "aria-hidden": "true" });
  const high = element("span");
  const scale = element("p", { class: "scale" }, element("span", {}, "0 %"), bars, high);
  const tokens = element("div", { class: "buttons", role: "group", "aria-label": "Whose attention is shown" });
  const matrix = element("canvas", { class: "pixels matrix", role: "img" });
  const over = element(
    "section",
    { class: "panel over", "aria-label": "Attention over the photo" },
    element("p", { class: "quiet" }, "Point at a patch: the map shows what it reads. Click to keep it."),
    tokens,
    screen.element,
    matrix,
    scale,
    here,
  );
  const heads = createHeads();
  const work = element("div", { class: "panels" }, over, heads.element);
  const root = element(
    "section",
    { class: "attention", "aria-label": "Attention" },
    element(
      "div",
      { class: "tools" },
      element("label", {}, "Layer ", layers),
      element("label", {}, "Head ", headChoice),
      element("label", {}, "Opacity ", opacity),
      element("label", {}, "Color map ", cmap),
    ),
    about,
    bar.element,
    trouble,
    work,
  );
  const alone = createAlone(root, [
    { name: "attention", element: over, taken: () => taken(over, "attention") },
    { name: "heads", element: heads.element, taken: () => taken(heads.element, "heads") },
  ]);
  root.append(alone.takeaway);
  work.before(alone.back);

  let shownKey = "";
  let photoKey = "";
  let listed = "";
  let asking = new AbortController();
  const redraw = onceAFrame(draw);
  /** @type {Answer | null} */
  let answer = null;
  /** @type {Rows | null} */
  let rows = null;
  /** @type {Cell | null} */
  let pointed = null;

  const known = () => networkOf(context, state()).attention_layers;
  const layer = () => (known().includes(state().attention) ? state().attention : known().at(-1) ?? "");
  const asked = () => ({ model: state().model, photo: state().photo, layer: layer() });

  /** The head that is shown; null for the mean of all. */
  function head() {
    const { head: chosen } = state();
    const number = Number(chosen);
    return chosen !== "" && rows && Number.isInteger(number) && number >= 0 && number < rows.heads
      ? number
      : null;
  }

  /** The token that is kept: the class token, or the mean of all, where none was chosen. @returns {Query} */
  function kept() {
    const { loose } = /** @type {Rows} */ (rows);
    const { token } = state();
    const [row, column] = token.split(",").map(Number);
    if (token.includes(",")) return rows?.at(row, column) ?? "mean";
    if (token === "mean") return "mean";
    return loose[Math.floor(Number(token))] ?? loose[0] ?? "mean";
  }

  async function loadPhoto() {
    const { model, photo } = state();
    try {
      const { pixels } = (await ask("prepared", { model, photo })).arrays;
      if (photoKey !== `${model} ${photo}`) return;
      paint(screen.below, picture(pixels));
      screen.element.style.setProperty("--ratio", String(pixels.shape[1] / pixels.shape[0]));
    } catch (error) {
      trouble.replaceChildren(refusal(error));
    }
  }

  async function load() {
    asking.abort();
    asking = new AbortController();
    const { signal } = asking;
    [answer, rows, pointed] = [null, null, null];
    delete over.dataset.shown;
    bar.element.hidden = false;
    try {
      const given = asked();
      const found = await ask("attention", given, { signal });
      if (signal.aborted) return;
      [answer, rows] = [found, new Rows(found)];
      trouble.replaceChildren(
        ...found.warnings.map((/** @type {string} */ each) => element("p", {}, `⚠ ${each}`)),
      );
      work.hidden = false;
      about.textContent = described(found, rows);
      over.dataset.shown = given.layer;
      lay();
    } catch (error) {
      if (signal.aborted) return;
      work.hidden = true;
      about.textContent = "";
      trouble.replaceChildren(refusal(error));
    }
    bar.element.hidden = true;
  }

  /** What can be chosen in the layer that came. */
  function lay() {
    const { heads: count, loose, from, to } = /** @type {Rows} */ (rows);
    const { is_mean } = /** @type {Answer} */ (answer);
    const isPlaced = to.length > 0;
    headChoice.replaceChildren(
      element("option", { value: "" }, "mean of all"),
      ...Array.from({ length: is_mean ? 0 : count }, (_, i) => element("option", { value: i }, i)),
    );
    heads.element.classList.toggle("absent", is_mean || !isPlaced || count === 1);
    for (const one of [screen.element, tokens, scale]) one.hidden = !isPlaced;
    matrix.hidden = isPlaced;
    if (isPlaced) {
      const { width, height } = screen.below;
      screen.resize(from.length ? from : to);
      screen.element.style.setProperty("--ratio", String(width / height));
      tokens.replaceChildren(
        ...loose.map((query, i) => tokenButton(String(i), looseName(/** @type {Rows} */ (rows), query))),
        tokenButton("mean", "Mean of all tokens"),
      );
    }
    update(state());
  }

  function tokenButton(/** @type {string} */ token, /** @type {string} */ name) {
    return element(
      "button",
      { type: "button", "data-token": token, onclick: () => change({ token }, { replace: true }) },
      name,
    );
  }

  function draw() {
    if (!rows) return;
    const { cmap: colors, blend, opacity: strength, token } = state();
    if (!rows.to.length) {
      const values = rows.matrix(head());
      const [, most] = rangeOf(values);
      paint(matrix, colored(values, rows.keys, rows.queries, colors, [0, most]));
      matrix.setAttribute("aria-label", `A matrix of ${rows.queries} × ${rows.keys}, up to ${percent(most)}.`);
      here.textContent =
        "Where the tokens of this layer stand on the photo is not known: this is the matrix, with a row " +
        "for each token that reads and a column for each that is read.";
      return;
    }
    const query = (pointed && rows.at(...pointed)) ?? kept();
    const reads = rows.reads(query, head());
    const [, most] = rangeOf(reads.map);
    const image = colored(reads.map, rows.to[1], rows.to[0], colors, [0, most]);
    paint(screen.above, blend === "even" ? image : faded(image, reads.map, [0, most]));
    screen.above.style.setProperty("opacity", strength);
    drawBar(bars, { low: 0, high: most, isSigned: false }, colors);
    high.textContent = percent(most);
    here.textContent = sentenceOf(rows, query, reads);
    over.dataset.query = String(query);
    screen.box("chosen", boxOf(query));
    heads.show(rows, query);
    const chosen = token === "" ? (rows.loose.length ? "0" : "mean") : token;
    for (const button of tokens.children) {
      const is = /** @type {HTMLElement} */ (button).dataset.token === chosen && !pointed;
      button.setAttribute("aria-pressed", String(is));
    }
    alone.update();
  }

  /** The sides of a patch; null for tokens without a place. */
  function boxOf(/** @type {Query} */ query) {
    const { queryPatches, from } = /** @type {Rows} */ (rows);
    const patch = query === "mean" ? -1 : queryPatches[query];
    if (patch < 0) return null;
    const [row, column] = [Math.floor(patch / from[1]), patch % from[1]];
    return [row, column, row + 1, column + 1];
  }

  function point(/** @type {Cell} */ cell) {
    if (!rows?.from.length || cell.join() === pointed?.join()) return;
    pointed = cell;
    redraw();
  }

  function leave() {
    pointed = null;
    redraw();
  }

  function choose(/** @type {Cell} */ cell) {
    if (rows?.from.length) change({ token: cell.join(",") }, { replace: true });
  }
  screen.element.addEventListener("blur", leave);

  const key = (/** @type {KeyboardEvent} */ event) => {
    if (isTyping(event)) return;
    if (event.key === "n") move(1);
    else if (event.key === "p") move(-1);
    else if (event.key === ".") turn(1);
    else if (event.key === ",") turn(-1);
  };
  document.addEventListener("keydown", key);

  /** To the layer after, or before. */
  function move(/** @type {number} */ by) {
    const next = known()[known().indexOf(layer()) + by];
    if (next === undefined) return;
    change({ attention: next, head: "" });
    say(`Layer ${next}`);
  }

  /** To the head after, or before; before the first is the mean of all. */
  function turn(/** @type {number} */ by) {
    if (!rows || answer?.is_mean) return;
    const next = Math.max(-1, Math.min(rows.heads - 1, (head() ?? -1) + by));
    change({ head: next < 0 ? "" : String(next) });
    say(next < 0 ? "Mean of all heads" : `Head ${next}`);
  }

  function taken(/** @type {HTMLElement} */ section, /** @type {string} */ name) {
    if (!answer) return "The attention is on its way.";
    return {
      title: `${layer()}-${name}`,
      picture: () => pictureOf(section),
      question: "attention",
      given: asked(),
      again: answer,
    };
  }

  function update(/** @type {Readonly<Record<string, string>>} */ now) {
    if (!now.photo) return;
    if (!known().length) {
      work.hidden = true;
      about.textContent = "";
      trouble.replaceChildren(element("p", {}, NONE));
      return;
    }
    if (listed !== now.model) {
      listed = now.model;
      layers.replaceChildren(...known().map((name) => element("option", { value: name }, name)));
    }
    layers.value = layer();
    headChoice.value = String(head() ?? "");
    cmap.value = now.cmap;
    if (document.activeElement !== opacity) opacity.value = now.opacity;
    alone.update();
    if (photoKey !== `${now.model} ${now.photo}`) {
      photoKey = `${now.model} ${now.photo}`;
      loadPhoto();
    }
    const wanted = JSON.stringify(asked());
    if (wanted !== shownKey) {
      shownKey = wanted;
      load();
      return;
    }
    redraw();
  }

  return {
    element: root,
    update,
    destroy() {
      asking.abort();
      document.removeEventListener("keydown", key);
    },
  };
}

/** The layer in a sentence or two. */
function described(/** @type {Answer} */ answer, /** @type {Rows} */ rows) {
  const { heads, windows, is_mean } = answer;
  const count = heads === 1 ? "1 head" : `${heads} heads`;
  const front = rows.front ? ` and ${rows.front} in front` : "";
  const tokens = rows.to.length ? `${rows.to[0]}×${rows.to[1]} patches${front}` : `${rows.keys} tokens`;
  const within =
    windows > 1
      ? ` Each token reads its own window alone: there are ${windows} windows of ${rows.keys} tokens.`
      : "";
  const mean = is_mean ? " The heads are too large to be sent one by one: their mean is shown." : "";
  return `${count}, ${tokens}.${within}${mean}`;
}
