// The network in space: a canvas, names over it, and what pointer and keys do there.

import { element } from "../elements.js";
import { eyeOf, eyeText, Flying } from "./flying.js";
import { kindText, shapeText } from "./graph.js";
import { Labels, namesOf } from "./labels.js";
import { placesOf } from "./layout.js";
import { closeup, overview, picked, projection } from "./picking.js";
import { createScene } from "./scene.js";

/**
 * @typedef {import("./graph.js").Graph} Graph
 * @typedef {import("./graph.js").Node_} Node_
 * @typedef {import("./tiles.js").Tiles} Tiles
 * @typedef {import("./layout.js").Place} Place
 *
 * @typedef {object} Told
 * @property {(step: number) => void} choose     A step was clicked.
 * @property {(step: number) => void} open       The chosen step was clicked again, or Enter pressed.
 * @property {(block: number) => void} toggle    A block is to be folded or unfolded.
 * @property {(eye: string) => void} rested      The eye rests, at what the text says.
 */

const REST = 400;
const LONG = 70;

export class Space {
  /** @param {Told} told */
  constructor(told) {
    this.told = told;
    this.canvas = element("canvas", {
      tabindex: 0,
      role: "img",
      "aria-label":
        "The network in space. Keys: W A S D Q E fly, arrows turn, + and - zoom, comma and period go " +
        "to the step before and after, Space folds or unfolds its block, Enter opens it, Home shows " +
        "the whole network. The list says the same in words.",
    });
    this.labels = new Labels();
    this.tip = element("p", { class: "tip", hidden: true });
    this.element = element("div", { class: "space" }, this.canvas, this.labels.element, this.tip);
    this.flying = new Flying(this.canvas, {
      moved: () => this.ask(),
      hovered: (x, y) => this.#hover(x, y),
      clicked: (x, y) => this.#click(x, y),
      isCalm: () => matchMedia("(prefers-reduced-motion: reduce)").matches,
    });
    this.canvas.addEventListener("keydown", (event) => this.#key(event));
    this.canvas.addEventListener("pointerleave", () => this.#hoverNode(-1));
    /** @type {import("./scene.js").Scene | null} */
    this.scene = null;
    /** @type {Graph | null} */
    this.graph = null;
    /** @type {Node_[]} */
    this.nodes = [];
    this.version = -1;
    /** @type {Place[]} */
    this.places = [];
    this.step = -1;
    this.chosen = -1; // the position of the node that shows it
    this.hovered = -1;
    this.frame = 0;
    this.before = 0;
    this.cmap = "";
    this.eye = "";
    /** @type {number | undefined} */
    this.resting = undefined;
    this.width = this.height = 0;
    this.sizes = new ResizeObserver(() => {
      this.width = this.canvas.clientWidth;
      this.height = this.canvas.clientHeight;
      this.scene?.resize();
      this.ask();
    });
    this.sizes.observe(this.element);
    this.scheme = matchMedia("(prefers-color-scheme: dark)");
    this.recolor = () => {
      this.scene?.setColors(this.cmap);
      this.ask();
    };
    this.scheme.addEventListener("change", this.recolor);
  }

  /** Load what draws. */
  async start() {
    this.scene = await createScene(this.canvas);
    this.scene.resize();
  }

  /**
   * @param {Graph} graph
   * @param {Tiles} tiles
   */
  setGraph(graph, tiles) {
    const isNew = this.graph !== graph;
    this.graph = graph;
    this.scene?.setTiles(tiles);
    this.arrange(tiles.count);
    if (isNew) this.#home();
  }

  /**
   * The maps of another photo.
   * @param {Tiles} tiles
   */
  setTiles(tiles) {
    this.scene?.setTiles(tiles);
    this.came();
  }

  /** Maps have come. */
  came() {
    if (!this.graph || !this.scene) return;
    this.scene.refreshTiles();
    this.scene.setCards(this.graph, this.nodes, this.places, this.chosen);
    this.ask();
  }

  setColors(/** @type {string} */ cmap) {
    if (cmap === this.cmap) return;
    this.cmap = cmap;
    this.recolor();
  }

  /** Place all anew, as after a block was folded; what is chosen stays where it is on the page. */
  arrange(cards = this.scene?.tiles?.count ?? 9) {
    const { graph } = this;
    if (!graph || !this.scene) return;
    const before = this.places[this.chosen];
    this.nodes = graph.nodes();
    this.version = graph.version;
    this.places = placesOf(graph, this.nodes, cards);
    this.chosen = this.#nodeOf(this.step);
    this.hovered = -1;
    const after = this.places[this.chosen];
    if (before && after) {
      const { at } = this.flying.eye;
      const moved = { x: at.x + after.x - before.x, y: at.y + after.y - before.y, z: at.z + after.z - before.z };
      this.flying.eye = { ...this.flying.eye, at: moved };
    }
    if (this.eye === "" && this.chosen < 0) this.#home();
    this.#show();
  }

  /**
   * @param {number} step Index, or -1 for none.
   * @param {boolean} isFollowed Whether the eye goes there.
   */
  choose(step, isFollowed) {
    this.step = step;
    const chosen = this.#nodeOf(step);
    if (chosen !== this.chosen) {
      this.chosen = chosen;
      this.#show();
    }
    if (isFollowed && chosen >= 0) {
      this.flying.go(closeup(this.places[chosen], this.flying.eye.yaw));
    }
  }

  /** See everything. */
  home() {
    this.flying.go(this.#overview());
  }

  /** @param {string} text As in the address. */
  setEye(text) {
    if (text === this.eye) return;
    this.eye = text;
    const eye = eyeOf(text);
    if (eye) this.flying.go(eye);
    else this.#home();
  }

  #home() {
    this.flying.eye = eyeOf(this.eye) ?? this.#overview(this.#first());
    this.ask();
  }

  #overview(places = this.places) {
    const { clientWidth: width, clientHeight: height } = this.canvas;
    return overview(places, width && height ? width / height : 1.6);
  }

  /** What is seen at first: of a long network its beginning, so that maps can be made out. */
  #first() {
    const start = Math.min(...this.places.map(({ x }) => x));
    return this.places.filter(({ x }) => x < start + LONG);
  }

