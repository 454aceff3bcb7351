// Way 1, describe: a task in a form, and beside it at once what is known without training.

import { create, get, look, ProblemError } from "../api.js";
import { choice } from "../controls.js";
import { fill, freshId, h } from "../dom.js";
import { advanced } from "./advanced.js";
import { atOnce, bought } from "./atonce.js";
import { faultsOf, Fields } from "./fields.js";
import { filePicker } from "./file.js";
import { goal } from "./goal.js";
import { KINDS, onlyFor } from "./kinds.js";
import { samplePicker } from "./samples.js";
import { summaryOf, summaryView } from "./summary.js";
import { flat, taskOf } from "./task.js";
import { typed } from "./values.js";

const WAYS = { sample: "a sample", file: "a file of yours", numbers: "numbers only" };
const UNITS = { 1: "seconds", 60: "minutes", 3600: "hours" };
const IDLE_MILLISECONDS = 350;

export async function show({ main, query, signal }) {
  const [{ items: losses }, given] = await Promise.all([get("/v1/losses", { signal }), taskGiven(query, signal)]);
  const form = new Form(losses, signal);
  if (given) form.adopt(given);
  fill(
    main,
    h("h1", { "data-title": "Describe a task" }, "Which loss should you train with?"),
    h("p", { class: "lead" }, "Describe what you train. What theory and earlier measurements say is there at once; a calibration on your data makes it sure."),
    form.element,
  );
  form.start();
}

/** The task of an answer or a calibration, where the address names one to begin from. */
async function taskGiven(query, signal) {
  for (const kind of ["recommendation", "calibration"]) {
    const id = query.get(kind);
    if (id) return (await get(`/v1/${kind}s/${encodeURIComponent(id)}`, { signal })).task;
  }
  return null;
}

class Form {
  constructor(losses, signal) {
    this.signal = signal;
    this.fields = new Fields(() => this.changed());
    const changed = () => this.changed();
    this.samples = samplePicker(this.fields, signal, changed);
    this.file = filePicker(this.fields, signal, changed);
    this.summary = h("div", { class: "summary", "aria-live": "polite" });
    this.kind = this.fields.select("task.kind", "Kind of task", KINDS);
    this.kind.querySelector("select").addEventListener("change", () => this.file.draw());
    this.ways = h("div", { class: "ways" });
    this.parts = {
      sample: this.samples.element,
      file: h("div", null, this.file.element, h("div", { class: "row" }, this.kind, this.file.labels, ofKind(this.fields))),
      numbers: numbers(this.fields),
    };
    this.goal = goal(this.fields, losses);
    this.advanced = advanced(this.fields, losses);
    this.answer = h("div", { class: "at-once" });
    this.plan = h("div", { class: "plan" });
    this.homeless = h("div", { role: "alert" });
    this.state = h("p", { class: "note", role: "status" });
    this.keep = h("button", { type: "button", onclick: () => this.kept() }, "Keep this answer, and see all of it");
    this.calibrate = h("button", { class: "primary", type: "submit" }, "Calibrate");
    this.element = this.#laidOut();
  }

