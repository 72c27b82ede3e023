// What both sides show, as one picture with a line of text above each.

import { element } from "../elements.js";

const [SIDE, GAP, LINE] = [640, 16, 28];

/**
 * @param {HTMLCanvasElement[][]} stacks   Of each side, canvases from below to above.
 * @param {string[]} titles
 * @param {number} opacity                 Of all but the lowest.
 */
export function pictureOfBoth(stacks, titles, opacity) {
  const sizes = stacks.map(([first]) => {
    const factor = SIDE / Math.max(1, first.width);
    return [Math.round(factor * first.height), SIDE];
  });
  const canvas = element("canvas", {
    width: 2 * SIDE + GAP,
    height: LINE + Math.max(...sizes.map(([height]) => height)),
  });
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  context.fillStyle = "#fff";
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.fillStyle = "#000";
  context.font = "16px system-ui, sans-serif";
  context.textBaseline = "middle";
  for (const [i, stack] of stacks.entries()) {
    const left = i * (SIDE + GAP);
    context.fillText(titles[i], left, LINE / 2, SIDE);
    const [height, width] = sizes[i];
    for (const [level, each] of stack.entries()) {
      if (!each.width || !each.height) continue;
      context.globalAlpha = level === 1 ? opacity : 1;
      context.imageSmoothingEnabled = each.width > width;
      context.drawImage(each, left, LINE, width, height);
    }
    context.globalAlpha = 1;
  }
  return canvas;
}
