// The network as it is shown: its steps, and blocks of them, each folded into one or unfolded.

/**
 * @typedef {object} Step
 * @property {string} name
 * @property {string} kind
 * @property {string} half
 * @property {(number | null)[]} shape  Without the batch; [] for a single number.
 * @property {number[]} reads
 * @property {boolean} has_maps
 *
 * @typedef {object} Block
 * @property {string} name
 * @property {number | null} parent
 * @property {number[]} steps
 *
 * @typedef {object} Node_ A step, or a folded block.
 * @property {number} id        Index of the step; -1 - index of the block.
 * @property {string} name
 * @property {number} step      The step whose output it gives: itself, or the last of the block.
 * @property {number} block     The innermost block that it is in, or -1.
 * @property {number[]} steps
 * @property {number[]} reads   Positions of the nodes that it reads.
 * @property {number[]} feeds   Positions of the nodes that read it.
 */

const MOST_AT_FIRST = 64;

export class Graph {
  /**
   * @param {Step[]} steps
   * @param {Block[]} blocks
   */
  constructor(steps, blocks) {
    this.steps = steps;
    this.blocks = blocks;
    /** @type {number[][]} The steps that read each step. */
    this.feeds = steps.map(() => []);
    steps.forEach((step, index) => step.reads.forEach((read) => this.feeds[read].push(index)));
    /** The innermost block of each step, or -1. Inner blocks come later in the list. */
    this.blockOf = new Int32Array(steps.length).fill(-1);
    blocks.forEach((block, index) => block.steps.forEach((step) => (this.blockOf[step] = index)));
    /** @type {Map<string, number>} */
    this.places = new Map(steps.map((step, index) => [step.name, index]));
    /** @type {Set<number>} The blocks that are unfolded. */
    this.unfolded = new Set();
    /** Counts the changes of what is unfolded. */
    this.version = 0;
    this.unfoldSome();
  }

  /** Unfold blocks, outer ones first, as long as few enough nodes are shown. */
  unfoldSome() {
    this.unfolded.clear();
    this.version += 1;
    const inside = this.blocks.map((block) => block.steps.length);
    let shown = this.steps.length;
    this.blocks.forEach((block) => {
      if (block.parent === null) shown -= block.steps.length - 1;
      else inside[block.parent] -= block.steps.length - 1;
    });
    this.blocks.forEach((block, index) => {
      if (block.parent !== null && !this.unfolded.has(block.parent)) return;
      if (shown + inside[index] - 1 > MOST_AT_FIRST && this.steps.length > MOST_AT_FIRST) return;
      this.unfolded.add(index);
      shown += inside[index] - 1;
    });
  }

  /** @param {boolean} isUnfolded */
  setAll(isUnfolded) {
    this.unfolded = new Set(isUnfolded ? this.blocks.keys() : []);
    this.version += 1;
  }

  /**
   * Fold or unfold a block.
   * @param {number} block
   */
  toggle(block) {
    if (!this.unfolded.delete(block)) this.unfolded.add(block);
    this.version += 1;
  }

  /**
   * Unfold all blocks around a step. Returns whether any was folded.
   * @param {number} step
   */
  reveal(step) {
    let isChanged = false;
    for (let block = this.blockOf[step]; block >= 0; block = this.blocks[block].parent ?? -1) {
      if (!this.unfolded.has(block)) {
        this.unfolded.add(block);
        isChanged = true;
      }
    }
    this.version += Number(isChanged);
    return isChanged;
  }

  /**
   * The outermost folded block around a step, or -1.
   * @param {number} step
   */
  foldedAround(step) {
    let found = -1;
    for (let block = this.blockOf[step]; block >= 0; block = this.blocks[block].parent ?? -1) {
      if (!this.unfolded.has(block)) found = block;
    }
    return found;
  }

