// The pointer over a panel: the place whose number all panels show, and zoom and pan for all.

import { cornerOf } from "./painting.js";

/**
 * @typedef {import("./painting.js").Zoom} Zoom
 * @typedef {object} Hands
 * @property {() => Zoom} zoom
 * @property {(zoom: Zoom) => void} setZoom
 * @property {(place: {x: number, y: number} | null) => void} point   Fractions of the photo.
 * @property {() => {x: number, y: number} | null} pointed
 * @property {() => void} speak   Say the number at the place.
 */

const MOST = 32;
const STEP = 1 / 50;

/** Let mouse, touch and keys act on `canvas`. */
export function handle(/** @type {HTMLCanvasElement} */ canvas, /** @type {Hands} */ hands) {
  /** @type {{x: number, y: number, zoom: Zoom} | null} */
  let grip = null;

  /** The place under the pointer, as fractions of the photo. */
  function placeOf(/** @type {MouseEvent} */ event, zoom = hands.zoom()) {
    const box = canvas.getBoundingClientRect();
    const { left, top } = cornerOf(zoom);
    return {
      x: left + (event.clientX - box.left) / box.width / zoom.k,
      y: top + (event.clientY - box.top) / box.height / zoom.k,
    };
  }

  canvas.addEventListener("pointerdown", (event) => {
    hands.point(placeOf(event));
    if (hands.zoom().k === 1 || event.button !== 0) return;
    canvas.setPointerCapture(event.pointerId);
    grip = { x: event.clientX, y: event.clientY, zoom: hands.zoom() };
  });
  canvas.addEventListener("pointermove", (event) => {
    if (grip) {
      const box = canvas.getBoundingClientRect();
      const { x, y, zoom } = grip;
      hands.setZoom(
        bounded({
          x: zoom.x - (event.clientX - x) / box.width / zoom.k,
          y: zoom.y - (event.clientY - y) / box.height / zoom.k,
          k: zoom.k,
        }),
      );
    }
    hands.point(placeOf(event));
  });
  for (const end of ["pointerup", "pointercancel"]) {
    canvas.addEventListener(end, () => {
      grip = null;
    });
  }
  canvas.addEventListener("pointerleave", (event) => {
    if (event.pointerType === "mouse") hands.point(null);
  });
  canvas.addEventListener(
    "wheel",
    (event) => {
      // The page scrolls as ever; with a key, or where it is zoomed already, the wheel zooms.
      if (!event.ctrlKey && !event.altKey && hands.zoom().k === 1) return;
      event.preventDefault();
      zoomAt(placeOf(event), Math.exp(-event.deltaY / 300));
    },
    { passive: false },
  );
  canvas.addEventListener("dblclick", (event) => {
    if (hands.zoom().k > 1) hands.setZoom({ x: 0.5, y: 0.5, k: 1 });
    else zoomAt(placeOf(event), 3);
  });
  canvas.addEventListener("keydown", (event) => {
    const place = hands.pointed() ?? { x: hands.zoom().x, y: hands.zoom().y };
    const step = STEP / hands.zoom().k;
    const moves = /** @type {Record<string, [number, number]>} */ ({
      ArrowLeft: [-step, 0],
      ArrowRight: [step, 0],
      ArrowUp: [0, -step],
      ArrowDown: [0, step],
    })[event.key];
    if (moves) {
      const within = (/** @type {number} */ at) => Math.max(0, Math.min(0.9999, at));
      hands.point({ x: within(place.x + moves[0]), y: within(place.y + moves[1]) });
      hands.speak();
    } else if (event.key === "+" || event.key === "=") zoomAt(place, 1.5);
    else if (event.key === "-") zoomAt(place, 1 / 1.5);
    else if (event.key === "0") hands.setZoom({ x: 0.5, y: 0.5, k: 1 });
    else return;
    event.preventDefault();
  });

  /** Zoom so that `place` stays where it is. */
  function zoomAt(/** @type {{x: number, y: number}} */ place, /** @type {number} */ factor) {
    const zoom = hands.zoom();
    const { left, top } = cornerOf(zoom);
    const k = Math.max(1, Math.min(MOST, zoom.k * factor));
    const moved = (/** @type {number} */ at, /** @type {number} */ start) =>
      at - ((at - start) * zoom.k) / k + 0.5 / k;
    hands.setZoom(bounded({ x: moved(place.x, left), y: moved(place.y, top), k }));
  }
}

/** A zoom whose center is that of what is seen. @returns {Zoom} */
function bounded(/** @type {Zoom} */ zoom) {
  const { left, top } = cornerOf(zoom);
  return { x: left + 0.5 / zoom.k, y: top + 0.5 / zoom.k, k: zoom.k };
}

/** A zoom as the state has it, and back. @returns {Zoom} */
export function zoomOf(/** @type {string | undefined} */ text) {
  const [x, y, k] = (text ?? "").split(",").map(Number);
  if (![x, y, k].every(Number.isFinite) || k <= 1) return { x: 0.5, y: 0.5, k: 1 };
  return bounded({ x, y, k: Math.min(MOST, k) });
}

/** The text of a zoom, "" where there is none. */
export function zoomText(/** @type {Zoom} */ { x, y, k }) {
  return k <= 1 ? "" : [x, y, k].map((number) => Number(number.toFixed(4))).join(",");
}
