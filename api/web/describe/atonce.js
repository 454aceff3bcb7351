// Beside the form: the answer from theory and profiles, and what a budget would buy.

import { lossName } from "../answer/ranking.js";
import { fill, h, table } from "../dom.js";
import * as words from "../words.js";

const RANKED = 5;

/** What a previewed answer says, in short. */
export function atOnce(answer) {
  const rows = answer.ranking.filter((ranked) => ranked.feasible).slice(0, RANKED);
  const left = answer.ranking.length - rows.length;
  return [
    h("p", { class: "headline" }, words.headline(answer)),
    h("p", { class: "note" }, h("span", { class: `verdict ${answer.verdict}` }, words.VERDICTS[answer.verdict]), words.LEVELS[answer.evidence_level]),
    table(
      "The first losses",
      ["loss", { text: answer.task.metric, class: "n" }, { text: "P(best)", class: "n" }],
      rows.map((ranked) => [
        lossName(ranked.loss, true),
        { text: predicted(ranked), class: "n" },
        { text: words.probability(ranked.p_best), class: "n" },
      ]),
    ),
    left > 0 && h("p", { class: "note" }, `and ${left} more`),
    answer.warnings.length > 0 && h("ul", { class: "warnings" }, answer.warnings.map((warning) => h("li", null, warning))),
  ];
}

/** The metric, and below it its interval. */
function predicted(ranked) {
  const [mean, interval] = words.predicted(ranked).split(" (");
  return [mean, interval && h("span", { class: "hint" }, `(${interval}`)];
}

/** What a plan says the budget buys. */
export function bought(plan) {
  const settings = plan.n_settings === 1 ? "1 setting" : `${plan.n_settings} settings`;
  const nLosses = plan.losses.filter((loss) => loss.n_settings).length;
  return [
    h(
      "p",
      null,
      `In ${words.duration(plan.budget_seconds)} about ${settings} of ${nLosses === 1 ? "1 loss" : `${nLosses} losses`} are trained, in ${plan.n_legs} short legs; ` +
        `${plan.n_to_horizon} of them reach the horizon. The least that is useful: ${words.duration(Math.ceil(plan.least_budget_seconds))}.`,
    ),
    plan.notes.length > 0 && h("ul", { class: "warnings" }, plan.notes.map((note) => h("li", null, note))),
    h(
      "details",
      null,
      h("summary", null, "Loss by loss"),
      h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "What the budget buys, loss by loss" }, byLoss(plan)),
    ),
  ];
}

function byLoss(plan) {
  const n = (text) => ({ text, class: "n" });
  return table(
    "What the budget buys, loss by loss",
    ["loss", n("settings"), n("seconds"), n("of the horizon"), n("a step"), "rests on"],
    plan.losses.map((loss) => [
      lossName(loss.loss, true),
      n(`${loss.n_settings} of ${loss.n_candidates}`),
      n(words.duration(loss.seconds)),
      n(words.percent(loss.furthest_share)),
      n(loss.step_seconds ? words.duration(loss.step_seconds.mean) : "unknown"),
      loss.infeasible ?? loss.cost_source,
    ]),
  );
}
