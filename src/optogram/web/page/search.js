// A box that finds any class by words, a part of its name, or its number, and makes it the target.

import { element } from "./elements.js";
import { change, listen, state } from "./state.js";
import { latest } from "./wire.js";

const MOST = 12;

/** A search box for classes, with suggestions (the combobox pattern of ARIA). */
export function createSearch() {
  const list = element("ul", {
    id: "found-classes",
    class: "suggestions",
    role: "listbox",
    "aria-label": "Classes",
    hidden: true,
  });
  const box = element("input", {
    type: "search",
    placeholder: "Another class…",
    role: "combobox",
    "aria-label": "Find a class to explain",
    "aria-autocomplete": "list",
    "aria-controls": "found-classes",
    "aria-expanded": "false",
    autocomplete: "off",
    spellcheck: "false",
    oninput: () => look(),
    onkeydown: (/** @type {KeyboardEvent} */ event) => key(event),
    onblur: () => show([]),
  });

  /** @type {{index: number, name: string}[]} */
  let found = [];
  let active = -1;

  const find = latest(
    "find_classes",
    (answer, given) => {
      if (given.text !== box.value.trim() || document.activeElement !== box) return;
      show(answer.classes.slice(0, MOST));
      if (!found.length) list.replaceChildren(element("li", { class: "none" }, "No such class."));
      list.hidden = false;
    },
    () => show([]),
  );

  function look() {
    const text = box.value.trim();
    if (text) find({ model: state().model, text });
    else show([]);
  }

  function show(/** @type {{index: number, name: string}[]} */ classes) {
    found = classes;
    active = -1;
    list.replaceChildren(
      ...classes.map(({ index, name }, i) =>
        element(
          "li",
          {
            id: `found-class-${i}`,
            role: "option",
            "aria-selected": "false",
            // Before the box loses the focus, which closes the list.
            onpointerdown: (/** @type {PointerEvent} */ event) => {
              event.preventDefault();
              choose(i);
            },
          },
          element("span", {}, name),
          element("span", { class: "number" }, index),
        ),
      ),
    );
    list.hidden = !classes.length;
    box.setAttribute("aria-expanded", String(classes.length > 0));
    box.removeAttribute("aria-activedescendant");
  }

  function choose(/** @type {number} */ i) {
    change({ target: String(found[i].index) });
    box.value = "";
    show([]);
  }

  function move(/** @type {number} */ by) {
    if (!found.length) return;
    list.children[active]?.setAttribute("aria-selected", "false");
    active = (active + by + found.length + (active < 0 && by < 0 ? 1 : 0)) % found.length;
    const chosen = list.children[active];
    chosen.setAttribute("aria-selected", "true");
    chosen.scrollIntoView({ block: "nearest" });
    box.setAttribute("aria-activedescendant", chosen.id);
  }

  function key(/** @type {KeyboardEvent} */ event) {
    if (event.key === "ArrowDown") move(1);
    else if (event.key === "ArrowUp") move(-1);
    else if (event.key === "Enter" && found.length) choose(Math.max(0, active));
    else if (event.key === "Escape") {
      box.value = "";
      show([]);
    } else return;
    event.preventDefault();
  }

  let model = state().model;
  listen((now) => {
    if (now.model !== model) show([]);
    model = now.model;
  });
  return element("div", { class: "search" }, box, list);
}
