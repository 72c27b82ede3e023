// Answers as bytes (see packing.py), and bytes as text that a page can hold.

/** @typedef {import("../wire.js").Answer} Answer */

/** @type {[string, Function][]} */
const KINDS = [
  ["uint8", Uint8Array],
  ["int32", Int32Array],
  ["float32", Float32Array],
];

/** An answer as bytes. */
export function packed(/** @type {Answer} */ { arrays, ...about }) {
  let offset = 0;
  const listed = Object.entries(arrays).map(([name, { data, shape, low, high }]) => {
    const kind = KINDS.find(([, type]) => data instanceof type);
    const entry = { name, dtype: kind?.[0], shape, offset, low, high };
    offset += eights(data.byteLength);
    return entry;
  });
  const header = new TextEncoder().encode(JSON.stringify({ ...about, arrays: listed }));
  const first = eights(8 + header.length);
  const bytes = new Uint8Array(first + offset);
  bytes.set(new TextEncoder().encode("OGA1"));
  new DataView(bytes.buffer).setUint32(4, header.length, true);
  bytes.set(header, 8);
  Object.values(arrays).forEach(({ data }, i) => {
    bytes.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), first + listed[i].offset);
  });
  return bytes;
}

function eights(/** @type {number} */ size) {
  return Math.ceil(size / 8) * 8;
}

// Not known to the types of older compilers.
const { CompressionStream, DecompressionStream } = /** @type {any} */ (globalThis);

/** Bytes, compressed, in base64. */
export async function compressed(/** @type {Uint8Array} */ bytes) {
  return toText(await through(bytes, new CompressionStream("gzip")));
}

/** The inverse of `compressed`. */
export async function decompressed(/** @type {string} */ text) {
  return through(toBytes(text), new DecompressionStream("gzip"));
}

async function through(
  /** @type {Uint8Array} */ bytes,
  /** @type {ReadableWritablePair} */ stream,
) {
  const piped = new Blob([/** @type {any} */ (bytes)]).stream().pipeThrough(stream);
  return new Uint8Array(await new Response(piped).arrayBuffer());
}

/** Bytes in base64. */
export function toText(/** @type {Uint8Array} */ bytes) {
  const parts = [];
  for (let i = 0; i < bytes.length; i += 0x8000) {
    parts.push(String.fromCharCode(...bytes.subarray(i, i + 0x8000)));
  }
  return btoa(parts.join(""));
}

function toBytes(/** @type {string} */ text) {
  const letters = atob(text);
  const bytes = new Uint8Array(letters.length);
  for (let i = 0; i < letters.length; i++) bytes[i] = letters.charCodeAt(i);
  return bytes;
}
