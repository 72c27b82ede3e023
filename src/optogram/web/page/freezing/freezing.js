// Freezing: one HTML file of what was looked at. It needs no explorer and no network.

import { fetched } from "../token.js";
import { photos, pictureOf } from "../wire.js";
import { compressed, packed, toText } from "./bytes.js";
import { recorded } from "./recording.js";

/** What names another module, also as a constant that is imported later. */
const NAMES = /(["'`])(\.{1,2}\/[^"'`\s]+\.js)\1/g;
const POLICY =
  "default-src 'none'; script-src 'unsafe-inline' data:; style-src 'unsafe-inline'; " +
  "img-src data: blob:";

/**
 * A frozen page of all that was looked at.
 * @param {{name: string, title: string}[]} views   Whose modules it has.
 * @param {(done: number, total: number, what: string) => void} progress
 * @returns {Promise<{content: Blob, sentence: string}>}
 */
export async function freeze(views, progress) {
  const { records, forgotten } = recorded();
  const total = records.length + 2;
  const html = new DOMParser().parseFromString(await text("/"), "text/html");
  progress(0, total, "Collecting the page");
  const modules = await modulesOf(["main.js", ...views.map(({ name }) => `views/${name}.js`)]);

  /** @type {[string, string][]} */
  const answers = [];
  for (const [i, { key, answer }] of records.entries()) {
    progress(i + 1, total, "Collecting answers");
    answers.push([key, await compressed(packed(answer))]);
  }
  const seen = new Set(records.map(({ photo }) => photo));
  const known = (await photos()).filter(({ id }) => seen.has(id));
  /** @type {Record<string, string>} */
  const pictures = {};
  for (const { id } of known) pictures[id] = await address(pictureOf(id));

  // The policy of this page forbids elements with rules, so these are put into the text later.
  let rules = "";
  for (const style of html.querySelectorAll("link[rel=stylesheet]")) {
    rules += await text(/** @type {string} */ (style.getAttribute("href")));
    style.remove();
  }
  const icon = html.querySelector("link[rel=icon]");
  icon?.setAttribute("href", await address(/** @type {string} */ (icon.getAttribute("href"))));
  html.querySelector("script[type=module]")?.remove();
  const policy = html.createElement("meta");
  policy.httpEquiv = "Content-Security-Policy";
  policy.content = POLICY;
  html.querySelector("meta[charset]")?.after(policy);
  const made = new Date().toISOString().slice(0, 16).replace("T", " ");
  add(html, "importmap", JSON.stringify({ imports: modules }));
  add(
    html,
    "application/json",
    JSON.stringify({ answers, photos: known, pictures, query: location.search, made }),
    "frozen",
  );
  add(html, "module", 'import "optogram/main.js";');
  progress(total, total, "Frozen");

  const [before, after] = html.documentElement.outerHTML.split("</head>");
  const parts = ["<!doctype html>\n", before, "<style>", rules, "</style></head>", after, "\n"];
  const content = new Blob(parts, { type: "text/html" });
  const megabytes = (content.size / 2 ** 20).toFixed(1);
  const lost = forgotten ? ` ${forgotten} older answers were too many and are left out.` : "";
  return {
    content,
    sentence: `Frozen: ${answers.length} answers, ${known.length === 1 ? "1 photo" : `${known.length} photos`}, ${megabytes} MB.${lost}`,
  };
}

/** Modules and what they import, by name, as data: addresses that import each other by name. */
async function modulesOf(/** @type {string[]} */ first) {
  /** @type {Record<string, string>} */
  const found = {};
  const open = [...first];
  for (let path = open.pop(); path !== undefined; path = open.pop()) {
    const name = `optogram/${path}`;
    if (name in found) continue;
    found[name] = "";
    const base = new URL(path, "http://page/");
    const source = (await text(`/page/${path}`)).replace(NAMES, (_, quote, given) => {
      const other = new URL(given, base).pathname.slice(1);
      // A name that is made while the page runs is that of a view, which is there already.
      if (!other.includes("$")) open.push(other);
      return `${quote}optogram/${decodeURIComponent(other)}${quote}`;
    });
    found[name] = `data:text/javascript;base64,${toText(new TextEncoder().encode(source))}`;
  }
  return found;
}

function add(
  /** @type {Document} */ html,
  /** @type {string} */ type,
  /** @type {string} */ content,
  id = "",
) {
  const script = html.createElement("script");
  script.type = type;
  if (id) script.id = id;
  // Nothing in it ends the element: names of photos and classes may be any text.
  script.textContent = content.replaceAll("<", "\\u003c");
  html.body.append(script);
}

async function text(/** @type {string} */ address) {
  return (await got(address)).text();
}

async function address(/** @type {string} */ of) {
  const content = await (await got(of)).blob();
  const bytes = new Uint8Array(await content.arrayBuffer());
  return `data:${content.type.split(";")[0]};base64,${toText(bytes)}`;
}

async function got(/** @type {string} */ address) {
  const response = await fetched(address);
  if (!response.ok) throw new Error(`${address} is not there any more: load the page again.`);
  return response;
}
