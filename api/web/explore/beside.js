// Two losses side by side over all tasks that both were measured on: after the same examples, on
// the same device, each at its best settings.

import { get } from "../api.js";
import { chart } from "../charts.js";
import { fill, freshId, h } from "../dom.js";
import { styleOf } from "../losses.js";
import * as words from "../words.js";
import { secondsPerExample } from "./profile.js";

const PAGE = 1000;
const ROW_PIXELS = 40;

/** The section; `names` are the losses to choose from. */
export function beside(names, signal) {
  const chosen = {
    one: names.includes("softmax") ? "softmax" : names[0],
    other: names.find((name) => name.startsWith("sampled")) ?? names[1],
  };
  const shown = chart({ title: "One against the other", level: 3 });
  const said = h("p", { class: "note", role: "status" });
  const show = () =>
    compare().catch((error) => {
      if (!signal.aborted) fill(said, error.message);
    });
  const compare = async () => {
    const { one, other } = chosen;
    shown.element.hidden = true;
    if (one === other) return fill(said, "Choose two different losses.");
    fill(said, "Loading…");
    const asked = [one, other].map((loss) => profilesOf(loss, signal));
    const [mine, theirs] = await Promise.all(asked);
    if (chosen.one !== one || chosen.other !== other) return;
    const tasks = compared(mine, theirs);
    fill(
      said,
      !tasks.length &&
        `No task has profiles of both ${one} and ${other} yet: ` +
          "a calibration that includes both makes some.",
    );
    shown.element.hidden = !tasks.length;
    if (tasks.length) shown.update(figure(one, other, tasks));
  };
  const select = (label, which) => {
    const id = freshId("loss");
    const options = names.map((name) =>
      h("option", { value: name, selected: name === chosen[which] }, name),
    );
    const control = h(
      "select",
      {
        id,
        onchange: () => {
          chosen[which] = control.value;
          show();
        },
      },
      options,
    );
    return h("div", { class: "field" }, h("label", { for: id }, label), control);
  };
  show();
  return h(
    "section",
    { class: "beside" },
    h("h2", null, "Two losses side by side"),
    h("div", { class: "filters" }, select("Loss", "one"), select("Beside", "other")),
    said,
    shown.element,
  );
}

async function profilesOf(loss, signal) {
  const asked = [
    get("/v1/profiles", { signal, query: { loss, bad: false, page_size: PAGE } }),
    get("/v1/profiles:shipped", { signal, query: { loss } }),
  ];
  return (await Promise.all(asked))
    .flatMap((listing) => listing.items)
    .filter((profile) => profile.curve.length);
}

/** Each task that both have, on each device: the best after as many examples as both saw. */
function compared(mine, theirs) {
  const groups = [mine, theirs].map((profiles) =>
    Map.groupBy(profiles, (p) => [p.task_fingerprint, p.metric, p.device.id].join(" ")),
  );
  const tasks = [...groups[0].keys()]
    .filter((key) => groups[1].has(key))
    .map((key) => {
      const pair = groups.map((group) => group.get(key));
      const examples = Math.min(
        ...pair.map((profiles) => Math.max(...profiles.map((p) => p.final_examples))),
      );
      const [one, other] = pair.map((profiles) => bestAfter(profiles, examples));
      return (
        one &&
        other && { task: one.profile.task_name, metric: one.profile.metric, examples, one, other }
      );
    });
  return tasks.filter(Boolean).sort((a, b) => ahead(b) - ahead(a));
}

function bestAfter(profiles, examples) {
  const reached = profiles.flatMap((profile) => {
    const point = profile.curve.filter((at) => at.examples <= examples).at(-1);
    return point ? [{ profile, value: point.value }] : [];
  });
  const sign = words.falls(profiles[0].metric) ? 1 : -1;
  return reached.sort((a, b) => sign * (a.value - b.value))[0];
}

/** How far the first is ahead of the second, relative to the better of the two. */
function ahead({ metric, one, other }) {
  const won = words.falls(metric) ? other.value - one.value : one.value - other.value;
  return won / Math.max(Math.abs(one.value), Math.abs(other.value), Number.MIN_VALUE);
}

function figure(one, other, tasks) {
  const names = tasks.map((task) => `${task.task}, ${task.metric}`);
  return {
    title: `${one} beside ${other}`,
    reading:
      `To the right ${one} is ahead, to the left ${other}: the difference relative to the better of ` +
      "the two, each at its best settings after as many examples as both have seen, on the same device.",
    traces: () => [
      {
        type: "bar",
        orientation: "h",
        x: tasks.map(ahead),
        y: names,
        text: tasks.map((task) => signedPercent(ahead(task))),
        textposition: "outside",
        cliponaxis: false,
        marker: { color: tasks.map((task) => styleOf(ahead(task) < 0 ? other : one).colour) },
        hovertemplate: "%{y}: %{x:+.1%}<extra></extra>",
      },
    ],
    layout: (isNarrow) => {
      const room = isNarrow ? 1.9 : 1.25; // for what is written beside the bars
      const most = room * Math.max(0.01, ...tasks.map((task) => Math.abs(ahead(task))));
      return {
        xaxis: {
          range: [-most, most],
          tickformat: "+.0%",
          title: { text: isNarrow ? "ahead" : `${one} ahead of ${other}` },
        },
        yaxis: { autorange: "reversed", ticksuffix: " ", type: "category" },
        height: 100 + ROW_PIXELS * tasks.length,
        showlegend: false,
      };
    },
    columns: [
      "task",
      "metric",
      "examples",
      one,
      other,
      `${one} ahead`,
      `seconds per example, ${one} over ${other}`,
    ],
    rows: () =>
      tasks.map((task) => [
        task.task,
        task.metric,
        words.count(task.examples),
        to(task.one),
        to(task.other),
        signedPercent(ahead(task)),
        ratio(task),
      ]),
  };
}

function to({ profile, value }) {
  return h(
    "a",
    {
      href: `#/profiles/${encodeURIComponent(profile.id)}`,
      title: words.settings(profile.candidate.settings),
    },
    words.metricValue(value),
  );
}

function ratio({ one, other }) {
  const [mine, theirs] = [one, other].map(({ profile }) => secondsPerExample(profile));
  return mine && theirs ? words.significant(mine / theirs, 2) : "unknown";
}

function signedPercent(share) {
  return `${share < 0 ? "" : "+"}${words.percent(share, 1)}`;
}
