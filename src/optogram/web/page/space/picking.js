// What is under the pointer, and where on the page a point in space is. Plain numbers: of a thousand
// nodes each is looked at in every picture.

import { ahead, looking, plus, right } from "./flying.js";
import { spreadOf } from "./layout.js";

/**
 * @typedef {import("./flying.js").Eye} Eye
 * @typedef {import("./flying.js").Point} Point
 * @typedef {import("./layout.js").Place} Place
 */

const HALF_ANGLE = Math.tan((25 * Math.PI) / 180); // of the camera's 50 degrees

/**
 * Directions of the eye.
 * @param {Eye} eye
 */
function axes(eye) {
  const forward = ahead(eye);
  const across = right(eye);
  const up = {
    x: across.y * forward.z - across.z * forward.y,
    y: across.z * forward.x - across.x * forward.z,
    z: across.x * forward.y - across.y * forward.x,
  };
  return { forward, across, up };
}

/**
 * @param {Point} a
 * @param {Point} b
 */
function dot(a, b) {
  return a.x * b.x + a.y * b.y + a.z * b.z;
}

/**
 * A function from points in space to [left, top, distance] on a canvas; the distance is negative
 * behind the eye.
 * @param {Eye} eye
 * @param {number} width
 * @param {number} height
 */
export function projection(eye, width, height) {
  const { forward, across, up } = axes(eye);
  const scale = height / 2 / HALF_ANGLE;
  return (/** @type {number} */ x, /** @type {number} */ y, /** @type {number} */ z) => {
    const [dx, dy, dz] = [x - eye.at.x, y - eye.at.y, z - eye.at.z];
    const far = dx * forward.x + dy * forward.y + dz * forward.z;
    const side = dx * across.x + dy * across.y + dz * across.z;
    const rise = dx * up.x + dy * up.y + dz * up.z;
    const factor = scale / Math.max(1e-6, far);
    return [width / 2 + side * factor, height / 2 - rise * factor, far];
  };
}

/**
 * Position of the nearest place under a pixel of a canvas, or -1.
 * @param {Place[]} places
 * @param {Eye} eye
 * @param {number} left
 * @param {number} top
 * @param {number} width
 * @param {number} height
 */
export function picked(places, eye, left, top, width, height) {
  const { forward, across, up } = axes(eye);
  const side = ((left - width / 2) / (height / 2)) * HALF_ANGLE;
  const rise = ((height / 2 - top) / (height / 2)) * HALF_ANGLE;
  const ray = plus(plus(forward, across, side), up, rise);
  let found = -1;
  let nearest = Infinity;
  places.forEach(({ x, y, z, size, length }, place) => {
    const halves = [length / 2 + 0.15, size / 2, size / 2];
    const from = [eye.at.x - x, eye.at.y - y, eye.at.z - z];
    const along = [ray.x, ray.y, ray.z];
    let [enter, leave] = [0, Infinity];
    for (let axis = 0; axis < 3; axis++) {
      const slope = Math.abs(along[axis]) < 1e-9 ? 1e-9 : along[axis];
      const a = (-halves[axis] - from[axis]) / slope;
      const b = (halves[axis] - from[axis]) / slope;
      enter = Math.max(enter, Math.min(a, b));
      leave = Math.min(leave, Math.max(a, b));
    }
    if (enter < leave && enter < nearest) [found, nearest] = [place, enter];
  });
  return found;
}

/**
 * The eye that sees all places: from the side of the image, above.
 * @param {Place[]} places
 * @param {number} aspect Width / height of the canvas.
 * @returns {Eye}
 */
export function overview(places, aspect) {
  const [yaw, pitch] = [0.62, -0.38];
  const eye = { at: { x: 0, y: 0, z: 0 }, yaw, pitch, away: 0 };
  const { forward, across, up } = axes(eye);
  // With the eye at c − away·forward each point asks for a distance; c is moved until left and
  // right, top and bottom ask for the same.
  const corners = places.flatMap(({ x, y, z, size, length }) =>
    [-1, 1].flatMap((i) =>
      [-1, 1].flatMap((j) =>
        [-1, 1].map((k) => ({ x: x + (i * length) / 2, y: y + (j * size) / 2, z: z + (k * size) / 2 })),
      ),
    ),
  );
  const [tall, wide] = [HALF_ANGLE * 0.92, HALF_ANGLE * aspect * 0.94];
  // Planes through the eye: |dot(p − e, across)| ≤ wide · dot(p − e, forward), and for up.
  const most = (/** @type {(p: Point) => number} */ of) => Math.max(...corners.map(of));
  const l = most((p) => -dot(p, across) - wide * dot(p, forward));
  const r = most((p) => dot(p, across) - wide * dot(p, forward));
  const b = most((p) => -dot(p, up) - tall * dot(p, forward));
  const t = most((p) => dot(p, up) - tall * dot(p, forward));
  const far = Math.max((l + r) / (2 * wide), (b + t) / (2 * tall));
  let at = plus({ x: 0, y: 0, z: 0 }, across, (r - l) / 2);
  at = plus(at, up, (t - b) / 2);
  at = plus(at, forward, -far);
  const away = Math.max(4, Math.min(...corners.map((p) => dot(p, forward))) + far + 4);
  return { ...eye, at, away };
}

/**
 * The eye that looks at a stack and the maps above it.
 * @param {Place} place
 * @param {number} yaw Where it looks now: kept, unless it looks back.
 * @returns {Eye}
 */
export function closeup(place, yaw) {
  const tall = place.size + spreadOf(place).tall;
  const point = { x: place.x, y: place.y - place.size / 2 + tall / 2, z: place.z };
  return looking(point, 1.25 * tall, Math.cos(yaw) > 0 ? yaw : 0.6, -0.15);
}
