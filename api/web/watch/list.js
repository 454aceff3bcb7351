// The lists of calibrations and of answers, newest first.

import { get, pause } from "../api.js";
import { lossName } from "../answer/ranking.js";
import { fill, h } from "../dom.js";
import * as words from "../words.js";

const PAGE = 20;
const LOOK_SECONDS = 4;
const OPEN = ["queued", "running"];

export async function show({ main, signal }) {
  const calibrations = list("/v1/calibrations", signal, {
    columns: [["task"], ["state"], ["metric"], ["budget", "n"], ["used", "n"], ["begun"], ["answer"]],
    cells: calibrationCells,
    none: ["No calibration yet. ", h("a", { href: "#/" }, "Describe a task"), " and give it a budget."],
    caption: "Calibrations, newest first",
  });
  const answers = list("/v1/recommendations", signal, {
    columns: [["task"], ["loss"], ["verdict"], ["rests on"], ["answered"], ["calibration"]],
    cells: answerCells,
    none: ["No answer is kept yet. ", h("a", { href: "#/" }, "Describe a task"), " to have one."],
    caption: "Answers, newest first",
  });
  await Promise.all([calibrations.load(), answers.load()]);
  fill(
    main,
    h("h1", null, "Calibrations and answers"),
    h("section", null, h("h2", null, "Calibrations"), calibrations.element),
    h("section", null, h("h2", null, "Answers"), answers.element),
  );
  refresh(calibrations, answers, signal).catch((error) => {
    if (!signal.aborted) throw error;
  });
}

/** While a calibration is open, look again how it stands. */
async function refresh(calibrations, answers, signal) {
  while (calibrations.items().some((one) => OPEN.includes(one.status))) {
    await pause(LOOK_SECONDS, signal);
    if (document.hidden) continue;
    await Promise.all([calibrations.load(), answers.load()]);
  }
}

function list(path, signal, { columns, cells, none, caption }) {
  const element = h("div");
  let shown = [];
  let nPages = 1;

  async function load() {
    let items = [];
    let token = null;
    for (let n = 0; n < nPages; n += 1) {
      const page = await get(path, { signal, query: { page_size: PAGE, page_token: token } });
      items = [...items, ...page.items];
      token = page.next_page_token;
      if (!token) break;
    }
    shown = items;
    draw(token !== null);
  }

  function draw(hasMore) {
    if (!shown.length) return fill(element, h("p", { class: "empty" }, none));
    const hadFocus = element.contains(document.activeElement) && document.activeElement.tagName === "BUTTON";
    const more = hasMore && h("button", { type: "button", onclick: () => ((nPages += 1), load()) }, "Show more");
    fill(
      element,
      h(
        "div",
        { class: "scroll wide", tabindex: "0", role: "region", "aria-label": caption },
        h(
          "table",
          null,
          h("caption", { class: "unseen" }, caption),
          h("thead", null, h("tr", null, columns.map(([name, kind]) => h("th", { scope: "col", class: kind }, name)))),
          h("tbody", null, shown.map((item) => h("tr", null, cells(item)))),
        ),
      ),
      more,
    );
    if (hadFocus && more) more.focus();
  }

  return { element, load, items: () => shown };
}

function calibrationCells({ id, task, status, budget_seconds: budget, spent_seconds: spent, created_at: at, recommendation_id: answer, error }) {
  return [
    h("th", { scope: "row" }, h("a", { href: `#/calibrations/${encodeURIComponent(id)}` }, task.name)),
    h("td", { class: { succeeded: "consistent", failed: "inconsistent" }[status] }, status),
    h("td", null, task.metric),
    h("td", { class: "n" }, words.duration(budget)),
    h("td", { class: "n" }, words.duration(spent)),
    h("td", null, words.time(at)),
    h("td", null, answer ? h("a", { href: `#/recommendations/${encodeURIComponent(answer)}` }, "see the answer") : h("span", { class: "failure" }, error)),
  ];
}

function answerCells(line) {
  return [
    h("th", { scope: "row" }, h("a", { href: `#/recommendations/${encodeURIComponent(line.id)}` }, line.task_name)),
    h("td", null, lossName(line.loss, true)),
    h("td", null, words.VERDICTS[line.verdict]),
    h("td", null, { theory: "theory", prior: "stored profiles", measured: "measurements" }[line.evidence_level]),
    h("td", null, words.time(line.created_at)),
    h("td", null, line.calibration_id && h("a", { href: `#/calibrations/${encodeURIComponent(line.calibration_id)}` }, "see it")),
  ];
}
