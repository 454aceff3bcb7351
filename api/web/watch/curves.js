// The curves of a calibration as they grow: every trial a thin line in the colour of its loss, the
// best one of each loss a thick one with its mark.

import { chart, linearAxis, logAxis } from "../charts.js";
import { choice, tick } from "../controls.js";
import { faint, styleOf } from "../losses.js";
import * as words from "../words.js";

const THIN_POINTS_LIVE = 3000; // of all thin lines, while every second brings new ones
const AXES = { seconds: "seconds", examples: "examples" };
const TITLES = { seconds: "training seconds of the trial", examples: "training examples that the trial has seen" };

/** `{element, update(race)}`. */
export function liveCurves(metric) {
  let axis = "seconds";
  let isLog = true;
  let onlyBest = false;
  let race = null;
  const redraw = () => race && shown.update(figure(race, metric, { axis, isLog, onlyBest }));
  const set = (change) => (value) => {
    change(value);
    redraw();
  };
  const shown = chart({
    title: "The curves so far",
    controls: [
      choice("against", AXES, axis, set((chosen) => (axis = chosen))),
      tick("logarithmic", isLog, set((isTicked) => (isLog = isTicked))),
      tick("only the best of each loss", onlyBest, set((isTicked) => (onlyBest = isTicked))),
    ],
  });
  return {
    element: shown.element,
    update(now) {
      race = now;
      redraw();
    },
  };
}

function figure(race, metric, { axis, isLog, onlyBest }) {
  const groups = [...race.byLoss()].filter(([, trials]) => trials.some((trial) => trial.points.length));
  const points = groups.flatMap(([, trials]) => trials.flatMap((trial) => trial.points));
  const every = race.end ? 1 : Math.ceil(points.length / THIN_POINTS_LIVE);
  return {
    title: `${metric} against ${AXES[axis]}${race.end ? "" : ", so far"}`,
    reading: "Measured on validation data while it trains. A thick line is the best setting of its loss, the thin ones are the others it was tried with.",
    traces: () => groups.flatMap(([loss, trials]) => lines(loss, trials, metric, axis, onlyBest, every)),
    layout: (isNarrow) => ({
      xaxis: isLog ? logAxis(TITLES[axis], points.map((point) => point[axis]), isNarrow) : linearAxis(TITLES[axis]),
      yaxis: upright(metric, points),
      showlegend: true,
    }),
    columns: ["loss", "settings", "seed", "examples", "training seconds", metric],
    rows: () => groups.flatMap(([, trials]) => trials.flatMap(rows)),
  };
}

/** Of a falling metric the first values are far off: what counts is near the lower ones. */
function upright(metric, points) {
  if (!words.falls(metric)) return { title: { text: metric }, rangemode: "tozero" };
  const values = points.map((point) => point.value).filter((value) => value !== null).sort((a, b) => a - b);
  const [least, most] = [values[0] ?? 0, values[Math.floor(0.9 * values.length)] ?? 1];
  return { title: { text: `${metric}, lower is better` }, range: [most + 0.05 * (most - least), least - 0.05 * (most - least)].reverse() };
}

function lines(loss, [best, ...others], metric, axis, onlyBest, every) {
  const { colour, symbol } = styleOf(loss);
  const after = axis === "seconds" ? "%{x:.3g} s" : "%{x:,} examples";
  const common = { legendgroup: loss, name: loss, connectgaps: false, hovertemplate: `${metric} %{y:.4f} after ${after}` };
  const thick = {
    ...common,
    x: best.points.map((point) => point[axis]),
    y: best.points.map((point) => point.value),
    mode: "lines+markers",
    line: { color: colour, width: 2.5 },
    marker: { color: colour, symbol, size: 7, maxdisplayed: 8 },
  };
  if (onlyBest || !others.length) return [thick];
  const x = [];
  const y = [];
  for (const trial of others) {
    const last = trial.points.length - 1;
    trial.points.forEach((point, n) => {
      if ((last - n) % every) return;
      x.push(point[axis]);
      y.push(point.value);
    });
    x.push(null); // a gap to the next trial
    y.push(null);
  }
  const thin = { ...common, showlegend: false, x, y, mode: "lines", line: { color: faint(colour, 0.5), width: 1 } };
  return [thin, thick];
}

function rows(trial) {
  return trial.points.map((point) => [
    trial.loss,
    words.settings(trial.settings),
    trial.seed,
    words.count(point.examples),
    words.duration(point.seconds),
    point.value === null ? "not finite" : words.metricValue(point.value),
  ]);
}
