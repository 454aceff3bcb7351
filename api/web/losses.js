// The colour and the marker of every loss, the same on every view and in every report: palettes
// that colour-blind people can tell apart (Okabe and Ito; Tol), and a shape besides.

const STYLES = {
  softmax: { light: "#0072B2", symbol: "circle" },
  sampled_softmax: { light: "#E69F00", symbol: "square" },
  sparsemax: { light: "#009E73", symbol: "triangle-up" },
  negative_sampling: { light: "#CC79A7", symbol: "diamond" },
  rg2: { light: "#D55E00", symbol: "x" },
  bpr: { light: "#56B4E9", symbol: "star" },
  nce: { light: "#999933", symbol: "hexagon" },
  entmax: { light: "#44AA99", symbol: "triangle-down" },
  rankmax: { light: "#882255", dark: "#C2518F", symbol: "pentagon" },
  rgx: { light: "#CC6677", symbol: "cross" },
  hierarchical_softmax: { light: "#332288", dark: "#8A7BE0", symbol: "triangle-left" },
  adaptive_softmax: { light: "#117733", dark: "#2FA35A", symbol: "triangle-right" },
};
// Of losses that are not ours.
const OTHERS = [
  { light: "#AA4499", symbol: "hourglass" },
  { light: "#88CCEE", symbol: "bowtie" },
  { light: "#DDCC77", symbol: "star-square" },
  { light: "#777777", symbol: "diamond-tall" },
];

/** `{colour, symbol}` of a loss; the colour is for the scheme that the page is shown in. */
export function styleOf(loss) {
  const style = STYLES[loss] ?? OTHERS[hash(loss) % OTHERS.length];
  const isDark = matchMedia("(prefers-color-scheme: dark)").matches;
  return { colour: (isDark && style.dark) || style.light, symbol: style.symbol };
}

/** The same colour, faint. */
export function faint(colour, opacity = 0.14) {
  const [red, green, blue] = [1, 3, 5].map((start) => parseInt(colour.slice(start, start + 2), 16));
  return `rgba(${red},${green},${blue},${opacity})`;
}

function hash(text) {
  let value = 0;
  for (const character of text) value = (31 * value + character.codePointAt(0)) >>> 0;
  return value;
}