  #laidOut() {
    const budget = h(
      "div",
      { class: "row budget" },
      this.fields.number("budget_seconds", "Budget", { initial: "5", width: 5 }),
      this.fields.select("budget.unit", "in", UNITS, { initial: "60" }),
    );
    return h(
      "form",
      {
        class: "describe",
        novalidate: true,
        onsubmit: (event) => {
          event.preventDefault();
          this.started();
        },
      },
      h(
        "div",
        { class: "form" },
        h("section", null, h("h2", null, "The data"), this.ways, Object.values(this.parts), this.summary, this.fields.text("task.name", "Name of the task", { initial: "task" })),
        this.goal.element,
        this.advanced.element,
      ),
      h(
        "aside",
        { "aria-label": "The answer at once, and a calibration" },
        h("section", { class: "card" }, h("h2", null, "At once"), this.state, this.homeless, this.answer, this.keep),
        h("section", { class: "card" }, h("h2", null, "Be sure: calibrate"), budget, this.plan, this.calibrate),
      ),
    );
  }

  /** Begin from the task of another answer. */
  adopt(task) {
    const values = flat(task);
    const [prefix, name] = (task.data?.path ?? "").split(":");
    if (prefix === "sample") Object.assign(values, { way: "sample", sample: name });
    else if (prefix === "upload") Object.assign(values, { way: "file", "upload.id": name });
    else if (task.kind === "description") values.way = "numbers";
    this.fields.setAll(values);
  }

  start() {
    if (!WAYS[this.fields.get("way")]) this.fields.set("way", "sample");
    fill(this.ways, choice("begin with", WAYS, this.fields.get("way"), (way) => this.fields.set("way", way)));
    const problem = (error) => this.signal.aborted || this.failed(error);
    this.samples.show().catch(problem);
    this.file.show().catch(problem);
    this.changed();
  }

  changed() {
    if (!this.element) return; // still being built
    for (const [way, part] of Object.entries(this.parts)) part.hidden = way !== this.fields.get("way");
    const kind = this.fields.get("way") === "numbers" ? "description" : this.fields.get("task.kind");
    for (const extra of this.element.querySelectorAll("[data-kinds]")) {
      extra.hidden = !extra.dataset.kinds.split(" ").includes(kind);
    }
    this.goal.refresh();
    this.advanced.refresh();
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.asked(), IDLE_MILLISECONDS);
  }

  /** Ask for the answer and the plan of what is described now; what was asked before is dropped. */
  async asked() {
    if (this.signal.aborted) return;
    const task = taskOf(this.fields);
    const asked = JSON.stringify([task ?? this.fields.get("way"), this.budgetSeconds()]);
    if (asked === this.lastAsked) return;
    this.lastAsked = asked;
    this.asking?.abort();
    this.asking = new AbortController();
    const signal = AbortSignal.any([this.signal, this.asking.signal]);
    if (!task) return this.empty();
    fill(this.state, task.data ? "Reading the data, asking…" : "Asking…");
    this.element.setAttribute("aria-busy", "true");
    const [answer, plan] = await Promise.allSettled([
      look("/v1/recommendations:preview", { task }, { signal }),
      look("/v1/calibrations:plan", { task, budget_seconds: this.budgetSeconds() }, { signal }),
    ]);
    if (signal.aborted) return;
    this.element.removeAttribute("aria-busy");
    const errors = [answer, plan].map((one) => one.reason).filter(Boolean);
    this.faults(errors);
    fill(this.answer, answer.value && atOnce(answer.value));
    fill(this.plan, plan.value && bought(plan.value));
    this.keep.disabled = !answer.value;
    this.calibrate.disabled = !plan.value;
    fill(this.state, errors.length ? "Not yet: see what is marked." : "From what is stored; nothing was trained, and nothing is kept.");
    this.summarise(answer.value && task, signal);
  }

  async summarise(task, signal) {
    if (!task?.data) {
      this.summarised = null;
      return fill(this.summary);
    }
    const { kind, data, name } = task;
    const what = JSON.stringify([kind, data, task.model?.sequence_length]);
    if (what === this.summarised) return;
    try {
      const model = task.model?.sequence_length ? { sequence_length: task.model.sequence_length } : {};
      const found = await summaryOf({ kind, data, name, model }, signal);
      this.summarised = what;
      fill(this.summary, summaryView(found));
    } catch (error) {
      if (!signal.aborted) fill(this.summary, h("p", { class: "fault" }, error.message));
    }
  }

  empty() {
    const wanted = {
      sample: "Pick a sample to see what is known of it.",
      file: "Send a file to see what is known of tasks like it.",
      numbers: "Give rows, classes and training examples to see what is known of tasks like it.",
    };
    this.faults([]);
    fill(this.state, wanted[this.fields.get("way")]);
    for (const place of [this.answer, this.plan, this.summary]) fill(place);
    this.keep.disabled = this.calibrate.disabled = true;
  }

  faults(errors) {
    const unknown = errors.find((error) => !(error instanceof ProblemError));
    if (unknown) throw unknown;
    const all = errors.flatMap(faultsOf);
    const once = [...new Map(all.map((fault) => [`${fault.field} ${fault.problem}`, fault])).values()];
    this.fields.showFaults(once, this.homeless);
  }

  failed(error) {
    this.element.removeAttribute("aria-busy");
    if (error instanceof ProblemError) this.faults([error]);
    else fill(this.homeless, h("p", { class: "fault" }, error.message));
  }

  budgetSeconds() {
    const number = typed(this.fields.get("budget_seconds"));
    return typeof number === "number" ? number * Number(this.fields.get("budget.unit")) : (number ?? null);
  }

  async kept() {
    await this.#made(this.keep, "/v1/recommendations", { task: taskOf(this.fields) }, "recommendations");
  }

  async started() {
    const tag = this.fields.get("device_tag").trim();
    const body = { task: taskOf(this.fields), budget_seconds: this.budgetSeconds(), device_tag: tag || null };
    await this.#made(this.calibrate, "/v1/calibrations", body, "calibrations");
  }

  async #made(button, path, body, view) {
    if (button.disabled || !body.task) return;
    button.disabled = true;
    try {
      const made = await create(path, body, { signal: this.signal });
      location.hash = `#/${view}/${encodeURIComponent(made.id)}`;
    } catch (error) {
      if (this.signal.aborted) return;
      button.disabled = false;
      this.failed(error);
    }
  }
}

function ofKind(fields) {
  return [
    onlyFor("data.split", fields.select("task.data.split", "Split", { leave_one_out: "the last of each user", temporal: "by time" })),
    onlyFor("data.tokenizer", fields.select("task.data.tokenizer", "Tokens", { word: "words", bpe: "byte pairs" })),
    onlyFor("model.sequence_length", fields.number("task.model.sequence_length", "Tokens read at once", { initial: "50" })),
    onlyFor("model.encoder", fields.select("task.model.encoder", "Encoder", { linear: "linear", mlp: "mlp" })),
    onlyFor("data.ngrams", fields.select("task.data.ngrams", "Parts of a text", { words: "words", characters: "parts of words" })),
    onlyFor("data.label_separator", fields.text("task.data.label_separator", "Between labels in a cell", { width: 6 })),
  ];
}

function numbers(fields) {
  return h(
    "div",
    { class: "row" },
    fields.number("task.statistics.n_rows", "Rows", { hint: "users, or rows of data", width: 11 }),
    fields.number("task.statistics.n_classes", "Classes", { hint: "items, tokens, labels", width: 11 }),
    fields.number("task.statistics.n_examples", "Training examples", { hint: "an epoch", width: 11 }),
    fields.number("task.statistics.class_gini", "Skew of the classes", { initial: "0.5", hint: "Gini index, 0 to 1" }),
    fields.number("task.statistics.targets_per_example", "Targets in each example", { initial: "1", hint: "more than 1 in sequences" }),
  );
}
