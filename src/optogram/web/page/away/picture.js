// A part of the page as a picture: what is seen of it, without what is pressed.

import { element } from "../elements.js";

const SHARP = 2;
/** Canvases are never larger. */
const MOST = 8000;
const PRESSED = ["BUTTON", "SELECT", "INPUT", "LABEL", "PROGRESS", "TEXTAREA", "DETAILS"];

/**
 * A picture of an element, twice as sharp as on a screen.
 * @param {HTMLElement} root
 * @param {{isWhole?: boolean}} how   isWhole: also what is pressed, and what is not on the screen.
 */
export function pictureOf(root, { isWhole = false } = {}) {
  const { left, top, width, height } = root.getBoundingClientRect();
  const frame = { left, top, width, height: isWhole ? root.scrollHeight : height };
  const sharp = Math.min(SHARP, MOST / Math.max(frame.width, frame.height, 1));
  const canvas = element("canvas");
  canvas.width = Math.max(1, Math.round(frame.width * sharp));
  canvas.height = Math.max(1, Math.round(frame.height * sharp));
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  context.fillStyle = getComputedStyle(document.body).backgroundColor;
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.scale(sharp, sharp);
  context.translate(-frame.left, -frame.top);
  draw(context, root, isWhole);
  return canvas;
}

/** Draw an element, and what is in it. */
function draw(
  /** @type {CanvasRenderingContext2D} */ context,
  /** @type {HTMLElement} */ one,
  /** @type {boolean} */ isWhole,
) {
  const style = getComputedStyle(one);
  const box = one.getBoundingClientRect();
  const isAbsent = style.display === "none" || style.visibility === "hidden";
  if (isAbsent || (!isWhole && PRESSED.includes(one.tagName))) return;
  context.save();
  context.globalAlpha *= Number(style.opacity);
  if (style.display !== "contents") drawBox(context, one, style, box);
  if (style.overflowX !== "visible" && !isWhole) {
    context.beginPath();
    context.rect(box.left, box.top, box.width, box.height);
    context.clip();
  }
  if (one instanceof HTMLCanvasElement || one instanceof HTMLImageElement) {
    drawPicture(context, one, style, box);
  }
  for (const child of one.childNodes) {
    if (child instanceof HTMLElement) draw(context, child, isWhole);
    else if (child instanceof Text) drawText(context, child, style);
  }
  context.restore();
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {HTMLElement} one
 * @param {CSSStyleDeclaration} style
 * @param {DOMRect} box
 */
function drawBox(context, one, style, { left, top, width, height }) {
  const fill = (/** @type {string} */ color, /** @type {number[]} */ [x, y, w, h]) => {
    context.fillStyle = color;
    context.fillRect(x, y, w, h);
  };
  fill(style.backgroundColor, [left, top, width, height]);
  // Bars are gradients, whose ends are properties; see page.css.
  const share = style.getPropertyValue("--share");
  if (share && one.classList.contains("bar")) {
    fill(style.getPropertyValue("--bar"), [left, top, width * Number(share), height]);
    const was = style.getPropertyValue("--was");
    if (was) fill(style.color, [left + width * Number(was), top - 2, 2, height + 4]);
  }
  const [above, right, below, before] = ["Top", "Right", "Bottom", "Left"].map((side) => {
    const drawn = /** @type {any} */ (style);
    const wide = drawn[`border${side}Style`] === "none" ? 0 : parseFloat(drawn[`border${side}Width`]);
    return { wide, color: drawn[`border${side}Color`] };
  });
  fill(above.color, [left, top, width, above.wide]);
  fill(below.color, [left, top + height - below.wide, width, below.wide]);
  fill(before.color, [left, top, before.wide, height]);
  fill(right.color, [left + width - right.wide, top, right.wide, height]);
  if (one.classList.contains("padding")) {
    line(context, style.color, 1, [left, top + height, left + width, top]);
  }
  if (one.classList.contains("box")) {
    context.lineWidth = 4;
    context.strokeStyle = "#000";
    context.strokeRect(left, top, width, height);
    context.lineWidth = 2;
    context.strokeStyle = style.outlineColor;
    context.strokeRect(left, top, width, height);
  }
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {string} color
 * @param {number} wide
 * @param {number[]} ends
 */
function line(context, color, wide, [fromX, fromY, toX, toY]) {
  context.strokeStyle = color;
  context.lineWidth = wide;
  context.beginPath();
  context.moveTo(fromX, fromY);
  context.lineTo(toX, toY);
  context.stroke();
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {HTMLCanvasElement | HTMLImageElement} picture
 * @param {CSSStyleDeclaration} style
 * @param {DOMRect} box
 */
function drawPicture(context, picture, style, { left, top, width, height }) {
  const isCanvas = picture instanceof HTMLCanvasElement;
  const w = isCanvas ? picture.width : picture.naturalWidth;
  const h = isCanvas ? picture.height : picture.naturalHeight;
  if (!w || !h || !width || !height) return;
  context.imageSmoothingEnabled = style.imageRendering !== "pixelated";
  let [wide, high] = [width, height];
  if (style.objectFit === "contain") {
    const factor = Math.min(width / w, height / h);
    [wide, high] = [w * factor, h * factor];
  }
  context.drawImage(picture, left + (width - wide) / 2, top + (height - high) / 2, wide, high);
}

/**
 * Draw a text where it stands, line by line.
 * @param {CanvasRenderingContext2D} context
 * @param {Text} text
 * @param {CSSStyleDeclaration} style Of the element that it is in.
 */
function drawText(context, text, style) {
  if (!text.data.trim()) return;
  context.font = `${style.fontStyle} ${style.fontWeight} ${style.fontSize} ${style.fontFamily}`;
  context.fillStyle = style.color;
  const { fontBoundingBoxAscent: up, fontBoundingBoxDescent: down } = context.measureText("x");
  const range = document.createRange();
  let begun = 0;
  /** @type {DOMRect | null} */
  let first = null;
  const write = (/** @type {number} */ end) => {
    if (!first) return;
    const baseline = first.top + (first.height - up - down) / 2 + up;
    context.fillText(text.data.slice(begun, end).replace(/\s+/g, " "), first.left, baseline);
  };
  for (let at = 0; at < text.data.length; at++) {
    range.setStart(text, at);
    range.setEnd(text, at + 1);
    const box = range.getBoundingClientRect();
    if (!box.width) continue; // spaces that are not drawn
    if (!first || box.top > first.top + first.height / 2) {
      write(at);
      [begun, first] = [at, box];
    }
  }
  write(text.data.length);
}
