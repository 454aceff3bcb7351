// The filters of the profiles: what may be asked of them, as a form.

import { fill, freshId, h } from "../dom.js";

const KINDS = [
  "interactions",
  "sequences",
  "text",
  "features",
  "multilabel",
  "embeddings",
  "description",
];
const SOURCES = { calibration: "a calibration", outcome: "full training" };
const SORTS = {
  "-created_at": "newest first",
  "-final_value": "highest metric first",
  final_value: "lowest metric first",
  step_seconds: "fastest step first",
  peak_bytes: "least memory first",
  "-n_classes": "most classes first",
};

/**
 * `{element, draw()}`; `asked` holds the parameters of the API, `ask(name, value)` changes one. Of
 * profiles that came with the program fewer things may be asked.
 */
export function filters(losses, devices, asked, ask) {
  const element = h("div", { class: "filters" });
  const any = (options) => ({ "": "any", ...options });
  const choose = (label, name, options) =>
    field(
      label,
      select(options, asked[name], (value) => ask(name, value)),
    );
  const type = (label, name, properties) =>
    field(label, h("input", { value: asked[name] ?? "", oninput: typed(name), ...properties }));
  const typed = (name) => (event) => ask(name, event.target.value.trim());
  const number = { type: "number", min: 2 };
  const text = { size: 14, autocomplete: "off" };
  const draw = () =>
    fill(
      element,
      choose("Loss", "loss", any(same(losses))),
      type("Task", "task", { ...text, placeholder: "its whole name" }),
      choose("Kind", "kind", any(same(KINDS))),
      type("Metric", "metric", { ...text, placeholder: "ndcg@20" }),
      !asked.shipped && [
        choose("Device", "device", any(named(devices))),
        type("Classes from", "n_classes_min", number),
        type("to", "n_classes_max", number),
        choose("Measured in", "source", any(SOURCES)),
        choose("Order", "sort", SORTS),
      ],
    );
  draw();
  return { element, draw };
}

function field(label, control) {
  control.id = freshId("filter");
  return h("div", { class: "field" }, h("label", { for: control.id }, label), control);
}

function select(options, chosen, onChange) {
  const listed = Object.entries(options).map(([value, text]) =>
    h("option", { value, selected: value === chosen }, text),
  );
  return h("select", { onchange: (event) => onChange(event.target.value) }, listed);
}

function same(names) {
  return Object.fromEntries(names.map((name) => [name, name]));
}

function named(devices) {
  return Object.fromEntries(devices.map((device) => [device.id, device.name]));
}
