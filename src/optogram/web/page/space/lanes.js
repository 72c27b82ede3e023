// The flat graph beside the list: a column for each output that is still to be read, as in a log of
// version control.

/**
 * @typedef {import("./graph.js").Node_} Node_
 */

const COLUMN = 12;
const NAMESPACE = "http://www.w3.org/2000/svg";

/**
 * Column of each node, and how many there are.
 * @param {Node_[]} nodes
 */
export function columnsOf(nodes) {
  const columns = new Int32Array(nodes.length);
  /** @type {number[]} The node whose output each column carries, or -1. */
  const carried = [];
  const last = nodes.map((node) => Math.max(-1, ...node.feeds));
  nodes.forEach((node, place) => {
    const ending = node.reads.filter((read) => last[read] === place);
    for (const read of ending) carried[columns[read]] = -1;
    const free = ending.length
      ? Math.min(...ending.map((read) => columns[read]))
      : carried.indexOf(-1);
    const column = free < 0 ? carried.length : free;
    columns[place] = column;
    carried[column] = last[place] < 0 ? -1 : place;
  });
  return { columns, count: Math.max(1, carried.length) };
}

/**
 * Width of the drawing in pixels.
 * @param {number} count
 */
export function widthOf(count) {
  return (count + 1) * COLUMN;
}

/**
 * The drawing.
 * @param {Node_[]} nodes
 * @param {number[]} rows Row of each node.
 * @param {number} height Of a row, in pixels.
 * @param {number} total Number of rows.
 * @param {number} chosen Position of the chosen node, or -1.
 */
export function drawn(nodes, rows, height, total, chosen) {
  const { columns, count } = columnsOf(nodes);
  const svg = document.createElementNS(NAMESPACE, "svg");
  const x = (/** @type {number} */ place) => (columns[place] + 1) * COLUMN;
  const y = (/** @type {number} */ place) => (rows[place] + 0.5) * height;
  const add = (/** @type {string} */ tag, /** @type {Record<string, string | number>} */ of) => {
    const made = document.createElementNS(NAMESPACE, tag);
    for (const [name, value] of Object.entries(of)) made.setAttribute(name, String(value));
    svg.append(made);
  };
  const paths = { "": "", reads: "", feeds: "" };
  nodes.forEach((node, place) => {
    for (const read of node.reads) {
      const role = place === chosen ? "reads" : read === chosen ? "feeds" : "";
      const turn = Math.max(y(read), y(place) - height);
      const straight = `M${x(read)} ${y(read)}V${turn}`;
      const middle = (turn + y(place)) / 2;
      paths[role] += `${straight}C${x(read)} ${middle} ${x(place)} ${middle} ${x(place)} ${y(place)}`;
    }
  });
  for (const [role, d] of Object.entries(paths)) if (d) add("path", { d, class: role });
  nodes.forEach((node, place) => {
    const of = { cx: x(place), cy: y(place), r: node.id < 0 ? 4.5 : 3 };
    add("circle", place === chosen ? { ...of, r: 5, class: "chosen" } : of);
  });
  svg.setAttribute("width", String(widthOf(count)));
  svg.setAttribute("height", String(total * height));
  svg.setAttribute("aria-hidden", "true");
  return svg;
}
