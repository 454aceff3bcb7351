// One profile: what was measured of one candidate on one task and device, with its curve.

import { get } from "../api.js";
import { lossName } from "../answer/ranking.js";
import { chart, linearAxis, logAxis } from "../charts.js";
import { choice } from "../controls.js";
import { fill, h } from "../dom.js";
import { styleOf } from "../losses.js";
import * as words from "../words.js";
import { facts, link } from "./listing.js";

/** Fill `main` with the profile of this id. */
export async function showProfile(main, id, signal) {
  const profile = await get(`/v1/profiles/${encodeURIComponent(id)}`, { signal });
  const { loss, settings } = profile.candidate;
  fill(
    main,
    h(
      "p",
      { class: "eyebrow" },
      h("a", { href: "#/profiles" }, "Profiles"),
      ` · ${profile.task_name}`,
    ),
    h(
      "h1",
      { "data-title": `${loss} on ${profile.task_name}` },
      lossName(loss, true),
      ` on ${profile.task_name}`,
    ),
    h("p", { class: "lead" }, words.settings(settings)),
    profile.bad &&
      h("p", { class: "warnings" }, "Marked as bad by its owner: no answer rests on it."),
    profile.curve.length > 0 && curve(profile),
    h("section", null, h("h2", null, "What is known"), known(profile)),
  );
}

/** Training seconds of an example; null where the step was not timed. */
export function secondsPerExample({ step_seconds: step, batch_size: rows }) {
  return step && step.mean / rows;
}

function curve(profile) {
  const seconds = secondsPerExample(profile);
  const show = (axis) => shown.update(figure(profile, axis === "seconds" ? seconds : null));
  const controls =
    seconds === null
      ? []
      : [
          choice(
            "against",
            { seconds: "training seconds", examples: "examples" },
            "examples",
            show,
          ),
        ];
  const shown = chart({ title: "The curve", controls });
  show("examples");
  return shown.element;
}

function figure(profile, seconds) {
  const { metric, curve: points, candidate } = profile;
  const x = points.map((point) => point.examples * (seconds ?? 1));
  const title = seconds === null ? "training examples" : "training seconds on this device";
  return {
    title: `${metric} against ${seconds === null ? "examples" : "training seconds"}`,
    reading: `Best so far on validation, mean over seeds: ${profile.n_seeds}.`,
    traces: () => {
      const { colour, symbol } = styleOf(candidate.loss);
      return [
        {
          x,
          y: points.map((point) => point.value),
          mode: "lines+markers",
          name: candidate.loss,
          line: { color: colour, width: 2 },
          marker: { color: colour, symbol, size: 7 },
          hovertemplate: "%{y:.4f} at %{x:.3g}<extra></extra>",
        },
      ];
    },
    layout: (isNarrow) => ({
      xaxis: points.length > 1 ? logAxis(title, x, isNarrow) : linearAxis(title),
      yaxis: { title: { text: metric }, rangemode: words.falls(metric) ? "normal" : "tozero" },
      showlegend: false,
      height: 380,
    }),
    columns: ["examples", ...(seconds === null ? [] : ["training seconds"]), metric],
    rows: () =>
      points.map((point, n) => [
        words.count(point.examples),
        ...(seconds === null ? [] : [words.significant(x[n], 3)]),
        words.metricValue(point.value),
      ]),
  };
}

function known(profile) {
  const { device } = profile;
  return facts([
    [
      profile.metric,
      profile.final_value === null
        ? `none: ${words.outcome(profile.outcome)}`
        : `${words.metricValue(profile.final_value)} after ${words.count(profile.final_examples)} examples`,
    ],
    ["outcome", words.outcome(profile.outcome)],
    ["a step", profile.step_seconds && words.durationInterval(profile.step_seconds)],
    ["peak memory", profile.peak_bytes === null ? null : words.size(profile.peak_bytes)],
    ["kind", profile.kind],
    ["size", words.sizes(profile.statistics)],
    ["model", `${profile.embedding_dim} dimensions, batches of ${words.count(profile.batch_size)}`],
    ["seeds", profile.n_seeds],
    ["from", profile.tenant === "shared" ? "came with the program" : profile.source],
    ["device", device.name],
    ["device id", profile.tenant === "shared" ? device.id : link("devices", device.id)],
    ["measured at", profile.created_at && words.time(profile.created_at)],
    ["profile", profile.id],
  ]);
}
