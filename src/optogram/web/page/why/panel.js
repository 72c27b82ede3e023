// One method's panel: its map over the photo, scale, number, verdict.

import { digits, element, progressBar, refusal, say } from "../elements.js";
import { ask } from "../wire.js";
import { cmapOf, cornerOf, draw, drawBar, mapOf, numberAt, scaleOf } from "./painting.js";
import { handle } from "./pointer.js";

/**
 * @typedef {import("../wire.js").Answer} Answer
 * @typedef {import("./painting.js").Map_} Map_
 * @typedef {import("./painting.js").Look} Look
 * @typedef {import("./painting.js").Zoom} Zoom
 * @typedef {{name: string, title: string, has_layer: boolean, is_slow: boolean,
 *   is_common: boolean}} Method
 * @typedef {Record<string, string>} Given   Parameters of the questions.
 * @typedef {object} Shared   What all panels have in common.
 * @property {import("./pointer.js").Hands} hands
 * @property {(method: string) => void} enlarge
 * @property {() => void} arrived   A map or a verdict came, or was refused.
 * @property {(panel: Panel) => void} wantVerdict
 */

const [SIDE, LARGE] = [480, 1200];

export class Panel {
  constructor(/** @type {Method} */ method, /** @type {Shared} */ shared) {
    this.method = method;
    this.shared = shared;
    /** @type {Map_ | null} */
    this.map = null;
    /** @type {Answer | null} */
    this.answer = null;
    /** @type {Answer | null} */
    this.checked = null;
    /** Whether the map was asked for, is on its way, and whether its verdict is wanted. */
    this.isAsked = false;
    this.isComing = false;
    this.isWanted = false;
    this.isSeen = false;
    /** @type {"no" | "coming" | "there"} */
    this.verdict = "no";

    this.canvas = element("canvas", { tabindex: 0, role: "img", "aria-label": method.title });
    this.cross = element("span", { class: "cross", hidden: true });
    this.waiting = element("div", { class: "waiting" });
    this.bar = element("canvas", { class: "scale-colors", "aria-hidden": "true" });
    this.low = element("span");
    this.high = element("span");
    this.scale = element("p", { class: "scale", hidden: true }, this.low, this.bar, this.high);
    this.number = element("p", { class: "number" }, "\u00a0");
    this.notes = element("div", { class: "notes" });
    this.words = element("div", { class: "verdict" });
    this.element = element(
      "article",
      { class: "map", "data-method": method.name, "aria-label": method.title },
      element(
        "header",
        {},
        element("h3", {}, method.title),
        element(
          "button",
          {
            type: "button",
            class: "large",
            "aria-label": `${method.title} alone and large`,
            onclick: () => shared.enlarge(method.name),
          },
          "Large",
        ),
      ),
      element("div", { class: "map-stage" }, this.canvas, this.cross, this.waiting),
      this.scale,
      this.number,
      this.notes,
      this.words,
    );
    handle(this.canvas, { ...shared.hands, speak: () => say(this.spoken()) });
  }

  /** Forget what was shown: another map is to come. */
  reset() {
    this.map = this.answer = this.checked = null;
    this.isAsked = this.isComing = this.isWanted = false;
    this.verdict = "no";
    this.scale.hidden = true;
    this.read(null);
    for (const place of [this.waiting, this.notes, this.words]) place.replaceChildren();
    this.element.classList.remove("refused");
  }

  /** Ask for the map, once. */
  async start(/** @type {Given} */ given, /** @type {AbortSignal} */ signal) {
    if (this.isAsked) return;
    this.isAsked = this.isComing = true;
    const bar = progressBar(`${this.method.title}…`);
    this.waiting.replaceChildren(bar.element);
    try {
      const answer = await ask("attribution", this.parameters(given), {
        progress: (done, total) => bar.show(done, total, `${this.method.title}…`),
        signal,
      });
      if (signal.aborted) return;
      this.answer = answer;
      this.map = mapOf(answer);
      this.waiting.replaceChildren();
      const { warnings } = answer;
      if (warnings.length) {
        this.notes.replaceChildren(
          ...warnings.map((/** @type {string} */ each) => element("p", {}, `⚠ ${each}`)),
        );
      }
      this.offer();
    } catch (error) {
      if (signal.aborted) return;
      this.waiting.replaceChildren();
      this.notes.replaceChildren(refusal(error));
      this.element.classList.add("refused");
    }
    this.isComing = false;
    this.shared.arrived();
  }

