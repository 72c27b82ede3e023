// The scene: all maps in one draw call, all lines in another.

import { SIGNED, STEPS, table } from "../colors.js";
import { BETWEEN, spreadOf } from "./layout.js";
import { segmentsOf } from "./lines.js";
import { CARD_FRAGMENT, CARD_VERTEX, LINE_FRAGMENT, LINE_VERTEX } from "./shaders.js";
import { PAGE, placeOf } from "./tiles.js";

/**
 * @typedef {import("./graph.js").Graph} Graph
 * @typedef {import("./graph.js").Node_} Node_
 * @typedef {import("./layout.js").Place} Place
 * @typedef {import("./tiles.js").Tiles} Tiles
 */

// Not a literal, so that three.js is loaded only where it is needed, and not checked as our own.
const LIBRARY = "../vendor/three.module.min.js";
const WIDTHS = [2, 3.5, 3.5, 1.5, 1.5];

/** Whether this browser can draw in space. */
export function hasWebGL() {
  return document.createElement("canvas").getContext("webgl2") !== null;
}

/** @param {HTMLCanvasElement} canvas */
export async function createScene(canvas) {
  return new Scene(await import(LIBRARY), canvas);
}

export class Scene {
  /**
   * @param {any} three
   * @param {HTMLCanvasElement} canvas
   */
  constructor(three, canvas) {
    this.three = three;
    this.canvas = canvas;
    this.renderer = new three.WebGLRenderer({ canvas, antialias: true });
    this.camera = new three.PerspectiveCamera(50, 1, 0.05, 5000);
    this.scene = new three.Scene();
    this.scene.matrixWorldAutoUpdate = false;
    const raw = { glslVersion: three.GLSL3, side: three.DoubleSide };
    const vector = () => ({ value: new three.Vector3() });
    this.cards = new three.Mesh(
      new three.InstancedBufferGeometry(),
      new three.RawShaderMaterial({
        ...raw,
        vertexShader: CARD_VERTEX,
        fragmentShader: CARD_FRAGMENT,
        uniforms: {
          tiles: { value: null },
          colors: { value: null },
          blank: vector(),
          rim: vector(),
          accent: vector(),
        },
      }),
    );
    this.lines = new three.Mesh(
      new three.InstancedBufferGeometry(),
      new three.RawShaderMaterial({
        ...raw,
        vertexShader: LINE_VERTEX,
        fragmentShader: LINE_FRAGMENT,
        uniforms: {
          screen: { value: new three.Vector2(1, 1) },
          palette: { value: WIDTHS.map(() => new three.Vector3()) },
          widths: { value: [...WIDTHS] },
        },
      }),
    );
    for (const mesh of [this.cards, this.lines]) {
      mesh.frustumCulled = false;
      this.scene.add(mesh);
    }
    const quad = [0, -0.5, -0.5, 0, -0.5, 0.5, 0, 0.5, -0.5, 0, 0.5, 0.5];
    const strip = [0, -1, 0, 1, -1, 0, 0, 1, 0, 1, 1, 0];
    for (const [mesh, corners] of [
      [this.cards, quad],
      [this.lines, strip],
    ]) {
      const attribute = new three.BufferAttribute(new Float32Array(corners), 3);
      mesh.geometry.setAttribute("position", attribute);
      mesh.geometry.setIndex([0, 1, 2, 2, 1, 3]);
      mesh.geometry.instanceCount = 0;
    }
    /** @type {Tiles | null} */
    this.tiles = null;
    this.texture = null;
  }

  /**
   * The maps to draw from.
   * @param {Tiles} tiles
   */
  setTiles(tiles) {
    const three = this.three;
    this.tiles = tiles;
    this.texture?.dispose();
    const texture = new three.DataArrayTexture(tiles.bytes, PAGE, PAGE, tiles.pages);
    texture.format = three.RedFormat;
    texture.type = three.UnsignedByteType;
    texture.magFilter = three.NearestFilter;
    texture.minFilter = three.NearestMipmapNearestFilter;
    texture.generateMipmaps = true;
    texture.unpackAlignment = 1;
    texture.needsUpdate = true;
    this.texture = texture;
    tiles.changed.clear();
    this.cards.material.uniforms.tiles.value = texture;
  }

  /** Draw from the maps that have come since. */
  refreshTiles() {
    if (!this.tiles?.changed.size) return;
    for (const page of this.tiles.changed) this.texture.addLayerUpdate(page);
    this.texture.needsUpdate = true;
    this.tiles.changed.clear();
  }

