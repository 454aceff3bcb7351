// A report: the answer that lies in this very file, as the page shows it. Bundled by api/report.py.

import { save } from "./answer/save.js";
import { renderAnswer } from "./answer/view.js";
import { fill, h } from "./dom.js";

const { answer, device } = JSON.parse(document.getElementById("recommendation").textContent);
const download = () =>
  save("recommendation.json", `${JSON.stringify(answer, null, 2)}\n`, "application/json");
fill(
  document.getElementById("main"),
  renderAnswer(answer, { device }),
  h(
    "footer",
    null,
    h("button", { type: "button", onclick: download }, "Download the recommendation as JSON"),
  ),
);
