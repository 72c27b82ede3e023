// Connections between nodes, and frames of blocks, as segments of lines.

/**
 * @typedef {import("./layout.js").Place} Place
 * @typedef {import("./graph.js").Node_} Node_
 * @typedef {import("./graph.js").Graph} Graph
 */

export const CONNECTION = 0;
export const READ = 1;
export const FED = 2;
export const FOLDED = 3;
export const FLOOR = 4;

const PIECES = 14;

/** Segments: seven numbers each, start, end, role. */
export class Segments {
  constructor() {
    /** @type {number[]} */
    this.numbers = [];
  }

  get count() {
    return this.numbers.length / 7;
  }

  /**
   * @param {number[]} from
   * @param {number[]} to
   * @param {number} role
   */
  line(from, to, role) {
    this.numbers.push(from[0], from[1], from[2], to[0], to[1], to[2], role);
  }

  /**
   * A cubic Bézier curve.
   * @param {number[][]} points four of them
   * @param {number} role
   */
  curve([p, q, r, s], role) {
    let before = p;
    for (let piece = 1; piece <= PIECES; piece++) {
      const t = piece / PIECES;
      const u = 1 - t;
      const [a, b, c, d] = [u * u * u, 3 * u * u * t, 3 * u * t * t, t * t * t];
      const next = [0, 1, 2].map((i) => a * p[i] + b * q[i] + c * r[i] + d * s[i]);
      this.line(before, next, role);
      before = next;
    }
  }

  /**
   * The edges of a box.
   * @param {number[]} low
   * @param {number[]} high
   * @param {number} role
   */
  box(low, high, role) {
    const corner = (/** @type {number} */ bits) =>
      [0, 1, 2].map((axis) => (bits & (1 << axis) ? high[axis] : low[axis]));
    for (let bits = 0; bits < 8; bits++) {
      for (const axis of [1, 2, 4]) {
        if (!(bits & axis) && (high[Math.log2(axis)] > low[Math.log2(axis)])) {
          this.line(corner(bits), corner(bits | axis), role);
        }
      }
    }
  }
}

/**
 * The connection from one node to another: straight to the next one, over those between to a later
 * one.
 * @param {Segments} segments
 * @param {Place} from
 * @param {Place} to
 * @param {number} role
 */
export function connect(segments, from, to, role) {
  const span = to.depth - from.depth;
  if (span === 1) {
    const start = [from.x + from.length / 2, from.y, from.z];
    const end = [to.x - to.length / 2, to.y, to.z];
    if (from.z === to.z && from.y === to.y) segments.line(start, end, role);
    else {
      const middle = (start[0] + end[0]) / 2;
      segments.curve([start, [middle, from.y, from.z], [middle, to.y, to.z], end], role);
    }
    return;
  }
  const start = [from.x + from.length / 2, from.y + from.size / 2, from.z];
  const end = [to.x - to.length / 2, to.y + to.size / 2, to.z];
  const rise = Math.max(start[1], end[1]) + 0.6 + 0.45 * Math.sqrt(span);
  const lean = (end[0] - start[0]) * 0.12;
  segments.curve(
    [start, [start[0] + lean, rise, start[2]], [end[0] - lean, rise, end[2]], end],
    role,
  );
}

/**
 * All segments.
 * @param {Graph} graph
 * @param {Node_[]} nodes
 * @param {Place[]} places
 * @param {number} chosen Position of the chosen node, or -1.
 */
export function segmentsOf(graph, nodes, places, chosen) {
  const segments = new Segments();
  nodes.forEach((node, place) => {
    for (const read of node.reads) {
      const role = place === chosen ? READ : read === chosen ? FED : CONNECTION;
      connect(segments, places[read], places[place], role);
    }
    if (node.id < 0) {
      const { x, y, z, size, length } = places[place];
      const room = 0.25;
      segments.box(
        [x - length / 2 - room, y - size / 2 - room, z - size / 2 - room],
        [x + length / 2 + room, y + size / 2 + room, z + size / 2 + room],
        FOLDED,
      );
    }
  });
  for (const { low, high } of floorsOf(graph, nodes, places)) segments.box(low, high, FLOOR);
  return segments;
}

/**
 * The floors of unfolded blocks.
 * @param {Graph} graph
 * @param {Node_[]} nodes
 * @param {Place[]} places
 * @returns {{block: number, low: number[], high: number[]}[]}
 */
export function floorsOf(graph, nodes, places) {
  /** @type {Map<number, {block: number, low: number[], high: number[]}>} */
  const floors = new Map();
  nodes.forEach((node, place) => {
    const { x, y, z, size, length } = places[place];
    let room = 0.3;
    for (let block = node.block; block >= 0; block = graph.blocks[block].parent ?? -1) {
      const known = floors.get(block) ?? {
        block,
        low: [Infinity, Infinity, Infinity],
        high: [-Infinity, -Infinity, -Infinity],
      };
      floors.set(block, known);
      known.low[0] = Math.min(known.low[0], x - length / 2 - room);
      known.high[0] = Math.max(known.high[0], x + length / 2 + room);
      known.low[1] = Math.min(known.low[1], y - size / 2 - room / 2);
      known.low[2] = Math.min(known.low[2], z - size / 2 - room);
      known.high[2] = Math.max(known.high[2], z + size / 2 + room);
      known.high[1] = known.low[1];
      room += 0.22;
    }
  });
  return [...floors.values()];
}
