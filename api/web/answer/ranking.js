// The ranking: a line per loss at its best settings.

import { h } from "../dom.js";
import { ink } from "../losses.js";
import * as words from "../words.js";

/** The table with what stands below it; losses are links where there is a server. */
export function ranking(answer, live) {
  const { metric } = answer.task;
  const columns = [
    ["loss"],
    [`${metric}, 80% interval`, "n"],
    ["P(best)", "n"],
    ["train time, 80% interval", "n"],
    ["peak memory", "n"],
    ["theory"],
    ["settings"],
  ];
  const infeasible = answer.ranking.filter((ranked) => !ranked.feasible && ranked.reasons.length);
  return [
    h("h2", null, "Ranking"),
    h(
      "table",
      { class: "ranking" },
      h("caption", { class: "unseen" }, "The losses, best first"),
      h(
        "thead",
        null,
        h(
          "tr",
          null,
          columns.map(([name, kind]) => h("th", { scope: "col", class: kind }, name)),
        ),
      ),
      h(
        "tbody",
        null,
        answer.ranking.map((ranked) => line(ranked, metric, live)),
      ),
    ),
    infeasible.map((ranked) =>
      h("p", { class: "note" }, `${ranked.loss}: ${ranked.reasons[0].text}`),
    ),
    h(
      "p",
      { class: "note" },
      "◆ no other loss is at least as good in metric, time and memory alike. Theory says whether the loss's " +
        "minimiser ranks as the metric wants; it never overrules what was measured.",
    ),
  ];
}

/** The colour of a loss beside its name. */
export function dot(loss) {
  return h("span", { class: "dot", style: `background:${ink(loss)}`, "data-loss": loss });
}

/** The name of a loss with its colour. */
export function lossName(loss, live) {
  return [dot(loss), live ? h("a", { href: `#/losses/${encodeURIComponent(loss)}` }, loss) : loss];
}

/** What theory says, as a sign and a word. */
export function standing({ status, reason, source }) {
  return h(
    "span",
    { class: status, title: `${reason} [${source}]` },
    `${words.CONSISTENCY_SIGNS[status]} ${status}`,
  );
}

function line(ranked, metric, live) {
  const { train_seconds: seconds, peak_bytes: peak } = ranked;
  const cell = (label, kind, ...children) =>
    h("td", { class: kind, "data-label": label }, ...children);
  return h(
    "tr",
    { class: !ranked.feasible && "out" },
    h("th", { scope: "row" }, lossName(ranked.loss, live), ranked.pareto && front()),
    cell(metric, "n", words.predicted(ranked)),
    cell("P(best)", "n", ranked.feasible ? words.probability(ranked.p_best) : "infeasible"),
    cell("train time", "n", seconds ? words.durationInterval(seconds) : "unknown"),
    cell("peak memory", "n", peak === null ? "unknown" : words.size(peak)),
    cell("theory", null, standing(ranked.consistency)),
    cell("settings", "settings", words.settings(ranked.settings)),
  );
}

function front() {
  return [
    " ",
    h("span", { class: "front", title: "on the Pareto front of metric, time and memory" }, "◆"),
  ];
}
