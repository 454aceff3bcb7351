// What the events of a calibration say so far: trials with their curves, the leader, what runs now.
//
// Made of events alone, each taken in once and in order, so that a reload makes the same again.

/** `falls`: whether the metric is better when it is lower. */
export class Race {
  trials = new Map();
  probes = [];
  leader = null;
  end = null;
  nLegs = 0;
  #falls;

  constructor(falls) {
    this.#falls = falls;
  }

  /** Take events in; returns the trials that they changed. */
  learn(events) {
    const changed = new Set();
    for (const { event } of events) {
      const trial = event.trial_id && this.#trial(event);
      if (trial) changed.add(trial);
      if (event.kind === "probed") this.probes.push(event);
      else if (event.kind === "leg_started") begin(trial, event);
      else if (event.kind === "measurement") this.#measure(trial, event);
      else if (event.kind === "leg_ended") this.#over(trial, event);
      else if (event.kind === "leader_changed") this.leader = event;
      else if (event.kind === "decided" || event.kind === "failed") this.end = event;
    }
    return changed;
  }

  /** The trials that train now. */
  running() {
    return this.end ? [] : [...this.trials.values()].filter((trial) => trial.leg);
  }

  /** "reading", "timing", "racing" or "ended". */
  get phase() {
    if (this.end) return "ended";
    if (this.trials.size) return "racing";
    return this.probes.length ? "timing" : "reading";
  }

  /** By loss, its trials, the best one first. */
  byLoss() {
    const groups = new Map();
    for (const trial of this.trials.values()) {
      if (!groups.has(trial.loss)) groups.set(trial.loss, []);
      groups.get(trial.loss).push(trial);
    }
    for (const group of groups.values()) group.sort((a, b) => this.compare(a, b));
    return groups;
  }

  /** The better of two trials comes first; one without a value last. */
  compare(a, b) {
    if (a.best === null || b.best === null) return (a.best === null) - (b.best === null);
    return this.#falls ? a.best - b.best : b.best - a.best;
  }

  /** Put what an earlier calibration measured of a trial before what this one did. */
  precede(trial, points) {
    const first = trial.points[0]?.examples ?? Infinity;
    const earlier = points.filter((point) => point.examples < Math.min(first, trial.begun + 1));
    trial.isJoined = true;
    if (!earlier.length) return;
    const seconds = earlier.at(-1).seconds;
    for (const point of trial.points) point.seconds += seconds;
    trial.seconds += seconds;
    if (trial.leg) trial.leg.seconds += seconds;
    trial.points = [...earlier.map(({ examples, seconds: at, value }) => ({ examples, seconds: at, value })), ...trial.points];
    for (const { value } of earlier) this.#better(trial, value);
  }

  #trial(event) {
    let trial = this.trials.get(event.trial_id);
    if (!trial) {
      trial = {
        id: event.trial_id,
        number: this.trials.size + 1,
        loss: event.loss,
        settings: event.settings,
        seed: event.seed,
        points: [],
        begun: event.from_examples ?? 0,
        examples: event.from_examples ?? 0,
        seconds: 0,
        peakBytes: null,
        best: null,
        outcome: null,
        detail: null,
        leg: null,
        isJoined: !event.from_examples,
      };
      this.trials.set(trial.id, trial);
    }
    return trial;
  }

  #measure(trial, { examples, seconds, value }) {
    const before = trial.leg?.seconds ?? trial.seconds;
    trial.points.push({ examples, seconds: before + seconds, value });
    trial.examples = Math.max(trial.examples, examples);
    this.#better(trial, value);
  }

  #over(trial, event) {
    this.nLegs += 1;
    trial.seconds = (trial.leg?.seconds ?? trial.seconds) + event.train_seconds;
    trial.leg = null;
    trial.examples = event.examples;
    trial.outcome = event.outcome;
    trial.detail = event.detail;
    trial.peakBytes = event.peak_bytes ?? trial.peakBytes;
  }

  #better(trial, value) {
    if (value === null) return;
    if (trial.best === null || (this.#falls ? value < trial.best : value > trial.best)) trial.best = value;
  }
}

/** A leg begins; what an attempt at it said that was never told is gone. */
function begin(trial, event) {
  trial.points = trial.points.filter((point) => point.examples <= event.from_examples);
  trial.leg = { from: event.from_examples, until: event.until_examples, why: event.why, seconds: trial.seconds };
  trial.examples = event.from_examples;
}
