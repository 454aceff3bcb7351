// The samples: those whose data the server has can be taken, of the others it is said how to get it.

import { get } from "../api.js";
import { fill, freshId, h } from "../dom.js";
import * as words from "../words.js";
import { flat } from "./task.js";

/** `{element, show()}`; `onTaken()` when another one was taken. */
export function samplePicker(fields, signal, onTaken) {
  const element = h("div", { class: "samples", role: "radiogroup", "aria-label": "Samples" });
  const name = freshId("sample");

  async function show() {
    const { items } = await get("/v1/samples", { signal });
    fill(element, items.map(card));
  }

  function card(sample) {
    const isHere = sample.task !== null;
    const radio = h("input", {
      type: "radio",
      name,
      value: sample.name,
      checked: fields.get("sample") === sample.name,
      disabled: !isHere,
      onchange: () => take(sample),
    });
    return h(
      "label",
      { class: isHere ? "sample" : "sample missing" },
      radio,
      h("strong", null, sample.title),
      h("span", null, sample.size),
      h("span", { class: "hint" }, sample.licence),
      !isHere && h("span", { class: "hint" }, `Its data is not on the server yet (${sample.n_bytes ? words.size(sample.n_bytes) : "nothing"} to download). Whoever runs the server brings it with `, h("code", null, `softmax-advisor samples --fetch ${sample.name}`)),
    );
  }

  function take(sample) {
    fields.setAll({ ...fields.all(), ...flat(sample.task), sample: sample.name });
    onTaken();
  }

  return { element, show };
}
