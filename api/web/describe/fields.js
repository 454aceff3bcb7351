// The fields of a form: a label, a control, and a place beside it for what the API says is wrong.
//
// A field's path is where its value stands in the body of a request: "task.horizon.epochs". What is
// typed is kept for the tab, so that a reload or another view loses nothing.

import { fill, freshId, h } from "../dom.js";

const PLACE = "advisor-draft";
const BESIDE_THE_TASK = ["budget_seconds", "device_tag"];

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
    this.#controls.get(path)?.put(value);
    this.#changed();
  }

  /** Set many values at once; where there is none the field is as at first. */
  setAll(values) {
    for (const [path, { put, initial }] of this.#controls) put(values[path] ?? initial);
    this.#values = { ...values };
    for (const [path, { initial }] of this.#controls) this.#values[path] ??= initial;
    this.#changed();
  }

  /** All values, of fields that are there and of others. */
  all() {
    return { ...this.#values };
  }

  /** `{name: value}` of what stands under a path, "task.losses.settings.rg2". */
  under(path) {
    const inside = Object.entries(this.#values).filter(([name]) => name.startsWith(`${path}.`));
    return Object.fromEntries(inside.map(([name, value]) => [name.slice(path.length + 1), value]));
  }

  /** Forget the fields under a path, and the values of those that are not among `names`. */
  forget(path, names) {
    for (const name of Object.keys(this.under(path))) {
      this.#controls.delete(`${path}.${name}`);
      if (!names.includes(name)) delete this.#values[`${path}.${name}`];
    }
  }

  number(path, label, { hint, initial = "", width = 8 } = {}) {
    const control = h("input", { inputmode: "decimal", autocomplete: "off", size: width });
    return this.#field(path, label, control, { hint, initial, event: "input" });
  }

  text(path, label, { hint, initial = "", width = 24, placeholder } = {}) {
    const control = h("input", { autocomplete: "off", size: width, placeholder });
    return this.#field(path, label, control, { hint, initial, event: "input" });
  }

  /** One of `options`, `{value: text}`. */
  select(path, label, options, { hint, initial = Object.keys(options)[0] } = {}) {
    const control = h("select", null, Object.entries(options).map(([value, text]) => h("option", { value }, text)));
    return this.#field(path, label, control, { hint, initial, event: "change" });
  }

  /** A number from 0 to `most`, or as far as what it is set to; `say(number)` tells it in words. */
  slider(path, label, say, { initial, most, step }) {
    const control = h("input", { type: "range", min: 0 });
    const said = h("output", { class: "hint" });
    const tell = () => {
      fill(said, say(Number(control.value)));
      control.setAttribute("aria-valuetext", said.textContent);
    };
    const put = (value) => {
      control.max = Math.max(most, Number(value));
      control.step = isMultiple(Number(value), step) ? step : "any";
      control.value = value;
      tell();
    };
    control.addEventListener("input", tell);
    const field = this.#field(path, label, control, { initial, event: "input", put });
    control.after(said);
    return field;
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
    fill(rest, homeless.map(({ field, problem }) => h("p", { class: "fault" }, whereOf(field), problem)));
  }

  #field(path, label, control, { hint, initial, event, kind = "field", put = (value) => write(control, value) }) {
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
    put(this.#values[path]);
    this.#controls.set(path, { control, place, initial, put });
    const name = h("label", { for: id }, label);
    return h("div", { class: kind }, kind === "ticked" ? [control, name] : [name, control], about, place);
  }

  #changed() {
    sessionStorage.setItem(PLACE, JSON.stringify(this.#values));
    this.#onChange();
  }
}

/** The faults of a problem, by field; one that names none is found by how its sentence begins. */
export function faultsOf(error) {
  if (error.errors?.length) return error.errors;
  const [, field, problem] = error.message.match(/^([a-z_]+(?:\.[a-z0-9_]+)*): (.*)$/s) ?? [];
  if (!field) return [{ field: "", problem: error.message }];
  return [{ field: BESIDE_THE_TASK.includes(field) ? field : `task.${field}`, problem }];
}

function isMultiple(value, step) {
  return Math.abs(value / step - Math.round(value / step)) < 1e-9;
}

function whereOf(field) {
  const name = field.replace(/^task\.?/, "");
  return name && `${name}: `;
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
