// One side of the two patches: a photo, its patch, and what was measured there.

import { digits, element, progressBar, refusal } from "../elements.js";
import { Measured } from "../patch/measured.js";
import { createStage } from "../patch/stage.js";
import { paint } from "../colors.js";
import { ask, keyOf, latest } from "../wire.js";
import { createCross } from "./cross.js";

/**
 * @typedef {import("../wire.js").Answer} Answer
 * @typedef {import("./cross.js").Place} Place   Fractions of the photo.
 * @typedef {object} Hands
 * @property {string} name
 * @property {(center: Place, isLast: boolean) => void} move
 * @property {(place: Place | null) => void} point
 * @property {(steps: number) => void} resize
 * @property {() => void} refill
 * @property {() => void} lift
 * @property {() => void} clear
 * @property {(probabilities: ArrayLike<number>) => void} measured
 * @property {() => void} ready   The photo is there.
 */

/** Milliseconds for which a size must be kept before a patch of that size is prepared. */
const PATIENCE = 150;
/** Milliseconds between two paintings of the trail. */
const REST = 60;

export class PatchEnd {
  constructor(/** @type {Hands} */ hands) {
    this.hands = hands;
    const part = (/** @type {[number, number]} */ pixel) =>
      /** @type {Place} */ (pixel.map((value, axis) => value / this.size[axis]));
    this.stage = createStage({
      // Without a photo there are no places.
      move: (center, isLast) => this.size[0] && hands.move(part(center), isLast),
      point: (pixel) => this.size[0] && hands.point(pixel && part(pixel)),
      resize: hands.resize,
      refill: hands.refill,
      lift: hands.lift,
      clear: hands.clear,
    });
    this.cross = createCross();
    this.stage.element.append(this.cross.element);
    this.bar = progressBar("Preparing the patch");
    this.bar.element.classList.add("absent");
    this.trouble = element("div");
    this.reading = element("p", { class: "reading" }, "\u00a0");
    this.element = element(
      "div",
      { class: "end" },
      this.stage.element,
      this.reading,
      this.bar.element,
      this.trouble,
    );
    /** Of the photo as the network takes it; 0 while it is unknown. */
    this.size = [0, 0];
    this.measured = new Measured();
    /** @type {Place | null} */
    this.center = null;
    /** @type {Place | null} */
    this.pointed = null;
    this.photoKey = "";
    this.probeKey = "";
    this.side = 1;
    this.fill = "";
    this.isReady = false;
    this.isPainting = false;
    this.timer = 0;
    this.gone = new AbortController();
    this.preparing = new AbortController();
    /** @type {{model: string, photo: string}} */
    this.about = { model: "", photo: "" };
    this.askLatest = latest(
      "patched",
      (answer, given) => this.hear(answer, given),
      (error) => this.trouble.replaceChildren(refusal(error)),
    );
  }

  /** Show the photo of a side. */
  async load(/** @type {import("./sides.js").Side} */ { model, photo }) {
    const key = `${model} ${photo}`;
    if (key === this.photoKey) return;
    this.photoKey = key;
    this.about = { model, photo };
    this.gone.abort();
    this.preparing.abort();
    this.gone = new AbortController();
    const { signal } = this.gone;
    this.size = [0, 0];
    this.probeKey = "";
    this.isReady = false;
    try {
      const { pixels } = (await ask("prepared", { model, photo }, { signal })).arrays;
      if (signal.aborted) return;
      this.size = pixels.shape.slice(0, 2);
      this.stage.setPhoto(pixels);
      this.element.dataset.photo = photo;
      this.trouble.replaceChildren();
      this.hands.ready();
    } catch (error) {
      if (!signal.aborted) this.trouble.replaceChildren(refusal(error));
    }
  }

  asked() {
    return { ...this.about, patch: this.side, fill: this.fill };
  }

