// The map: coarse grids from afar, fine ones from near. Tiles are loaded when they are seen.

/**
 * @typedef {object} Cell
 * @property {number} row
 * @property {number} column
 * @property {number} count number of samples
 * @property {number} class index into the classes; -1: none
 * @property {number} contribution
 * @property {number} first number of its first crop on the sheet
 * @property {number} wide crops in a row of the sheet
 * @property {number[]} photos indices into the names of photos
 *
 * @typedef {object} Grid
 * @property {number} side
 * @property {Cell[]} cells
 *
 * @typedef {object} Found
 * @property {number} grid index of the grid
 * @property {Cell} cell
 *
 * @typedef {object} Atlas
 * @property {number} icon side in pixels
 * @property {number} block rows, and columns, of cells in a tile
 * @property {number} crop side in pixels
 * @property {string[]} classes
 * @property {string[]} photos
 * @property {Grid[]} grids
 */

(() => {
  /** @param {string} id */
  const byId = (id) => /** @type {HTMLElement} */ (document.getElementById(id));
  /** @type {Atlas} */
  const atlas = JSON.parse(byId("data").textContent || "");
  const canvas = /** @type {HTMLCanvasElement} */ (byId("canvas"));
  const pen = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  const named = /** @type {HTMLInputElement | null} */ (document.getElementById("named"));
  const only = /** @type {HTMLSelectElement | null} */ (document.getElementById("only"));

  const LEAST = 44; // width of a cell in CSS pixels from which a grid is shown
  const NAMES = 60; // and from which its classes are written
  const LARGEST = 2.5; // most CSS pixels for a pixel of an icon of the finest grid
  const STEP = 1.5;
  const MARGIN = 12;

  const cellAt = atlas.grids.map(
    (grid) => new Map(grid.cells.map((cell) => [cell.row * grid.side + cell.column, cell])),
  );
  /** @type {Map<string, HTMLImageElement>} */
  const tiles = new Map();
  // The point (x, y) of the map, 0 to 1, is in the middle; the map is `scale` CSS pixels wide.
  const view = { x: 0.5, y: 0.5, scale: 1 };
  let width = 0;
  let height = 0;
  let isHeld = false;
  /** @type {Found | null} */
  let chosen = null;
  let isWaiting = false;

  const fitting = () => Math.max(64, Math.min(width, height) - 2 * MARGIN);
  const largest = () => {
    const finest = atlas.grids[atlas.grids.length - 1];
    return Math.max(fitting(), finest.side * atlas.icon * LARGEST);
  };

  /** The finest grid whose cells are large enough. */
  const level = () => {
    let found = 0;
    atlas.grids.forEach((grid, i) => {
      if (view.scale / grid.side >= LEAST) found = i;
    });
    return found;
  };

  /** @param {number} index */
  const color = (index) => `hsl(${(index * 137.5) % 360} 70% 45%)`;

  /**
   * @param {Grid} grid
   * @param {Cell} cell
   */
  const block = (grid, cell) =>
    `${grid.side}-${Math.floor(cell.row / atlas.block)}-${Math.floor(cell.column / atlas.block)}`;

  /**
   * @param {Grid} grid
   * @param {Cell} cell
   */
  const tileOf = (grid, cell) => {
    const name = block(grid, cell);
    let tile = tiles.get(name);
    if (!tile) {
      tile = new Image();
      tile.addEventListener("load", draw);
      tile.src = `tiles/${name}.webp`;
      tiles.set(name, tile);
    }
    return tile.complete && tile.naturalWidth ? tile : null;
  };

  /**
   * Left, top and width of a cell in CSS pixels.
   * @param {Grid} grid
   * @param {Cell} cell
   */
  const box = (grid, cell) => {
    const side = view.scale / grid.side;
    return {
      left: width / 2 + (cell.column / grid.side - view.x) * view.scale,
      top: height / 2 + (cell.row / grid.side - view.y) * view.scale,
      side,
    };
  };

  const draw = () => {
    if (isWaiting) return;
    isWaiting = true;
    requestAnimationFrame(() => {
      isWaiting = false;
      paint();
    });
  };

  const paint = () => {
    const ratio = devicePixelRatio || 1;
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    pen.clearRect(0, 0, width, height);
    const at = level();
    const grid = atlas.grids[at];
    const shown = only ? Number(only.value) : -1;
    pen.imageSmoothingEnabled = true;
    // Coarser icons lie below until the finer ones are loaded.
    const waiting = at > 0 && !paintGrid(grid, shown, true);
    if (waiting) {
      pen.clearRect(0, 0, width, height);
      paintGrid(atlas.grids[at - 1], shown, false);
      paintGrid(grid, shown, false);
    } else if (at === 0) paintGrid(grid, shown, false);
    if (chosen && chosen.grid === at) {
      const { left, top, side } = box(grid, chosen.cell);
      const style = getComputedStyle(canvas);
      pen.lineWidth = 4;
      pen.strokeStyle = style.getPropertyValue("--card");
      pen.strokeRect(left, top, side, side);
      pen.lineWidth = 2;
      pen.strokeStyle = style.getPropertyValue("--ink");
      pen.strokeRect(left, top, side, side);
    }
    byId("level").textContent =
      `${grid.side}×${grid.side} grid, ${grid.cells.length} cells`;
  };

  /**
   * Whether all visible icons were there.
   * @param {Grid} grid
   * @param {number} shown
   * @param {boolean} hasToBeWhole
   */
  const paintGrid = (grid, shown, hasToBeWhole) => {
    let isWhole = true;
    for (const cell of grid.cells) {
      const { left, top, side } = box(grid, cell);
      if (left > width || top > height || left + side < 0 || top + side < 0) continue;
      const tile = tileOf(grid, cell);
      if (!tile) {
        isWhole = false;
        continue;
      }
      if (hasToBeWhole && !isWhole) continue;
      pen.globalAlpha = shown < 0 || cell.class === shown ? 1 : 0.12;
      const [x, y] = [cell.column, cell.row].map((place) => (place % atlas.block) * atlas.icon);
      pen.drawImage(tile, x, y, atlas.icon, atlas.icon, left, top, side, side);
      if (named?.checked && cell.class >= 0) label(cell, left, top, side);
    }
    pen.globalAlpha = 1;
    return isWhole;
  };

  /**
   * @param {Cell} cell
   * @param {number} left
   * @param {number} top
   * @param {number} side
   */
  const label = (cell, left, top, side) => {
    pen.fillStyle = color(cell.class);
    pen.fillRect(left, top + side - 4, side, 4);
    if (side < NAMES) return;
    const size = Math.min(14, Math.max(10, side / 9));
    pen.font = `${size}px system-ui, sans-serif`;
    let text = atlas.classes[cell.class];
    while (text.length > 2 && pen.measureText(text).width > side - 6) {
      text = `${text.replace(/…$/, "").slice(0, -1)}…`;
    }
    pen.fillStyle = "rgb(255 255 255 / 0.85)";
    pen.fillRect(left, top + side - size - 8, pen.measureText(text).width + 6, size + 4);
    pen.fillStyle = "#16181b";
    pen.textBaseline = "bottom";
    pen.fillText(text, left + 3, top + side - 5);
  };

  /**
   * The cell at a point of the canvas.
   * @param {number} x
   * @param {number} y
   */
  const found = (x, y) => {
    const at = level();
    const { side } = atlas.grids[at];
    const column = Math.floor((view.x + (x - width / 2) / view.scale) * side);
    const row = Math.floor((view.y + (y - height / 2) / view.scale) * side);
    if (Math.min(row, column) < 0 || Math.max(row, column) >= side) return null;
    const cell = cellAt[at].get(row * side + column);
    return cell ? { grid: at, cell } : null;
  };

  /**
   * A piece of a sheet as an element that screen readers name.
   * @param {string} file
   * @param {number} size
   * @param {number} x
   * @param {number} y
   * @param {number} factor
   * @param {number} sheet
   * @param {string} name
   */
  const piece = (file, size, x, y, factor, sheet, name) => {
    const made = document.createElement("span");
    made.setAttribute("role", "img");
    made.setAttribute("aria-label", name);
    made.title = name;
    made.style.cssText =
      `display:block;width:${size * factor}px;height:${size * factor}px;` +
      `background:url("${file}") ${-x * factor}px ${-y * factor}px / ${sheet * factor}px auto`;
    return made;
  };

  /** @param {Found | null} next */
  const choose = (next) => {
    if (next?.cell === chosen?.cell || !next) return;
    chosen = next;
    const { cell } = next;
    const grid = atlas.grids[next.grid];
    const head = document.createElement("h2");
    const name = cell.class < 0 ? "Cell" : atlas.classes[cell.class];
    head.textContent = name;
    const words = document.createElement("p");
    words.textContent =
      `${cell.count} samples. Row ${cell.row + 1}, column ${cell.column + 1} of ` +
      `${grid.side}×${grid.side}.` +
      (cell.class < 0 ? "" : ` Contribution to the logit: ${cell.contribution}.`);
    byId("chosen").replaceChildren(head, words);
    const [x, y] = [cell.column, cell.row].map((place) => (place % atlas.block) * atlas.icon);
    const tile = `tiles/${block(grid, cell)}.webp`;
    const factor = Math.max(1, Math.floor(160 / atlas.icon));
    const sheet = atlas.icon * atlas.block;
    byId("icon").replaceChildren(
      piece(tile, atlas.icon, x, y, factor, sheet, `Image made for this cell: ${name}`),
    );
    const crops = cell.photos.map((photo, i) => {
      const number = cell.first + i;
      const left = (number % cell.wide) * atlas.crop;
      const top = Math.floor(number / cell.wide) * atlas.crop;
      const file = `crops/${block(grid, cell)}.webp`;
      return piece(file, atlas.crop, left, top, 1, atlas.crop * cell.wide, atlas.photos[photo]);
    });
    byId("crops").replaceChildren(...crops);
    byId("note").hidden = !crops.length;
    draw();
  };

  /**
   * Zoom by a factor about a point of the canvas.
   * @param {number} factor
   * @param {number} x
   * @param {number} y
   */
  const zoom = (factor, x = width / 2, y = height / 2) => {
    const scale = Math.min(largest(), Math.max(fitting() / 2, view.scale * factor));
    view.x += (x - width / 2) * (1 / view.scale - 1 / scale);
    view.y += (y - height / 2) * (1 / view.scale - 1 / scale);
    view.scale = scale;
    settle();
  };

  /**
   * @param {number} x
   * @param {number} y in CSS pixels
   */
  const move = (x, y) => {
    view.x -= x / view.scale;
    view.y -= y / view.scale;
    settle();
  };

  const settle = () => {
    view.x = Math.min(1, Math.max(0, view.x));
    view.y = Math.min(1, Math.max(0, view.y));
    if (chosen && chosen.grid !== level()) isHeld = false;
    draw();
  };

  const whole = () => {
    Object.assign(view, { x: 0.5, y: 0.5, scale: fitting() });
    settle();
  };

  /**
   * The next cell from the chosen one in a direction; at first the one nearest to the middle.
   * @param {number} right
   * @param {number} down
   */
  const step = (right, down) => {
    const at = level();
    const grid = atlas.grids[at];
    const from =
      chosen && chosen.grid === at
        ? chosen.cell
        : { row: view.y * grid.side - 0.5, column: view.x * grid.side - 0.5 };
    const isFirst = !chosen || chosen.grid !== at;
    let best = null;
    let least = Infinity;
    for (const cell of grid.cells) {
      const [dx, dy] = [cell.column - from.column, cell.row - from.row];
      const ahead = dx * right + dy * down;
      const aside = Math.abs(dx * down) + Math.abs(dy * right);
      if (!isFirst && (ahead <= 0 || aside > ahead * 2)) continue;
      const distance = isFirst ? Math.hypot(dx, dy) : ahead + 2 * aside;
      if (distance < least) [best, least] = [cell, distance];
    }
    if (!best) return;
    isHeld = true;
    choose({ grid: at, cell: best });
    const { left, top, side } = box(grid, best);
    if (left < 0 || top < 0 || left + side > width || top + side > height) {
      view.x = (best.column + 0.5) / grid.side;
      view.y = (best.row + 0.5) / grid.side;
    }
    settle();
  };

  // Pointers: one moves the map, two zoom it, a click holds a cell.
  /** @type {Map<number, DOMPoint>} */
  const pointers = new Map();
  let moved = 0;
  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    pointers.set(event.pointerId, new DOMPoint(event.offsetX, event.offsetY));
    moved = 0;
    canvas.classList.add("moving");
  });
  canvas.addEventListener("pointermove", (event) => {
    const now = new DOMPoint(event.offsetX, event.offsetY);
    const before = pointers.get(event.pointerId);
    if (!before) {
      if (!isHeld) choose(found(now.x, now.y));
      return;
    }
    const other = [...pointers].find(([id]) => id !== event.pointerId)?.[1];
    if (other) {
      const [was, is] = [before, now].map((at) => Math.hypot(at.x - other.x, at.y - other.y));
      if (was > 0) zoom(is / was, (now.x + other.x) / 2, (now.y + other.y) / 2);
    } else move(now.x - before.x, now.y - before.y);
    moved += Math.hypot(now.x - before.x, now.y - before.y);
    pointers.set(event.pointerId, now);
  });
  for (const kind of /** @type {const} */ (["pointerup", "pointercancel"])) {
    canvas.addEventListener(kind, (event) => {
      pointers.delete(event.pointerId);
      if (!pointers.size) canvas.classList.remove("moving");
      if (kind === "pointercancel" || moved > 4) return;
      const at = found(event.offsetX, event.offsetY);
      isHeld = at !== null && !(isHeld && at.cell === chosen?.cell);
      choose(at);
    });
  }
  canvas.addEventListener(
    "wheel",
    (event) => {
      event.preventDefault();
      const lines = event.deltaMode ? event.deltaY * 20 : event.deltaY;
      zoom(Math.exp(-Math.max(-200, Math.min(200, lines)) / 300), event.offsetX, event.offsetY);
    },
    { passive: false },
  );

  canvas.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    /** @type {Record<string, [number, number]>} */
    const ways = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    const way = ways[event.key];
    if (way && event.shiftKey) move(-way[0] * 80, -way[1] * 80);
    else if (way) step(...way);
    else if (event.key === "+" || event.key === "=") zoom(STEP);
    else if (event.key === "-") zoom(1 / STEP);
    else if (event.key === "0" || event.key === "Home") whole();
    else if (event.key === "Escape") isHeld = false;
    else return;
    event.preventDefault();
  });

  byId("nearer").addEventListener("click", () => zoom(STEP));
  byId("farther").addEventListener("click", () => zoom(1 / STEP));
  byId("whole").addEventListener("click", whole);
  named?.addEventListener("change", draw);
  if (only) {
    atlas.classes
      .map((name, i) => ({ name, i }))
      .sort((a, b) => a.name.localeCompare(b.name))
      .forEach(({ name, i }) => only.add(new Option(name, String(i))));
    only.addEventListener("change", draw);
  }
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);

  new ResizeObserver(() => {
    const isFirst = !width;
    const part = view.scale / fitting();
    [width, height] = [canvas.clientWidth, canvas.clientHeight];
    const ratio = devicePixelRatio || 1;
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
    if (isFirst) whole();
    else view.scale = part * fitting();
    draw();
  }).observe(canvas);
})();
