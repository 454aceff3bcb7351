// How likely each loss is the best, as bars.

import { chart } from "../charts.js";
import { styleOf } from "../losses.js";
import * as words from "../words.js";

const ROW_PIXELS = 34;
const FRAME_PIXELS = 90;

/** `{element, update(answer)}`; hidden where nothing but theory is known. */
export function chances() {
  const shown = chart({ title: "How likely each loss is the best" });
  return {
    element: shown.element,
    update(answer) {
      const losses = answer.ranking.filter((ranked) => ranked.feasible);
      shown.element.hidden = answer.evidence_level === "theory" || !losses.length;
      if (shown.element.hidden) return;
      shown.update({
        reading: "By simulation of all forecasts, your trade of time and memory included.",
        traces: () => [bars(losses)],
        layout: () => ({
          xaxis: { range: [0, 1.08], tickformat: ".0%", title: { text: "P(best)" } },
          yaxis: { autorange: "reversed", ticksuffix: " " },
          height: FRAME_PIXELS + ROW_PIXELS * losses.length,
          showlegend: false,
        }),
        columns: ["loss", "P(best)"],
        rows: () => losses.map((ranked) => [ranked.loss, words.fixed(ranked.p_best, 4)]),
      });
    },
  };
}

function bars(losses) {
  return {
    type: "bar",
    orientation: "h",
    x: losses.map((ranked) => ranked.p_best),
    y: losses.map((ranked) => ranked.loss),
    marker: { color: losses.map((ranked) => styleOf(ranked.loss).colour) },
    text: losses.map((ranked) => words.probability(ranked.p_best)),
    textposition: "outside",
    cliponaxis: false,
    hovertemplate: "%{y}: %{x:.1%}<extra></extra>",
  };
}
