// Small controls that several views have.

import { freshId, h } from "./dom.js";

/** One of a few, as radio buttons in a row: `choice("against", {seconds: "seconds"}, "seconds", f)`. */
export function choice(label, options, chosen, onChange) {
  const name = freshId("choice");
  const option = ([value, text]) =>
    h(
      "label",
      null,
      h("input", {
        type: "radio",
        name,
        value,
        checked: value === chosen,
        onchange: () => onChange(value),
      }),
      h("span", null, text),
    );
  return h(
    "fieldset",
    { class: "choice" },
    h("legend", null, label),
    Object.entries(options).map(option),
  );
}

/** A box to tick. */
export function tick(label, checked, onChange) {
  const box = h("input", { type: "checkbox", checked, onchange: () => onChange(box.checked) });
  return h("label", { class: "switch" }, box, ` ${label}`);
}
