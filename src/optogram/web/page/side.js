// Beside each view: the photos, as a strip, and what the network takes the chosen one for.

import { classNames, highest } from "./classes.js";
import { element, percent, refusal, say } from "./elements.js";
import { change, listen, state } from "./state.js";
import { addPhoto, ask, photos, pictureOf } from "./wire.js";

/** @typedef {import("./wire.js").Photo} Photo */

const BARS = 5;

/** Set up the side of the page. */
export async function createSide(/** @type {import("./main.js").Context} */ context) {
  const place = /** @type {HTMLElement} */ (document.getElementById("side"));
  const strip = element("ul", { class: "strip", "aria-label": "Photos" });
  const trouble = element("div");
  const bars = element("ol", { class: "bars", "aria-label": "Predictions" });
  const chooser = element("input", {
    type: "file",
    accept: "image/*",
    multiple: true,
    hidden: true,
    onchange: () => add([...(chooser.files ?? [])]),
  });
  place.append(
    element("h2", {}, "Photos"),
    strip,
    element(
      "p",
      { class: "buttons" },
      element("button", { type: "button", onclick: () => chooser.click() }, "Add photos…"),
    ),
    chooser,
    trouble,
    element("h2", {}, "Predictions"),
    bars,
  );

  /** @type {Photo[]} */
  let known = await photos();

  async function add(/** @type {Blob[]} */ files) {
    trouble.replaceChildren();
    for (const file of files) {
      const name = file instanceof File ? file.name : "photo";
      try {
        const photo = await addPhoto(file, name);
        say(`${name} was added.`);
        known = await photos();
        change({ photo: photo.id });
      } catch (error) {
        trouble.append(refusal(error));
      }
    }
    draw();
  }

  addEventListener("dragover", (event) => event.preventDefault());
  addEventListener("drop", (event) => {
    event.preventDefault();
    add([...(event.dataTransfer?.files ?? [])]);
  });
  document.addEventListener("paste", (event) => {
    const files = [...(event.clipboardData?.files ?? [])];
    if (files.length) add(files);
  });

  function draw() {
    const chosen = state().photo;
    strip.replaceChildren(
      ...known.map((photo) =>
        element(
          "li",
          {},
          element(
            "button",
            {
              type: "button",
              "aria-pressed": photo.id === chosen ? "true" : "false",
              title: photo.name,
              onclick: () => change({ photo: photo.id }),
            },
            element("img", { src: pictureOf(photo.id), alt: photo.name, loading: "lazy" }),
          ),
        ),
      ),
    );
  }

  let asked = "";
  async function predict() {
    const { model, photo } = state();
    const key = `${model} ${photo}`;
    if (!photo || key === asked) return;
    asked = key;
    try {
      const [answer, names] = await Promise.all([
        ask("predictions", { model, photo }),
        classNames(model),
      ]);
      if (asked !== key) return;
      const probabilities = answer.arrays.probabilities.data;
      bars.replaceChildren(
        ...highest(probabilities, BARS).map((index) => bar(names[index], probabilities[index])),
      );
    } catch (error) {
      bars.replaceChildren(refusal(error));
    }
  }

  if (!known.some((photo) => photo.id === state().photo) && known.length) {
    change({ photo: known[0].id }, { replace: true });
  }
  listen(() => {
    draw();
    predict();
  });
  draw();
  predict();
}

/** One bar, with a name and a probability. */
function bar(/** @type {string} */ name, /** @type {number} */ probability) {
  return element(
    "li",
    {},
    element("span", { class: "name" }, name),
    element("span", { class: "value" }, percent(probability)),
    element("span", { class: "bar", style: { "--share": probability } }),
  );
}
