// The attention of a layer: a row for each token, and where on the photo what it reads stands.

/**
 * @typedef {import("../wire.js").Answer} Answer
 * @typedef {number | "mean"} Query   Number of a row; or the mean of all rows.
 * @typedef {object} Reads            What a token reads; the shares add up to 1.
 * @property {Float32Array} map       Of each patch: rows × columns.
 * @property {number} front           Of tokens that have no place on the photo.
 * @property {number} own             Of the token itself.
 */

/** Tokens without a place on the photo that are offered, at most. */
const MOST_LOOSE = 8;

export class Rows {
  constructor(/** @type {Answer} */ answer) {
    const { rows, query_patches, key_patches } = answer.arrays;
    const [heads, queries, keys] = rows.shape;
    this.heads = heads;
    this.queries = queries;
    this.keys = keys;
    this.data = rows.data;
    /** Patches of the queries of all windows, and of the keys of each. */
    this.queryPatches = query_patches.data;
    this.keyPatches = key_patches.data;
    this.inWindow = query_patches.shape[1];
    /** Rows and columns of patches that read, and of those that are read; empty if unknown. */
    this.from = answer.query_grid.slice(0, 2);
    this.to = answer.grid.slice(0, 2);
    this.front = answer.query_grid[2] ?? 0;
    this.isOneGrid = this.from.length > 0 && this.from.join() === this.to.join();
    /** @type {Map<number, number>} The row of each patch. */
    this.rowOf = new Map();
    /** @type {number[]} Rows of tokens without a place: those in front, or of a query of its own. */
    this.loose = [];
    /** @type {number[]} All rows, but those of padding. */
    this.all = [];
    for (let query = 0; query < this.queries; query++) {
      const patch = this.queryPatches[query];
      const isPadding = patch < 0 && answer.windows > 1;
      if (!isPadding) this.all.push(query);
      if (patch >= 0) this.rowOf.set(patch, query);
      else if (!isPadding && this.loose.length < MOST_LOOSE) this.loose.push(query);
    }
    /** @type {Map<string, Reads>} */
    this.known = new Map();
  }

  /** The row of a patch. */
  at(/** @type {number} */ row, /** @type {number} */ column) {
    return this.rowOf.get(row * this.from[1] + column);
  }

  /** What a token reads, in a head, or in the mean of all heads (null). @returns {Reads} */
  reads(/** @type {Query} */ query, /** @type {number | null} */ head) {
    const key = `${query} ${head}`;
    let found = this.known.get(key);
    if (!found) {
      found = this.sum(query === "mean" ? this.all : [query], head);
      // The pointer goes over few rows again; what is slow are means.
      if (query === "mean") this.known.set(key, found);
    }
    return found;
  }

  /** @returns {Reads} */
  sum(/** @type {number[]} */ queries, /** @type {number | null} */ head) {
    const map = new Float32Array(this.to[0] * this.to[1]);
    const heads = head === null ? Array.from({ length: this.heads }, (_, i) => i) : [head];
    const weight = 1 / (heads.length * queries.length);
    const { data, keys, keyPatches } = this;
    let front = 0;
    let own = 0;
    for (const one of heads) {
      for (const query of queries) {
        const start = (one * this.queries + query) * keys;
        const window = Math.floor(query / this.inWindow) * keys;
        const self = this.queryPatches[query];
        for (let k = 0; k < keys; k++) {
          const share = data[start + k] * weight;
          const patch = keyPatches[window + k];
          if (patch >= 0) map[patch] += share;
          else front += share;
          if (this.isSelf(query, self, k, patch)) own += share;
        }
      }
    }
    return { map, front, own };
  }

  /** Whether a key is the token that reads, where both are of one grid. */
  isSelf(
    /** @type {number} */ query,
    /** @type {number} */ self,
    /** @type {number} */ key,
    /** @type {number} */ patch,
  ) {
    if (!this.isOneGrid) return false;
    return self >= 0 ? patch === self : patch < 0 && key === query % this.inWindow;
  }

  /** The attention of a head, or the mean of all, as a matrix of queries × keys. */
  matrix(/** @type {number | null} */ head) {
    const size = this.queries * this.keys;
    if (head !== null) return Float32Array.from(this.data.subarray(head * size, (head + 1) * size));
    const mean = new Float32Array(size);
    for (let i = 0; i < this.data.length; i++) mean[i % size] += this.data[i] / this.heads;
    return mean;
  }
}
