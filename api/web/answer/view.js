// An answer as people read it; the page and the report are the same.
//
//   const shown = answerView({ device, live: true });
//   main.append(shown.element);
//   shown.update(answer);   // and again, as a preview changes it

import { fill, h } from "../dom.js";
import { chances } from "./chances.js";
import { curves } from "./curves.js";
import { front } from "./front.js";
import { head, mind, pair } from "./head.js";
import { ranking } from "./ranking.js";
import { facts, next, why } from "./why.js";

/** The element of one answer; `device` is the one it was measured on, where that is known. */
export function renderAnswer(answer, options = {}) {
  const shown = answerView(options);
  shown.update(answer);
  return shown.element;
}

/**
 * `{element, curves, update(answer, span)}`. `live`: a server is there, so that ids and losses are
 * links; `controls` stand below the headline; `onCurves` and `span` are those of curves.js.
 */
export function answerView({ device = null, live = false, controls = null, onCurves = {} } = {}) {
  const parts = {
    head: h("header", null),
    pair: h("section", { class: "pair" }),
    mind: h("div", null),
    ranking: h("section", null),
    why: h("section", null),
    next: h("div", null),
    facts: h("section", null),
  };
  const charts = { curves: curves(onCurves), front: front(), chances: chances() };
  const element = h(
    "div",
    { class: "answer" },
    parts.head,
    controls,
    parts.pair,
    parts.mind,
    parts.ranking,
    Object.values(charts).map((chart) => chart.element),
    parts.why,
    parts.next,
    parts.facts,
  );
  return {
    element,
    curves: charts.curves,
    update(answer, span) {
      fill(parts.head, head(answer));
      fill(parts.pair, pair(answer));
      fill(parts.mind, mind(answer));
      fill(parts.ranking, ranking(answer, live));
      charts.curves.update(answer, span);
      charts.front.update(answer);
      charts.chances.update(answer);
      fill(parts.why, why(answer, live, parts.why.querySelector("details")?.open));
      fill(parts.next, next(answer));
      fill(parts.facts, facts(answer, device, live));
    },
  };
}
