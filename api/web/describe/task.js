// The form's values as a task, and a task as the form's values.

import { columnsOf, fitsKind, OF_KIND } from "./kinds.js";
import { nested, typed, valuesIn } from "./values.js";
import * as words from "../words.js";

const NUMBERS = [
  "horizon.epochs",
  "horizon.seconds",
  "model.embedding_dim",
  "training.batch_size",
  "constraints.peak_memory_gib",
];
const STATISTICS = ["n_rows", "n_classes", "n_examples", "targets_per_example", "class_gini"];

/** The task that the form describes; null where its data has not been chosen yet. */
export function taskOf(fields) {
  const at = (path) => fields.get(`task.${path}`);
  const task = { name: at("name") || undefined, metric: metricOf(fields) };
  for (const path of NUMBERS) task[path] = typed(at(path));
  Object.assign(task, {
    "training.optimiser": at("training.optimiser"),
    "training.dtype": at("training.dtype"),
    "constraints.probabilities": at("constraints.probabilities") ? "required" : "optional",
    "constraints.inner_product_serving": Boolean(at("constraints.inner_product_serving")),
    "baseline.loss": at("baseline.loss") || undefined,
    "trade.speed": share(at("trade.speed")),
    "trade.memory": share(at("trade.memory")),
    "baseline.settings": given(fields.under("task.baseline.settings"), (text) => valuesIn(text)?.[0]),
    "losses.exclude": excluded(fields),
    "losses.settings": nested(given(fields.under("task.losses.settings"), valuesIn)),
  });
  const data = fields.get("way") === "numbers" ? numbers(at) : fromData(fields, at);
  return data && nested({ ...task, ...ofKind(at, data.kind), ...data });
}

/** A task, as the API has it, as values of the form. */
export function flat(task) {
  const values = {};
  const put = (path, value) => {
    if (value !== null && value !== undefined) values[`task.${path}`] = typeof value === "boolean" ? value : String(value);
  };
  const [metric, k] = task.metric.split("@");
  put("metric", k ? `${metric}@` : metric);
  put("metric.k", k);
  put("name", task.name);
  if (task.kind !== "description") put("kind", task.kind);
  for (const path of NUMBERS) values[`task.${path}`] = text(valueAt(task, path));
  put("training.optimiser", task.training.optimiser);
  put("training.dtype", task.training.dtype);
  for (const path of Object.keys(OF_KIND)) put(path, valueAt(task, path));
  put("constraints.probabilities", task.constraints.probabilities === "required");
  put("constraints.inner_product_serving", task.constraints.inner_product_serving);
  put("baseline.loss", task.baseline.loss);
  put("trade.speed", percent(task.trade.speed));
  put("trade.memory", percent(task.trade.memory));
  for (const role of ["user", "item", "time", "token", "label", "text", "hidden", "split"]) {
    values[`task.data.columns.${role}`] = task.data?.columns[role] ?? "";
  }
  put("data.format", task.data?.format);
  for (const name of STATISTICS) put(`statistics.${name}`, task.statistics?.[name]);
  for (const name of task.losses.exclude) values[`exclude.${name}`] = true;
  for (const [loss, settings] of Object.entries(task.losses.settings)) {
    for (const [name, choices] of Object.entries(settings)) put(`losses.settings.${loss}.${name}`, choices.join(", "));
  }
  for (const [name, value] of Object.entries(task.baseline.settings)) put(`baseline.settings.${name}`, String(value));
  return values;
}

function metricOf(fields) {
  const metric = fields.get("task.metric");
  return metric.endsWith("@") ? metric + fields.get("task.metric.k").trim() : metric;
}

function numbers(at) {
  const found = { kind: "description" };
  for (const name of STATISTICS) found[`statistics.${name}`] = typed(at(`statistics.${name}`));
  const isBegun = ["n_rows", "n_classes", "n_examples"].every((name) => found[`statistics.${name}`] !== undefined);
  return isBegun ? found : null;
}

function fromData(fields, at) {
  const isSample = fields.get("way") === "sample";
  const name = fields.get(isSample ? "sample" : "upload.id");
  if (!name) return null;
  const kind = at("kind");
  const found = { kind, "data.path": `${isSample ? "sample" : "upload"}:${name}` };
  for (const role of columnsOf(kind)) found[`data.columns.${role}`] = at(`data.columns.${role}`) || undefined;
  if (isSample) found["data.format"] = at("data.format") || undefined;
  return found;
}

/** What is said only of this kind of task. */
function ofKind(at, kind) {
  const found = {};
  for (const [path, { isNumber }] of Object.entries(OF_KIND)) {
    const value = at(path);
    if (fitsKind(path, kind)) found[path] = typeof value === "boolean" ? value : isNumber ? typed(value) : value || undefined;
  }
  return found;
}

/** What is given of many values, each read from its text. */
function given(texts, read) {
  const found = Object.entries(texts).map(([name, text]) => [name, read(text)]);
  return Object.fromEntries(found.filter(([, value]) => value !== undefined));
}

function excluded(fields) {
  const names = Object.entries(fields.all()).filter(([path, value]) => path.startsWith("exclude.") && value);
  return names.length ? names.map(([path]) => path.slice("exclude.".length)) : undefined;
}

/** A share of percent. */
function share(percent) {
  const number = typed(percent);
  return typeof number === "number" ? number / 100 : number;
}

function percent(share) {
  return words.significant(100 * share, 6);
}

function valueAt(task, path) {
  return path.split(".").reduce((inside, name) => inside?.[name], task);
}

function text(value) {
  return value === null || value === undefined ? "" : String(value);
}
