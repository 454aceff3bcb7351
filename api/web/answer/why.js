// Why, what would settle it, and what was asked: an answer's reasons, next experiment and facts.

import { h } from "../dom.js";
import * as words from "../words.js";

const PROFILES_SHOWN = 8;

/** The reasons with their sources, and each loss by itself, which stays open if it `isOpen`. */
export function why(answer, live, isOpen) {
  return [
    h("h2", null, "Why"),
    h("ol", { class: "reasons" }, answer.reasons.map(reason)),
    h(
      "details",
      { open: isOpen },
      h("summary", null, "Each loss by itself"),
      answer.ranking.map((ranked) => [
        h("h3", null, ranked.loss),
        h(
          "ul",
          { class: "reasons" },
          ranked.reasons.map(reason),
          reason({
            text: `Theory: ${ranked.consistency.reason}`,
            source: ranked.consistency.source,
          }),
          live &&
            ranked.profile_ids.length > 0 &&
            h("li", null, "Rests on the profiles ", profiles(ranked.profile_ids)),
        ),
      ]),
    ),
  ];
}

/** What would settle the question; null where nothing is left to ask. */
export function next({ next_experiment: experiment }) {
  return (
    experiment &&
    h("section", null, h("h2", null, "Next experiment"), h("p", null, experiment.text))
  );
}

/** What was asked, of what, and where it was measured. */
export function facts(answer, device, live) {
  const all = [...taskFacts(answer), ...deviceFacts(device, live), ...recordFacts(answer, live)];
  return [
    h("h2", null, "Task and device"),
    h(
      "dl",
      { class: "facts" },
      all.map(([name, fact]) => h("div", null, h("dt", null, name), h("dd", null, fact))),
    ),
  ];
}

function reason({ text, source }) {
  return h("li", null, text, " ", h("span", { class: "source" }, source));
}

function profiles(ids) {
  const links = ids
    .slice(0, PROFILES_SHOWN)
    .map((id, n) => [n ? ", " : "", link("profiles", id, id.slice(0, 8))]);
  const rest = ids.length - PROFILES_SHOWN;
  return [links, rest > 0 ? ` and ${rest} more` : ""];
}

function link(kind, id, text = id) {
  return h("a", { href: `#/${kind}/${encodeURIComponent(id)}` }, text);
}

function taskFacts(answer) {
  const { task, statistics } = answer;
  const { model, training, trade, constraints } = task;
  const sizes = statistics ?? task.statistics;
  return [
    ["task", task.name],
    ["metric", task.metric],
    ["horizon", words.horizon(task.horizon)],
    ["kind", task.kind],
    task.data && ["data", task.data.path],
    sizes && ["size", words.sizes(sizes)],
    ["model", `${model.embedding_dim} dimensions, ${model.bias ? "with" : "no"} class bias`],
    [
      "training",
      `${training.optimiser} in ${training.dtype}, batches of ${words.count(training.batch_size)}`,
    ],
    [
      "trade",
      `speed ${words.setting(trade.speed)}, memory ${words.setting(trade.memory)} per halving`,
    ],
    answer.money_per_hour != null && ["price of an hour", words.setting(answer.money_per_hour)],
    ["probabilities", constraints.probabilities],
    ["inner-product serving", constraints.inner_product_serving ? "required" : "optional"],
    constraints.peak_memory_gib !== null && [
      "memory allowed",
      `${words.setting(constraints.peak_memory_gib)} GiB`,
    ],
  ].filter(Boolean);
}

function deviceFacts(device, live) {
  if (!device) return [];
  const software = Object.entries(device.software).map(([name, version]) => `${name} ${version}`);
  return [
    ["device", device.name],
    ["device memory", words.size(device.memory_bytes)],
    ["software", software.join(", ")],
    ["device id", live ? link("devices", device.id) : device.id],
  ];
}

function recordFacts(answer, live) {
  return [
    answer.id && ["recommendation", answer.id],
    answer.calibration_id && [
      "calibration",
      live ? link("calibrations", answer.calibration_id) : answer.calibration_id,
    ],
    answer.created_at && ["answered at", words.time(answer.created_at)],
  ].filter(Boolean);
}
