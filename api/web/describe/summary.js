// What the data holds, read to its end: sizes, skew, split, and what was guessed or dropped.

import { get, send } from "../api.js";
import { h } from "../dom.js";
import * as words from "../words.js";

/** The summary of a task's data; the task is kept only while it is read. */
export async function summaryOf(task, signal) {
  const { id } = await send("POST", "/v1/tasks", { task }, { signal });
  const at = `/v1/tasks/${encodeURIComponent(id)}`;
  try {
    return await get(`${at}/summary`, { signal });
  } finally {
    send("DELETE", at).catch(() => {}); // nothing rests on it
  }
}

/** The summary as facts and notes. */
export function summaryView(found) {
  const facts = [
    ["classes", words.count(found.n_classes)],
    found.n_users !== null && ["users", words.count(found.n_users)],
    ["training examples", words.count(found.n_examples)],
    ["positives a row", words.significant(found.positives_per_row, 3)],
    ["skew of the classes (Gini)", words.fixed(found.class_gini, 2)],
    ["share of the top 1% of classes", words.percent(found.top_classes_share)],
    ["classes that training never names", words.count(found.n_classes_unseen)],
    ["rows to train, validate, test", ["train", "validation", "test"].map((part) => words.count(found[part].n_rows)).join(", ")],
  ];
  return [
    h("h3", null, "What it holds"),
    h("dl", { class: "numbers" }, facts.filter(Boolean).map(([name, fact]) => h("div", null, h("dt", null, name), h("dd", null, fact)))),
    found.notes.length > 0 && h("ul", { class: "note" }, found.notes.map((note) => h("li", null, note))),
  ];
}
