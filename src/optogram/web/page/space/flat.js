// The network as a list that the keyboard walks through: a tree of blocks and steps, what each reads
// and feeds, and the graph drawn beside it. It says what the network in space says.

import { colored, paint, SIGNED } from "../colors.js";
import { element } from "../elements.js";
import { kindText, shapeText } from "./graph.js";
import { drawn } from "./lanes.js";
import { SIDE } from "./tiles.js";

/**
 * @typedef {import("./graph.js").Graph} Graph
 * @typedef {import("./graph.js").Node_} Node_
 * @typedef {import("./tiles.js").Tiles} Tiles
 *
 * @typedef {object} Row
 * @property {HTMLElement} element
 * @property {number} block   Of the header of a block; else -1.
 * @property {Node_ | null} node
 * @property {number} level
 * @property {boolean | null} isUnfolded  null: a step.
 * @property {string} name
 */

const ROW = 44;
const SHOWN = 3;

export class Flat {
  /** @param {{choose: (step: number) => void, open: (step: number) => void, toggle: (block: number) => void}} told */
  constructor(told) {
    this.told = told;
    this.list = element("div", {
      role: "tree",
      "aria-label": "Steps of the network",
      onkeydown: (/** @type {KeyboardEvent} */ event) => this.#key(event),
    });
    this.gutter = element("div", { class: "gutter" });
    this.element = element("div", { class: "flat" }, this.gutter, this.list);
    /** @type {Graph | null} */
    this.graph = null;
    /** @type {Tiles | null} */
    this.tiles = null;
    /** @type {Node_[]} */
    this.nodes = [];
    this.version = -1;
    /** @type {Row[]} */
    this.rows = [];
    this.cmap = "";
    this.chosen = -1;
    this.at = 0;
    /** @type {Map<HTMLElement, number>} The step of each canvas that is still empty. */
    this.empty = new Map();
  }

  /**
   * @param {Graph} graph
   * @param {Tiles} tiles
   */
  setGraph(graph, tiles) {
    this.graph = graph;
    this.tiles = tiles;
    this.arrange();
  }

  /** @param {Tiles} tiles */
  setTiles(tiles) {
    this.tiles = tiles;
    this.#emptyAll();
    this.came();
  }

  setColors(/** @type {string} */ cmap) {
    if (cmap === this.cmap) return;
    this.cmap = cmap;
    this.#emptyAll();
    this.came();
  }

  /** Make all rows anew, as after a block was folded. */
  arrange() {
    const { graph } = this;
    if (!graph) return;
    const hadFocus = this.list.contains(document.activeElement);
    const before = this.rows[this.at];
    this.nodes = graph.nodes();
    this.version = graph.version;
    this.rows = [];
    /** @type {number[]} The blocks whose headers stand above the row. */
    let open = [];
    for (const node of this.nodes) {
      /** @type {number[]} */
      const around = [];
      for (let b = node.block; b >= 0; b = graph.blocks[b].parent ?? -1) around.unshift(b);
      const first = around.findIndex((block, level) => open[level] !== block);
      around.forEach((block, level) => {
        if (first < 0 || level < first) return;
        this.#add({ block, node: null, level: level + 1, isUnfolded: true });
      });
      open = around;
      const isUnfolded = node.id < 0 ? false : null;
      this.#add({ block: node.id < 0 ? -1 - node.id : -1, node, level: around.length + 1, isUnfolded });
    }
    this.list.replaceChildren(...this.rows.map((row) => row.element));
    const isSame = (/** @type {Row} */ row) =>
      before && (before.block >= 0 ? row.block === before.block : row.node?.id === before.node?.id);
    this.at = Math.max(0, this.rows.findIndex(isSame));
    this.#emptyAll();
    this.choose(this.chosen, false);
    this.#focus(this.at, hadFocus);
    this.came();
  }

