// The source of a loss, behind a summary: it is fetched when it is opened.

import { getText } from "./api.js";
import { copyable } from "./answer/copy.js";
import { fill, h } from "./dom.js";

/** A closed element with the words of its summary; what goes wrong is told inside it. */
export function sourceOf(loss, summary, signal) {
  const place = h("div", null);
  const open = async (event) => {
    if (!event.target.open || place.childElementCount) return;
    fill(place, h("p", { class: "note" }, "Loading…"));
    try {
      const text = await getText(`/v1/losses/${encodeURIComponent(loss)}/source`, { signal });
      fill(place, copyable(text, `the source of ${loss}`));
    } catch (error) {
      if (!signal.aborted) fill(place, h("p", { class: "note" }, error.message));
    }
  };
  return h("details", { ontoggle: open }, h("summary", null, summary), place);
}
