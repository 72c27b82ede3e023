// The eye in space: where it is, where it looks, and how pointer, wheel, keys and touch move it.

/**
 * @typedef {{x: number, y: number, z: number}} Point
 * @typedef {object} Eye
 * @property {Point} at
 * @property {number} yaw    0 along x, a quarter turn along -z.
 * @property {number} pitch  Up is positive.
 * @property {number} away   Distance to what it turns around.
 */

const TURN = 0.005;
const KEYS = new Set("wasdqe+-".split("").concat(["ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown"]));

/**
 * Where the eye looks, of length 1.
 * @param {Eye} eye
 * @returns {Point}
 */
export function ahead({ yaw, pitch }) {
  return {
    x: Math.cos(yaw) * Math.cos(pitch),
    y: Math.sin(pitch),
    z: -Math.sin(yaw) * Math.cos(pitch),
  };
}

/**
 * What is to its right.
 * @param {Eye} eye
 * @returns {Point}
 */
export function right({ yaw }) {
  return { x: Math.sin(yaw), y: 0, z: Math.cos(yaw) };
}

/**
 * @param {Point} a
 * @param {Point} b
 * @param {number} times
 * @returns {Point}
 */
export function plus(a, b, times) {
  return { x: a.x + b.x * times, y: a.y + b.y * times, z: a.z + b.z * times };
}

/**
 * The eye that looks at a point from a distance.
 * @param {Point} point
 * @param {number} away
 * @param {number} yaw
 * @param {number} pitch
 */
export function looking(point, away, yaw, pitch) {
  const eye = { at: point, yaw, pitch, away };
  return { ...eye, at: plus(point, ahead(eye), -away) };
}

/**
 * As text for the address, and back.
 * @param {Eye} eye
 */
export function eyeText({ at, yaw, pitch, away }) {
  return [at.x, at.y, at.z, yaw, pitch, away].map((n) => Number(n.toFixed(2))).join(",");
}

/**
 * @param {string} text
 * @returns {Eye | null}
 */
export function eyeOf(text) {
  const numbers = text.split(",").map(Number);
  if (numbers.length !== 6 || !numbers.every(Number.isFinite)) return null;
  const [x, y, z, yaw, pitch, away] = numbers;
  return { at: { x, y, z }, yaw, pitch: clamped(pitch), away: Math.max(0.5, away) };
}

function clamped(/** @type {number} */ pitch) {
  return Math.max(-1.5, Math.min(1.5, pitch));
}

/**
 * Moves the eye over a canvas.
 */
