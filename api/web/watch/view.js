// Way 2, watch: a calibration while it runs, and afterwards what it did.

import { get, patiently, pause, ProblemError, send } from "../api.js";
import { lossName } from "../answer/ranking.js";
import { fill, h, table } from "../dom.js";
import { follow } from "../stream.js";
import * as words from "../words.js";
import { clock } from "./clock.js";
import { liveCurves } from "./curves.js";
import { Race } from "./race.js";
import { trialTable } from "./trials.js";

const LOOK_SECONDS = 4;
const REDRAW_MILLISECONDS = 250; // at the most often; the more there is to draw, the rarer
const REDRAW_MILLISECONDS_PER_TRIAL = 4;
const PHASES = { reading: "reading the data", timing: "timing the steps of the losses", racing: "racing", ended: "" };
const OPEN = ["queued", "running"];

export async function show({ main, parts: [id], signal }) {
  const path = `/v1/calibrations/${encodeURIComponent(id)}`;
  const [calibration, { items: losses }] = await Promise.all([get(path, { signal }), get("/v1/losses", { signal })]);
  const watch = new Watch(path, calibration, losses, signal);
  fill(main, watch.element);
  watch.start();
}

class Watch {
  constructor(path, calibration, losses, signal) {
    this.path = path;
    this.calibration = calibration;
    this.signal = signal;
    const { metric } = calibration.task;
    this.race = new Race(words.falls(metric));
    this.tuned = varied(losses, calibration.task);
    this.clock = clock(signal);
    this.curves = liveCurves(metric);
    this.trials = trialTable(metric, this.tuned);
    this.status = h("span", { class: "verdict" });
    this.phase = h("span", { role: "status" });
    this.leader = h("div");
    this.now = h("div");
    this.end = h("div", { class: "end", role: "status" });
    this.trouble = h("div", { role: "alert" });
    this.probes = h("section");
    this.cancel = h("button", { type: "button", onclick: () => this.cancelled() }, "Stop, and answer with the best so far");
    this.element = this.#laidOut(calibration);
    this.changed = new Set();
  }