  /** Whether its verdict should be asked for now. */
  get isDue() {
    return this.map !== null && this.verdict === "no" && (this.isWanted || this.isChecked);
  }

  /** Whether it is checked by itself when it is seen. */
  get isChecked() {
    return this.isSeen && !this.method.is_slow;
  }

  /** Offer a check, or say that one comes. */
  offer() {
    this.words.replaceChildren(
      this.method.is_slow && !this.isWanted
        ? element(
            "button",
            {
              type: "button",
              onclick: () => {
                this.isWanted = true;
                this.offer();
                this.shared.wantVerdict(this);
              },
            },
            "Check this map",
          )
        : element("p", { class: "quiet" }, "Sanity checks follow."),
    );
  }

  /** Ask for the verdict. */
  async check(/** @type {Given} */ given, /** @type {AbortSignal} */ signal) {
    this.verdict = "coming";
    const bar = progressBar("Checking…");
    this.words.replaceChildren(bar.element);
    try {
      const answer = await ask("verdict", this.parameters(given), {
        progress: (done, total) => bar.show(done, total, "Checking…"),
        signal,
      });
      if (signal.aborted) return;
      this.checked = answer;
      const passed = Number(answer.depends_on_weights) + Number(answer.marks_what_matters);
      const kind = ["doubtful", "partly", "sound"][passed];
      this.words.replaceChildren(element("p", { class: kind }, answer.sentence));
    } catch (error) {
      if (signal.aborted) return;
      this.words.replaceChildren(refusal(error));
    }
    this.verdict = "there";
  }

  /** The parameters of its questions; methods without a layer do not depend on it. */
  parameters(/** @type {Given} */ given) {
    const layer = this.method.has_layer ? given.layer : "";
    return { ...given, layer, method: this.method.name };
  }

  /**
   * @param {HTMLImageElement} photo
   * @param {Look} look
   * @param {Zoom} zoom
   * @param {Map_[]} all
   * @param {boolean} isLarge
   */
  paint(photo, look, zoom, all, isLarge) {
    const side = isLarge ? LARGE : SIDE;
    if (!this.map) {
      draw(this.canvas, photo, side, zoom, null);
      return;
    }
    const { map } = this;
    const scale = scaleOf(map, look.scale, all, look.cmap);
    draw(this.canvas, photo, side, zoom, { map, scale, look });
    this.canvas.setAttribute(
      "aria-label",
      `${this.method.title}, from ${digits(map.lowest)} to ${digits(map.highest)} ${map.unit}. ` +
        "Arrow keys read the numbers, plus and minus zoom.",
    );
    drawBar(this.bar, scale, look.cmap);
    this.bar.dataset.cmap = cmapOf(scale, look.cmap);
    this.low.textContent = digits(scale.low);
    this.high.textContent = digits(scale.high);
    this.scale.hidden = false;
  }

  /** Show the number at a place, and where the place is. */
  point(/** @type {{x: number, y: number} | null} */ place, /** @type {Zoom} */ zoom) {
    this.cross.hidden = !place;
    this.read(place);
    if (!place) return;
    const { left, top } = cornerOf(zoom);
    this.cross.style.setProperty("--x", String((place.x - left) * zoom.k));
    this.cross.style.setProperty("--y", String((place.y - top) * zoom.k));
  }

  /** Show the number at a place, or the unit of all. */
  read(/** @type {{x: number, y: number} | null} */ place) {
    this.number.classList.toggle("quiet", !place);
    this.number.textContent = (place ? this.reading(place) : this.map?.unit) || "\u00a0";
  }

  reading(/** @type {{x: number, y: number}} */ { x, y }) {
    return this.map ? `${digits(numberAt(this.map, x, y))} ${this.map.unit}` : "";
  }

  spoken() {
    const place = this.shared.hands.pointed();
    return place ? `${this.reading(place)} at ${Math.round(100 * place.x)} % from the left, ${Math.round(100 * place.y)} % from the top` : "";
  }
}
