// Questions to the explorer and their answers. All go over one socket; see packing.py for the bytes.

import { fetched, withToken } from "./token.js";

/**
 * @typedef {Uint8Array | Int32Array | Float32Array} Numbers float16 is widened to float32.
 * @typedef {object} Array_
 * @property {Numbers} data
 * @property {number[]} shape
 * @property {number[]} [low]   Range of scaled numbers: one, or one for each item of the first axis.
 * @property {number[]} [high]
 * @typedef {Record<string, any> & {arrays: Record<string, Array_>}} Answer
 * @typedef {object} Heard
 * @property {(done: number, total: number, what: string) => void} [progress]
 * @property {(answer: Answer) => void} [partial]
 * @property {AbortSignal} [signal]
 */

/** An answer that says why a question could not be answered. */
export class Refused extends Error {}

const TYPES = { uint8: Uint8Array, int32: Int32Array, float32: Float32Array };

/** @returns {[Answer, number]} the answer that begins at `start`, and where it ends. */
function unpackedAt(/** @type {ArrayBuffer} */ buffer, start = 0) {
  const view = new DataView(buffer);
  const length = view.getUint32(start + 4, true);
  const text = new TextDecoder().decode(new Uint8Array(buffer, start + 8, length));
  const header = JSON.parse(text);
  const first = start + Math.ceil((8 + length) / 8) * 8;
  /** @type {Record<string, Array_>} */
  const arrays = {};
  let end = first;
  for (const { name, dtype, shape, offset, low, high } of header.arrays) {
    const count = shape.reduce((/** @type {number} */ a, /** @type {number} */ b) => a * b, 1);
    const at = first + offset;
    const data =
      dtype === "float16"
        ? widened(new Uint16Array(buffer, at, count))
        : new TYPES[/** @type {keyof typeof TYPES} */ (dtype)](buffer, at, count);
    arrays[name] = { data, shape, low, high };
    end = at + Math.ceil((count * (dtype === "float16" ? 2 : data.BYTES_PER_ELEMENT)) / 8) * 8;
  }
  return [{ ...header, arrays }, end];
}

/** The answer in `buffer`. */
export function unpacked(/** @type {ArrayBuffer} */ buffer) {
  return unpackedAt(buffer)[0];
}

function widened(/** @type {Uint16Array} */ halves) {
  const wide = new Float32Array(halves.length);
  for (let i = 0; i < halves.length; i++) {
    const half = halves[i];
    const exponent = (half >> 10) & 31;
    const fraction = half & 1023;
    let value;
    if (exponent === 0) value = fraction * 2 ** -24;
    else if (exponent === 31) value = fraction ? NaN : Infinity;
    else value = (1 + fraction / 1024) * 2 ** (exponent - 15);
    wide[i] = half & 32768 ? -value : value;
  }
  return wide;
}

/** The numbers that a scaled array stands for. */
export function unscaled(/** @type {Array_} */ array) {
  const { data, low, high } = array;
  if (!low || !high) return data instanceof Float32Array ? data : Float32Array.from(data);
  const numbers = new Float32Array(data.length);
  const each = data.length / low.length;
  for (let i = 0; i < data.length; i++) {
    const item = Math.floor(i / each);
    numbers[i] = low[item] + ((high[item] - low[item]) * data[i]) / 255;
  }
  return numbers;
}

// -- the socket ------------------------------------------------------------------------------------

/** @type {Map<number, {heard: Heard, resolve: (a: Answer) => void, reject: (e: Error) => void}>} */
const asked = new Map();
/** @type {Promise<WebSocket> | null} */
let opening = null;
let number = 0;

function socket() {
  opening ??= new Promise((resolve, reject) => {
    const address = new URL(withToken("/api/socket"), location.href);
    address.protocol = address.protocol.replace("http", "ws");
    const opened = new WebSocket(address);
    opened.binaryType = "arraybuffer";
    opened.onopen = () => resolve(opened);
    opened.onmessage = (event) => hear(event.data);
    opened.onclose = () => {
      opening = null;
      const gone = new Refused("The explorer does not answer: is it still running?");
      reject(gone);
      for (const { reject: refuse } of asked.values()) refuse(gone);
      asked.clear();
    };
  });
  return opening;
}

function hear(/** @type {ArrayBuffer} */ buffer) {
  let [message, end] = unpackedAt(buffer);
  const { ask, event } = message;
  const waiting = asked.get(ask);
  if (!waiting) return;
  if (event === "progress") {
    waiting.heard.progress?.(message.done, message.total, message.what);
    return;
  }
  if (event === "error") {
    asked.delete(ask);
    waiting.reject(new Refused(message.error));
    return;
  }
  const [answer] = unpackedAt(buffer, end);
  if (event === "partial") {
    waiting.heard.partial?.(answer);
  } else {
    asked.delete(ask);
    waiting.resolve(answer);
  }
}

