// What an answer says first: the verdict, the settings to copy, what to expect, and what to mind.

import { h } from "../dom.js";
import * as words from "../words.js";
import { copyable } from "./copy.js";

/** The verdict in one sentence, and what it rests on. */
export function head(answer) {
  const regret = answer.expected_regret;
  return [
    h("p", { class: "eyebrow" }, answer.task.name),
    h("h1", { "data-title": `${answer.loss} for ${answer.task.name}` }, words.headline(answer)),
    h(
      "p",
      { class: "lead" },
      h("span", { class: `verdict ${answer.verdict}` }, words.VERDICTS[answer.verdict]),
      ` Evidence: ${words.LEVELS[answer.evidence_level]}`,
      regret === null ? "" : `; expected regret ${words.percent(regret, 1)}`,
      `; answered in ${words.duration(answer.elapsed_seconds)}.`,
    ),
  ];
}

/** What to train with, and what to expect of it. */
export function pair(answer) {
  const [best] = answer.ranking;
  const numbers = [
    [
      `${answer.task.metric} at the horizon`,
      best.predicted_metric && words.metricInterval(best.predicted_metric),
    ],
    ["training time", best.train_seconds && words.durationInterval(best.train_seconds)],
    ["price of it", best.train_money && words.money(best.train_money)],
    ["peak memory", best.peak_bytes !== null && words.size(best.peak_bytes)],
  ].filter(([, text]) => text);
  const gain = words.gain(answer);
  return [
    h(
      "div",
      null,
      h("h2", null, answer.verdict === "not_enough_evidence" ? "Leading for now" : "Train with"),
      copyable(yaml(answer), "the settings"),
    ),
    h(
      "div",
      null,
      h("h2", null, "What to expect"),
      numbers.length > 0 &&
        h(
          "dl",
          { class: "numbers" },
          numbers.map(([name, text]) => h("div", null, h("dt", null, name), h("dd", null, text))),
        ),
      gain && h("p", null, gain),
      !numbers.length && !gain && h("p", { class: "note" }, "Nothing is known in numbers yet."),
    ),
  ];
}

/** The warnings; null without any. */
export function mind({ warnings }) {
  if (!warnings.length) return null;
  return h(
    "section",
    null,
    h("h2", null, "Mind"),
    h(
      "ul",
      { class: "warnings" },
      warnings.map((text) => h("li", null, text)),
    ),
  );
}

/** The loss and its settings as YAML. */
function yaml({ loss, settings }) {
  const lines = Object.entries(settings).map(([name, value]) => `\n  ${name}: ${scalar(value)}`);
  return `loss: ${scalar(loss)}\nsettings:${lines.join("") || " {}"}\n`;
}

function scalar(value) {
  if (typeof value === "string")
    return /^[a-z]\w*$/i.test(value) && !/^(true|false|null|yes|no|on|off|y|n)$/i.test(value)
      ? value
      : JSON.stringify(value);
  const text = String(value);
  // YAML takes 1e-7 for a word: a number with a power has a point and a sign.
  return /^-?\d+e/.test(text) ? text.replace("e", ".0e") : text;
}
