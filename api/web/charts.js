// A chart: a title, how to read it, the drawing, and the same numbers as a table.
//
//   const curves = chart({ title: "ndcg@20 against seconds", controls: [aSwitch] });
//   main.append(curves.element);
//   curves.update({ reading, traces, layout, columns, rows });   // and `title`, if it changes
//
// `traces(isNarrow)` and `layout(isNarrow)` are called anew at every drawing, so that they may ask
// styleOf for the colours of the scheme; `rows()` only while the table is open. Drawn when the
// element is on the page, and again when its width or the scheme changes; what is out of sight is
// drawn anew for other numbers only when it comes near.

import { fill, freshId, h, table } from "./dom.js";
import { inTurn } from "./frames.js";
import { legend } from "./legend.js";
import { plotly } from "./plotly.js";

const NARROW_PIXELS = 640;
const HEIGHT = 420;
const HEIGHT_NARROW = 340;
const NARROW_TICKS = 5;
const NEAR = "300px";
const dark = matchMedia("(prefers-color-scheme: dark)");

/**
 * `{element, frame, update(figure)}`; `frame` holds the drawing, and what is laid over it.
 * `level` is that of the heading; `onDrawn(plot)` hears of every drawing.
 */
export function chart({ title, level = 2, controls = [], onDrawn }) {
  const name = freshId("chart");
  const heading = h(`h${level}`, { id: name }, title);
  const reading = h("p", { class: "note" });
  const plot = h("div", { class: "chart", role: "img", "aria-labelledby": name });
  const frame = h("div", { class: "frame" }, plot);
  const names = legend(() => inTurn(draw));
  const numbers = h("div", {
    class: "scroll",
    tabindex: "0",
    role: "region",
    "aria-label": "The numbers",
  });
  const details = h(
    "details",
    { ontoggle: () => tabulate() },
    h("summary", null, "The numbers"),
    numbers,
  );
  const element = h(
    "section",
    { class: "charted" },
    h("div", { class: "title" }, heading, controls),
    reading,
    frame,
    names.element,
    details,
  );
  let figure = null;
  let isNear = true; // until the observer has looked
  let isStale = false;
  let hasDrawn = false;

  const tabulate = () => {
    if (details.open && figure)
      fill(numbers, table(heading.textContent, figure.columns, figure.rows()));
  };
  const draw = async () => {
    const width = plot.clientWidth;
    if (!figure || !width) return; // the observer calls when it is on the page
    isStale = false;
    try {
      const library = await plotly();
      const isNarrow = width < NARROW_PIXELS;
      const traces = figure.traces(isNarrow);
      const layout = figure.layout(isNarrow);
      names.update(layout.showlegend ? traces : []);
      const shown = traces.filter((trace) => !names.hides(trace)).map(plain);
      await library.react(plot, shown, themed(layout, plot, width), { displayModeBar: false });
      hasDrawn = true;
      onDrawn?.(plot);
    } catch (error) {
      fill(
        plot,
        h(
          "p",
          { class: "note" },
          `The chart cannot be drawn: ${error.message}. Its numbers are below.`,
        ),
      );
    }
  };
  const ask = () => {
    isStale = true;
    if (isNear || !hasDrawn) inTurn(draw);
  };
  new IntersectionObserver(
    ([{ isIntersecting }]) => {
      isNear = isIntersecting;
      if (isNear && isStale) ask();
    },
    { rootMargin: NEAR },
  ).observe(plot);
  let width = 0;
  new ResizeObserver(() => {
    if (plot.clientWidth !== width) inTurn(draw);
    width = plot.clientWidth;
  }).observe(plot);
  const onScheme = () =>
    element.isConnected ? inTurn(draw) : dark.removeEventListener("change", onScheme);
  dark.addEventListener("change", onScheme);
  const onPrint = () =>
    element.isConnected ? isStale && draw() : removeEventListener("beforeprint", onPrint);
  addEventListener("beforeprint", onPrint);

  return {
    element,
    frame,
    update(changed) {
      figure = changed;
      if (figure.title) fill(heading, figure.title);
      fill(reading, figure.reading);
      tabulate();
      ask();
    },
  };
}

