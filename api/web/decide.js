// Way 3, decide: an answer, what it would be at another horizon or trade, and how to use it.

import { get, getText, ProblemError } from "./api.js";
import { save } from "./answer/save.js";
import { answerView } from "./answer/view.js";
import { fill, h } from "./dom.js";
import { snippet } from "./snippet.js";
import { whatIf } from "./whatif.js";

/** Show the answer whose id is in the address. */
export async function show({ main, parts: [id], query, signal }) {
  const path = `/v1/recommendations/${encodeURIComponent(id)}`;
  const answer = await get(path, { signal });
  const device = answer.device_id && (await deviceOf(answer.device_id, signal));
  const asked = whatIf(answer, query, signal, (changed, span) => shown.update(changed, span));
  const shown = answerView({
    device,
    live: true,
    controls: [links(answer, path), asked.element],
    onCurves: { onDrawn: asked.onDrawn, onAxis: asked.onAxis },
  });
  asked.over(shown.curves);
  fill(main, shown.element, snippet(answer, signal));
  asked.start();
}

function links(answer, path) {
  const as = (text, file, type, from) =>
    h(
      "a",
      { href: from, download: file, onclick: (event) => saved(event, from, file, type) },
      text,
    );
  return h(
    "p",
    { class: "links" },
    as("Report as one file", `softmax-advisor-${answer.id}.html`, "text/html", `${path}/report`),
    as("JSON", `recommendation-${answer.id}.json`, "application/json", path),
    answer.calibration_id &&
      h(
        "a",
        { href: `#/calibrations/${encodeURIComponent(answer.calibration_id)}` },
        "The calibration",
      ),
    h("a", { href: "#/" }, "Another task"),
  );
}

/** A link cannot send the key: what it leads to is fetched, then saved. */
async function saved(event, path, file, type) {
  event.preventDefault();
  const link = event.currentTarget;
  link.setAttribute("aria-busy", "true");
  try {
    save(file, await getText(path), type);
  } finally {
    link.removeAttribute("aria-busy");
  }
}

async function deviceOf(id, signal) {
  try {
    return await get(`/v1/devices/${encodeURIComponent(id)}`, { signal });
  } catch (error) {
    if (error instanceof ProblemError) return null; // its profiles are gone, or another's
    throw error;
  }
}
