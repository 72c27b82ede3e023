// The microscope: layers, units, classes. The data of each layer is a script, loaded when it is
// looked at, since a page that is opened from a file may not read other files. What is looked at
// is the part of the address behind "#".
const microscope = (() => {
  const ORDERS = [
    ["strongest", "strength", "Largest activation over all photos"],
    ["fires", "how often it fires", "Share of photos in which it is active somewhere"],
    ["selectivity", "selectivity", "How much more it contributes to one class than to the others"],
    ["likeness", "likeness", "Correlation with the unit of the layer that is most alike"],
    ["number", "number", "Number of the unit"],
  ];
  const PAGE = 60;
  const found = new Map(); // what scripts gave, by their names
  let about;

  // -- elements: text is always text --------------------------------------------------------------

  function element(tag, properties = {}, ...children) {
    const made = document.createElement(tag);
    for (const [name, value] of Object.entries(properties)) {
      if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
      else if (name === "style") Object.assign(made.style, value);
      else if (value !== null && value !== false) made.setAttribute(name, value);
    }
    made.append(...children.flat().filter((child) => child !== null && child !== undefined));
    return made;
  }

  function digits(value) {
    if (value === null || value === undefined) return "–";
    if (value !== 0 && (Math.abs(value) < 0.001 || Math.abs(value) >= 1e5)) {
      return value.toExponential(1);
    }
    return String(Number(value.toPrecision(3)));
  }

  function percent(share) {
    if (share === null || share === undefined) return "–";
    if (share > 0 && share < 0.001) return "below 0.1%";
    return `${(100 * share).toFixed(1)}%`;
  }

  const counted = (count, noun) =>
    `${count.toLocaleString("en")} ${noun}${count === 1 ? "" : "s"}`;
  const className = (index) => about.classes[index] ?? `class ${index}`;

  function addressOf(state) {
    const parts = Object.entries(state).filter(([, value]) => value !== "" && value !== undefined);
    return `#${new URLSearchParams(parts)}`;
  }

  const stateNow = () => Object.fromEntries(new URLSearchParams(location.hash.slice(1)));

  // -- data ---------------------------------------------------------------------------------------

  function load(file, key) {
    if (!found.has(key)) {
      found.set(
        key,
        new Promise((resolve, reject) => {
          const script = element("script", { src: file });
          script.onload = () => resolve(found.get(`given ${key}`));
          script.onerror = () => {
            found.delete(key);
            reject(new Error(`${file} is missing: copy the whole folder of the page.`));
          };
          document.head.append(script);
        }),
      );
    }
    return found.get(key);
  }

  const layerOf = (name) => about.layers.find((layer) => layer.name === name);
  const dataOf = (layer) => load(`${layer.file}.js`, `layer ${layer.name}`);

  function rowsOf(data) {
    data.rows ??= new Map(data.shown.map((unit, row) => [unit, row]));
    return data.rows;
  }

  // -- pictures -----------------------------------------------------------------------------------

  function sprite({ file, x, y, width, height, sheet, scale, label }) {
    const px = (value) => `${(value * scale).toFixed(2)}px`;
    return element("span", {
      class: `sprite${scale > 1.5 ? " pixels" : ""}`,
      role: "img",
      "aria-label": label,
      title: label,
      style: {
        width: px(width),
        height: px(height),
        backgroundImage: `url("${file}")`,
        backgroundPosition: `${px(-x)} ${px(-y)}`,
        backgroundSize: `${px(sheet[0])} ${px(sheet[1])}`,
      },
    });
  }

  const rowsIn = (data, page) => Math.min(data.sheet, data.shown.length - page * data.sheet);

  function patternsOf(layer, data, unit, side) {
    const row = rowsOf(data).get(unit);
    const count = row === undefined ? 0 : (data.patterns[row] ?? 0);
    const [width, height] = data.side;
    const page = Math.floor(row / data.sheet);
    const first = page * data.sheet;
    const widest = Math.max(...data.patterns.slice(first, first + data.sheet), 0);
    const more = layer.units > 1 ? `, unit ${unit}` : "";
    return Array.from({ length: count }, (_, variant) =>
      sprite({
        file: `${layer.file}-patterns-${page}.webp`,
        x: variant * width,
        y: (row % data.sheet) * height,
        width,
        height,
        sheet: [width * widest, height * rowsIn(data, page)],
        scale: side / Math.max(width, height),
        label: `Pattern of ${layer.name}${more}`,
      }),
    );
  }

  function cropsOf(layer, data, unit, side, most) {
    const row = rowsOf(data).get(unit);
    if (row === undefined) return [];
    const page = Math.floor(row / data.sheet);
    const top = data.top;
    return data.crops[row].slice(0, most).map(([photo, activation, width, height], rank) => {
      const name = data.photos[photo];
      const words = `${name}: ${digits(activation)}`;
      const picture = width
        ? sprite({
            file: `${layer.file}-crops-${page}.webp`,
            x: rank * data.cell,
            y: (row % data.sheet) * data.cell,
            width,
            height,
            sheet: [top * data.cell, rowsIn(data, page) * data.cell],
            scale: side / data.cell,
            label: words,
          })
        : element(
            "span",
            { class: "gone", title: words, style: { width: `${side}px`, height: `${side}px` } },
            `${name} is gone`,
          );
      return { picture, activation, name, label: data.labels[photo] };
    });
  }

  function thumbnail(layer, data, unit, side) {
    const patterns = patternsOf(layer, data, unit, side);
    if (patterns.length) return patterns[0];
    return cropsOf(layer, data, unit, side, 1)[0]?.picture ?? null;
  }

  function preview(layer, i) {
    const side = 56;
    return element("span", {
      class: "sprite",
      style: {
        width: `${side}px`,
        height: `${side}px`,
        backgroundImage: `url("${layer.file}-preview.webp")`,
        backgroundPosition: `${-i * side}px 0`,
        backgroundSize: `${side * layer.preview}px ${side}px`,
      },
    });
  }

  // -- views --------------------------------------------------------------------------------------

  function select(label, options, value, chosen) {
    const list = element(
      "select",
      { onchange: () => chosen(list.value) },
      options.map(([key, words]) => element("option", { value: key }, words)),
    );
    list.value = value;
    return element("label", {}, `${label} `, list);
  }

  const go = (changes) => {
    location.hash = addressOf({ ...stateNow(), ...changes });
  };

  function showLayers() {
    const items = about.layers.map((layer) =>
      element(
        "li",
        {},
        element(
          "a",
          { href: addressOf({ layer: layer.name }) },
          element("b", {}, layer.name),
          element(
            "span",
            { class: "quiet" },
            [
              layer.kind,
              counted(layer.units, "unit"),
              layer.maps[0] * layer.maps[1] > 1 ? `maps of ${layer.maps.join("×")}` : null,
              layer.patterns ? counted(layer.patterns, "pattern") : null,
              layer.fires === null ? null : `the median unit fires in ${percent(layer.fires)}`,
              layer.dead ? `never fires: ${layer.dead.toLocaleString("en")}` : null,
            ]
              .filter(Boolean)
              .join(", "),
          ),
          element(
            "span",
            { class: "previews" },
            Array.from({ length: layer.preview }, (_, i) => preview(layer, i)),
          ),
        ),
      ),
    );
    return [element("h2", {}, "Layers"), element("ul", { class: "layers" }, items)];
  }

  function orderedUnits(layer, data, { order, served, only }) {
    let units = Array.from({ length: layer.units }, (_, unit) => unit);
    if (only === "1") units = units.filter((unit) => rowsOf(data).has(unit));
    const amount = (unit) => {
      const pairs = data.classes[unit];
      for (let i = 0; i < pairs.length; i += 2) {
        if (pairs[i] === Number(served)) return pairs[i + 1];
      }
      return null;
    };
    if (served && data.classes) {
      return units
        .filter((unit) => amount(unit) !== null && amount(unit) > 0)
        .sort((a, b) => amount(b) - amount(a));
    }
    const key =
      order === "likeness" ? (unit) => data.nearest[unit][1] : (unit) => data[order][unit];
    if (order === "number") return units;
    return units.sort((a, b) => (key(b) ?? -Infinity) - (key(a) ?? -Infinity) || a - b);
  }

  const ordersOf = (data) =>
    ORDERS.filter(
      ([key]) => key === "number" || (key === "likeness" ? data.nearest : data[key]) !== null,
    );

  // Units with pictures come first: the others would hide them.
  function choicesOf(layer, data, state) {
    const known = ordersOf(data).map(([key]) => key);
    return {
      order: known.includes(state.order) ? state.order : known[0],
      served: state.served ?? "",
      only: state.only ?? (layer.shown && layer.shown < layer.units ? "1" : "0"),
    };
  }

  async function showLayer(layer, state) {
    const data = await dataOf(layer);
    const choices = choicesOf(layer, data, state);
    const units = orderedUnits(layer, data, choices);
    const grid = element("div", { class: "grid", onkeydown: walk });
    const more = element("button", { class: "more", type: "button", onclick: add }, "Show more");
    let shown = 0;
    function add() {
      grid.append(
        ...units.slice(shown, shown + PAGE).map((unit) => card(layer, data, unit, state)),
      );
      shown = Math.min(shown + PAGE, units.length);
      more.hidden = shown >= units.length;
    }
    add();
    const served = data.classes
      ? [...new Set(data.classes.flatMap((pairs) => pairs.filter((_, i) => i % 2 === 0)))].sort(
          (a, b) => className(a).localeCompare(className(b)),
        )
      : [];
    const orders = ordersOf(data).map(([key, words]) => [key, words]);
    const why = ORDERS.find(([key]) => key === choices.order)[2];
    const said = choices.served
      ? `Units that serve ${className(Number(choices.served))}, most first`
      : `${why}, ${choices.order === "number" ? "lowest" : "highest"} first`;
    return [
      element("h2", {}, layer.name),
      element(
        "div",
        { class: "tools" },
        select("Order by", orders, choices.order, (order) => go({ order, served: "" })),
        served.length
          ? select(
              "Serving",
              [["", "any class"], ...served.map((index) => [String(index), className(index)])],
              choices.served,
              (index) => go({ served: index }),
            )
          : null,
        layer.shown && layer.shown < layer.units
          ? select(
              "Show",
              [
                ["1", `the ${layer.shown} with pictures`],
                ["0", `all ${layer.units.toLocaleString("en")}`],
              ],
              choices.only,
              (only) => go({ only }),
            )
          : null,
      ),
      element("p", { class: "quiet" }, `${counted(units.length, "unit")}. ${said}.`),
      grid,
      more,
    ];
  }

  function card(layer, data, unit, state) {
    const patterns = patternsOf(layer, data, unit, 140).slice(0, 1);
    const crops = cropsOf(layer, data, unit, patterns.length ? 44 : 68, patterns.length ? 3 : 4);
    const top = data.classes?.[unit]?.length ? className(data.classes[unit][0]) : null;
    const facts = [
      data.strongest ? `max ${digits(data.strongest[unit])}` : null,
      data.fires ? `fires ${percent(data.fires[unit])}` : null,
    ];
    return element(
      "a",
      { class: "card", href: addressOf({ ...state, layer: layer.name, unit }) },
      element("span", { class: "pictures" }, patterns, crops.map(({ picture }) => picture)),
      element("p", {}, element("b", {}, `unit ${unit}`), top ? ` ${top}` : ""),
      element("p", { class: "quiet" }, facts.filter(Boolean).join(", ")),
    );
  }

  // Arrow keys walk from card to card.
  function walk(event) {
    const cards = [...event.currentTarget.children];
    const at = cards.indexOf(document.activeElement);
    if (at < 0) return;
    const across = cards.filter((one) => one.offsetTop === cards[0].offsetTop).length;
    const step = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -across, ArrowDown: across }[event.key];
    if (!step) return;
    event.preventDefault();
    cards[Math.min(Math.max(at + step, 0), cards.length - 1)].focus();
  }

  async function showUnit(layer, unit, state) {
    const data = await dataOf(layer);
    const units = orderedUnits(layer, data, choicesOf(layer, data, state));
    const at = units.indexOf(unit);
    const neighbor = (step, words, rel) => {
      const next = units[at + step];
      if (at < 0 || next === undefined) return null;
      return element("a", { href: addressOf({ ...state, unit: next }), rel }, words);
    };
    const patterns = patternsOf(layer, data, unit, 220);
    const crops = cropsOf(layer, data, unit, 96);
    const facts = [
      ["Largest activation", data.strongest && digits(data.strongest[unit])],
      ["Mean activation", data.mean && digits(data.mean[unit])],
      ["Fires in", data.fires && `${percent(data.fires[unit])} of photos`],
      ["Active at", data.active && `${percent(data.active[unit])} of positions`],
      ["Selectivity", data.selectivity && digits(data.selectivity[unit])],
    ].filter(([, value]) => value && value !== "–");
    const has = patterns.length || crops.length;
    return [
      element("h2", {}, `${layer.name}, unit ${unit}`),
      element(
        "nav",
        { "aria-label": "Units" },
        neighbor(-1, "← Previous", "prev"),
        neighbor(1, "Next →", "next"),
      ),
      element(
        "div",
        { class: "unit" },
        patterns.length
          ? element(
              "section",
              {},
              element("h3", {}, patterns.length > 1 ? "Patterns" : "Pattern"),
              element("div", { class: "strip" }, patterns),
            )
          : null,
        element(
          "section",
          {},
          crops.length ? element("h3", {}, "Strongest photos: the part that it sees") : null,
          element(
            "div",
            { class: "strip crops" },
            crops.map(({ picture, activation, name, label }) =>
              element(
                "figure",
                {},
                picture,
                element(
                  "figcaption",
                  { title: name },
                  element("b", {}, digits(activation)),
                  label ? ` ${label}` : "",
                ),
              ),
            ),
          ),
          has ? null : element(
            "p",
            {},
            "No pictures were drawn of this unit. Those that the survey has are drawn with --units.",
          ),
          facts.length ? element("h3", {}, "Activation") : null,
          element(
            "dl",
            {},
            facts.map(([word, value]) =>
              element("div", {}, element("dt", {}, word), element("dd", {}, value)),
            ),
          ),
          quantiles(data, unit),
          servedClasses(data, unit),
          nearestUnits(layer, data, unit, state),
        ),
      ),
    ];
  }

  function quantiles(data, unit) {
    if (!data.quantiles) return null;
    const words = about.quantiles.map(
      (at, i) => `${Number((100 * at).toFixed(1))}%: ${digits(data.quantiles[unit][i])}`,
    );
    return element("p", { class: "quiet" }, `Quantiles, ${words.join(", ")}`);
  }

  function servedClasses(data, unit) {
    const pairs = data.classes?.[unit] ?? [];
    const rows = [];
    const most = Math.max(...pairs.filter((_, i) => i % 2), 0);
    for (let i = 0; i < pairs.length; i += 2) {
      if (!(pairs[i + 1] > 0)) continue;
      const width = `${((100 * pairs[i + 1]) / most).toFixed(1)}%`;
      rows.push(
        element("a", { href: addressOf({ class: pairs[i] }) }, className(pairs[i])),
        element("span", { class: "bar" }, element("i", { style: { width } })),
        element("span", {}, digits(pairs[i + 1])),
      );
    }
    if (!rows.length) return null;
    return element(
      "div",
      {},
      element("h3", {}, "Classes that it serves"),
      element("div", { class: "bars" }, rows),
      element("p", { class: "quiet" }, "Mean gradient × activation, in units of the logit"),
    );
  }

  function nearestUnits(layer, data, unit, state) {
    const pairs = data.nearest?.[unit] ?? [];
    const cards = [];
    for (let i = 0; i < pairs.length; i += 2) {
      cards.push(
        element(
          "figure",
          {},
          element(
            "a",
            { href: addressOf({ ...state, unit: pairs[i] }), title: `Unit ${pairs[i]}` },
            thumbnail(layer, data, pairs[i], 72),
            `unit ${pairs[i]}`,
          ),
          element("figcaption", {}, digits(pairs[i + 1])),
        ),
      );
    }
    if (!cards.length) return null;
    return element(
      "div",
      {},
      element("h3", {}, "Units that are most alike"),
      element("div", { class: "strip" }, cards),
      element("p", { class: "quiet" }, "Correlation of activations at random positions"),
    );
  }

  async function showClasses(index) {
    const classes = await load("classes.js", "classes");
    const chosen = classes.find(([one]) => one === index) ?? classes[0];
    if (!chosen) return [element("p", {}, "No class was predicted for the photos.")];
    const names = classes.map(([one]) => [String(one), className(one)]);
    names.sort(([, a], [, b]) => a.localeCompare(b));
    const layers = chosen[1].map(([number, ...pairs]) => {
      const layer = about.layers[number];
      const links = [];
      for (let i = 0; i < pairs.length; i += 2) {
        const state = { layer: layer.name, unit: pairs[i] };
        links.push(
          i ? ", " : "",
          element("a", { href: addressOf(state) }, `unit ${pairs[i]}`),
          ` (${digits(pairs[i + 1])})`,
        );
      }
      const all = addressOf({ layer: layer.name, served: chosen[0], only: "0" });
      return element("p", {}, element("a", { href: all }, layer.name), ": ", links);
    });
    return [
      element("h2", {}, `Units that serve ${className(chosen[0])}`),
      element(
        "div",
        { class: "tools" },
        select("Class", names, String(chosen[0]), (one) => go({ class: one })),
      ),
      element(
        "p",
        { class: "quiet" },
        "Of each layer those with the largest mean gradient × activation, in units of the logit, " +
          "in photos that are predicted as this class.",
      ),
      element("div", { class: "columns" }, layers),
    ];
  }

  // -- the frame ----------------------------------------------------------------------------------

  let turn = 0;

  async function show() {
    const mine = ++turn;
    const main = document.getElementById("main");
    const state = stateNow();
    const layer = state.layer === undefined ? undefined : layerOf(state.layer);
    const unit = /^\d+$/.test(state.unit ?? "") ? Number(state.unit) : -1;
    let title = about.model;
    let content;
    try {
      if (state.layer !== undefined && !layer) {
        throw new Error(`The survey has no layer ${state.layer}.`);
      }
      if (state.unit !== undefined && !(unit >= 0 && unit < layer?.units)) {
        throw new Error(`${state.layer} has no unit ${state.unit}.`);
      }
      if (layer && unit >= 0) {
        title = `${layer.name}, unit ${unit}`;
        content = await showUnit(layer, unit, state);
      } else if (layer) {
        title = layer.name;
        content = await showLayer(layer, state);
      } else if (state.class !== undefined) {
        title = "Classes";
        content = await showClasses(Number(state.class));
      } else {
        content = showLayers();
      }
    } catch (error) {
      content = [element("p", { role: "alert" }, error.message)];
    }
    if (mine !== turn) return; // something else is looked at by now
    document.title = `${title} · optogram microscope`;
    const list = { ...state };
    delete list.unit;
    document.getElementById("where").replaceChildren(
      ...[
        element("a", { href: "#" }, "Layers"),
        about.hasClasses ? element("a", { href: "#class=" }, "Classes") : null,
        layer && state.unit !== undefined ? element("a", { href: addressOf(list) }, layer.name) : null,
      ].filter(Boolean),
    );
    main.replaceChildren(...content.filter(Boolean));
  }

  addEventListener("hashchange", () => {
    const from = scrollY;
    show().then(() => {
      if (from) scrollTo(0, 0);
    });
  });

  // Keys: arrows go to the next unit, Escape goes up.
  addEventListener("keydown", (event) => {
    if (event.target.closest?.("select, .grid") || event.ctrlKey || event.metaKey || event.altKey) {
      return;
    }
    const rel = { ArrowLeft: "prev", ArrowRight: "next" }[event.key];
    if (rel) document.querySelector(`a[rel=${rel}]`)?.click();
    if (event.key === "Escape") {
      const state = stateNow();
      if (state.unit !== undefined) go({ unit: "" });
      else if (state.layer !== undefined) location.hash = "#";
    }
  });

  function footer() {
    const [height, width] = about.size;
    document
      .getElementById("about")
      .append(
        `${counted(about.units, "unit")} of ${counted(about.layers.length, "layer")}, ` +
          `${counted(about.photos, "photo")} at ${height}×${width} pixels` +
          `${about.unread ? ` (${about.unread} could not be read)` : ""}. ` +
          `Survey ${about.store}, made with ${about.backend}, Keras ${about.keras}. ` +
          `Page by optogram ${about.optogram}, ${about.made}.`,
      );
  }

  return {
    open(given) {
      about = given;
      footer();
      show();
    },
    layer(name, given) {
      found.set(`given layer ${name}`, given);
    },
    classes(given) {
      found.set("given classes", given);
    },
  };
})();
