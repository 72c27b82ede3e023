// The photo as the network takes it, what was measured over it, and the patch, which can be dragged.

import { paint, picture } from "../colors.js";
import { element } from "../elements.js";

/**
 * @typedef {[row: number, column: number]} Place
 * @typedef {object} Gestures
 * @property {(center: Place, isLast: boolean) => void} move   isLast: the patch was let go there.
 * @property {(pixel: Place | null) => void} point             What the pointer is over.
 * @property {(steps: number) => void} resize
 * @property {() => void} refill
 * @property {() => void} lift
 * @property {() => void} clear
 */

const KEYS = "Arrow keys move it, with Shift by one pixel; + and − change its size; f its fill; ";

export function createStage(/** @type {Gestures} */ gestures) {
  const photo = element("canvas", { class: "pixels" });
  const trail = element("canvas", { class: "pixels" });
  const cover = element("canvas", { class: "pixels cover", hidden: true });
  const place = element(
    "div",
    {
      class: "stage",
      tabindex: 0,
      role: "application",
      "aria-label": `A patch over the photo. ${KEYS} Escape lifts it; c clears the trail.`,
      onkeydown: (/** @type {KeyboardEvent} */ event) => key(event),
    },
    photo,
    trail,
    cover,
  );

  let size = [1, 1];
  let patch = [1, 1];
  /** @type {Place | null} */
  let center = null;
  /** @type {HTMLCanvasElement | null} */
  let fill = null;

  /** The pixel of the photo at an event, clipped. @returns {Place} */
  function at(/** @type {PointerEvent} */ event) {
    const box = photo.getBoundingClientRect();
    const row = ((event.clientY - box.top) / box.height) * size[0];
    const column = ((event.clientX - box.left) / box.width) * size[1];
    return inside([row, column]);
  }

  /** @returns {Place} */
  function inside(/** @type {Place} */ [row, column]) {
    const clip = (/** @type {number} */ value, /** @type {number} */ side) =>
      Math.max(0, Math.min(side, value));
    return [clip(row, size[0]), clip(column, size[1])];
  }

  let isDragging = false;
  place.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    place.setPointerCapture(event.pointerId);
    isDragging = true;
    gestures.move(at(event), false);
  });
  place.addEventListener("pointermove", (event) => {
    const pixel = at(event);
    gestures.point(pixel);
    if (isDragging) gestures.move(pixel, false);
  });
  const drop = (/** @type {PointerEvent} */ event) => {
    if (isDragging && center) gestures.move(event.type === "pointerup" ? at(event) : center, true);
    isDragging = false;
  };
  place.addEventListener("pointerup", drop);
  place.addEventListener("pointercancel", drop);
  place.addEventListener("pointerleave", () => gestures.point(null));

  let turned = 0;
  place.addEventListener(
    "wheel",
    (event) => {
      if (event.ctrlKey) return; // the browser's own zoom
      event.preventDefault();
      // Touchpads send many small steps.
      turned += event.deltaMode === 0 ? event.deltaY / 50 : event.deltaY;
      const steps = Math.trunc(turned);
      turned -= steps;
      if (steps) gestures.resize(-Math.sign(steps));
    },
    { passive: false },
  );

  function key(/** @type {KeyboardEvent} */ event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    /** @type {Record<string, Place>} */
    const arrows = {
      ArrowUp: [-1, 0],
      ArrowDown: [1, 0],
      ArrowLeft: [0, -1],
      ArrowRight: [0, 1],
    };
    const arrow = arrows[event.key];
    if (arrow) {
      const [row, column] = center ?? [size[0] / 2, size[1] / 2];
      const [down, right] = patch.map((side) => (event.shiftKey ? 1 : Math.max(1, side / 4)));
      const next = center ? inside([row + arrow[0] * down, column + arrow[1] * right]) : null;
      gestures.move(next ?? [row, column], true);
    } else if (event.key === "+" || event.key === "=") gestures.resize(1);
    else if (event.key === "-") gestures.resize(-1);
    else if (event.key === "f") gestures.refill();
    else if (event.key === "c") gestures.clear();
    else if (event.key === "Escape") gestures.lift();
    else return;
    event.preventDefault();
  }

  /** Show the patch where it is. */
  function draw() {
    cover.hidden = center === null;
    if (!center) return;
    const [top, left] = corner(center);
    const [height, width] = patch;
    // Moved without a new layout of the page: in shares of its own size.
    const shift = `translate(${(100 * left) / width}%, ${(100 * top) / height}%)`;
    cover.style.setProperty("transform", shift);
    const context = /** @type {CanvasRenderingContext2D} */ (cover.getContext("2d"));
    context.clearRect(0, 0, width, height);
    if (fill) context.drawImage(fill, -left, -top);
  }

  /** Give the patch its size on the page. */
  function scale() {
    [cover.height, cover.width] = patch;
    cover.style.setProperty("height", `${(100 * patch[0]) / size[0]}%`);
    cover.style.setProperty("width", `${(100 * patch[1]) / size[1]}%`);
    draw();
  }

  /** The upper left corner of the patch around a place; part of the patch is on the photo. */
  function corner(/** @type {Place} */ middle) {
    return middle.map((value, axis) =>
      Math.max(1 - patch[axis], Math.min(size[axis] - 1, Math.round(value - patch[axis] / 2))),
    );
  }

  return {
    element: place,
    trail,
    corner,
    /** What is shown, from below to above; as large as the photo. */
    layers() {
      const patched = element("canvas", { width: size[1], height: size[0] });
      if (center) {
        const [top, left] = corner(center);
        /** @type {CanvasRenderingContext2D} */ (patched.getContext("2d")).drawImage(cover, left, top);
      }
      return [photo, trail, patched];
    },
    /** Show another photo. */
    setPhoto(/** @type {import("../wire.js").Array_} */ pixels) {
      size = pixels.shape.slice(0, 2);
      paint(photo, picture(pixels));
      [trail.height, trail.width] = size;
      place.style.setProperty("--ratio", String(size[1] / size[0]));
      fill = null;
      scale();
    },
    /** What the patch shows at each place; null while that is unknown. */
    setFill(/** @type {import("../wire.js").Array_ | null} */ pixels) {
      fill = pixels && element("canvas");
      if (fill && pixels) paint(fill, picture(pixels));
      draw();
    },
    setPatch(/** @type {number} */ side) {
      patch = [side, side];
      scale();
    },
    setCenter(/** @type {Place | null} */ middle) {
      center = middle;
      draw();
    },
  };
}
