// The form's values as a task, and a task as the form's values.

import { columnsOf } from "./kinds.js";
import { nested, typed } from "./fields.js";

const NUMBERS = [
  "horizon.epochs",
  "horizon.seconds",
  "model.embedding_dim",
  "training.batch_size",
  "constraints.peak_memory_gib",
];
const STATISTICS = ["n_rows", "n_classes", "n_examples", "targets_per_example", "class_gini"];
const SEQUENTIAL = ["sequences", "text"];
const OF_FEATURES = ["features", "multilabel"];

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
    "losses.exclude": excluded(fields),
  });
  const data = fields.get("way") === "numbers" ? numbers(at) : fromData(fields, at);
  return data && nested({ ...task, ...data });
}

/** A task, as the API has it, as values of the form. */
export function flat(task) {
  const values = {};
  const put = (path, value) => {
    if (value !== null && value !== undefined) values[`task.${path}`] = typeof value === "boolean" ? value : String(value);
  };
  const [metric, k] = task.metric.split("@");
  put("metric", metric);
  put("metric.k", k ?? "");
  put("name", task.name);
  put("kind", task.kind);
  for (const path of NUMBERS) values[`task.${path}`] = text(valueAt(task, path));
  put("training.optimiser", task.training.optimiser);
  put("training.dtype", task.training.dtype);
  put("model.sequence_length", task.model.sequence_length);
  put("model.encoder", task.model.encoder);
  put("constraints.probabilities", task.constraints.probabilities === "required");
  put("constraints.inner_product_serving", task.constraints.inner_product_serving);
  put("baseline.loss", task.baseline.loss);
  put("trade.speed", String(100 * task.trade.speed));
  put("trade.memory", String(100 * task.trade.memory));
  for (const role of ["user", "item", "time", "token", "label", "text", "hidden", "split"]) {
    values[`task.data.columns.${role}`] = task.data?.columns[role] ?? "";
  }
  for (const name of ["format", "tokenizer", "ngrams", "label_separator"]) put(`data.${name}`, task.data?.[name]);
  put("data.split", task.data?.split);
  for (const name of STATISTICS) put(`statistics.${name}`, task.statistics?.[name]);
  for (const name of task.losses.exclude) values[`exclude.${name}`] = true;
  return values;
}

function metricOf(fields) {
  const metric = fields.get("task.metric");
  const k = fields.get("task.metric.k").trim();
  return fields.get(`cut.${metric}`) ? `${metric}@${k}` : metric;
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
  if (kind === "sequences") found["data.split"] = at("data.split") || undefined;
  if (kind === "text") found["data.tokenizer"] = at("data.tokenizer") || undefined;
  if (SEQUENTIAL.includes(kind)) found["model.sequence_length"] = typed(at("model.sequence_length"));
  if (OF_FEATURES.includes(kind)) {
    found["model.encoder"] = at("model.encoder") || undefined;
    found["data.ngrams"] = at("data.ngrams") || undefined;
    found["data.label_separator"] = at("data.label_separator") || undefined;
  }
  return found;
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

function valueAt(task, path) {
  return path.split(".").reduce((inside, name) => inside?.[name], task);
}

function text(value) {
  return value === null || value === undefined ? "" : String(value);
}
