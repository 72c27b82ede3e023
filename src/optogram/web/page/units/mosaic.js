// All maps of a layer on one canvas: which is where, what is under the pointer, and the keys.

import { SIGNED, sprite } from "../colors.js";
import { element, say } from "../elements.js";

/** Pixels between maps; and the least and the largest side of a map, where that can be had. */
const [GAP, LEAST, LARGEST] = [4, 36, 160];
/** Canvases are never higher. */
const MOST = 16000;
/** Maps at least this wide have their numbers written on them. */
const LABELED = 34;

/**
 * @typedef {import("../wire.js").Array_} Array_
 * @typedef {{map: number, row: number, column: number}} Pointed An element of a map.
 * @typedef {object} Gestures
 * @property {(at: Pointed | null) => void} point
 * @property {(map: number) => void} open
 * @typedef {object} Look
 * @property {ArrayLike<number>} order   The maps, in the order in which they are shown.
 * @property {string} cmap
 * @property {boolean} isSigned          Whether zero is in the middle of the colors.
 * @property {boolean} isCommon          Whether all maps have the same range.
 * @property {Array_} ranges             The maps whose ranges are taken.
 */

export class Mosaic {
  constructor(/** @type {Gestures} */ gestures) {
    this.gestures = gestures;
    this.canvas = element("canvas", {});
    this.cursor = element("div", { class: "cursor", hidden: true });
    this.spot = element("span", { class: "spot" });
    this.marked = element("div", { class: "cursor marked", hidden: true }, this.spot);
    this.element = element(
      "div",
      {
        class: "mosaic",
        tabindex: 0,
        role: "application",
        onkeydown: (/** @type {KeyboardEvent} */ event) => this.key(event),
        onpointermove: (/** @type {PointerEvent} */ event) => this.hover(event),
        onpointerleave: () => gestures.point(null),
        onclick: (/** @type {MouseEvent} */ event) => this.click(event),
      },
      this.canvas,
      this.cursor,
      this.marked,
    );
    /** @type {Pointed | null} */
    this.mark = null;
    /** @type {Array_} */
    this.maps = { data: new Uint8Array(0), shape: [0, 1, 1] };
    /** @type {number[]} */
    this.order = [];
    this.at = -1; // place of the cursor in the order
    this.columns = 1;
    this.cell = [1, 1];
    /** @type {HTMLCanvasElement} */
    this.drawn = element("canvas");
    this.perRow = 1;
    this.resizing = new ResizeObserver(() => this.lay());
    this.resizing.observe(this.element);
  }

  /** Show maps. */
  show(/** @type {Array_} */ maps, /** @type {Look} */ look) {
    const chosen = this.order[this.at];
    this.maps = maps;
    this.order = Array.from(look.order);
    this.at = chosen === undefined ? -1 : this.order.indexOf(chosen);
    const [count] = maps.shape;
    this.perRow = Math.max(1, Math.ceil(Math.sqrt(count)));
    const cmap = look.isSigned ? SIGNED : look.cmap;
    const image = sprite(maps, this.perRow, cmap, rangesOf(look));
    this.drawn.width = image.width;
    this.drawn.height = image.height;
    contextOf(this.drawn).putImageData(image, 0, 0);
    this.element.setAttribute(
      "aria-label",
      `${count} maps. Arrow keys go from map to map, Enter opens the filter.`,
    );
    this.lay();
  }

  /** Find a size for the maps, and draw them. */
  lay() {
    const [count, height, width] = this.maps.shape;
    const room = this.element.clientWidth;
    if (!count || !room) return;
    const longer = Math.max(height, width);
    const area = room * Math.max(300, innerHeight * 0.8);
    const least = Math.min(LEAST, room / 4);
    let side = Math.max(least, Math.min(LARGEST, Math.sqrt(area / count) - GAP));
    // Whole multiples, so that all elements are equally large.
    if (side >= 0.75 * longer) side = Math.max(1, Math.floor(side / longer)) * longer;
    this.cell = [(side * height) / longer, (side * width) / longer];
    this.columns = Math.max(1, Math.min(count, Math.floor((room + GAP) / (this.cell[1] + GAP))));
    this.draw();
  }

  draw() {
    const [count, height, width] = this.maps.shape;
    const [high, wide] = this.cell;
    const rows = Math.ceil(count / this.columns);
    const [tall, broad] = [rows * (high + GAP) - GAP, this.columns * (wide + GAP) - GAP];
    const sharp = Math.min(devicePixelRatio || 1, MOST / Math.max(tall, broad));
    this.canvas.width = Math.round(broad * sharp);
    this.canvas.height = Math.round(tall * sharp);
    this.canvas.style.setProperty("width", `${broad}px`);
    this.canvas.style.setProperty("height", `${tall}px`);
    const context = contextOf(this.canvas);
    context.scale(sharp, sharp);
    context.imageSmoothingEnabled = wide * sharp < width;
    context.font = "10px system-ui, sans-serif";
    context.textBaseline = "top";
    const isLabeled = wide >= LABELED;
    for (let place = 0; place < count; place++) {
      const map = this.order[place];
      const [x, y] = this.corner(place);
      const [fromX, fromY] = [(map % this.perRow) * width, Math.floor(map / this.perRow) * height];
      context.drawImage(this.drawn, fromX, fromY, width, height, x, y, wide, high);
      if (isLabeled) {
        const text = String(map);
        context.fillStyle = "#000b";
        context.fillRect(x, y, context.measureText(text).width + 4, 12);
        context.fillStyle = "#fff";
        context.fillText(text, x + 2, y + 1);
      }
    }
    this.place();
  }