/** An axis of powers with 1, 2, 5, 10 ... written out; on a narrow page only the powers of ten. */
export function logAxis(title, values, isNarrow = false) {
  const positive = values.filter((value) => value > 0);
  const low = positive.reduce((least, value) => Math.min(least, value), Infinity);
  const high = positive.reduce((most, value) => Math.max(most, value), 0);
  if (!high) return linearAxis(title);
  const pad = 0.03 * Math.max(Math.log10(high / low), 0.5);
  const range = [Math.log10(low) - pad, Math.log10(high) + pad];
  const [powers, some, all] = [[1], [1, 2, 5], [1, 2, 3, 4, 5, 6, 7, 8, 9]].map((digits) =>
    ticksOf(digits, range),
  );
  const isDense = isNarrow || range[1] - range[0] > 5;
  const fitting = isDense && powers.length > 1 ? powers : some.length > 3 ? some : all;
  const every = isNarrow ? Math.ceil(fitting.length / NARROW_TICKS) : 1;
  const ticks = fitting.filter((_, n) => n % every === 0);
  return {
    title: { text: title },
    type: "log",
    range,
    tickmode: "array",
    tickvals: ticks,
    ticktext: ticks.map((tick) => (tick < 1e3 ? String(tick) : tick.toLocaleString("en-US"))),
  };
}

function ticksOf(digits, [from, to]) {
  const ticks = [];
  for (let power = Math.floor(from); power <= Math.ceil(to); power += 1) {
    for (const digit of digits) ticks.push(Number(`${digit}e${power}`));
  }
  return ticks.filter((tick) => from <= Math.log10(tick) && Math.log10(tick) <= to);
}

/** An axis from zero. */
export function linearAxis(title) {
  return { title: { text: title }, type: "linear", rangemode: "tozero" };
}

/** Plotly takes tags and entities in text for markup: whatever comes out of data is only text. */
function plain(trace) {
  const found = { ...trace };
  for (const name of ["name", "text", "x", "y"]) {
    const value = found[name];
    if (!Array.isArray(value)) found[name] = escaped(value);
    else if (value.some((one) => typeof one === "string")) found[name] = value.map(escaped);
  }
  return found;
}

function titled(axis) {
  return axis?.title ? { ...axis, title: { ...axis.title, text: escaped(axis.title.text) } } : axis;
}

function escaped(value) {
  return typeof value === "string"
    ? value.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;")
    : value;
}

function themed(layout, plot, width) {
  const style = getComputedStyle(plot);
  const colour = (name) => style.getPropertyValue(name).trim();
  const line = colour("--line");
  const axis = {
    gridcolor: line,
    zerolinecolor: line,
    linecolor: line,
    automargin: true,
    tickangle: 0,
    ticklabeloverflow: "allow", // else every label is measured at every drawing
  };
  const isNarrow = width < NARROW_PIXELS;
  return {
    height: isNarrow ? HEIGHT_NARROW : HEIGHT,
    margin: { l: 56, r: 24, t: 16, b: 48 },
    hovermode: "closest",
    dragmode: isNarrow ? false : "zoom", // a finger scrolls the page
    ...layout,
    width,
    showlegend: false,
    paper_bgcolor: "rgba(0,0,0,0)",
    plot_bgcolor: "rgba(0,0,0,0)",
    font: { color: colour("--ink"), family: style.fontFamily, size: 13 },
    hoverlabel: { bgcolor: colour("--panel"), bordercolor: line, font: { color: colour("--ink") } },
    xaxis: { ...axis, ...titled(layout.xaxis) },
    yaxis: { ...axis, ...titled(layout.yaxis) },
  };
}
