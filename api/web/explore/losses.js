// The catalogue: what theory says of every loss, each claim with its source and its check.

import { get } from "../api.js";
import { fill, h } from "../dom.js";
import { lossName } from "../answer/ranking.js";
import { CONSISTENCY_SIGNS } from "../words.js";
import { listing } from "./listing.js";
import { showLoss } from "./loss.js";

const MEANINGS = {
  consistent: "its minimiser ranks as the metric wants",
  conditional: "so under a condition",
  inconsistent: "its minimiser ranks otherwise",
  unknown: "theory is silent",
};

/** Show the catalogue, or the loss whose name is in the address. */
export async function show({ main, parts: [name], signal }) {
  if (name) return showLoss(main, name, signal);
  const { items } = await get("/v1/losses", { signal });
  fill(
    main,
    h("h1", null, "Losses"),
    h(
      "p",
      { class: "lead" },
      `${items.length} losses of the softmax family. What theory says is a prior and a warning, ` +
        "never a veto over what was measured.",
    ),
    h("section", null, h("h2", null, "Consistency with a metric"), signs(), matrix(items)),
    h("section", null, h("h2", null, "Cost and gradient"), costs(items)),
  );
}

function signs() {
  const sign = ([status, meaning]) =>
    h(
      "span",
      null,
      h("b", { class: status }, `${CONSISTENCY_SIGNS[status]} ${status}`),
      ` ${meaning}`,
    );
  return h("p", { class: "note signs" }, Object.entries(MEANINGS).map(sign));
}

function matrix(items) {
  const metrics = Object.keys(items[0].consistency);
  const mark = (loss, metric) => {
    const { status, reason } = loss.consistency[metric];
    return h(
      "td",
      { class: `mark ${status}`, title: `${metric}: ${reason}` },
      h("span", { "aria-hidden": "true" }, CONSISTENCY_SIGNS[status]),
      h("span", { class: "unseen" }, status),
    );
  };
  return h(
    "div",
    {
      class: "wide",
      tabindex: "0",
      role: "region",
      "aria-label": "Consistency of every loss with every metric",
    },
    h(
      "table",
      { class: "matrix" },
      h("caption", { class: "unseen" }, "Whether the minimiser of a loss ranks as a metric wants"),
      h(
        "thead",
        null,
        h(
          "tr",
          null,
          ["loss", ...metrics].map((metric) => h("th", { scope: "col" }, metric)),
        ),
      ),
      h(
        "tbody",
        null,
        items.map((loss) =>
          h(
            "tr",
            null,
            h("th", { scope: "row" }, lossName(loss.name, true)),
            metrics.map((metric) => mark(loss, metric)),
          ),
        ),
      ),
    ),
  );
}

function costs(items) {
  const columns = [
    ["loss"],
    ["family"],
    ["a step"],
    ["gradient bias"],
    ["smoothness"],
    ["probabilities"],
    ["claims checked", "n"],
  ];
  const row = (loss) => [
    lossName(loss.name, true),
    loss.family,
    loss.step_cost,
    loss.gradient_bias,
    loss.smoothness,
    loss.has_probabilities ? "yes" : "no",
    `${loss.claims.filter((claim) => claim.check).length} of ${loss.claims.length}`,
  ];
  return listing("Cost and gradient of every loss", columns, items.map(row));
}
