// The whole map, from coarse to fine, for as long as nobody stops it.

import { refusal } from "../elements.js";
import { ask } from "../wire.js";

/** @typedef {import("../wire.js").Answer} Answer */

/**
 * @param {ReturnType<typeof import("./controls.js").createControls>} controls
 * @param {Record<"partial" | "complete", (answer: Answer, key: string, given: Record<string, string | number>) => void>} shown
 */
export function createMap(controls, shown) {
  /** @type {AbortController | null} */
  let running = null;

  function stop() {
    if (!running) return;
    running.abort();
    running = null;
    controls.finishing(false);
    controls.progress(null);
  }

  /**
   * @param {Record<string, string | number>} given
   * @param {string} key what identifies the map
   */
  async function finish(given, key) {
    stop();
    running = new AbortController();
    const { signal } = running;
    controls.finishing(true);
    controls.progress([0, 1, "Computing the map…"]);
    try {
      const answer = await ask("occlusion_map", given, {
        signal,
        partial: (coarse) => shown.partial(coarse, key, given),
        progress: (done, total) =>
          controls.progress([done, total, `${done} of ${total} positions`]),
      });
      if (signal.aborted) return;
      shown.complete(answer, key, given);
    } catch (error) {
      if (!signal.aborted) controls.trouble(refusal(error));
    } finally {
      if (!signal.aborted) stop();
    }
  }

  return { finish, stop };
}
