// The fields of a form: a label, a control, and a place beside it for what the API says is wrong.
//
// A field's path is where its value stands in the body of a request: "task.horizon.epochs". What is
// typed is kept for the tab, so that a reload or another view loses nothing.

import { fill, freshId, h } from "../dom.js";

const PLACE = "advisor-draft";

export class Fields {
  #controls = new Map();
  #values;
  #onChange;

  constructor(onChange) {
    this.#values = kept();
    this.#onChange = onChange;
  }

  /** What was typed at a path, or was there at first. */
  get(path) {
    return this.#values[path] ?? "";
  }

  /** Set a value, as if it was typed. */
  set(path, value) {
    this.#values[path] = value;
    const control = this.#controls.get(path)?.control;
    if (control) write(control, value);
    this.#changed();
  }

  /** Set many values at once; where there is none the field is as at first. */
  setAll(values) {
    for (const [path, { control, initial }] of this.#controls) write(control, values[path] ?? initial);
    this.#values = { ...values };
    for (const [path, { initial }] of this.#controls) this.#values[path] ??= initial;
    this.#changed();
  }

  /** All values, of fields that are there and of others. */
  all() {
    return { ...this.#values };
  }

  number(path, label, { hint, initial = "", width = 8 } = {}) {
    const control = h("input", { inputmode: "decimal", autocomplete: "off", size: width });
    return this.#field(path, label, control, { hint, initial, event: "input" });
  }

  text(path, label, { hint, initial = "" } = {}) {
    const control = h("input", { autocomplete: "off", size: 24 });
    return this.#field(path, label, control, { hint, initial, event: "input" });
  }

  /** One of `options`, `{value: text}`. */
  select(path, label, options, { hint, initial = Object.keys(options)[0] } = {}) {
    const control = h("select", null, Object.entries(options).map(([value, text]) => h("option", { value }, text)));
    return this.#field(path, label, control, { hint, initial, event: "change" });
  }

  tick(path, label, { hint, initial = false } = {}) {
    const control = h("input", { type: "checkbox" });
    return this.#field(path, label, control, { hint, initial, event: "change", kind: "ticked" });
  }

  /** Put each fault beside its field; those that no field that is shown has go to `rest`. */
  showFaults(faults, rest) {
    for (const { control, place } of this.#controls.values()) {
      fill(place);
      control.removeAttribute("aria-invalid");
    }
    const homeless = [];
    for (const fault of faults) {
      const found = this.#controls.get(fault.field) ?? this.#controls.get(parentOf(fault.field));
      if (!found || found.control.closest("[hidden]")) homeless.push(fault);
      else if (!found.place.textContent) {
        fill(found.place, fault.problem);
        found.control.setAttribute("aria-invalid", "true");
        for (let up = found.control.closest("details"); up; up = up.parentElement.closest("details")) up.open = true;
      }
    }
    fill(rest, homeless.map((fault) => h("p", { class: "fault" }, fault.problem)));
  }

  #field(path, label, control, { hint, initial, event, kind = "field" }) {
    const id = freshId("field");
    const place = h("p", { class: "fault", id: `${id}-fault` });
    const about = hint && h("span", { class: "hint", id: `${id}-hint` }, hint);
    control.id = id;
    control.setAttribute("aria-describedby", hint ? `${id}-fault ${id}-hint` : `${id}-fault`);
    control.addEventListener(event, () => {
      this.#values[path] = read(control);
      this.#changed();
    });
    this.#values[path] ??= initial;
    write(control, this.#values[path]);
    this.#controls.set(path, { control, place, initial });
    const name = h("label", { for: id }, label);
    return h("div", { class: kind }, kind === "ticked" ? [control, name] : [name, control], about, place);
  }

  #changed() {
    sessionStorage.setItem(PLACE, JSON.stringify(this.#values));
    this.#onChange();
  }
}

/** A number as people type it, "6,000,000"; text that is none stays, for the API to judge. */
export function typed(text) {
  const plain = String(text).replace(/[\s,_]/g, "");
  if (plain === "") return undefined;
  const number = Number(plain);
  return Number.isNaN(number) ? String(text) : number;
}

/** `{a: {b: 1}}` of `{"a.b": 1}`, without what is undefined. */
export function nested(flat) {
  const whole = {};
  for (const [path, value] of Object.entries(flat)) {
    if (value === undefined) continue;
    const names = path.split(".");
    const last = names.pop();
    names.reduce((inside, name) => (inside[name] ??= {}), whole)[last] = value;
  }
  return whole;
}

/** The faults of a problem, by field; one that names none is found by how its sentence begins. */
export function faultsOf(error) {
  if (error.errors?.length) return error.errors;
  const [, field, problem] = error.message.match(/^([a-z_]+(?:\.[a-z_]+)*): (.*)$/s) ?? [];
  if (!field) return [{ field: "", problem: error.message }];
  return [{ field: field === "budget_seconds" ? field : `task.${field}`, problem }];
}

function parentOf(path) {
  return path.split(".").slice(0, -1).join(".");
}

function read(control) {
  return control.type === "checkbox" ? control.checked : control.value;
}

function write(control, value) {
  if (control.type === "checkbox") control.checked = Boolean(value);
  else control.value = value;
}

function kept() {
  try {
    return JSON.parse(sessionStorage.getItem(PLACE)) ?? {};
  } catch {
    return {};
  }
}