export class Flying {
  /**
   * @param {HTMLElement} canvas
   * @param {{moved: () => void, hovered: (x: number, y: number) => void, clicked: (x: number, y: number) => void, isCalm: () => boolean}} told
   *   Positions are pixels on the canvas.
   */
  constructor(canvas, told) {
    this.canvas = canvas;
    this.told = told;
    /** @type {Eye} */
    this.eye = { at: { x: 0, y: 0, z: 10 }, yaw: Math.PI / 2, pitch: 0, away: 10 };
    this.speed = 8;
    /** @type {Map<number, {x: number, y: number}>} */
    this.pointers = new Map();
    this.travel = 0;
    /** @type {Set<string>} */
    this.keys = new Set();
    this.isFast = false;
    /** @type {{from: Eye, to: Eye, start: number} | null} */
    this.flight = null;
    canvas.addEventListener("pointerdown", (event) => this.#down(event));
    canvas.addEventListener("pointermove", (event) => this.#move(event));
    for (const name of ["pointerup", "pointercancel"]) {
      canvas.addEventListener(name, (event) => this.#up(/** @type {PointerEvent} */ (event)));
    }
    canvas.addEventListener("wheel", (event) => this.#wheel(event), { passive: false });
    canvas.addEventListener("contextmenu", (event) => event.preventDefault());
    canvas.addEventListener("keydown", (event) => this.#key(event, true));
    canvas.addEventListener("keyup", (event) => this.#key(event, false));
    canvas.addEventListener("blur", () => this.keys.clear());
  }

  /** Whether the next picture differs even if nobody does anything. */
  get isMoving() {
    return this.keys.size > 0 || this.flight !== null;
  }

  /**
   * Go to another eye: at once, or in a short flight.
   * @param {Eye} eye
   */
  go(eye) {
    if (this.told.isCalm()) {
      this.eye = eye;
      this.flight = null;
    } else {
      const turn = 2 * Math.PI * Math.round((this.eye.yaw - eye.yaw) / (2 * Math.PI));
      this.flight = { from: this.eye, to: { ...eye, yaw: eye.yaw + turn }, start: performance.now() };
    }
    this.told.moved();
  }

  /**
   * Move on by the time that has passed.
   * @param {number} now
   * @param {number} seconds
   */
  advance(now, seconds) {
    if (this.flight) {
      const { from, to, start } = this.flight;
      const share = Math.min(1, (now - start) / 450);
      const t = share * share * (3 - 2 * share);
      const mix = (/** @type {number} */ a, /** @type {number} */ b) => a + (b - a) * t;
      this.eye = {
        at: { x: mix(from.at.x, to.at.x), y: mix(from.at.y, to.at.y), z: mix(from.at.z, to.at.z) },
        yaw: mix(from.yaw, to.yaw),
        pitch: mix(from.pitch, to.pitch),
        away: mix(from.away, to.away),
      };
      if (share === 1) this.flight = null;
    }
    const held = (/** @type {string} */ more, /** @type {string} */ less) =>
      Number(this.keys.has(more)) - Number(this.keys.has(less));
    const step = this.speed * seconds * (this.isFast ? 4 : 1);
    const { eye } = this;
    const forward = held("w", "s") + held("+", "-");
    let at = plus(eye.at, ahead(eye), forward * step);
    at = plus(at, right(eye), held("d", "a") * step);
    at = plus(at, { x: 0, y: 1, z: 0 }, held("e", "q") * step);
    this.eye = {
      ...eye,
      at,
      yaw: eye.yaw + held("ArrowLeft", "ArrowRight") * seconds,
      pitch: clamped(eye.pitch + held("ArrowUp", "ArrowDown") * seconds),
    };
  }

  #down(/** @type {PointerEvent} */ event) {
    this.canvas.setPointerCapture(event.pointerId);
    // On the window: the page may move the canvas meanwhile.
    this.pointers.set(event.pointerId, { x: event.clientX, y: event.clientY });
    if (this.pointers.size === 1) this.travel = 0;
    this.flight = null;
  }

  #move(/** @type {PointerEvent} */ event) {
    const before = this.pointers.get(event.pointerId);
    if (!before) {
      this.told.hovered(event.offsetX, event.offsetY);
      return;
    }
    const [x, y] = [event.clientX, event.clientY];
    const [across, down] = [x - before.x, y - before.y];
    this.travel += Math.abs(across) + Math.abs(down);
    if (this.pointers.size > 1) this.#pinch(event.pointerId, x, y);
    else if (event.buttons & 6 || event.shiftKey) this.#pan(across, down);
    else this.#turn(across, down);
    this.pointers.set(event.pointerId, { x, y });
    this.told.moved();
  }

  #up(/** @type {PointerEvent} */ event) {
    const was = this.pointers.delete(event.pointerId);
    const isClick = event.type === "pointerup" && event.button === 0 && this.travel < 6;
    if (was && isClick && this.pointers.size === 0) this.told.clicked(event.offsetX, event.offsetY);
  }

  #turn(/** @type {number} */ across, /** @type {number} */ down) {
    const { at, away } = this.eye;
    const around = plus(at, ahead(this.eye), away);
    const yaw = this.eye.yaw - across * TURN;
    this.eye = looking(around, away, yaw, clamped(this.eye.pitch - down * TURN));
  }

  #pan(/** @type {number} */ across, /** @type {number} */ down) {
    const scale = (this.eye.away * 0.93) / this.canvas.clientHeight;
    const at = plus(this.eye.at, right(this.eye), -across * scale);
    this.eye = { ...this.eye, at: plus(at, { x: 0, y: 1, z: 0 }, down * scale) };
  }

  #pinch(/** @type {number} */ id, /** @type {number} */ x, /** @type {number} */ y) {
    const [other] = [...this.pointers].filter(([key]) => key !== id).map(([, point]) => point);
    const before = /** @type {{x: number, y: number}} */ (this.pointers.get(id));
    const apart = (/** @type {{x: number, y: number}} */ p) =>
      Math.hypot(p.x - other.x, p.y - other.y);
    this.#zoom(Math.log(apart({ x, y }) / Math.max(1, apart(before))));
    this.#pan((x - before.x) / 2, (y - before.y) / 2);
  }

  #wheel(/** @type {WheelEvent} */ event) {
    event.preventDefault();
    const pixels = event.deltaY * (event.deltaMode ? 30 : 1);
    this.#zoom(Math.max(-0.5, Math.min(0.5, -pixels * 0.002)));
    this.told.moved();
  }

  /** Come nearer by a share of the distance; what it turns around moves on when it is reached. */
  #zoom(/** @type {number} */ amount) {
    const way = this.eye.away * (1 - Math.exp(-amount));
    const at = plus(this.eye.at, ahead(this.eye), way);
    this.eye = { ...this.eye, at, away: Math.max(2, this.eye.away - way) };
  }

  #key(/** @type {KeyboardEvent} */ event, /** @type {boolean} */ isDown) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    this.isFast = event.shiftKey;
    if (!KEYS.has(key)) return;
    event.preventDefault();
    if (isDown) {
      this.flight = null;
      this.keys.add(key);
    } else this.keys.delete(key);
    this.told.moved();
  }
}
