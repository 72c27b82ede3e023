// Names in space: elements over the canvas, of what is near, as many as do not cover each other.

import { element } from "../elements.js";
import { floorsOf } from "./lines.js";

/**
 * @typedef {object} Name_
 * @property {string} text
 * @property {number} x @property {number} y @property {number} z
 * @property {number} rank    Higher ones are placed first; then nearer ones.
 * @property {string} style   Class of the element.
 * @property {() => void} click
 */

const MOST = 36;
const FARTHEST = 90;

export class Labels {
  constructor() {
    this.element = element("div", { class: "labels", "aria-hidden": "true" });
    /** @type {HTMLElement[]} */
    this.pool = [];
    /** @type {Name_[]} */
    this.names = [];
    /** @type {(Name_ | null)[]} */
    this.shown = [];
    /** @type {number[][]} Left, right, top and bottom of each, on the canvas. */
    this.boxes = [];
  }

  /**
   * @param {(x: number, y: number, z: number) => number[]} project
   * @param {number} width
   * @param {number} height
   */
  draw(project, width, height) {
    /** @type {{name: Name_, left: number, top: number, far: number}[]} */
    const seen = [];
    for (const name of this.names) {
      const [left, top, far] = project(name.x, name.y, name.z);
      if (far < 0.2 || (far > FARTHEST && name.rank < 1)) continue;
      if (left > -40 && left < width + 40 && top > 0 && top < height) {
        seen.push({ name, left, top, far });
      }
    }
    seen.sort((a, b) => b.name.rank - a.name.rank || a.far - b.far);
    /** @type {number[][]} */
    const taken = [];
    this.boxes = taken;
    let used = 0;
    for (const { name, left: middle, top } of seen) {
      if (used === MOST) break;
      const half = Math.min(name.text.length, 30) * 3.7 + 8;
      const left = Math.max(half, Math.min(width - half, middle));
      const box = [left - half, left + half, top - 20, top + 2];
      const isCovered = taken.some(
        (other) => box[0] < other[1] && box[1] > other[0] && box[2] < other[3] && box[3] > other[2],
      );
      if (isCovered) continue;
      taken.push(box);
      this.#place(used, name, left, top);
      used += 1;
    }
    for (let i = used; i < this.pool.length; i++) {
      if (this.shown[i]) this.pool[i].hidden = true;
      this.shown[i] = null;
    }
  }

  /**
   * The name at a pixel. Names let drags begin on them, so the canvas asks where they are.
   * @param {number} x
   * @param {number} y
   */
  at(x, y) {
    const found = this.boxes.findIndex((b) => x > b[0] && x < b[1] && y > b[2] && y < b[3]);
    return found < 0 ? null : this.shown[found];
  }

  #place(/** @type {number} */ index, /** @type {Name_} */ name, /** @type {number} */ left, /** @type {number} */ top) {
    let made = this.pool[index];
    if (!made) {
      made = element("span");
      this.pool.push(made);
      this.element.append(made);
    }
    if (this.shown[index] !== name) {
      if (!this.shown[index]) made.hidden = false;
      made.textContent = name.text;
      made.className = name.style;
      this.shown[index] = name;
    }
    made.style.transform = `translate(${left.toFixed(1)}px, ${top.toFixed(1)}px) translate(-50%, -100%)`;
  }
}

/**
 * The names of all nodes, and of the blocks that are unfolded.
 * @param {import("./graph.js").Graph} graph
 * @param {import("./graph.js").Node_[]} nodes
 * @param {import("./layout.js").Place[]} places
 * @param {number} chosen
 * @param {{choose: (step: number) => void, toggle: (block: number) => void}} told
 * @returns {Name_[]}
 */
export function namesOf(graph, nodes, places, chosen, told) {
  const ofNodes = nodes.map((node, place) => {
    const { x, y, z, size } = places[place];
    const isBlock = node.id < 0;
    return {
      text: isBlock ? `▸ ${lastPart(node.name)}` : node.name,
      ...{ x, z, y: y + size / 2 + 0.15 },
      rank: place === chosen ? 3 : isBlock ? 1 : 0,
      style: place === chosen ? "chosen" : isBlock ? "folded" : "",
      click: () => (isBlock ? told.toggle(-1 - node.id) : told.choose(node.step)),
    };
  });
  const ofFloors = floorsOf(graph, nodes, places).map(({ block, low, high }) => ({
    text: `▾ ${lastPart(graph.blocks[block].name)}`,
    ...{ x: (low[0] + high[0]) / 2, y: low[1] - 0.35, z: high[2] },
    rank: graph.blocks[block].parent === null ? 0.9 : 0.5,
    style: "floor",
    click: () => told.toggle(block),
  }));
  return [...ofNodes, ...ofFloors];
}

/**
 * What tells a block from its neighbors, which lie in the same models and layers.
 * @param {string} name
 */
function lastPart(name) {
  return name.slice(name.lastIndexOf("/") + 1);
}
