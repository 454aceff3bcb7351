// The curves: what was measured, carried to the horizon with its band, against seconds or epochs.

import { chart, linearAxis, logAxis } from "../charts.js";
import { choice, tick } from "../controls.js";
import { faint, styleOf } from "../losses.js";
import * as words from "../words.js";

const ROOM = 1.03;
const BAND = 0.14; // opacity of a band, and of all of them together
const BANDS = 0.7;
const AXES = { seconds: "training seconds", epochs: "epochs" };

/**
 * `{element, frame, axis(), update(answer, span)}`; hidden where there is no curve. `axis()` is
 * "seconds" or "epochs"; x spans the curves, or `span`, [low, high] in its unit, where it is given;
 * `onAxis(axis)` gives the one for another axis.
 */
export function curves({ onDrawn, onAxis } = {}) {
  let axis = "seconds";
  let isLog = true;
  let shownAnswer = null;
  let given = null;
  const redraw = () => shown.update(figure(shownAnswer, axis, isLog, given));
  const controls = [
    choice("against", AXES, axis, (chosen) => {
      axis = chosen;
      given = onAxis?.(axis) ?? null;
      redraw();
    }),
    tick("logarithmic", isLog, (isTicked) => {
      isLog = isTicked;
      redraw();
    }),
  ];
  const shown = chart({ title: "The curves", controls, onDrawn });
  return {
    element: shown.element,
    frame: shown.frame,
    axis: () => axis,
    update(answer, span = given) {
      shownAnswer = answer;
      given = span;
      shown.element.hidden = !answer.ranking.some((ranked) => ranked.curve.length);
      if (!shown.element.hidden) redraw();
    },
  };
}

/** Where a point lies on an axis. */
export function placeOf(answer, axis) {
  const nExamples = (answer.statistics ?? answer.task.statistics)?.n_examples ?? 1;
  return axis === "seconds" ? (point) => point.seconds : (point) => point.examples / nExamples;
}

function figure(answer, axis, isLog, span) {
  const { metric } = answer.task;
  const losses = answer.ranking.filter((ranked) => ranked.curve.length);
  const points = losses.flatMap((ranked) => ranked.curve);
  const x = placeOf(answer, axis);
  const places = span ?? points.map(x);
  const title = axis === "seconds" ? "training seconds on this device" : "epochs";
  const goal = words.horizon(answer.task.horizon);
  return {
    title: `${metric} against ${AXES[axis]}`,
    reading:
      "The metric on validation, one line per loss at its best settings: measured points, then the forecast " +
      `(dashed) with its 80% band. The mark at its end is the loss's horizon, ${goal}.`,
    traces: () => [
      ...losses.map((ranked) => band(ranked, x, Math.min(BAND, BANDS / losses.length))),
      ...losses.flatMap((ranked) => lines(ranked, x, unit(axis))),
    ],
    layout: (isNarrow) => ({
      xaxis: isLog
        ? logAxis(title, places, isNarrow)
        : { ...linearAxis(title), range: [0, ROOM * Math.max(...places)] },
      yaxis: upright(metric, points),
      showlegend: true,
    }),
    columns: ["loss", "examples", "training seconds", metric, "80% interval", "is"],
    rows: () => losses.flatMap(rows),
  };
}

/** Of a falling metric the high ends reach to infinity: what counts is near the means. */
function upright(metric, points) {
  const isFalling = words.falls(metric);
  const title = { text: `${metric}, best so far${isFalling ? ", lower is better" : ""}` };
  if (!isFalling) return { title, rangemode: "tozero" };
  const top = ROOM * Math.max(...points.map((point) => point.mean));
  const bottom = (2 - ROOM) * Math.min(...points.map((point) => point.low));
  return { title, range: [bottom, top] };
}

function ahead(ranked) {
  return ranked.curve.slice(Math.max(0, ranked.measured.length - 1));
}

function band(ranked, x, opacity) {
  const points = ahead(ranked);
  const back = [...points].reverse();
  return {
    legendgroup: ranked.loss,
    showlegend: false,
    hoverinfo: "skip",
    x: [...points, ...back].map(x),
    y: [...points.map((point) => point.high), ...back.map((point) => point.low)],
    fill: "toself",
    fillcolor: faint(styleOf(ranked.loss).colour, opacity),
    line: { width: 0 },
    mode: "lines",
  };
}

function lines(ranked, x, after) {
  const { colour, symbol } = styleOf(ranked.loss);
  const points = ahead(ranked);
  const legend = `${ranked.loss}, P(best) ${words.probability(ranked.p_best)}`;
  const forecast = {
    legendgroup: ranked.loss,
    showlegend: !ranked.measured.length, // every loss once
    name: ranked.measured.length ? `${ranked.loss}, forecast` : legend,
    x: points.map(x),
    y: points.map((point) => point.mean),
    mode: "lines+markers",
    line: { color: colour, dash: "dash", width: 2 },
    marker: {
      symbol: "line-ns-open",
      color: colour,
      size: points.map((_, n) => (n === points.length - 1 ? 16 : 0)),
      line: { color: colour, width: 2 },
    },
    hovertemplate: `%{y:.4f} at %{x:.3g} ${after}`,
  };
  const measured = {
    legendgroup: ranked.loss,
    showlegend: true,
    name: legend,
    x: ranked.measured.map(x),
    y: ranked.measured.map((point) => point.mean),
    mode: "lines+markers",
    line: { color: colour, width: 2 },
    marker: { symbol, size: 7, color: colour },
    hovertemplate: `%{y:.4f} at %{x:.3g} ${after}`,
  };
  return ranked.measured.length ? [forecast, measured] : [forecast];
}

function unit(axis) {
  return axis === "seconds" ? "s" : "epochs";
}

function rows(ranked) {
  return ranked.curve.map((point, n) => [
    ranked.loss,
    words.count(point.examples),
    words.significant(point.seconds, 3),
    words.fixed(point.mean, 4),
    `${words.fixed(point.low, 4)} to ${words.fixed(point.high, 4)}`,
    n < ranked.measured.length ? "measured" : "forecast",
  ]);
}
