// The key of this tab: asked for when the server wants one, forgotten with the tab.

import { fill, h } from "./dom.js";

const PLACE = "advisor-key";
let asking = null;

/** The key that was entered in this tab; null if none was. */
export function heldKey() {
  return sessionStorage.getItem(PLACE);
}

/** Resolve when a key has been entered; whoever asks meanwhile waits for the same one. */
export function askForKey(why) {
  asking ??= entered(why).finally(() => {
    asking = null;
  });
  return asking;
}

function entered(why) {
  return new Promise((resolve) => {
    const field = h("input", { id: "key", type: "password", autocomplete: "off", required: true, "aria-describedby": "key-why" });
    const reason = fill(h("p", { id: "key-why", class: "note" }), heldKey() ? why : "This server lets in only who has a key.");
    const enter = (event) => {
      event.preventDefault();
      sessionStorage.setItem(PLACE, field.value.trim());
      dialog.close();
      dialog.remove();
      resolve();
    };
    const dialog = h(
      "dialog",
      { class: "key", "aria-labelledby": "key-title", oncancel: (event) => event.preventDefault() },
      h(
        "form",
        { onsubmit: enter },
        h("h2", { id: "key-title" }, "Your key"),
        reason,
        h("label", { for: "key" }, "Key"),
        field,
        h("p", { class: "note" }, "Whoever runs the server makes one: ", h("code", null, "softmax-advisor keys create --scope calibrate"), ". It is kept for this tab only."),
        h("button", { class: "primary" }, "Enter"),
      ),
    );
    document.body.append(dialog);
    dialog.showModal();
  });
}
