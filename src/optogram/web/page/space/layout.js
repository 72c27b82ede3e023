// Where each node stands: along x by depth (the longest path to it), along z by branch, and in
// networks that enlarge their maps again, along y by the size of the maps.

/**
 * @typedef {import("./graph.js").Graph} Graph
 * @typedef {import("./graph.js").Node_} Node_
 *
 * @typedef {object} Place
 * @property {number} x @property {number} y @property {number} z  Middle of the stack.
 * @property {number} size    Side of its maps.
 * @property {number} length  Extent of the stack along x.
 * @property {number} depth @property {number} lane
 */

const GAP = 1.2;
const LANE = 1.1;
const CARD_GAP = 0.16;

/**
 * Depth of each node: length of the longest path to it.
 * @param {Node_[]} nodes
 */
export function depthsOf(nodes) {
  const depths = new Int32Array(nodes.length);
  nodes.forEach((node, place) => {
    for (const read of node.reads) depths[place] = Math.max(depths[place], depths[read] + 1);
  });
  // What only feeds later steps, such as a second input, stands just before these.
  for (let place = nodes.length - 1; place >= 0; place--) {
    if (nodes[place].reads.length === 0 && nodes[place].feeds.length) {
      depths[place] = Math.min(...nodes[place].feeds.map((reader) => depths[reader])) - 1;
    }
  }
  const least = Math.min(0, ...depths);
  return depths.map((depth) => depth - least);
}

/**
 * Lane of each node: 0 for the path through the most steps, others beside it in turn. Nodes of one
 * depth have different lanes.
 * @param {Node_[]} nodes
 * @param {ArrayLike<number>} depths
 */
export function lanesOf(nodes, depths) {
  const lanes = new Int32Array(nodes.length).fill(0);
  /** @type {Map<number, Set<number>>} */
  const taken = new Map();
  const isSet = new Uint8Array(nodes.length);
  const set = (/** @type {number} */ place, /** @type {number} */ wanted) => {
    const here = taken.get(depths[place]) ?? new Set();
    taken.set(depths[place], here);
    for (let away = 0; ; away++) {
      for (const lane of wanted < 0 ? [wanted - away, wanted + away] : [wanted + away, wanted - away]) {
        if (here.has(lane)) continue;
        here.add(lane);
        lanes[place] = lane;
        isSet[place] = 1;
        return;
      }
    }
  };
  for (let place = deepest(depths); place >= 0; ) {
    set(place, 0);
    const before = nodes[place].reads.filter((read) => depths[read] === depths[place] - 1);
    place = before.length ? before[0] : -1;
  }
  // A branch keeps the lane of what it reads, unless that goes on along the main path.
  nodes.forEach((node, place) => {
    if (isSet[place]) return;
    const read = node.reads[node.reads.length - 1];
    const isBranch = read === undefined || lanes[read] === 0;
    const side = place % 2 ? 1 : -1;
    set(place, isBranch ? side : lanes[read]);
  });
  return lanes;
}

function deepest(/** @type {ArrayLike<number>} */ depths) {
  let found = -1;
  for (let i = 0; i < depths.length; i++) if (found < 0 || depths[i] > depths[found]) found = i;
  return found;
}

/**
 * Height of the maps of a node in pixels; 0 without maps.
 * @param {Graph} graph
 * @param {Node_} node
 */
function sideOf(graph, node) {
  const { shape, has_maps: hasMaps } = graph.steps[node.step];
  return hasMaps ? Math.max(shape[0] ?? 1, shape[1] ?? 1) : 0;
}

/**
 * Whether a network enlarges maps again, as for segmentation.
 * @param {Graph} graph
 */
export function isEnlarging(graph) {
  return graph.steps.some((step) => {
    const side = step.has_maps ? (step.shape[0] ?? 0) : 0;
    return step.reads.some((read) => {
      const before = graph.steps[read];
      return before.has_maps && (before.shape[0] ?? 0) > 2 && side >= 1.5 * (before.shape[0] ?? 0);
    });
  });
}

/**
 * The places of the nodes.
 * @param {Graph} graph
 * @param {Node_[]} nodes
 * @param {number} cards
 * @returns {Place[]}
 */
export function placesOf(graph, nodes, cards) {
  const depths = depthsOf(nodes);
  const lanes = lanesOf(nodes, depths);
  const isShaped = isEnlarging(graph);
  const sides = nodes.map((node) => sideOf(graph, node));
  const largest = Math.max(1, ...sides);
  const sizes = sides.map((side) => (side > 1 ? 1 + 0.42 * Math.log2(side) : 0.9));
  const lengths = nodes.map((node) => {
    const { has_maps: hasMaps, shape } = graph.steps[node.step];
    const count = hasMaps ? Math.min(cards, shape[2] ?? 1) : 1;
    return (count - 1) * CARD_GAP;
  });
  const count = Math.max(0, ...depths) + 1;
  const wide = new Float64Array(count);
  const lane = LANE * Math.max(1, ...sizes);
  nodes.forEach((_, place) => {
    wide[depths[place]] = Math.max(wide[depths[place]], lengths[place]);
  });
  const starts = new Float64Array(count);
  for (let depth = 1; depth < count; depth++) starts[depth] = starts[depth - 1] + wide[depth - 1] + GAP;
  return nodes.map((_, place) => {
    const depth = depths[place];
    const side = Math.max(1, sides[place]);
    return {
      x: starts[depth] + wide[depth] / 2,
      y: isShaped ? 2.2 * Math.log2(side / largest) : 0,
      z: lanes[place] * lane,
      size: sizes[place],
      length: lengths[place],
      depth,
      lane: lanes[place],
    };
  });
}

/** Distance between two maps of a stack. */
export const BETWEEN = CARD_GAP;

const ABOVE = 0.9;
const ROWS = 3;

/**
 * How the maps of the chosen stack are spread above it: side of each, distance between two, and
 * height of all with the gap below.
 * @param {Place} place
 */
export function spreadOf(place) {
  const side = Math.max(place.size, 2.4) * 0.62;
  const pitch = side * 1.06;
  return { side, pitch, above: ABOVE, tall: ABOVE + ROWS * pitch };
}