/** @type {Map<string, Answer>} Answers of a frozen page, by `keyOf`. */
export const frozen = new Map();

/** @type {Map<string, Photo & {picture: string}>} Photos of a frozen page, with data: addresses. */
export const frozenPhotos = new Map();

/** What identifies a question. */
export function keyOf(/** @type {string} */ name, /** @type {Record<string, any>} */ given) {
  const texts = Object.entries(given).map(([key, value]) => [key, String(value)]);
  return `${name} ${JSON.stringify(texts.sort(([a], [b]) => (a < b ? -1 : 1)))}`;
}

/** @type {Set<(name: string, given: Record<string, any>, answer: Answer) => void>} */
export const recorders = new Set();

/**
 * Ask a question.
 * @param {string} name
 * @param {Record<string, string | number>} given
 * @param {Heard} [heard]
 * @returns {Promise<Answer>} rejected with `Refused`, or with an AbortError when the signal says so.
 */
export async function ask(name, given, heard = {}) {
  if (frozen.size) {
    const answer = frozen.get(keyOf(name, given));
    if (!answer) throw new Refused("This was not looked at before the page was frozen.");
    return answer;
  }
  heard.signal?.throwIfAborted();
  const opened = await socket();
  const mine = ++number;
  const answer = await new Promise((resolve, reject) => {
    asked.set(mine, { heard, resolve, reject });
    heard.signal?.addEventListener("abort", () => {
      if (!asked.delete(mine)) return;
      if (opened.readyState === WebSocket.OPEN) opened.send(JSON.stringify({ cancel: mine }));
      reject(heard.signal?.reason);
    });
    opened.send(JSON.stringify({ ask: mine, name, with: given }));
  });
  for (const record of recorders) record(name, given, answer);
  return answer;
}

/**
 * The numbers of an answer as an .npz file.
 * @param {string} name
 * @param {Record<string, string | number>} given
 * @returns {Promise<{content: Blob, name: string}>} rejected with `Refused`.
 */
export async function numbersOf(name, given) {
  if (frozen.size) throw new Refused("A frozen page has no files of numbers: ask the explorer.");
  const texts = Object.entries(given).map(([key, value]) => [key, String(value)]);
  const response = await fetched(`/api/${name}.npz?${new URLSearchParams(texts)}`);
  if (!response.ok) throw new Refused((await response.json()).error);
  const said = /filename\*=UTF-8''([^;]+)/.exec(response.headers.get("content-disposition") ?? "");
  return { content: await response.blob(), name: decodeURIComponent(said?.[1] ?? `${name}.npz`) };
}

/**
 * For drags: one question is on its way at a time, and only the latest of those that came
 * meanwhile is asked then; the others are never asked.
 * @param {string} name
 * @param {(answer: Answer, given: Record<string, any>) => void} answered
 * @param {(error: Error) => void} refused
 */
export function latest(name, answered, refused) {
  let isAsking = false;
  /** @type {Record<string, any> | null} */
  let next = null;
  const go = async () => {
    if (isAsking) return;
    isAsking = true;
    while (next) {
      const given = next;
      next = null;
      try {
        answered(await ask(name, given), given);
      } catch (error) {
        refused(/** @type {Error} */ (error));
      }
    }
    isAsking = false;
  };
  return (/** @type {Record<string, any>} */ given) => {
    next = given;
    go();
  };
}

// -- photos ----------------------------------------------------------------------------------------

/** @typedef {{id: string, name: string, width: number, height: number}} Photo */

/** @returns {Promise<Photo[]>} */
export async function photos() {
  if (frozen.size) return [...frozenPhotos.values()];
  return (await fetched("/api/photos")).json();
}

/** Add a photo. @returns {Promise<Photo>} rejected with `Refused`. */
export async function addPhoto(/** @type {Blob} */ content, /** @type {string} */ name) {
  const response = await fetched(`/api/photos?name=${encodeURIComponent(name)}`, {
    method: "POST",
    body: content,
  });
  const answer = await response.json();
  if (!response.ok) throw new Refused(answer.error);
  return answer;
}

/** Remove a photo from the list; its file stays. */
export async function removePhoto(/** @type {string} */ photo) {
  await fetched(`/api/photos/${photo}`, { method: "DELETE" });
}

/** Address of the picture of a photo. */
export function pictureOf(/** @type {string} */ photo) {
  if (frozen.size) return frozenPhotos.get(photo)?.picture ?? "";
  return withToken(`/api/photos/${photo}/picture`);
}
