// What the answer shall be for: metric, horizon, model and training, constraints, losses, trade.

import { fill, h } from "../dom.js";
import { lossName } from "../answer/ranking.js";

const OPTIMISERS = { adam: "adam", adamw: "adamw", sgd: "sgd", adagrad: "adagrad" };
const DTYPES = { float32: "float32", bfloat16: "bfloat16" };

/** The sections of the form behind the data; `losses` are those of the catalogue. */
export function goal(fields, losses) {
  const metrics = metricsOf(losses);
  for (const [name, hasCut] of Object.entries(metrics)) fields.set(`cut.${name}`, hasCut);
  const cut = fields.number("task.metric.k", "K", { initial: "10", width: 4 });
  const element = h("div", null, wanted(fields, metrics, cut), trained(fields), limits(fields, losses));
  return {
    element,
    /** Show what belongs to the values there are. */
    refresh() {
      cut.hidden = !metrics[fields.get("task.metric")];
    },
  };
}

function wanted(fields, metrics, cut) {
  const names = Object.fromEntries(Object.keys(metrics).map((name) => [name, metrics[name] ? `${name}@K` : name]));
  return h(
    "section",
    null,
    h("h2", null, "What you want of it"),
    h(
      "div",
      { class: "row" },
      fields.select("task.metric", "Metric", names, { initial: "ndcg" }),
      cut,
      fields.number("task.horizon.epochs", "Horizon, epochs", { initial: "20" }),
      fields.number("task.horizon.seconds", "or seconds of training", { hint: "the first reached ends it" }),
    ),
    h("p", { class: "note" }, "Over all classes, on validation data. The horizon is your final training budget: the answer is for there."),
  );
}

function trained(fields) {
  return h(
    "section",
    null,
    h("h2", null, "How you train"),
    h(
      "div",
      { class: "row" },
      fields.number("task.model.embedding_dim", "Embedding dimensions", { initial: "64" }),
      fields.number("task.training.batch_size", "Batch size", { initial: "512" }),
      fields.select("task.training.optimiser", "Optimiser", OPTIMISERS),
      fields.select("task.training.dtype", "Precision", DTYPES),
    ),
  );
}

function limits(fields, losses) {
  const names = Object.fromEntries(losses.map((loss) => [loss.name, loss.name]));
  return h(
    "section",
    null,
    h("h2", null, "Limits and trade"),
    h(
      "div",
      { class: "row" },
      fields.select("task.baseline.loss", "You train with today", names, { initial: "softmax", hint: "the answer says what changing gains" }),
      fields.number("task.constraints.peak_memory_gib", "Memory at most, GiB", { hint: "of the device, in training" }),
      fields.number("task.trade.speed", "For half the time, give up %", { initial: "1", hint: "of the metric" }),
      fields.number("task.trade.memory", "For half the memory, give up %", { initial: "0", hint: "of the metric" }),
    ),
    fields.tick("task.constraints.probabilities", "The model must give probabilities"),
    fields.tick("task.constraints.inner_product_serving", "It is served by inner products (nearest neighbours)"),
    h(
      "details",
      null,
      h("summary", null, "Leave losses out"),
      h("div", { class: "losses" }, losses.map((loss) => leftOut(fields, loss.name))),
    ),
  );
}

function leftOut(fields, name) {
  const field = fields.tick(`exclude.${name}`, "");
  fill(field.querySelector("label"), lossName(name));
  return field;
}

/** `{name: whether it has a cut-off}`, of the metrics that the cards speak of. */
function metricsOf(losses) {
  const names = Object.keys(losses[0]?.consistency ?? {}).map((text) => text.split("@"));
  return Object.fromEntries(names.map(([name, k]) => [name, k !== undefined]));
}
