// The colour and the marker of every loss, the same on every view and in every report. The colours were
// searched for: apart by at least 0.07 in OKLab for everyone, also without red, green or blue cones, and
// with a contrast of 3 to the ground; tests/web/test_losses.py measures both. The shape says it again.

const STYLES = {
  softmax: { light: "#0072B2", dark: "#A8AEF0", symbol: "circle" },
  sampled_softmax: { light: "#876D32", dark: "#B39504", symbol: "square" },
  sparsemax: { light: "#099C6C", dark: "#22DEA0", symbol: "triangle-up" },
  negative_sampling: { light: "#553457", dark: "#8657B0", symbol: "diamond" },
  rg2: { light: "#730D0F", dark: "#D11E07", symbol: "x" },
  bpr: { light: "#1F98FE", dark: "#7589FD", symbol: "star" },
  nce: { light: "#7A9A1B", dark: "#F3EA50", symbol: "hexagon" },
  entmax: { light: "#0E6564", dark: "#ADF4ED", symbol: "triangle-down" },
  rankmax: { light: "#C1017D", dark: "#E56592", symbol: "pentagon" },
  rgx: { light: "#F55890", dark: "#A14467", symbol: "cross" },
  hierarchical_softmax: { light: "#561BC1", dark: "#6438FC", symbol: "triangle-left" },
  adaptive_softmax: { light: "#505B05", dark: "#DBBA18", symbol: "triangle-right" },
};
// Of losses that are not ours.
const OTHERS = [
  { light: "#AA4499", dark: "#D691C9", symbol: "hourglass" },
  { light: "#2F7F9F", dark: "#7CC3DD", symbol: "bowtie" },
  { light: "#8A6D00", dark: "#D9B84A", symbol: "star-square" },
  { light: "#777777", dark: "#AAAAAA", symbol: "diamond-tall" },
];

/** `{colour, symbol}` of a loss; the colour is for the scheme that the page is shown in. */
export function styleOf(loss) {
  const style = known(loss);
  const isDark = matchMedia("(prefers-color-scheme: dark)").matches;
  return { colour: isDark ? style.dark : style.light, symbol: style.symbol };
}

/** The colour of a loss for a style sheet, which follows the scheme by itself. */
export function ink(loss) {
  const { light, dark } = known(loss);
  return `light-dark(${light}, ${dark})`;
}

/** The same colour, faint. */
export function faint(colour, opacity) {
  const [red, green, blue] = [1, 3, 5].map((start) => parseInt(colour.slice(start, start + 2), 16));
  return `rgba(${red},${green},${blue},${opacity})`;
}

function known(loss) {
  return STYLES[loss] ?? OTHERS[hash(loss) % OTHERS.length];
}

function hash(text) {
  let value = 0;
  for (const character of text) value = (31 * value + character.codePointAt(0)) >>> 0;
  return value;
}
