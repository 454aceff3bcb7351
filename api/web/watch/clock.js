// The time of a calibration: what is spent, what is left, ticking between looks at the server.

import { fill, h } from "../dom.js";
import * as words from "../words.js";

/** `{element, set(calibration)}`; it ticks until the `signal` aborts. */
export function clock(signal) {
  let calibration = null;
  let seenAt = 0;
  const bar = h("progress", { max: 1, value: 0, "aria-label": "Budget used" });
  const left = h("p", { class: "figure" });
  const note = h("p", { class: "note" });
  const timer = setInterval(show, 1000);
  signal.addEventListener("abort", () => clearInterval(timer));

  function show() {
    if (!calibration) return;
    const { budget_seconds: budget, status, device_tag: tag } = calibration;
    // Trainers elsewhere are charged for their own seconds, leg by leg.
    const isTicking = status === "running" && tag !== "external";
    const spent = calibration.spent_seconds + (isTicking ? (performance.now() - seenAt) / 1000 : 0);
    const rest = Math.max(0, budget - spent);
    bar.value = Math.min(1, spent / budget);
    bar.hidden = !["queued", "running"].includes(status);
    fill(left, leftWords(calibration, rest));
    fill(note, `${words.duration(Math.min(spent, status === "running" ? budget : spent))} of ${words.duration(budget)} used`);
  }

  return {
    element: h("div", null, left, bar, note),
    set(now) {
      calibration = now;
      seenAt = performance.now();
      show();
    },
  };
}

function leftWords({ status, cancel_requested: isCancelled }, rest) {
  if (status === "queued") return "not begun";
  if (status !== "running") return "over";
  if (isCancelled || rest < 1) return "answering";
  return `${words.duration(Math.round(rest))} left`;
}