  /** Say which score is meant: how far it falls, from the scores of all classes. */
  explain(/** @type {(scores: ArrayLike<number>) => number} */ fall) {
    this.fall = fall;
    if (this.probeKey) this.measure();
  }

  measure() {
    const brush = Math.max(1, Math.round(this.side / 4));
    this.measured.trail.measure(/** @type {any} */ (this.fall), brush);
    this.repaint();
  }

  /** Prepare a patch, once it is wanted for a moment. */
  prepare(/** @type {number} */ side, /** @type {string} */ fill) {
    this.side = Math.max(1, Math.min(Math.round(side), ...this.size));
    this.fill = fill;
    const key = keyOf("patch", this.asked());
    if (key === this.probeKey) return;
    const isFirst = this.probeKey === "";
    this.probeKey = key;
    this.isReady = false;
    this.preparing.abort();
    this.preparing = new AbortController();
    const { signal } = this.preparing;
    this.measured.chooseTrail(key, this.size);
    this.measure();
    this.stage.setPatch(this.side);
    this.stage.setFill(null);
    this.stage.setCenter(this.pixel());
    this.bar.show(0, 1, `Preparing a patch of ${this.side} pixels…`);
    this.bar.element.classList.remove("absent");
    clearTimeout(this.timer);
    this.timer = setTimeout(
      async () => {
        try {
          const answer = await ask("patch_probe", this.asked(), { signal });
          if (signal.aborted) return;
          this.isReady = true;
          this.stage.setFill(answer.arrays.fill);
          this.trouble.replaceChildren();
          this.move(this.center);
        } catch (error) {
          if (signal.aborted) return;
          this.trouble.replaceChildren(refusal(error));
        }
        this.bar.element.classList.add("absent");
      },
      isFirst ? 0 : PATIENCE,
    );
  }

  /** The center of the patch in pixels. */
  pixel() {
    return (
      this.center &&
      /** @type {[number, number]} */ (this.center.map((part, axis) => part * this.size[axis]))
    );
  }

  /** Put the patch at a place; null: lift it. */
  move(/** @type {Place | null} */ place) {
    this.center = place;
    if (!this.size[0]) return;
    const middle = this.pixel();
    this.stage.setCenter(middle);
    if (!middle || !this.isReady) return;
    const [y, x] = this.stage.corner(middle);
    this.askLatest({ ...this.asked(), y, x });
  }

  hear(/** @type {Answer} */ { arrays }, /** @type {Record<string, any>} */ given) {
    const { y, x, ...about } = given;
    if (keyOf("patch", about) !== this.probeKey || !this.isReady) return;
    const half = this.side / 2;
    this.measured.trail.add({ y: y + half, x: x + half, scores: arrays.scores.data });
    this.element.dataset.mark = `${y},${x}`;
    if (this.center) this.hands.measured(arrays.probabilities.data);
    this.repaint();
  }

  clear() {
    this.measured.clear();
    this.repaint();
  }

  repaint() {
    if (this.isPainting) return;
    this.isPainting = true;
    // Later: the frame that shows the bars comes first.
    setTimeout(() => {
      this.isPainting = false;
      if (!this.size[0]) return;
      paint(this.stage.trail, this.measured.picture().image);
      this.point(this.pointed);
    }, REST);
  }

  /** Mark a place, and say what was measured there. */
  point(/** @type {Place | null} */ place) {
    this.pointed = place;
    this.cross.show(place);
    if (!place || !this.size[0]) {
      this.reading.textContent = "\u00a0";
      return;
    }
    const [row, column] = place.map((part, axis) =>
      Math.min(this.size[axis] - 1, Math.floor(part * this.size[axis])),
    );
    const found = this.measured.at(row, column);
    this.reading.textContent = `Row ${row}, column ${column}: ${
      found ? `fall of ${digits(found.fall)}` : "not measured"
    }.`;
  }

  destroy() {
    this.gone.abort();
    this.preparing.abort();
    clearTimeout(this.timer);
  }
}
