// The legend of a chart: a button for each line, which hides it and shows it again. Our own, not
// plotly's: the keyboard reaches it, and plotly would lay it out anew at every drawing.

import { fill, h } from "./dom.js";

// Plotly's names of the marks, as they look.
const GLYPHS = {
  circle: "●",
  square: "■",
  "triangle-up": "▲",
  "triangle-down": "▼",
  "triangle-left": "◀",
  "triangle-right": "▶",
  diamond: "◆",
  x: "✖",
  cross: "✚",
  star: "★",
  hexagon: "⬢",
  pentagon: "⬟",
  hourglass: "⧗",
  bowtie: "⧓",
  "star-square": "✦",
  "diamond-tall": "♦",
};

/** `{element, update(traces), hides(trace)}`; `onChange()` when one is hidden or shown again. */
export function legend(onChange) {
  const element = h("div", { class: "legend", role: "group", "aria-label": "Lines that are shown" });
  const hidden = new Set();
  const entries = new Map();
  return {
    element,
    hides: (trace) => hidden.has(keyOf(trace)),
    /** A button for every trace that has not `showlegend: false`. */
    update(traces) {
      const named = traces.filter((trace) => trace.showlegend !== false);
      for (const trace of named) {
        const key = keyOf(trace);
        if (!entries.has(key)) entries.set(key, entry(key, hidden, onChange));
        entries.get(key).say(trace);
      }
      const buttons = named.map((trace) => entries.get(keyOf(trace)).button);
      const isSame = buttons.length === element.children.length && buttons.every((one, n) => one === element.children[n]);
      if (!isSame) fill(element, buttons); // which takes the focus away
    },
  };
}

function entry(key, hidden, onChange) {
  const glyph = h("span", { class: "glyph", "aria-hidden": "true" });
  const name = h("span");
  const toggle = () => {
    if (!hidden.delete(key)) hidden.add(key);
    button.setAttribute("aria-pressed", String(!hidden.has(key)));
    onChange();
  };
  const button = h("button", { type: "button", "aria-pressed": "true", onclick: toggle }, glyph, name);
  return {
    button,
    say(trace) {
      glyph.style.color = trace.marker.color;
      const symbol = String(trace.marker.symbol).replace(/-open$/, "");
      put(glyph, GLYPHS[symbol] ?? "―");
      put(name, trace.name);
    },
  };
}

function put(element, text) {
  if (element.textContent !== text) fill(element, text);
}

function keyOf(trace) {
  return trace.legendgroup ?? trace.name;
}
