// Text to be copied, with the button that does it.

import { h } from "../dom.js";

const SAID_MILLISECONDS = 1500;

/** A block of text with a button; `what` is copied, in words. */
export function copyable(text, what) {
  const source = h("pre", { tabindex: "0", role: "region", "aria-label": what }, text);
  const said = h("span", { class: "unseen", role: "status" });
  const button = h(
    "button",
    { type: "button", "aria-label": `Copy ${what}`, onclick: () => copy() },
    "Copy",
  );
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(source.textContent);
    } catch {
      getSelection().selectAllChildren(source); // a file has no clipboard of its own
      document.execCommand("copy");
    }
    button.textContent = "Copied";
    said.textContent = `Copied ${what}`;
    setTimeout(() => {
      button.textContent = "Copy";
      said.textContent = "";
    }, SAID_MILLISECONDS);
  };
  return h("div", { class: "copy" }, source, button, said);
}