  /**
   * Colors of the page, as in its style sheet, and of maps.
   * @param {string} cmap
   */
  setColors(cmap) {
    const style = getComputedStyle(this.canvas);
    const color = (/** @type {string} */ name) => {
      const found = new this.three.Color().setStyle(style.getPropertyValue(name).trim(), "");
      return new this.three.Vector3(found.r, found.g, found.b);
    };
    const ground = color("--ground");
    this.renderer.setClearColor(
      new this.three.Color().setRGB(ground.x, ground.y, ground.z, this.three.SRGBColorSpace),
    );
    const { uniforms } = this.cards.material;
    uniforms.blank.value = color("--panel");
    uniforms.rim.value = color("--quiet");
    uniforms.accent.value = color("--accent");
    this.lines.material.uniforms.palette.value = [
      color("--quiet"),
      color("--reads"),
      color("--feeds"),
      color("--accent"),
      color("--line"),
    ];
    const bytes = new Uint8Array(2 * STEPS * 4).fill(255);
    [cmap, SIGNED].forEach((name, row) => {
      const colors = table(name);
      for (let i = 0; i < STEPS; i++) {
        bytes.set(colors.subarray(3 * i, 3 * i + 3), 4 * (row * STEPS + i));
      }
    });
    uniforms.colors.value?.dispose();
    const texture = new this.three.DataTexture(bytes, STEPS, 2);
    texture.needsUpdate = true;
    uniforms.colors.value = texture;
  }

  /**
   * @param {Graph} graph
   * @param {Node_[]} nodes
   * @param {Place[]} places
   * @param {number} chosen
   */
  setNodes(graph, nodes, places, chosen) {
    this.setCards(graph, nodes, places, chosen);
    this.#set(this.lines.geometry, { start: 3, end: 3, role: 1 }, [
      ...chunks(segmentsOf(graph, nodes, places, chosen).numbers, 7),
    ]);
  }

  /**
   * @param {Graph} graph
   * @param {Node_[]} nodes
   * @param {Place[]} places
   * @param {number} chosen
   */
  setCards(graph, nodes, places, chosen) {
    const tiles = /** @type {Tiles} */ (this.tiles);
    /** @type {number[][]} */
    const cards = [];
    nodes.forEach((node, place) => {
      const at = places[place];
      const { shape, has_maps: hasMaps } = graph.steps[node.step];
      const stack = tiles.stacks[node.step];
      const count = stack?.count ?? (hasMaps ? Math.min(tiles.count, shape[2] ?? 1) : 1);
      const [height, width] = stack ? [stack.height, stack.width] : hasMaps ? shape : [1, 1];
      const longest = Math.max(height ?? 1, width ?? 1);
      const size = [(at.size * (width ?? 1)) / longest, (at.size * (height ?? 1)) / longest];
      const isMarked = place === chosen;
      const columns = Math.ceil(Math.sqrt(count));
      const { side, pitch, above } = spreadOf(at);
      for (let i = 0; i < count; i++) {
        const look = [
          ...placeOf(node.step * tiles.count + i),
          ...[stack?.is_signed ? 1 : 0, stack ? 1 : 0, isMarked ? 1 : 0],
        ];
        cards.push([at.x - at.length / 2 + i * BETWEEN, at.y, at.z, ...size, ...look]);
        if (!isMarked || count === 1) continue;
        // The maps of the chosen step once more, side by side above it.
        const rows = Math.ceil(count / columns);
        const row = Math.floor(i / columns);
        const up = at.y + at.size / 2 + above + (rows - row - 0.5) * pitch;
        const across = at.z + ((i % columns) - (columns - 1) / 2) * pitch;
        const scale = side / at.size;
        const large = [size[0] * scale, size[1] * scale];
        cards.push([at.x, up, across, ...large, ...look.slice(0, 5), 0]);
      }
    });
    this.#set(this.cards.geometry, { center: 3, size: 2, tile: 3, look: 3 }, cards);
  }

  /**
   * @param {any} geometry
   * @param {Record<string, number>} parts
   * @param {number[][]} rows
   */
  #set(geometry, parts, rows) {
    let from = 0;
    for (const [name, length] of Object.entries(parts)) {
      let attribute = geometry.getAttribute(name);
      if (!attribute || attribute.count < rows.length) {
        geometry.dispose(); // frees the buffers that are too small
        const room = Math.ceil(rows.length * 1.25) + 64;
        attribute = new this.three.InstancedBufferAttribute(new Float32Array(room * length), length);
        geometry.setAttribute(name, attribute);
      }
      rows.forEach((row, index) => {
        for (let i = 0; i < length; i++) attribute.array[index * length + i] = row[from + i];
      });
      attribute.needsUpdate = true;
      from += length;
    }
    geometry.instanceCount = rows.length;
  }

  /** Take the size that the canvas has on the page. */
  resize() {
    const { clientWidth: width, clientHeight: height } = this.canvas;
    if (!width || !height) return;
    const ratio = Math.min(devicePixelRatio, 2);
    this.renderer.setPixelRatio(ratio);
    this.renderer.setSize(width, height, false);
    this.lines.material.uniforms.screen.value.set(width, height);
    this.camera.aspect = width / height;
    this.camera.updateProjectionMatrix();
  }

  draw() {
    this.camera.updateMatrixWorld();
    this.renderer.render(this.scene, this.camera);
  }

  dispose() {
    this.texture?.dispose();
    this.cards.material.uniforms.colors.value?.dispose();
    for (const mesh of [this.cards, this.lines]) {
      mesh.geometry.dispose();
      mesh.material.dispose();
    }
    this.renderer.dispose();
    this.renderer.forceContextLoss();
  }
}

/**
 * @param {number[]} numbers
 * @param {number} length
 */
function* chunks(numbers, length) {
  for (let i = 0; i < numbers.length; i += length) yield numbers.slice(i, i + length);
}