  /** @param {Omit<Row, "element" | "name">} row */
  #add(row) {
    const graph = /** @type {Graph} */ (this.graph);
    const { node, block, level, isUnfolded } = row;
    const index = this.rows.length;
    const name = node ? node.name : graph.blocks[block].name;
    const made = element(
      "div",
      {
        role: "treeitem",
        "aria-level": level,
        "aria-expanded": isUnfolded,
        "aria-selected": "false",
        tabindex: -1,
        class: node ? "step" : "header",
        style: { "--level": level - 1 },
        onclick: () => this.#click(index),
      },
      ...this.#content(row, name),
    );
    if (isUnfolded === false) made.setAttribute("aria-expanded", "false");
    this.rows.push({ ...row, element: made, name });
  }

  /**
   * @param {Omit<Row, "element" | "name">} row
   * @param {string} name
   */
  #content({ node, block, isUnfolded }, name) {
    const graph = /** @type {Graph} */ (this.graph);
    const mark = isUnfolded === null ? "" : isUnfolded ? "▾ " : "▸ ";
    const title = element("span", { class: "name" }, mark && element("span", { "aria-hidden": "true" }, mark), name);
    if (!node) return [title, element("span", { class: "quiet" }, ` block of ${graph.blocks[block].steps.length} steps`)];
    const step = graph.steps[node.step];
    const what = node.id < 0 ? `block of ${node.steps.length} steps` : kindText(step);
    const names = (/** @type {number[]} */ places) => places.map((p) => this.nodes[p].name).join(", ");
    const [reads, feeds] = [names(node.reads), names(node.feeds)];
    return [
      element("canvas", { class: "pixels", "data-step": node.step, "aria-hidden": "true", width: SHOWN * (SIDE + 2), height: SIDE }),
      element(
        "span",
        { class: "words" },
        element(
          "span",
          { class: "line" },
          title,
          element("span", { class: "quiet" }, ` ${what}, ${shapeText(step.shape)}`),
        ),
        element("span", { class: "quiet line reads" }, reads ? `reads ${reads}` : "is fed", feeds ? `; feeds ${feeds}` : "; is the output"),
      ),
    ];
  }

  /**
   * @param {number} step
   * @param {boolean} isFollowed
   */
  choose(step, isFollowed) {
    this.chosen = step;
    const { graph } = this;
    if (!graph) return;
    const folded = step < 0 ? -1 : graph.foldedAround(step);
    const id = folded < 0 ? step : -1 - folded;
    this.rows.forEach((row, index) => {
      const isChosen = step >= 0 && row.node?.id === id;
      row.element.setAttribute("aria-selected", String(isChosen));
      if (isChosen) {
        if (isFollowed && index !== this.at) this.#focus(index, this.list.contains(document.activeElement));
        if (isFollowed) row.element.scrollIntoView({ block: "nearest" });
      }
    });
    const places = this.rows.flatMap((row, index) => (row.node ? [index] : []));
    const chosen = this.nodes.findIndex((node) => step >= 0 && node.id === id);
    const svg = drawn(this.nodes, places, ROW, this.rows.length, chosen);
    this.gutter.replaceChildren(svg);
  }

  #emptyAll() {
    this.empty.clear();
    for (const canvas of this.list.querySelectorAll("canvas")) {
      this.empty.set(canvas, Number(canvas.dataset.step));
    }
  }

  /** Draw the maps that have come. */
  came() {
    for (const [canvas, step] of this.empty) {
      const stack = this.tiles?.stacks[step];
      if (!stack || !this.cmap) continue;
      this.empty.delete(canvas);
      const { height, width, maps } = stack;
      const shown = Math.min(SHOWN, maps.length);
      const numbers = new Float32Array(height * (shown * (width + 1) - 1)).fill(NaN);
      const across = shown * (width + 1) - 1;
      for (let i = 0; i < shown; i++) {
        for (let y = 0; y < height; y++) {
          numbers.set(maps[i].subarray(y * width, (y + 1) * width), y * across + i * (width + 1));
        }
      }
      const image = colored(numbers, across, height, stack.is_signed ? SIGNED : this.cmap, [0, 255]);
      paint(/** @type {HTMLCanvasElement} */ (canvas), image);
    }
  }

  #click(/** @type {number} */ index) {
    const row = this.rows[index];
    this.#focus(index, true);
    if (row.isUnfolded !== null) this.told.toggle(row.block);
    else if (row.node) this.told.choose(row.node.step);
  }

  /**
   * Make a row the one that Tab leads to.
   * @param {number} index
   * @param {boolean} isFocused
   */
  #focus(index, isFocused) {
    this.rows[this.at]?.element.setAttribute("tabindex", "-1");
    this.at = Math.max(0, Math.min(this.rows.length - 1, index));
    const row = this.rows[this.at];
    if (!row) return;
    row.element.setAttribute("tabindex", "0");
    if (isFocused) row.element.focus();
  }

  #key(/** @type {KeyboardEvent} */ event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const row = this.rows[this.at];
    if (!row) return;
    const { key } = event;
    if (key === "ArrowDown") this.#focus(this.at + 1, true);
    else if (key === "ArrowUp") this.#focus(this.at - 1, true);
    else if (key === "Home") this.#focus(0, true);
    else if (key === "End") this.#focus(this.rows.length - 1, true);
    else if (key === "ArrowRight") {
      if (row.isUnfolded === false) this.told.toggle(row.block);
      else if (row.isUnfolded) this.#focus(this.at + 1, true);
    } else if (key === "ArrowLeft") {
      if (row.isUnfolded) this.told.toggle(row.block);
      else {
        let above = this.at - 1;
        while (above >= 0 && this.rows[above].level >= row.level) above -= 1;
        if (above >= 0) this.#focus(above, true);
      }
    } else if (key === " ") {
      if (row.isUnfolded !== null) this.told.toggle(row.block);
      else if (row.node) this.told.choose(row.node.step);
    } else if (key === "Enter") {
      if (!row.node) this.told.toggle(row.block);
      else if (row.node.step === this.chosen) this.told.open(row.node.step);
      else this.told.choose(row.node.step);
    } else if (/^[a-z0-9]$/i.test(key)) {
      const order = [...this.rows.slice(this.at + 1), ...this.rows.slice(0, this.at + 1)];
      const found = order.find((r) => r.name.toLowerCase().startsWith(key.toLowerCase()));
      if (found) this.#focus(this.rows.indexOf(found), true);
    } else return;
    event.preventDefault();
  }
}

/** Height of a row in pixels, for the style sheet. */
export const ROW_HEIGHT = ROW;
