// A picture with a grid under the pointer: a map, or the photo; it says which element is pointed at.

import { element } from "../elements.js";

/**
 * @typedef {[row: number, column: number]} Cell
 * @typedef {object} Gestures
 * @property {(cell: Cell) => void} point    The pointer, or the cursor of the keyboard, is there.
 * @property {() => void} [leave]
 * @property {(cell: Cell) => void} [choose] It was clicked, or Enter was pressed.
 */

export class Screen {
  /**
   * @param {string} label
   * @param {Gestures} gestures
   */
  constructor(label, gestures) {
    this.gestures = gestures;
    this.below = element("canvas", { class: "pixels" });
    this.above = element("canvas", { class: "pixels" });
    this.element = element(
      "div",
      {
        class: "screen",
        tabindex: 0,
        role: "application",
        "aria-label": label,
        onpointermove: (/** @type {PointerEvent} */ event) => this.move(this.under(event)),
        onpointerdown: (/** @type {PointerEvent} */ event) => this.move(this.under(event)),
        onpointerleave: () => gestures.leave?.(),
        onclick: (/** @type {MouseEvent} */ event) => gestures.choose?.(this.under(event)),
        onkeydown: (/** @type {KeyboardEvent} */ event) => this.key(event),
      },
      this.below,
      this.above,
    );
    /** Rows and columns that can be pointed at, and how far an arrow key goes. */
    this.size = [1, 1];
    this.step = 1;
    /** @type {Cell} */
    this.at = [0, 0];
    /** @type {Map<string, HTMLElement>} */
    this.boxes = new Map();
  }

  /**
   * @param {number[]} size Rows and columns that can be pointed at.
   * @param {number} step   How far an arrow key goes; with Shift by one.
   */
  resize(size, step = 1) {
    this.size = size;
    this.step = step;
    this.at = /** @type {Cell} */ (this.at.map((place, axis) => Math.min(place, size[axis] - 1)));
    this.element.style.setProperty("--ratio", String(size[1] / size[0]));
  }

  /** @returns {Cell} */
  under(/** @type {MouseEvent} */ event) {
    const box = this.below.getBoundingClientRect();
    return this.inside([
      ((event.clientY - box.top) / box.height) * this.size[0],
      ((event.clientX - box.left) / box.width) * this.size[1],
    ]);
  }

  /** @returns {Cell} */
  inside(/** @type {number[]} */ cell) {
    const [row, column] = cell.map((place, axis) =>
      Math.max(0, Math.min(this.size[axis] - 1, Math.floor(place))),
    );
    return [row, column];
  }

  move(/** @type {Cell} */ cell) {
    this.at = cell;
    this.gestures.point(cell);
  }

  key(/** @type {KeyboardEvent} */ event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const step = event.shiftKey ? 1 : this.step;
    /** @type {Record<string, Cell>} */
    const arrows = {
      ArrowUp: [-step, 0],
      ArrowDown: [step, 0],
      ArrowLeft: [0, -step],
      ArrowRight: [0, step],
    };
    const arrow = arrows[event.key];
    if (arrow) this.move(this.inside(this.at.map((place, axis) => place + arrow[axis])));
    else if (event.key === "Enter") this.gestures.choose?.(this.at);
    else return;
    event.preventDefault();
  }

  /**
   * Draw a box, or remove it.
   * @param {string} name Its class.
   * @param {ArrayLike<number> | null} sides Top, left, bottom, right, in rows and columns.
   */
  box(name, sides) {
    let box = this.boxes.get(name);
    if (!box) {
      box = element("div", { class: `box ${name}`, "aria-hidden": "true" });
      this.boxes.set(name, box);
      this.element.append(box);
    }
    box.hidden = sides === null;
    if (!sides) return;
    const [top, left, bottom, right] = Array.from(sides, (side, i) => side / this.size[i % 2]);
    const shares = { top, left, height: bottom - top, width: right - left };
    for (const [side, share] of Object.entries(shares)) {
      box.style.setProperty(side, `${100 * share}%`);
    }
  }
}
