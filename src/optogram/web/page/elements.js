// Elements of the page, made in one line. Text is always text: names of files, layers and labels too.

/**
 * @typedef {string | number | Node | null | undefined | false} Child
 */

/**
 * An element.
 * @template {keyof HTMLElementTagNameMap} T
 * @param {T} tag
 * @param {Record<string, any>} [properties] Attributes; "on…" are listeners; "style" is an object.
 * @param {...(Child | Child[])} children
 * @returns {HTMLElementTagNameMap[T]}
 */
export function element(tag, properties = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (name === "style") {
      for (const [key, of] of Object.entries(value)) made.style.setProperty(key, String(of));
    } else if (value === true) made.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) {
      made.setAttribute(name, String(value));
    }
  }
  for (const child of children.flat()) {
    if (child !== null && child !== undefined && child !== false) {
      made.append(child instanceof Node ? child : String(child));
    }
  }
  return made;
}

/** A function that has `draw` run before the next frame, once for all calls until then. */
export function onceAFrame(/** @type {() => void} */ draw) {
  let isAsked = false;
  return () => {
    if (isAsked) return;
    isAsked = true;
    requestAnimationFrame(() => {
      isAsked = false;
      draw();
    });
  };
}

/** Say a sentence to all, those who hear the page included. */
export function say(/** @type {string} */ sentence) {
  const place = /** @type {HTMLElement} */ (document.getElementById("said"));
  place.textContent = sentence;
}

/** An element that says why there is nothing to see. */
export function refusal(/** @type {unknown} */ error) {
  return element("p", { class: "refusal", role: "alert" }, /** @type {Error} */ (error).message);
}

/** A bar that shows how far something is. */
export function progressBar(/** @type {string} */ label) {
  const bar = element("progress", { max: 1, "aria-label": label });
  const words = element("span", {}, label);
  const place = element("div", { class: "progress" }, bar, words);
  return {
    element: place,
    /** @param {number} done @param {number} total @param {string} what */
    show(done, total, what) {
      bar.value = total ? done / total : 0;
      words.textContent = what || label;
    },
  };
}

/** A number as people write it: four digits at most. */
export function digits(/** @type {number | null} */ value) {
  if (value === null || !Number.isFinite(value)) return "–";
  if (value !== 0 && (Math.abs(value) < 0.001 || Math.abs(value) >= 1e5)) {
    return value.toExponential(2);
  }
  return String(Number(value.toPrecision(4)));
}

/** A probability as a percentage. */
export function percent(/** @type {number} */ probability) {
  const value = 100 * probability;
  if (value >= 99.95 || value < 0.005) return `${value.toFixed(0)} %`;
  return `${value < 1 ? value.toFixed(2) : value.toPrecision(3)} %`;
}