  /** Upper left corner of a place, (x, y). @returns {[number, number]} */
  corner(/** @type {number} */ place) {
    const [high, wide] = this.cell;
    return [
      (place % this.columns) * (wide + GAP),
      Math.floor(place / this.columns) * (high + GAP),
    ];
  }

  /** Put the cursor where it belongs. */
  place() {
    this.frame(this.cursor, this.at);
    const at = this.mark ? this.order.indexOf(this.mark.map) : -1;
    this.frame(this.marked, at);
    if (!this.mark || at < 0) return;
    const [, height, width] = this.maps.shape;
    this.spot.style.setProperty("top", `${(100 * (this.mark.row + 0.5)) / height}%`);
    this.spot.style.setProperty("left", `${(100 * (this.mark.column + 0.5)) / width}%`);
  }

  /** Put a frame around the map at a place in the order; -1: around none. */
  frame(/** @type {HTMLElement} */ frame, /** @type {number} */ place) {
    frame.hidden = place < 0;
    if (place < 0) return;
    const [x, y] = this.corner(place);
    const [high, wide] = this.cell;
    for (const [name, value] of Object.entries({ left: x, top: y, width: wide, height: high })) {
      frame.style.setProperty(name, `${value}px`);
    }
  }

  /** Mark an element of a map, or none. */
  markAt(/** @type {Pointed | null} */ at) {
    this.mark = at;
    this.place();
  }

  /** Put the cursor on a map; whether there is such a map. */
  find(/** @type {number} */ map) {
    const place = this.order.indexOf(map);
    if (place < 0) return false;
    this.at = place;
    this.place();
    this.cursor.scrollIntoView({ block: "nearest" });
    return true;
  }

  /** What is at an event. @returns {Pointed | null} */
  under(/** @type {MouseEvent} */ event) {
    const box = this.canvas.getBoundingClientRect();
    const [x, y] = [event.clientX - box.left, event.clientY - box.top];
    const [high, wide] = this.cell;
    const [column, row] = [Math.floor(x / (wide + GAP)), Math.floor(y / (high + GAP))];
    const [inX, inY] = [x - column * (wide + GAP), y - row * (high + GAP)];
    const place = row * this.columns + column;
    const isInside = column >= 0 && column < this.columns && inX >= 0 && inX < wide;
    if (!isInside || inY < 0 || inY >= high || place < 0 || place >= this.order.length) return null;
    const [, rows, columns] = this.maps.shape;
    return {
      map: this.order[place],
      row: Math.floor((inY / high) * rows),
      column: Math.floor((inX / wide) * columns),
    };
  }

  /** The number at an element of a map. */
  value(/** @type {Pointed} */ { map, row, column }) {
    const { data, shape, low, high } = this.maps;
    const [, height, width] = shape;
    const least = low?.[map] ?? 0;
    const extent = (high?.[map] ?? 255) - least;
    return least + (extent * data[(map * height + row) * width + column]) / 255;
  }

  hover(/** @type {PointerEvent} */ event) {
    const at = this.under(event);
    this.element.classList.toggle("over", at !== null);
    this.gestures.point(at);
  }

  click(/** @type {MouseEvent} */ event) {
    const at = this.under(event);
    if (at) this.gestures.open(at.map);
  }

  key(/** @type {KeyboardEvent} */ event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const last = this.order.length - 1;
    /** @type {Record<string, number>} */
    const goals = {
      ArrowRight: this.at + 1,
      ArrowLeft: this.at - 1,
      ArrowDown: this.at < 0 ? 0 : this.at + this.columns,
      ArrowUp: this.at - this.columns,
      Home: 0,
      End: last,
    };
    if (event.key in goals) {
      const goal = goals[event.key];
      if (goal >= 0 && goal <= last) this.find(this.order[goal]);
      say(`Filter ${this.order[this.at]}`);
      this.gestures.point({ map: this.order[this.at], row: 0, column: 0 });
    } else if (event.key === "Enter" && this.at >= 0) this.gestures.open(this.order[this.at]);
    else return;
    event.preventDefault();
  }

  destroy() {
    this.resizing.disconnect();
  }
}

/**
 * What the ends of the colors of each map stand for.
 * @returns {(map: number) => number[]}
 */
export function rangesOf(/** @type {Look} */ { ranges, isSigned, isCommon }) {
  const { low = [], high = [] } = ranges;
  const ends = (/** @type {number} */ from, /** @type {number} */ to) => {
    const most = Math.max(Math.abs(from), Math.abs(to));
    return isSigned ? [-most, most] : [from, to];
  };
  if (!isCommon) return (map) => ends(low[map], high[map]);
  const least = low.reduce((a, b) => Math.min(a, b), Infinity);
  const most = high.reduce((a, b) => Math.max(a, b), -Infinity);
  const all = ends(isSigned ? least : Math.min(0, least), most);
  return () => all;
}

function contextOf(/** @type {HTMLCanvasElement} */ canvas) {
  return /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
}
