// What if: an answer at another horizon or trade, previewed while a handle or a slider is moved.
// Nothing of it is stored; the address keeps what is asked, so that a reload shows the same.

import { placeOf } from "./answer/curves.js";
import { look } from "./api.js";
import { fill, freshId, h } from "./dom.js";
import { handle } from "./handle.js";
import * as words from "./words.js";

const STEPS = 1000; // of the horizon's slider, which is logarithmic
const FURTHER = 4; // how far beyond the horizon of the answer one may look
const NEARER = 20;
const TRADE_MAX = 0.1;
const TRADE_STEP = 0.005;

/**
 * `{element, onDrawn, onAxis, over(curves), start()}`; `onAnswer(answer, span)` gets the answer at
 * first, and every previewed one, and what the axis of the curves shall span.
 */
export function whatIf(answer, query, signal, onAnswer) {
  const { task } = answer;
  const asked = {
    horizon: horizonIn(query) ?? task.horizon,
    speed: shareIn(query, "speed") ?? task.trade.speed,
    memory: shareIn(query, "memory") ?? task.trade.memory,
  };
  const told = h("p", { class: "note", role: "status" });
  const back = h("button", { type: "button", onclick: () => reset() }, "Back to the answer");
  const ask = latest(
    (body) => look("/v1/recommendations:preview", body, { signal }),
    shown,
    failed,
  );
  let axis = unitOf(task.horizon);
  let curves = null;
  let current = answer; // as given, or as previewed last

  const rulers = {
    horizon: ruler("Horizon", { min: 0, max: STEPS, step: 1 }, (position) =>
      ahead({ horizon: { [axis]: valueAt(position) } }),
    ),
    speed: ruler("Speed", trade(task.trade.speed), (speed) => ahead({ speed })),
    memory: ruler("Memory", trade(task.trade.memory), (memory) => ahead({ memory })),
  };
  const grip = handle((value) =>
    ahead({ horizon: { [axis]: rounded(Math.min(Math.max(value, extent().low), extent().high)) } }),
  );
  const element = h(
    "section",
    { class: "whatif", "aria-label": "What if" },
    h("h2", null, "What if"),
    h(
      "div",
      { class: "rulers" },
      Object.values(rulers).map((one) => one.element),
    ),
    h("div", { class: "told" }, told, back),
  );

  /** How far the horizon may be moved, in the unit of the axis. */
  function extent() {
    const place = placeOf(answer, axis);
    const curved = answer.ranking.filter((ranked) => ranked.curve.length);
    const ends = curved.map((ranked) => place(ranked.curve.at(-1)));
    const end =
      task.horizon[axis] ?? (ends.length ? Math.max(...ends) : axis === "epochs" ? 1 : 60);
    const starts = curved.map((ranked) => place(ranked.curve[0])).filter((start) => start > 0);
    return { low: rounded(Math.min(end / NEARER, ...starts)), high: rounded(FURTHER * end) };
  }
  /** Where the handle stands: at the horizon, or where the recommended loss reaches it. */
  function standing() {
    const given = asked.horizon[axis];
    if (given) return given;
    const [first] = current.ranking.filter((ranked) => ranked.curve.length);
    return first ? placeOf(answer, axis)(first.curve.at(-1)) : extent().high / FURTHER;
  }
  function valueAt(position) {
    const { low, high } = extent();
    return rounded(low * (high / low) ** (position / STEPS));
  }
  function positionOf(value) {
    const { low, high } = extent();
    return Math.round((STEPS * Math.log(value / low)) / Math.log(high / low));
  }
  function mark() {
    const horizon = words.horizon(asked.horizon);
    rulers.horizon.set(positionOf(standing()), horizon);
    rulers.speed.set(
      asked.speed,
      `give up ${share(asked.speed)} of ${task.metric} for each halving of training time`,
    );
    rulers.memory.set(
      asked.memory,
      `give up ${share(asked.memory)} of ${task.metric} for each halving of memory`,
    );
    grip.set(standing(), horizon);
    back.hidden = isAsGiven();
    if (isAsGiven())
      fill(
        told,
        "Drag the horizon, here or on the curves, or change the trade: the answer follows, " +
          "and nothing is stored.",
      );
  }
  function ahead(change) {
    Object.assign(asked, change);
    mark();
    keepInAddress(
      isAsGiven() ? {} : { ...asked.horizon, speed: asked.speed, memory: asked.memory },
    );
    if (isAsGiven()) {
      ask.drop();
      show(answer);
    } else {
      ask({
        recommendation_id: answer.id,
        horizon: asked.horizon,
        trade: { speed: asked.speed, memory: asked.memory },
      });
    }
  }
  function shown(previewed) {
    const pBest = words.probability(previewed.p_best);
    fill(
      told,
      `Preview, not stored: ${previewed.loss} comes first after ${words.horizon(previewed.task.horizon)}, the best with probability ${pBest}.`,
    );
    show(previewed);
  }
  function show(changed) {
    current = changed;
    mark();
    onAnswer(changed, span());
  }
  function failed(error) {
    if (!signal.aborted) fill(told, `No preview: ${error.message}`);
  }
  function reset() {
    ahead({ horizon: task.horizon, speed: task.trade.speed, memory: task.trade.memory });
    rulers.horizon.focus();
  }
  function isAsGiven() {
    const { horizon, trade: given } = task;
    const isSame =
      asked.horizon.epochs == horizon.epochs && asked.horizon.seconds == horizon.seconds; // null or absent
    return isSame && asked.speed === given.speed && asked.memory === given.memory;
  }
  /** What the curves' axis shows: the same at every preview, so that nothing jumps. */
  function span() {
    const place = placeOf(answer, axis);
    const starts = answer.ranking
      .flatMap((ranked) => ranked.curve.slice(0, 1).map(place))
      .filter((start) => start > 0);
    return starts.length ? [Math.min(...starts), extent().high] : null;
  }

  return {
    element,
    onDrawn: (plot) => grip.place(plot),
    onAxis(chosen) {
      axis = chosen;
      mark();
      return span();
    },
    over(shownCurves) {
      curves = shownCurves;
      curves.frame.append(grip.element);
    },
    start() {
      axis = curves.axis();
      show(answer);
      if (!isAsGiven()) ahead({});
    },
  };
}

