// Elements made of a tag, properties and children. Text only ever becomes text nodes, so that
// nothing out of data is taken for markup.

/** An element; `onclick` and the like are listeners, `null`, `false` and `undefined` are left out. */
export function h(tag, properties, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties ?? {})) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "value" || name === "checked") element[name] = value;
    else if (value === true) element.setAttribute(name, "");
    else if (value !== null && value !== undefined && value !== false) element.setAttribute(name, value);
  }
  element.append(...nodes(children));
  return element;
}

/** Put these children in the place of those that an element has. */
export function fill(element, ...children) {
  element.replaceChildren(...nodes(children));
  return element;
}

function nodes(children) {
  return children
    .flat(Infinity)
    .filter((child) => child !== null && child !== undefined && child !== false)
    .map((child) => (child instanceof Node ? child : String(child)));
}

/** A table whose first column names its rows; a cell is text, a node, or `{text, class}`. */
export function table(caption, columns, rows) {
  const heads = columns.map((column) => cell("th", column, { scope: "col" }));
  const body = rows.map((row) =>
    h("tr", null, row.map((value, i) => (i ? cell("td", value) : cell("th", value, { scope: "row" })))),
  );
  return h(
    "table",
    null,
    h("caption", { class: "unseen" }, caption),
    h("thead", null, h("tr", null, heads)),
    h("tbody", null, body),
  );
}

function cell(tag, value, properties) {
  const isPlain = value === null || value instanceof Node || typeof value !== "object";
  return isPlain
    ? h(tag, properties, value)
    : h(tag, { ...properties, class: value.class }, value.text);
}

let count = 0;

/** An id that no other element of this page has. */
export function freshId(prefix) {
  count += 1;
  return `${prefix}-${count}`;
}
