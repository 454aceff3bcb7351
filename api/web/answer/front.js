// Quality, time and memory: where each loss ends, and which are on the Pareto front.

import { chart, logAxis } from "../charts.js";
import { styleOf } from "../losses.js";
import * as words from "../words.js";

const SIZE_MIN = 10;
const SIZE_SPAN = 24;

/** `{element, update(answer)}`; hidden where no loss has numbers for it. */
export function front() {
  const shown = chart({ title: "Quality, time and memory" });
  return {
    element: shown.element,
    update(answer) {
      const losses = answer.ranking.filter(
        (r) => r.feasible && r.predicted_metric && r.train_seconds,
      );
      shown.element.hidden = !losses.length;
      if (!losses.length) return;
      const { metric } = answer.task;
      const seconds = losses.flatMap((r) => [r.train_seconds.low, r.train_seconds.high]);
      shown.update({
        reading:
          `${words.falls(metric) ? "Down" : "Up"} and to the left is better; the area of a mark is its peak memory; ` +
          "bars are 80% intervals. Filled marks are on the Pareto front: no other loss is at least as good in all three.",
        traces: () => marks(losses),
        layout: (isNarrow) => ({
          xaxis: logAxis("training seconds to 99% of its value", seconds, isNarrow),
          yaxis: { title: { text: `${metric} at the horizon` } },
          showlegend: true,
        }),
        columns: ["loss", metric, "train time", "peak memory", "Pareto front"],
        rows: () => losses.map(row),
      });
    },
  };
}

function marks(losses) {
  const most = Math.max(...losses.map((r) => r.peak_bytes ?? 0)) || 1;
  return losses.map((r) => mark(r, most));
}

function mark(ranked, most) {
  const { loss, predicted_metric: metric, train_seconds: seconds, peak_bytes: peak } = ranked;
  const { colour, symbol } = styleOf(loss);
  return {
    name: loss,
    x: [seconds.mean],
    y: [metric.mean],
    error_x: bar(seconds, colour),
    error_y: bar(metric, colour),
    mode: "markers",
    marker: {
      symbol: ranked.pareto ? symbol : `${symbol}-open`,
      size: SIZE_MIN + SIZE_SPAN * Math.sqrt((peak ?? 0) / most),
      color: colour,
      line: { color: colour, width: 2 },
      opacity: 0.85,
    },
    hovertemplate: `%{y:.4f} after %{x:.3g} s, ${peak === null ? "memory unknown" : words.size(peak)}`,
  };
}

function bar({ low, mean, high }, colour) {
  return {
    type: "data",
    symmetric: false,
    array: [high - mean],
    arrayminus: [mean - low],
    color: colour,
    thickness: 1.2,
  };
}

function row(ranked) {
  const { predicted_metric: metric, train_seconds: seconds, peak_bytes: peak } = ranked;
  return [
    ranked.loss,
    words.metricInterval(metric),
    words.durationInterval(seconds),
    peak === null ? "unknown" : words.size(peak),
    ranked.pareto ? "yes" : "no",
  ];
}
