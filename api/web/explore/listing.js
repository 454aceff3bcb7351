// Tables of the explore views: wide as a table, narrow as a stack of lines with their names.

import { h } from "../dom.js";

/**
 * A table; a column is `[name, class]`, the first cell of a row names it. Cells are text or nodes.
 */
export function listing(caption, columns, rows) {
  const head = ([name, kind]) => h("th", { scope: "col", class: kind }, name);
  const cell = (value, n) =>
    n === 0
      ? h("th", { scope: "row" }, value)
      : h("td", { class: columns[n][1], "data-label": columns[n][0] }, h("span", null, value));
  return h(
    "table",
    { class: "ranking listing" },
    h("caption", { class: "unseen" }, caption),
    h("thead", null, h("tr", null, columns.map(head))),
    h(
      "tbody",
      null,
      rows.map((row) => h("tr", null, row.map(cell))),
    ),
  );
}

/** Names and what is known of each, as a list of facts; what is null is left out. */
export function facts(all) {
  const known = all.filter(([, fact]) => fact !== null && fact !== undefined && fact !== "");
  return h(
    "dl",
    { class: "facts" },
    known.map(([name, fact]) => h("div", null, h("dt", null, name), h("dd", null, fact))),
  );
}

/** A link to a view of the page. */
export function link(kind, id, text = id) {
  return h("a", { href: `#/${kind}/${encodeURIComponent(id)}` }, text);
}
