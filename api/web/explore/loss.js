// One loss of the catalogue: its formula, what follows from it, and what backs each claim.

import { get } from "../api.js";
import { lossName, standing } from "../answer/ranking.js";
import { fill, h } from "../dom.js";
import { sourceOf } from "../source.js";
import * as words from "../words.js";
import { listing } from "./listing.js";

/** Fill `main` with the loss of this name. */
export async function showLoss(main, name, signal) {
  const loss = await get(`/v1/losses/${encodeURIComponent(name)}`, { signal });
  fill(
    main,
    h("p", { class: "eyebrow" }, h("a", { href: "#/losses" }, "Losses"), ` · ${loss.family}`),
    h(
      "h1",
      { "data-title": loss.title },
      lossName(loss.name, false),
      loss.title === loss.name ? "" : h("span", { class: "aside" }, loss.title),
    ),
    h(
      "pre",
      { class: "formula", tabindex: "0", role: "region", "aria-label": "the formula" },
      loss.formula,
    ),
    h("section", null, h("h2", null, "What follows"), properties(loss)),
    h("section", null, h("h2", null, "Consistency"), consistency(loss)),
    h("section", null, h("h2", null, "Claims and their checks"), claims(loss)),
    h("section", null, h("h2", null, "Settings"), settings(loss)),
    h(
      "section",
      null,
      h("h2", null, "Sources"),
      h(
        "ul",
        { class: "reasons" },
        loss.sources.map((source) => h("li", null, source)),
      ),
    ),
    h(
      "section",
      null,
      h("h2", null, "Measured"),
      h(
        "p",
        null,
        h(
          "a",
          { href: `#/profiles?loss=${encodeURIComponent(loss.name)}` },
          `Profiles of ${loss.name}`,
        ),
      ),
      loss.measurable
        ? sourceOf(loss.name, "The layer: one file that needs nothing but torch", signal)
        : h("p", { class: "note" }, "It has a card and no layer: it is known by theory alone."),
    ),
  );
}

function properties(loss) {
  const all = [
    ["minimiser", loss.minimiser],
    ["smoothness", loss.smoothness],
    ["gradient bias", loss.gradient_bias],
    ["gradient variance", loss.gradient_variance],
    ["cost of a step", loss.step_cost],
    [
      "probabilities",
      loss.has_probabilities
        ? "yes, at the first choice of every setting"
        : "none at the first choice of every setting",
    ],
    ["serving by inner products", loss.inner_product_serving ? "yes" : "no"],
  ];
  return h(
    "dl",
    { class: "facts long" },
    all.map(([name, fact]) => h("div", null, h("dt", null, name), h("dd", null, fact))),
  );
}

function consistency(loss) {
  const same = Map.groupBy(
    Object.entries(loss.consistency),
    ([metric, { status, reason, source }]) =>
      [status, reason.replaceAll(metric, "the metric"), source].join("\n"),
  );
  const rows = [...same].map(([text, found]) => {
    const [status, reason, source] = text.split("\n");
    return [
      found.map(([metric]) => metric).join(", "),
      standing({ status, reason, source }),
      reason,
      source,
    ];
  });
  return listing(
    `Consistency of ${loss.name}`,
    [["metrics"], ["theory"], ["because"], ["source"]],
    rows,
  );
}

function claims(loss) {
  const columns = [["topic"], ["claim"], ["status"], ["source"], ["checked by"]];
  const row = (claim) => [
    claim.topic,
    [claim.statement, claim.condition && h("span", { class: "condition" }, claim.condition)],
    claim.status,
    claim.source,
    claim.check
      ? h("code", null, claim.check)
      : `not checked: ${claim.unchecked_because ?? "no reason given"}`,
  ];
  return listing(`Claims about ${loss.name}`, columns, loss.claims.map(row));
}

function settings(loss) {
  const columns = [["setting"], ["tried, best guess first"], ["allowed"], ["what it is"]];
  const row = (one) => [
    one.name,
    one.choices.map(words.setting).join(", "),
    allowed(one),
    [one.description, only(one)],
  ];
  return listing(`Settings of ${loss.name}`, columns, loss.settings.map(row));
}

function allowed({ allowed: values, minimum, maximum, at_most_classes: isCapped }) {
  if (values) return values.map(words.setting).join(", ");
  const bounds = [
    minimum !== null && `from ${words.setting(minimum)}`,
    maximum !== null && `to ${words.setting(maximum)}`,
    isCapped && "at most all classes",
  ];
  return bounds.filter(Boolean).join(" ") || "any";
}

function only({ only_with: others }) {
  const named = Object.entries(others).map(
    ([name, values]) => `${name} ${values.map(words.setting).join(" or ")}`,
  );
  return named.length ? `; only with ${named.join(" and ")}` : "";
}
