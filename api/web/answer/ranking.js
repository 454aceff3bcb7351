// The ranking: a line per loss at its best settings.

import { h } from "../dom.js";
import { ink } from "../losses.js";
import * as words from "../words.js";

/** The table with what stands below it; losses are links where there is a server. */
export function ranking(answer, live) {
  const columns = columnsOf(answer);
  const heads = columns.map(({ name, kind }) => h("th", { scope: "col", class: kind }, name));
  const infeasible = answer.ranking.filter((ranked) => !ranked.feasible && ranked.reasons.length);
  return [
    h("h2", null, "Ranking"),
    h(
      "table",
      { class: "ranking" },
      h("caption", { class: "unseen" }, "The losses, best first"),
      h("thead", null, h("tr", null, h("th", { scope: "col" }, "loss"), heads)),
      h(
        "tbody",
        null,
        answer.ranking.map((ranked) => line(ranked, columns, live)),
      ),
    ),
    infeasible.map((ranked) =>
      h("p", { class: "note" }, `${ranked.loss}: ${ranked.reasons[0].text}`),
    ),
    h(
      "p",
      { class: "note" },
      "◆ no other loss is at least as good in metric, time and memory alike. Theory says whether " +
        "the loss's minimiser ranks as the metric wants; it never overrules what was measured.",
    ),
  ];
}

/** What stands in each column; on a narrow page `short` stands before it. */
function columnsOf({ task: { metric }, money_per_hour: price }) {
  const known = (value, said) => (value == null ? "unknown" : said(value));
  const chance = (ranked) => (ranked.feasible ? words.probability(ranked.p_best) : "infeasible");
  return [
    { name: `${metric}, 80% interval`, short: metric, kind: "n", of: words.predicted },
    { name: "P(best)", kind: "n", of: chance },
    {
      name: "train time, 80% interval",
      short: "train time",
      kind: "n",
      of: (ranked) => known(ranked.train_seconds, words.durationInterval),
    },
    price != null && {
      name: "price",
      kind: "n",
      of: (ranked) => known(ranked.train_money, ({ mean }) => words.significant(mean, 3)),
    },
    { name: "peak memory", kind: "n", of: (ranked) => known(ranked.peak_bytes, words.size) },
    { name: "theory", of: (ranked) => standing(ranked.consistency) },
    { name: "settings", kind: "settings", of: (ranked) => words.settings(ranked.settings) },
  ].filter(Boolean);
}

/** The colour of a loss beside its name. */
export function dot(loss) {
  return h("span", { class: "dot", style: `background:${ink(loss)}`, "data-loss": loss });
}

/** The name of a loss with its colour. */
export function lossName(loss, live) {
  const name = live ? h("a", { href: `#/losses/${encodeURIComponent(loss)}` }, loss) : loss;
  return h("span", { class: "named" }, dot(loss), name);
}

/** What theory says, as a sign and a word. */
export function standing({ status, reason, source }) {
  return h(
    "span",
    { class: status, title: `${reason} [${source}]` },
    `${words.CONSISTENCY_SIGNS[status]} ${status}`,
  );
}

function line(ranked, columns, live) {
  const cells = columns.map(({ name, short, kind, of }) =>
    h("td", { class: kind, "data-label": short ?? name }, of(ranked)),
  );
  return h(
    "tr",
    { class: !ranked.feasible && "out" },
    h("th", { scope: "row" }, lossName(ranked.loss, live), ranked.pareto && front()),
    cells,
  );
}

function front() {
  return [
    " ",
    h("span", { class: "front", title: "on the Pareto front of metric, time and memory" }, "◆"),
  ];
}