  #laidOut({ id, task, created_at: createdAt, device_tag: tag, budget_seconds: budget }) {
    const facts = [task.metric, words.horizon(task.horizon), `budget ${words.duration(budget)}`, `tag ${tag}`, words.time(createdAt)];
    return [
      h(
        "header",
        null,
        h("p", { class: "eyebrow" }, "Calibration ", h("code", null, id)),
        h("h1", { "data-title": `Calibration of ${task.name}` }, task.name),
        h("p", { class: "lead" }, this.status, this.phase),
        h("p", { class: "note" }, facts.join(" · ")),
      ),
      this.end,
      this.trouble,
      h(
        "div",
        { class: "tiles" },
        tile("Time", this.clock.element, this.cancel),
        tile("Leader", this.leader),
        tile("Now", this.now),
      ),
      this.curves.element,
      this.trials.element,
      this.probes,
      h("p", { class: "links" }, h("a", { href: `#/?calibration=${encodeURIComponent(id)}` }, "Describe a task like this one"), h("a", { href: "#/calibrations" }, "All calibrations and answers")),
    ].flat();
  }

  start() {
    this.set(this.calibration);
    this.write();
    this.#guard(this.looking());
    this.#guard(follow(`${this.path}/events`, (events) => this.learn(events), this.signal).then(() => this.look()));
  }

  /** Look again and again how it stands, until it has ended. */
  async looking() {
    while (OPEN.includes(this.calibration.status)) {
      await pause(LOOK_SECONDS, this.signal);
      await this.look();
    }
  }

  async look() {
    this.set(await get(this.path, { signal: this.signal }));
  }

  set(calibration) {
    this.calibration = calibration;
    this.clock.set(calibration);
    const { status, cancel_requested: isCancelled, error } = calibration;
    const isOpen = OPEN.includes(status);
    fill(this.status, isOpen && isCancelled ? "stopping" : status);
    this.status.className = `verdict ${{ succeeded: "recommended", failed: "not_enough_evidence" }[status] ?? ""}`;
    this.cancel.hidden = !isOpen;
    this.cancel.disabled = isCancelled;
    if (isOpen) return this.say();
    this.closing();
    if (error) fill(this.trouble, h("p", { class: "fault" }, error));
  }

  learn(events) {
    for (const trial of this.race.learn(events)) this.changed.add(trial);
    for (const trial of this.changed) if (!trial.isJoined) this.#guard(this.join(trial));
    if (this.isDue) return;
    this.isDue = true;
    setTimeout(() => {
      this.isDue = false;
      if (!this.signal.aborted) this.write();
    }, this.pauseMilliseconds ?? 0);
    this.pauseMilliseconds = REDRAW_MILLISECONDS + REDRAW_MILLISECONDS_PER_TRIAL * this.race.trials.size;
  }

  /** A trial that an earlier calibration began: its curve begins there. */
  async join(trial) {
    trial.isJoined = true;
    const { items } = await get(`/v1/trials/${encodeURIComponent(trial.id)}/measurements`, { signal: this.signal });
    this.race.precede(trial, items);
    this.changed.add(trial);
    this.write();
  }

  write() {
    const { race, changed } = this;
    this.changed = new Set();
    this.say();
    this.trials.update(race, race.end ? race.trials.values() : changed);
    this.curves.element.hidden = ![...race.trials.values()].some((trial) => trial.points.length);
    if (!this.curves.element.hidden) this.curves.update(race);
    fill(this.leader, this.#leaderWords());
    fill(this.now, this.#nowWords());
    if (race.probes.length !== this.nProbes) this.#timed();
    if (race.end) this.closing();
  }

  say() {
    const { status, device_tag: tag } = this.calibration;
    let text = PHASES[this.race.phase];
    if (status === "queued") text = `waiting for a worker with the tag ${tag}`;
    else if (!OPEN.includes(status)) text = "";
    if (this.phase.textContent !== text) fill(this.phase, text);
  }

  #leaderWords() {
    const { leader } = this.race;
    if (!leader) return h("p", { class: "note" }, "No loss has been measured yet.");
    const { metric } = this.calibration.task;
    const pBest = this.race.end?.loss === leader.loss ? this.race.end.p_best : leader.p_best;
    const sure = pBest === null ? "" : `, the best with probability ${words.probability(pBest)}`;
    return [
      h("p", { class: "figure" }, lossName(leader.loss, true)),
      h("p", null, leader.value === null ? "" : `forecast ${metric} ${words.metricValue(leader.value)}${sure}`),
      h("p", { class: "note" }, this.#tunedWords(leader)),
    ];
  }

  #nowWords() {
    if (this.race.end) return h("p", { class: "note" }, `${this.race.nLegs} legs were trained.`);
    const running = this.race.running();
    if (!running.length) return h("p", { class: "note" }, this.race.phase === "racing" ? "Choosing the next leg." : "No leg is trained yet.");
    return running.map(({ loss, settings, seed, leg, examples }) => [
      h("p", { class: "figure" }, lossName(loss, true)),
      h("p", null, `${words.count(leg.from)} to ${words.count(leg.until)} examples, now at ${words.count(examples)}`),
      h("p", { class: "note" }, this.#tunedWords({ loss, settings }), seed ? `, seed ${seed}` : ""),
      leg.why && h("p", { class: "note" }, `Why: ${leg.why}.`.replace("?.", "?")),
    ]);
  }

  #tunedWords({ loss, settings }) {
    const names = this.tuned(loss);
    return words.settings(Object.fromEntries(Object.entries(settings).filter(([name]) => names.has(name))));
  }

  #timed() {
    const { probes } = this.race;
    this.nProbes = probes.length;
    if (!probes.length) return;
    const n = (text) => ({ text, class: "n" });
    const rows = probes.map(({ loss, outcome, step_seconds: step, peak_bytes: peak }) => [
      lossName(loss, true),
      n(step === null ? outcome.replaceAll("_", " ") : words.duration(step)),
      n(peak === null ? "-" : words.size(peak)),
    ]);
    fill(
      this.probes,
      h("details", null, h("summary", null, "Step times and memory, measured first"), table("Step times and memory", ["loss", n("a step"), n("peak memory")], rows)),
    );
  }

  /** The last word: where the answer is. */
  closing() {
    const answerId = this.race.end?.recommendation_id ?? this.calibration.recommendation_id;
    const { end } = this.race;
    if (!answerId) return;
    const sentence = end?.loss ? `${end.loss}: ${words.VERDICTS[end.verdict]}, the best with probability ${words.probability(end.p_best)}.` : "There is an answer.";
    if (this.end.dataset.says === sentence) return;
    this.end.dataset.says = sentence;
    fill(this.end, h("p", null, sentence, " ", h("a", { class: "go", href: `#/recommendations/${encodeURIComponent(answerId)}` }, "See the answer")));
  }

  async cancelled() {
    this.cancel.disabled = true;
    try {
      const stop = () => send("POST", `${this.path}:cancel`, undefined, { signal: this.signal });
      this.set(await patiently(stop, this.signal)); // asked twice it does no more
    } catch (error) {
      this.cancel.disabled = false;
      this.failed(error);
    }
  }

  failed(error) {
    if (this.signal.aborted) return;
    fill(this.trouble, h("p", { class: "fault" }, error.message));
    if (!(error instanceof ProblemError)) throw error;
  }

  #guard(work) {
    work.catch((error) => this.failed(error));
  }
}

function tile(name, ...content) {
  return h("section", { class: "card" }, h("h2", null, name), content);
}

/** Which settings of a loss are varied: by its card, and by what the task asks for. */
function varied(losses, task) {
  const names = new Map();
  for (const { name, settings } of losses) {
    const choices = { ...Object.fromEntries(settings.map((one) => [one.name, one.choices])), ...task.losses.settings[name] };
    names.set(name, new Set(Object.keys(choices).filter((one) => choices[one].length > 1)));
  }
  return (loss) => names.get(loss) ?? new Set();
}
