// Profiles: two losses side by side, and all that was measured, filtered and sorted.

import { get, ProblemError, request } from "../api.js";
import { dot } from "../answer/ranking.js";
import { save } from "../answer/save.js";
import { choice } from "../controls.js";
import { fill, freshId, h } from "../dom.js";
import * as words from "../words.js";
import { beside } from "./beside.js";
import { link, listing } from "./listing.js";
import { showProfile } from "./profile.js";

const PAGE = 50;
const TYPED_MILLISECONDS = 300;
const KINDS = ["interactions", "sequences", "text", "features", "multilabel", "embeddings", "description"];
const SORTS = {
  "-created_at": "newest first",
  "-final_value": "highest metric first",
  final_value: "lowest metric first",
  step_seconds: "fastest step first",
  peak_bytes: "least memory first",
  "-n_classes": "most classes first",
};
const OF_SHIPPED = ["loss", "task", "kind", "metric"];

/** Show the lists, or the profile whose id is in the address. */
export async function show({ main, parts: [id], query, signal }) {
  if (id) return showProfile(main, id, signal);
  const [losses, devices] = await Promise.all([get("/v1/losses", { signal }), get("/v1/devices", { signal })]);
  const names = losses.items.map((loss) => loss.name);
  const list = stored(query, names, devices.items, signal);
  fill(
    main,
    h("h1", null, "Profiles"),
    h("p", { class: "lead" }, "What was measured of a loss with its settings on a task and a device. Answers rest on these, and on those that came with the program."),
    beside(names, signal),
    list.element,
  );
  await list.load();
}

function stored(query, names, devices, signal) {
  const asked = Object.fromEntries(query);
  const place = h("div", { "aria-live": "polite" });
  const form = h("div", { class: "filters" });
  let wait = null;
  let last = null; // the newest wish: an answer to an older one is dropped

  const ask = (name, value) => {
    if (value) asked[name] = value;
    else delete asked[name];
    keepInAddress(asked);
    clearTimeout(wait);
    wait = setTimeout(load, TYPED_MILLISECONDS);
  };
  const drawForm = () => {
    const fields = [
      field("Loss", selectOf({ "": "any", ...same(names) }, asked.loss, (value) => ask("loss", value))),
      field("Task", textOf(asked.task, (value) => ask("task", value), "its whole name")),
      field("Kind", selectOf({ "": "any", ...same(KINDS) }, asked.kind, (value) => ask("kind", value))),
      field("Metric", textOf(asked.metric, (value) => ask("metric", value), "ndcg@20")),
    ];
    if (!asked.shipped) {
      const known = Object.fromEntries(devices.map((device) => [device.id, device.name]));
      fields.push(
        field("Device", selectOf({ "": "any", ...known }, asked.device, (value) => ask("device", value))),
        field("Classes from", numberOf(asked.n_classes_min, (value) => ask("n_classes_min", value))),
        field("to", numberOf(asked.n_classes_max, (value) => ask("n_classes_max", value))),
        field("From", selectOf({ "": "any", calibration: "a calibration", outcome: "full training" }, asked.source, (value) => ask("source", value))),
        field("Order", selectOf(SORTS, asked.sort ?? "-created_at", (value) => ask("sort", value))),
      );
    }
    fill(form, fields);
  };
  const load = async () => {
    const wish = (last = {});
    try {
      const page = await pageOf(asked, null, signal);
      if (wish === last) show(page.items, page.next_page_token);
    } catch (error) {
      if (!(error instanceof ProblemError)) throw error;
      if (wish === last) fill(place, h("p", { class: "note", role: "alert" }, error.errors[0]?.problem ?? error.message));
    }
  };
  const show = (items, token) => {
    const more = async (event) => {
      event.target.disabled = true;
      const page = await pageOf(asked, token, signal);
      show([...items, ...page.items], page.next_page_token);
    };
    fill(
      place,
      items.length ? tableOf(items) : nothing(asked),
      token && h("p", null, h("button", { type: "button", onclick: more }, "More")),
    );
  };
  const csv = async (event) => {
    event.preventDefault();
    const address = `/v1/profiles?${new URLSearchParams(asked)}`;
    save("profiles.csv", await (await request("GET", address, { headers: { Accept: "text/csv" }, signal })).text(), "text/csv");
  };
  const from = choice("from", { stored: "stored here", shipped: "came with the program" }, asked.shipped ? "shipped" : "stored", (value) => {
    drawForm(ask("shipped", value === "shipped" ? "yes" : null));
    download.hidden = value === "shipped";
  });
  const download = h("a", { href: "/v1/profiles", onclick: csv, hidden: Boolean(asked.shipped) }, "As CSV");
  drawForm();
  return {
    load,
    element: h("section", null, h("div", { class: "title" }, h("h2", null, "All that was measured"), download, from), form, place),
  };
}

function pageOf(asked, token, signal) {
  if (asked.shipped) return get("/v1/profiles:shipped", { signal, query: Object.fromEntries(OF_SHIPPED.map((name) => [name, asked[name]])) });
  return get("/v1/profiles", { signal, query: { page_size: PAGE, ...asked, page_token: token } });
}

function tableOf(items) {
  const columns = [["candidate"], ["task"], ["metric"], ["reached", "n"], ["classes", "n"], ["a step", "n"], ["memory", "n"], ["seeds", "n"], ["outcome"]];
  const row = (profile) => [
    [dot(profile.candidate.loss), link("profiles", profile.id, profile.candidate.loss), h("span", { class: "condition" }, words.settings(profile.candidate.settings))],
    profile.task_name,
    profile.metric,
    profile.final_value === null ? "-" : words.metricValue(profile.final_value),
    words.count(profile.statistics.n_classes),
    profile.step_seconds ? words.duration(profile.step_seconds.mean) : "-",
    profile.peak_bytes === null ? "-" : words.size(profile.peak_bytes),
    profile.n_seeds,
    [words.outcome(profile.outcome), profile.bad && ", marked as bad"],
  ];
  return listing("Profiles", columns, items.map(row));
}

function nothing(asked) {
  const isFiltered = Object.keys(asked).some((name) => name !== "sort" && name !== "shipped");
  if (isFiltered) return h("p", { class: "empty" }, "No profile is like that. ", h("a", { href: "#/profiles" }, "Without filters"));
  return h("p", { class: "empty" }, "Nothing is stored yet. ", h("a", { href: "#/" }, "Describe a task"), " and calibrate: every candidate that is tried leaves a profile.");
}

function field(label, control) {
  control.id = freshId("filter");
  return h("div", { class: "field" }, h("label", { for: control.id }, label), control);
}

function selectOf(options, chosen = "", onChange) {
  const listed = Object.entries(options).map(([value, text]) => h("option", { value, selected: value === chosen }, text));
  return h("select", { onchange: (event) => onChange(event.target.value) }, listed);
}

function textOf(value = "", onChange, placeholder) {
  return h("input", { value, placeholder, size: 14, autocomplete: "off", oninput: (event) => onChange(event.target.value.trim()) });
}

function numberOf(value = "", onChange) {
  return h("input", { value, type: "number", min: 2, size: 8, oninput: (event) => onChange(event.target.value) });
}

function same(names) {
  return Object.fromEntries(names.map((name) => [name, name]));
}

function keepInAddress(asked) {
  const query = new URLSearchParams(asked).toString();
  history.replaceState(null, "", query ? `#/profiles?${query}` : "#/profiles");
}
