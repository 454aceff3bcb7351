// All profiles, filtered and sorted: those that are stored here, or that came with the program.

import { get, ProblemError, request } from "../api.js";
import { dot } from "../answer/ranking.js";
import { save } from "../answer/save.js";
import { choice } from "../controls.js";
import { fill, h } from "../dom.js";
import * as words from "../words.js";
import { filters } from "./filters.js";
import { link, listing } from "./listing.js";

const PAGE = 50;
const TYPED_MILLISECONDS = 300;
const OF_SHIPPED = ["loss", "task", "kind", "metric"];
const FROM = { stored: "stored here", shipped: "came with the program" };

/** `{element, load()}`; `query` is that of the address, which keeps what is asked. */
export function stored(query, losses, devices, signal) {
  const asked = Object.fromEntries(query);
  const place = h("div", { "aria-live": "polite" });
  const form = filters(losses, devices, asked, ask);
  const download = h("a", { href: "/v1/profiles", onclick: csv }, "As CSV");
  download.hidden = Boolean(asked.shipped);
  const from = choice("from", FROM, asked.shipped ? "shipped" : "stored", (chosen) => {
    ask("shipped", chosen === "shipped" && "yes");
    form.draw();
    download.hidden = Boolean(asked.shipped);
  });
  let wait = null;
  let last = null; // the newest wish: an answer to an older one is dropped

  function ask(name, value) {
    if (value) asked[name] = value;
    else delete asked[name];
    keepInAddress(asked);
    clearTimeout(wait);
    wait = setTimeout(() => load(), TYPED_MILLISECONDS);
  }
  async function load(before = [], token = null) {
    const wish = (last = {});
    try {
      const page = await pageOf(asked, token, signal);
      if (wish === last) show([...before, ...page.items], page.next_page_token);
    } catch (error) {
      if (signal.aborted) return;
      if (!(error instanceof ProblemError)) throw error;
      const [fault] = error.errors;
      if (wish === last) fill(place, h("p", { role: "alert" }, fault?.problem ?? error.message));
    }
  }
  function show(items, token) {
    const more = (event) => {
      event.target.disabled = true;
      load(items, token);
    };
    fill(
      place,
      items.length ? tableOf(items) : nothing(asked),
      token && h("p", null, h("button", { type: "button", onclick: more }, "More")),
    );
  }
  async function csv(event) {
    event.preventDefault();
    const headers = { Accept: "text/csv" };
    const answer = await request("GET", `/v1/profiles?${new URLSearchParams(asked)}`, { headers });
    save("profiles.csv", await answer.text(), "text/csv");
  }

  const title = h(
    "div",
    { class: "title" },
    h("h2", null, "All that was measured"),
    download,
    from,
  );
  return { load, element: h("section", null, title, form.element, place) };
}

function pageOf(asked, token, signal) {
  const of = (names) => Object.fromEntries(names.map((name) => [name, asked[name]]));
  if (asked.shipped) return get("/v1/profiles:shipped", { signal, query: of(OF_SHIPPED) });
  return get("/v1/profiles", { signal, query: { page_size: PAGE, ...asked, page_token: token } });
}

function tableOf(items) {
  const columns = [
    ["candidate"],
    ["task"],
    ["metric"],
    ["reached", "n"],
    ["classes", "n"],
    ["a step", "n"],
    ["memory", "n"],
    ["seeds", "n"],
    ["outcome"],
  ];
  return listing("Profiles", columns, items.map(row));
}

function row(profile) {
  const { loss, settings } = profile.candidate;
  return [
    [
      dot(loss),
      link("profiles", profile.id, loss),
      h("span", { class: "condition" }, words.settings(settings)),
    ],
    profile.task_name,
    profile.metric,
    profile.final_value === null ? "-" : words.metricValue(profile.final_value),
    words.count(profile.statistics.n_classes),
    profile.step_seconds ? words.duration(profile.step_seconds.mean) : "-",
    profile.peak_bytes === null ? "-" : words.size(profile.peak_bytes),
    profile.n_seeds,
    [words.outcome(profile.outcome), profile.bad && ", marked as bad"],
  ];
}

function nothing(asked) {
  const isFiltered = Object.keys(asked).some((name) => name !== "sort" && name !== "shipped");
  const way = isFiltered
    ? ["No profile is like that. ", h("a", { href: "#/profiles" }, "Without filters")]
    : [
        "Nothing is stored yet. ",
        h("a", { href: "#/" }, "Describe a task"),
        " and calibrate: every candidate that is tried leaves a profile.",
      ];
  return h("p", { class: "empty" }, way);
}

function keepInAddress(asked) {
  const query = new URLSearchParams(asked).toString();
  history.replaceState(null, "", query ? `#/profiles?${query}` : "#/profiles");
}