  /**
   * Position of the node that shows a step, or -1.
   * @param {number} step
   */
  #nodeOf(step) {
    if (step < 0 || !this.graph) return -1;
    const folded = this.graph.foldedAround(step);
    const id = folded < 0 ? step : -1 - folded;
    return this.nodes.findIndex((node) => node.id === id);
  }

  #show() {
    const { graph, scene, nodes, places, chosen } = this;
    if (!graph || !scene) return;
    scene.setNodes(graph, nodes, places, chosen);
    this.labels.names = namesOf(graph, nodes, places, chosen, this.told);
    this.ask();
  }

  #hover(/** @type {number} */ x, /** @type {number} */ y) {
    const { width, height } = this;
    const isName = this.labels.at(x, y) !== null;
    this.#hoverNode(isName ? -1 : picked(this.places, this.flying.eye, x, y, width, height));
    this.canvas.classList.toggle("over", isName || this.hovered >= 0);
    this.tip.style.transform = `translate(${Math.min(x + 14, width - 200)}px, ${y + 14}px)`;
  }

  #hoverNode(/** @type {number} */ place) {
    if (place === this.hovered || !this.graph) return;
    this.hovered = place;
    this.tip.hidden = place < 0;
    if (place < 0) return;
    const node = this.nodes[place];
    const step = this.graph.steps[node.step];
    const what = node.id < 0 ? `block of ${node.steps.length} steps` : kindText(step);
    this.tip.textContent = `${node.name}: ${what}, ${shapeText(step.shape)}`;
  }

  #click(/** @type {number} */ x, /** @type {number} */ y) {
    this.canvas.focus({ preventScroll: true });
    const name = this.labels.at(x, y);
    if (name) {
      name.click();
      return;
    }
    const place = picked(this.places, this.flying.eye, x, y, this.width, this.height);
    const node = this.nodes[place];
    if (!node) return;
    if (node.id < 0) this.told.toggle(-1 - node.id);
    else if (place === this.chosen) this.told.open(node.step);
    else this.told.choose(node.step);
  }

  #key(/** @type {KeyboardEvent} */ event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const node = this.nodes[this.chosen];
    if (event.key === "Home") this.home();
    else if (event.key === "," || event.key === ".") {
      const next = this.nodes[this.chosen + (event.key === "." ? 1 : -1)] ?? this.nodes[0];
      this.told.choose(next.step);
      this.choose(next.step, true);
    } else if (event.key === "Enter" && node) this.told.open(node.step);
    else if (event.key === " " && node) {
      const block = node.id < 0 ? -1 - node.id : node.block;
      if (block >= 0) this.told.toggle(block);
    } else return;
    event.preventDefault();
  }

  /** Draw soon. */
  ask() {
    if (!this.frame && this.scene) this.frame = requestAnimationFrame((now) => this.#draw(now));
  }

  #draw(/** @type {number} */ now) {
    this.frame = 0;
    const { scene } = this;
    if (!scene) return;
    const seconds = Math.min(0.1, this.before ? (now - this.before) / 1000 : 0.016);
    this.flying.advance(now, seconds);
    const { eye } = this.flying;
    scene.camera.position.set(eye.at.x, eye.at.y, eye.at.z);
    scene.camera.rotation.set(eye.pitch, eye.yaw - Math.PI / 2, 0, "YXZ");
    scene.draw();
    // Known since the last change: to ask the page would lay it out in each frame.
    const { width, height } = this;
    this.labels.draw(projection(eye, width, height), width, height);
    this.before = this.flying.isMoving ? now : 0;
    if (this.flying.isMoving) this.ask();
    clearTimeout(this.resting);
    this.resting = setTimeout(() => this.#rest(), REST);
  }

  #rest() {
    if (this.flying.isMoving) return;
    const home = eyeText(this.#overview(this.#first()));
    const text = eyeText(this.flying.eye);
    this.eye = text === home ? "" : text;
    this.told.rested(this.eye);
  }

  destroy() {
    cancelAnimationFrame(this.frame);
    clearTimeout(this.resting);
    this.sizes.disconnect();
    this.scheme.removeEventListener("change", this.recolor);
    this.scene?.dispose();
    this.scene = null;
  }
}
