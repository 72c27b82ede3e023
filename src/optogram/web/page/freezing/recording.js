// What was asked and answered on this page: what a frozen page has. The oldest is forgotten first.

import { keyOf, recorders } from "../wire.js";

/** @typedef {import("../wire.js").Answer} Answer */
/** @typedef {{key: string, photo: string, answer: Answer, size: number}} Record_ */

/** Largest size of the answers that are kept for freezing, in bytes. */
export const BUDGET = 96 << 20;
const MOST = 4000;
/** Without these no page is shown. */
const NEEDED = ["networks", "colors", "classes", "methods"];
/** Files that were saved are not looked at again. */
const LEFT_OUT = ["report", "result_file"];

/** @type {Map<string, Record_>} */
const records = new Map();
let size = 0;
let forgotten = 0;

/** Record answers from now on. */
export function beginRecording() {
  recorders.add((name, given, answer) => {
    if (LEFT_OUT.includes(name)) return;
    const key = keyOf(name, given);
    const held = Object.values(answer.arrays).reduce((sum, { data }) => sum + data.byteLength, 200);
    const record = { key, photo: String(given.photo ?? ""), answer, size: held };
    size += held - (records.get(key)?.size ?? 0);
    records.delete(key);
    records.set(key, record);
    for (const [old, { size: freed }] of records) {
      if (size <= BUDGET && records.size <= MOST) break;
      if (NEEDED.includes(old.split(" ")[0]) || old === key) continue;
      records.delete(old);
      size -= freed;
      forgotten += 1;
    }
  });
}

/** What was recorded, and how many answers were forgotten. */
export function recorded() {
  return { records: [...records.values()], size, forgotten };
}
