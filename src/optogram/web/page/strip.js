// The photos, as a strip: dropped, pasted, chosen, from the camera; arrow keys walk along it.

import { openCamera } from "./camera.js";
import { element, refusal, say } from "./elements.js";
import { change, listen, state } from "./state.js";
import { addPhoto, photos, pictureOf, removePhoto } from "./wire.js";

/** @typedef {import("./wire.js").Photo} Photo */

/** The strip of photos, and the buttons to add and remove some. */
export async function createStrip() {
  const strip = element("ul", {
    class: "strip",
    "aria-label": "Photos",
    onkeydown: (/** @type {KeyboardEvent} */ event) => key(event),
  });
  const trouble = element("div");
  const chooser = element("input", {
    type: "file",
    accept: "image/*",
    multiple: true,
    hidden: true,
    "aria-label": "Photos to add",
    onchange: () => {
      add([...(chooser.files ?? [])]);
      chooser.value = "";
    },
  });
  const remove = element("button", { type: "button", onclick: () => removeChosen() }, "Remove");
  const buttons = element(
    "p",
    { class: "buttons" },
    element("button", { type: "button", title: "Add photos", onclick: () => chooser.click() }, "Add…"),
    element("button", { type: "button", onclick: () => openCamera(addOne) }, "Camera…"),
    remove,
    element(
      "button",
      {
        type: "button",
        title: "Two photos or networks side by side; a click with Shift on a photo puts it on the right",
        onclick: () => change({ view: "two" }),
      },
      "Compare",
    ),
  );
  const hint = element("p", { class: "hint" }, "Or drop photos anywhere, or paste one.");

  /** @type {Photo[]} */
  let known = await photos();

  const addOne = (/** @type {Blob} */ photo, /** @type {string} */ name) =>
    add([new File([photo], name, { type: photo.type })]);

  async function add(/** @type {File[]} */ files) {
    trouble.replaceChildren();
    /** @type {Photo[]} */
    const added = [];
    for (const [i, file] of files.entries()) {
      if (files.length > 1) hint.textContent = `Adding ${i + 1} of ${files.length}…`;
      try {
        added.push(await addPhoto(file, file.name || "pasted photo"));
      } catch (error) {
        const { message } = /** @type {Error} */ (error);
        trouble.append(refusal(new Error(`${file.name}: ${message}`)));
      }
    }
    hint.textContent = "Or drop photos anywhere, or paste one.";
    if (!added.length) return;
    known = await photos();
    draw();
    change({ photo: added[0].id });
    say(added.length === 1 ? `${added[0].name} was added.` : `${added.length} photos were added.`);
  }

  async function removeChosen() {
    const { photo } = state();
    const at = known.findIndex(({ id }) => id === photo);
    if (at < 0 || known.length < 2) return;
    const { name } = known[at];
    known = known.filter(({ id }) => id !== photo);
    // First the page lets go of it, so that it is not asked for again.
    draw();
    change({ photo: known[Math.min(at, known.length - 1)].id }, { replace: true });
    await removePhoto(photo);
    say(`${name} was removed.`);
  }

  const hasFiles = (/** @type {DragEvent} */ event) =>
    event.dataTransfer?.types.includes("Files") ?? false;
  const dropping = (/** @type {boolean} */ is) =>
    document.body.classList.toggle("dropping", is);
  addEventListener("dragover", (event) => {
    if (!hasFiles(event)) return;
    event.preventDefault();
    dropping(true);
  });
  addEventListener("dragleave", (event) => {
    if (!event.relatedTarget) dropping(false);
  });
  addEventListener("drop", (event) => {
    dropping(false);
    if (!hasFiles(event)) return;
    event.preventDefault();
    add([...(event.dataTransfer?.files ?? [])]);
  });
  document.addEventListener("paste", (event) => {
    const files = [...(event.clipboardData?.files ?? [])];
    if (files.length) add(files);
  });

  function key(/** @type {KeyboardEvent} */ event) {
    const at = known.findIndex(({ id }) => id === state().photo);
    const last = known.length - 1;
    /** @type {Record<string, number>} */
    const to = { ArrowRight: at + 1, ArrowDown: at + 1, ArrowLeft: at - 1, ArrowUp: at - 1 };
    const next = event.key === "Home" ? 0 : event.key === "End" ? last : to[event.key];
    if (event.key === "Delete") removeChosen();
    else if (next === undefined) return;
    else if (next >= 0 && next <= last) change({ photo: known[next].id }, { replace: true });
    event.preventDefault();
  }

  /** Rebuild the strip: the list of photos has changed. */
  function draw() {
    const hadFocus = strip.contains(document.activeElement);
    strip.replaceChildren(
      ...known.map((photo) =>
        element(
          "li",
          {},
          element(
            "button",
            {
              type: "button",
              title: photo.name,
              "data-photo": photo.id,
              onclick: (/** @type {MouseEvent} */ event) =>
                change(event.shiftKey ? { view: "two", photo2: photo.id } : { photo: photo.id }),
            },
            element("img", { src: pictureOf(photo.id), alt: photo.name, loading: "lazy" }),
          ),
        ),
      ),
    );
    mark();
    if (hadFocus) /** @type {HTMLElement} */ (strip.querySelector("[tabindex='0']"))?.focus();
  }

  /** Mark the chosen photo: of the strip, it alone is reached by the tab key. */
  function mark() {
    const chosen = state().photo;
    const hadFocus = strip.contains(document.activeElement);
    for (const button of strip.querySelectorAll("button")) {
      const isChosen = button.dataset.photo === chosen;
      button.setAttribute("aria-pressed", String(isChosen));
      button.tabIndex = isChosen ? 0 : -1;
      if (isChosen) {
        if (hadFocus) button.focus();
        button.scrollIntoView({ block: "nearest", inline: "nearest" });
      }
    }
    remove.disabled = known.length < 2;
  }

  if (!known.some((photo) => photo.id === state().photo) && known.length) {
    change({ photo: known[0].id }, { replace: true });
  }
  listen(mark);
  draw();
  return element("div", { class: "photos" }, strip, buttons, chooser, hint, trouble);
}
