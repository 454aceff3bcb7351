// What the answer shall be for: metric, horizon, model and training, constraints, losses, trade.

import { fill, h } from "../dom.js";
import { lossName } from "../answer/ranking.js";
import * as words from "../words.js";

const OPTIMISERS = { adam: "adam", adamw: "adamw", sgd: "sgd", adagrad: "adagrad" };
const DTYPES = { float32: "float32", bfloat16: "bfloat16" };

/** The sections of the form behind the data; `losses` are those of the catalogue. */
export function goal(fields, losses) {
  const cut = fields.number("task.metric.k", "K", { initial: "10", width: 4 });
  const element = h("div", null, wanted(fields, metricsOf(losses), cut), trained(fields), limits(fields, losses));
  return {
    element,
    /** Show what belongs to the values there are. */
    refresh() {
      cut.hidden = !fields.get("task.metric").endsWith("@");
    },
  };
}

function wanted(fields, metrics, cut) {
  return h(
    "section",
    null,
    h("h2", null, "What you want of it"),
    h(
      "div",
      { class: "row" },
      fields.select("task.metric", "Metric", metrics, { initial: "ndcg@" }),
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
    ),
    h("div", { class: "row" }, trade(fields, "speed", "Speed", "1", "training time"), trade(fields, "memory", "Memory", "0", "memory")),
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

function trade(fields, name, label, initial, what) {
  const say = (percent) => `give up ${words.significant(percent, 3)}% of the metric for each halving of ${what}`;
  return fields.slider(`task.trade.${name}`, label, say, { initial, most: 10, step: 0.1 });
}

function leftOut(fields, name) {
  const field = fields.tick(`exclude.${name}`, "");
  fill(field.querySelector("label"), lossName(name));
  return field;
}

/** `{"ndcg@": "ndcg@K", mrr: "mrr"}`, of the metrics that the cards speak of. */
function metricsOf(losses) {
  const names = Object.keys(losses[0]?.consistency ?? {}).map((text) => text.replace(/@.*/, "@"));
  return Object.fromEntries(names.map((name) => [name, name.replace("@", "@K")]));
}