  /**
   * What is shown, in an order in which each node comes after those that it reads.
   * @returns {Node_[]}
   */
  nodes() {
    /** @type {Map<number, Node_>} */
    const byId = new Map();
    const idOf = new Int32Array(this.steps.length);
    this.steps.forEach((step, index) => {
      const folded = this.foldedAround(index);
      const id = folded < 0 ? index : -1 - folded;
      idOf[index] = id;
      const known = byId.get(id);
      if (known) {
        known.steps.push(index);
        known.step = index;
      } else {
        const block = folded < 0 ? this.blockOf[index] : (this.blocks[folded].parent ?? -1);
        const name = folded < 0 ? step.name : this.blocks[folded].name;
        byId.set(id, { id, name, step: index, block, steps: [index], reads: [], feeds: [] });
      }
    });
    const ordered = this.#ordered(byId, idOf);
    const places = new Map(ordered.map((node, place) => [node.id, place]));
    ordered.forEach((node, place) => {
      const reads = new Set(node.steps.flatMap((step) => this.steps[step].reads));
      const found = new Set([...reads].map((read) => places.get(idOf[read]) ?? -1));
      found.delete(place);
      node.reads = [...found].sort((a, b) => a - b);
      for (const read of node.reads) ordered[read].feeds.push(place);
    });
    return ordered;
  }

  /**
   * The nodes in order: what is in a block stands together.
   * @param {Map<number, Node_>} byId
   * @param {Int32Array} idOf
   * @returns {Node_[]}
   */
  #ordered(byId, idOf) {
    /** @type {Node_[]} */
    const ordered = [];
    const expand = (/** @type {number[]} */ inside, /** @type {number} */ parent) => {
      // The blocks and steps right inside: a block stands for all its steps.
      const itemOf = new Map(inside.map((step) => [step, this.#childOf(step, parent)]));
      /** @type {Map<number, number[]>} */
      const items = new Map();
      for (const [step, item] of itemOf) {
        const known = items.get(item);
        if (known) known.push(step);
        else items.set(item, [step]);
      }
      for (const item of sorted(items, itemOf, this.steps)) {
        const steps = /** @type {number[]} */ (items.get(item));
        const node = byId.get(idOf[steps[0]]);
        if (item < 0 && this.unfolded.has(-1 - item)) expand(steps, -1 - item);
        else if (node) ordered.push(node);
      }
    };
    expand([...this.steps.keys()], -1);
    return ordered;
  }

  /**
   * What a step is, right inside a block (-1: the network): itself, or -1 - the block that has it.
   * @param {number} step
   * @param {number} parent
   */
  #childOf(step, parent) {
    let child = step;
    for (let block = this.blockOf[step]; block >= 0 && block !== parent; ) {
      child = -1 - block;
      block = this.blocks[block].parent ?? -1;
    }
    return child;
  }
}

/**
 * Items in an order in which each comes after those that it reads.
 * @param {Map<number, number[]>} items  The steps of each.
 * @param {Map<number, number>} itemOf
 * @param {Step[]} steps
 */
function sorted(items, itemOf, steps) {
  /** @type {Map<number, Set<number>>} */
  const waits = new Map();
  /** @type {Map<number, number[]>} */
  const feeds = new Map([...items.keys()].map((item) => [item, []]));
  for (const [item, members] of items) {
    const reads = new Set(members.flatMap((step) => steps[step].reads.map((r) => itemOf.get(r))));
    reads.delete(item);
    reads.delete(undefined);
    waits.set(item, /** @type {Set<number>} */ (reads));
    for (const read of reads) if (read !== undefined) feeds.get(read)?.push(item);
  }
  /** @type {number[]} */
  const ordered = [];
  const ready = [...items.keys()].filter((item) => waits.get(item)?.size === 0).reverse();
  while (ready.length) {
    const item = /** @type {number} */ (ready.pop());
    ordered.push(item);
    const next = (feeds.get(item) ?? []).filter((reader) => {
      const left = /** @type {Set<number>} */ (waits.get(reader));
      left.delete(item);
      return left.size === 0;
    });
    ready.push(...next.reverse());
  }
  return ordered;
}

/**
 * The shape of an output as people write it.
 * @param {(number | null)[]} shape
 */
export function shapeText(shape) {
  return shape.length ? shape.map((side) => side ?? "any").join("×") : "one number";
}

/**
 * What a step is, in a few words.
 * @param {Step} step
 */
export function kindText(step) {
  return step.half === "pre" ? `${step.kind} before its activation` : step.kind;
}
