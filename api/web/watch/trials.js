// The table of trials: a row each, of which only what changed is written again.

import { lossName } from "../answer/ranking.js";
import { choice } from "../controls.js";
import { fill, h } from "../dom.js";
import * as words from "../words.js";

const ORDERS = { newest: "newest first", best: "best first" };
const OUTCOMES = { out_of_memory: "out of memory", timed_out: "timed out" };

/** `{element, update(race, changed)}`; `tuned(loss)` names the settings that are varied. */
export function trialTable(metric, tuned) {
  const rows = new Map();
  const body = h("tbody");
  let order = "newest";
  let race = null;
  const count = h("h2", null, "Trials");
  const columns = [["loss"], ["state"], ["examples", "n"], ["best", "n"], ["training time", "n"], ["peak memory", "n"], ["settings"]];
  const table = h(
    "table",
    { class: "trials" },
    h("caption", { class: "unseen" }, "The trials of this calibration"),
    h("thead", null, h("tr", null, columns.map(([name, kind]) => h("th", { scope: "col", class: kind }, name === "best" ? `best ${metric}` : name)))),
    body,
  );
  const sorted = () => {
    const trials = [...race.trials.values()];
    if (order === "best") trials.sort((a, b) => race.compare(a, b));
    else trials.reverse();
    const wanted = trials.map((trial) => rows.get(trial));
    wanted.forEach((row, i) => {
      if (body.children[i] !== row) body.insertBefore(row, body.children[i] ?? null);
    });
  };
  const orders = choice("order", ORDERS, order, (chosen) => {
    order = chosen;
    if (race) sorted();
  });
  const element = h(
    "section",
    null,
    h("div", { class: "title" }, count, orders),
    h("div", { class: "scroll tall", tabindex: "0", role: "region", "aria-label": "Trials" }, table),
  );
  element.hidden = true;
  return {
    element,
    update(now, changed) {
      race = now;
      element.hidden = race.trials.size === 0;
      fill(count, race.trials.size === 1 ? "1 trial" : `${race.trials.size} trials`, ` in ${race.nLegs} legs`);
      for (const trial of changed) {
        if (!rows.has(trial)) rows.set(trial, rowOf(trial, tuned));
        write(rows.get(trial), trial, race.end);
      }
      sorted();
    },
  };
}

function rowOf(trial, tuned) {
  const names = tuned(trial.loss);
  const varied = Object.entries(trial.settings).filter(([name]) => names.has(name));
  const text = words.settings(Object.fromEntries(varied.length ? varied : Object.entries(trial.settings)));
  const seed = trial.seed ? `, seed ${trial.seed}` : "";
  return h(
    "tr",
    null,
    h("th", { scope: "row" }, lossName(trial.loss, true)),
    h("td"),
    ...Array.from({ length: 4 }, () => h("td", { class: "n" })),
    h("td", { class: "settings", title: words.settings(trial.settings) }, text + seed),
  );
}

function write(row, trial, end) {
  const [, state, examples, best, seconds, peak] = row.children;
  put(state, stateOf(trial, end));
  state.className = trial.outcome && trial.outcome !== "completed" && trial.outcome !== "cancelled" ? "inconsistent" : "";
  state.title = trial.detail ?? "";
  put(examples, words.count(trial.examples));
  put(best, trial.best === null ? "-" : words.metricValue(trial.best));
  put(seconds, words.duration(trial.seconds));
  put(peak, trial.peakBytes === null ? "-" : words.size(trial.peakBytes));
}

function put(cell, text) {
  if (cell.textContent !== text) cell.textContent = text;
}

function stateOf(trial, end) {
  if (trial.leg && !end) return `training to ${words.count(trial.leg.until)}`;
  if (trial.outcome === null || trial.leg) return "cut off";
  if (trial.outcome === "completed") return end ? "trained" : "paused";
  return OUTCOMES[trial.outcome] ?? trial.outcome;
}