/** Ask for the last wish only: one at a time, and what was wished meanwhile when it is answered. */
function latest(ask, onAnswer, onError) {
  let wish = null;
  let isAsking = false;
  let isWanted = false; // not once it is dropped: what is on its way then must not be shown
  const run = async () => {
    isAsking = true;
    while (wish) {
      const body = wish;
      wish = null;
      try {
        const answer = await ask(body);
        if (isWanted) onAnswer(answer);
      } catch (error) {
        if (isWanted) onError(error);
      }
    }
    isAsking = false;
  };
  const wished = (body) => {
    wish = body;
    isWanted = true;
    if (!isAsking) run();
  };
  wished.drop = () => {
    wish = null;
    isWanted = false;
  };
  return wished;
}

function ruler(name, range, onMove) {
  const id = freshId("ruler");
  const input = h("input", {
    id,
    type: "range",
    ...range,
    oninput: () => onMove(Number(input.value)),
  });
  const said = h("output", { for: id });
  return {
    element: h("div", { class: "ruler" }, h("label", { for: id }, name), input, said),
    focus: () => input.focus(),
    set(value, text) {
      input.value = value;
      input.setAttribute("aria-valuetext", text);
      fill(said, text);
    },
  };
}

function trade(given) {
  return { min: 0, max: Math.max(TRADE_MAX, given), step: given % TRADE_STEP ? "any" : TRADE_STEP };
}

function share(value) {
  return `${words.significant(100 * value, 3)}%`;
}

function rounded(value) {
  return Number(value.toPrecision(2));
}

function unitOf({ seconds }) {
  return seconds == null ? "epochs" : "seconds";
}

function horizonIn(query) {
  const given = ["epochs", "seconds"]
    .map((unit) => [unit, Number(query.get(unit))])
    .filter(([, value]) => value > 0);
  return given.length ? Object.fromEntries(given) : null;
}

function shareIn(query, name) {
  const value = Number(query.get(name));
  return query.has(name) && value >= 0 && value <= 1 ? value : null;
}

function keepInAddress(wanted) {
  const given = Object.entries(wanted).filter(([, value]) => value !== null && value !== undefined);
  const path = location.hash.split("?")[0];
  history.replaceState(null, "", given.length ? `${path}?${new URLSearchParams(given)}` : path);
}
