// Words for people: numbers, durations, sizes and the verdict, as api/wording.py says them in the
// terminal; tests/web/test_words.py holds the two against each other.

export const LEVELS = {
  theory: "theory: what the cards of the losses say; nothing was measured",
  prior: "stored profiles of similar tasks; nothing was measured on this one",
  measured: "measured on this task",
};
export const VERDICTS = {
  recommended: "recommended",
  tied: "tied",
  not_enough_evidence: "not enough evidence",
};
export const CONSISTENCY_SIGNS = {
  consistent: "✓",
  conditional: "~",
  inconsistent: "✗",
  unknown: "?",
};
const TIED_FROM = 0.8; // the leaders are those who together are the best with this probability
const KIB = 2 ** 10;
const MIB = 2 ** 20;
const GIB = 2 ** 30;

/** "out of memory". */
export function outcome(name) {
  return name.replaceAll("_", " ");
}

/** "4.2 ms", "3.4 s", "2 min 5 s", "1 h 20 min". */
export function duration(seconds) {
  if (seconds === 0) return "0 s";
  if (seconds < 0.01) return `${significant(seconds * 1e3, 2)} ms`;
  if (seconds < 0.1) return `${fixed(seconds * 1e3, 0)} ms`;
  if (seconds < 9.95) return `${fixed(seconds, 1)} s`.replace(".0", "");
  if (seconds < 119.5) return `${fixed(seconds, 0)} s`;
  const whole = Number(fixed(seconds, 0));
  const [minutes, rest] = [Math.floor(whole / 60), whole % 60];
  if (minutes < 120) return rest && minutes < 10 ? `${minutes} min ${rest} s` : `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  return minutes % 60 && hours < 24 ? `${hours} h ${minutes % 60} min` : `${hours} h`;
}

/** "3.4 s (3.1-3.8)": the bounds in the unit of the mean. */
export function durationInterval({ low, mean, high }) {
  const [factor, unit] = mean < 0.1 ? [1e3, "ms"] : mean < 119.5 ? [1, "s"] : [1 / 60, "min"];
  const digits = mean * factor < 9.95 ? 1 : 0;
  const [from, middle, to] = [low, mean, high].map((bound) => fixed(bound * factor, digits));
  return from === to ? `${middle} ${unit}` : `${middle} ${unit} (${from}-${to})`;
}

/** "0.012 (0.011-0.013)": in whatever currency the price of an hour is. */
export function money({ low, mean, high }) {
  const [from, middle, to] = [low, mean, high].map((value) => significant(value, 3));
  return `${middle} (${from}-${to})`;
}

/** "512 KiB", "12.3 MiB", "1.50 GiB". */
export function size(nBytes) {
  if (nBytes < MIB) return `${fixed(nBytes / KIB, 0)} KiB`;
  if (nBytes < GIB) return `${fixed(nBytes / MIB, nBytes < 100 * MIB ? 1 : 0)} MiB`;
  return `${fixed(nBytes / GIB, 2)} GiB`;
}

/** Whole percent; never 0% or 100%, which nobody knows, unless it is exactly 0. */
export function probability(p) {
  if (p > 0 && p < 0.01) return "<1%";
  return p > 0.99 ? ">99%" : percent(p);
}

/** "6.4%", with as many digits. */
export function percent(share, digits = 0) {
  return `${fixed(share * 100, digits)}%`;
}

/** "1,682". */
export function count(n) {
  return n.toLocaleString("en-US");
}

/** "943 rows, 1,682 classes, 79,926 training examples". */
export function sizes({ n_rows: rows, n_classes: classes, n_examples: examples }) {
  return `${count(rows)} rows, ${count(classes)} classes, ${count(examples)} training examples`;
}

/** "2026-11-24 18:00 UTC" of an ISO time. */
export function time(iso) {
  return `${new Date(iso).toISOString().slice(0, 16).replace("T", " ")} UTC`;
}

/** "0.2912", and "123.4" of a metric that is no share, like perplexity. */
export function metricValue(value) {
  const large = Math.abs(value);
  return large < 10 ? fixed(value, 4) : large < 1e5 ? fixed(value, 1) : "> 1e5";
}

/** "0.2912 (0.288-0.294)", "123.4 (119-128)". */
export function metricInterval({ low, mean, high }) {
  const digits = mean < 10 ? 3 : 0;
  const [from, to] = [low, high].map((bound) => (bound < 1e5 ? fixed(bound, digits) : "> 1e5"));
  return `${metricValue(mean)} (${from}-${to})`;
}

/** The metric at the horizon with its interval; "unknown", and "-" where it cannot be had. */
export function predicted(ranked) {
  if (!ranked.feasible) return "-";
  return ranked.predicted_metric ? metricInterval(ranked.predicted_metric) : "unknown";
}

/** One setting's value, as it would stand in a file. */
export function setting(value) {
  return typeof value === "number" && !Number.isInteger(value)
    ? significant(value, 6)
    : String(value);
}

/** "learning_rate 0.003, weight_decay 0.0001". */
export function settings(values) {
  return Object.entries(values)
    .map(([name, value]) => `${name} ${setting(value)}`)
    .join(", ");
}

/** "20 epochs", "60 s of training", or both. */
export function horizon({ epochs, seconds }) {
  const parts = [];
  if (epochs != null) parts.push(`${significant(epochs, 6)} epoch${epochs === 1 ? "" : "s"}`);
  if (seconds != null) parts.push(`${duration(seconds)} of training`);
  return parts.join(" or ");
}

/** "a", "a and b", "a, b and c". */
export function listed(names) {
  const [last, ...before] = [...names].reverse();
  return before.length ? `${before.reverse().join(", ")} and ${last}` : last;
}

/** Whether a metric is better when it is lower. */
export function falls(metric) {
  return metric === "perplexity" || metric === "log_loss";
}

/** Those who together are the best with probability 0.8, the recommended one first. */
export function leaders(answer) {
  const [first, ...rest] = answer.ranking;
  const chosen = [first];
  for (const ranked of rest.sort((a, b) => b.p_best - a.p_best)) {
    if (chosen.reduce((sum, one) => sum + one.p_best, 0) >= TIED_FROM) break;
    chosen.push(ranked);
  }
  return chosen;
}

/** The verdict in one sentence. */
export function headline(answer) {
  const { loss } = answer;
  const pBest = probability(answer.p_best);
  const goal = `${answer.task.metric} after ${horizon(answer.task.horizon)}`;
  const nLosses = answer.ranking.filter((ranked) => ranked.feasible).length;
  if (nLosses === 1)
    return `Train with ${loss}: it is the only loss that takes part and is feasible.`;
  if (answer.verdict === "recommended") {
    return `Train with ${loss}: of ${nLosses} losses it is the best for ${goal} with probability ${pBest}.`;
  }
  if (answer.verdict === "tied") {
    const names = leaders(answer).map((ranked) => ranked.loss);
    const tie = `${listed(names)} are tied: within 1% of each other for ${goal}`;
    return `Train with ${loss}. ${tie}, and ${loss} is the cheapest of them.`;
  }
  if (answer.evidence_level === "theory") {
    return `Nothing is measured yet: by theory, ${loss} comes first for ${goal}.`;
  }
  return (
    `Not enough evidence yet: ${loss} leads for ${goal}, ` +
    `but it is the best of ${nLosses} losses only with probability ${pBest}.`
  );
}

/** What changing from the baseline gains, in one sentence; null where it is unknown. */
export function gain(answer) {
  const baseline = answer.task.baseline.loss;
  const interval = answer.gain_over_baseline;
  if (!interval) return null;
  const { low, mean, high } = interval;
  if (answer.loss === baseline && low === 0 && high === 0) {
    return `Gain over the baseline: none, ${baseline} is the baseline itself.`;
  }
  const reached = answer.ranking[0].predicted_metric;
  const share =
    reached && reached.mean > mean ? `, ${signed(100 * (mean / (reached.mean - mean)), 1)}%` : "";
  return (
    `Gain over the baseline ${baseline}: ${signed(mean, 4)} ${answer.task.metric} ` +
    `(80% interval ${signed(low, 4)} to ${signed(high, 4)}${share}).`
  );
}

/** So many digits after the point, a tie to the even one. */
export function fixed(value, digits) {
  const text = value.toFixed(digits);
  const exact = value.toFixed(digits + 30).replace("-", "");
  const isTie = /^50*$/.test(exact.slice(exact.indexOf(".") + 1 + digits));
  const isOdd = "13579".includes(text.at(-1));
  return isTie && isOdd ? (value - Math.sign(value) * 0.5 * 10 ** -digits).toFixed(digits) : text;
}

/** So many significant digits, without zeros at the end: "0.003", "1e-05". */
export function significant(value, digits) {
  if (value === 0) return "0";
  const [mantissa, power] = value.toExponential(digits - 1).split("e");
  const exponent = Number(power);
  if (exponent >= -4 && exponent < digits) return trimmed(fixed(value, digits - 1 - exponent));
  const sign = exponent < 0 ? "-" : "+";
  return `${trimmed(mantissa)}e${sign}${String(Math.abs(exponent)).padStart(2, "0")}`;
}

function signed(value, digits) {
  const text = fixed(value, digits);
  return text.startsWith("-") ? text : `+${text}`;
}

function trimmed(text) {
  return text.includes(".") ? text.replace(/\.?0+$/, "") : text;
}
