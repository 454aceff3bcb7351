"""Why, in plain words: every sentence with its number and where the number comes from."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from advisor.belief import Belief
from advisor.calibration import Prepared
from advisor.catalogue import known_loss
from advisor.decision import Decision, Entry
from advisor.recommendation import NextExperiment, Reason
from advisor.task import Task, TaskStatistics
from advisor.value import Interval

_LEVEL_SOURCE = {
    "measured": "calibration on this task",
    "prior": "stored profiles of similar tasks",
    "theory": "the cards of the losses",
}
_ENDED = {
    "diverged": "diverged",
    "out_of_memory": "ran out of memory",
    "timed_out": "took too long",
    "failed": "failed",
    "cancelled": "was cancelled",
}
_WORTH_SAYING = 0.05  # of the horizon: nobody asks for a shorter one
_MIN_EXPERIMENT_SECONDS = 30.0
_FINISH_FACTOR = 1.5  # evaluation, start-up and the settings that are dropped on the way


def _source(belief: Belief, task: Task) -> str:
    if belief.level == "measured" and task.kind == "description":
        return "calibration on a synthetic twin of the description"
    return _LEVEL_SOURCE[belief.level]


def reasons(
    decision: Decision, task: Task, statistics: TaskStatistics, gain: Interval | None
) -> tuple[Reason, ...]:
    """What decided, best first."""
    best, *rest = decision.entries
    found = [_headline(best, task)]
    feasible = [e for e in rest if e.belief.infeasible is None and e.belief.mean is not None]
    if feasible and best.belief.mean is not None:
        found.append(_against(best, feasible[0], task))
    if gain is not None and best.belief.candidate.loss != task.baseline.loss:
        found.append(_gain_reason(gain, task))
    if best.belief.mean is not None:
        found += _overtaking(best, feasible, task)
    card = known_loss(best.belief.candidate.loss)
    claim = card.consistency(task.parsed_metric, best.belief.candidate.settings)
    found.append(Reason(text=f"Theory: {claim.reason}", source=claim.source))
    found.append(
        Reason(
            text=f"The task: {statistics.n_classes:,} classes, {statistics.n_examples:,} training "
            f"examples, {statistics.positives_per_row:.1f} positives per row, Gini index of the "
            f"class counts {statistics.class_gini:.2f}.",
            source="summary of the data" if task.data else "the description",
        )
    )
    return tuple(found)


def entry_reasons(entry: Entry, best: Entry, task: Task) -> tuple[Reason, ...]:
    """Why this loss stands where it stands."""
    belief = entry.belief
    if belief.infeasible is not None:
        return (Reason(text=f"Infeasible: {belief.infeasible}.", source=belief.cost.source),)
    found = [_headline(entry, task)]
    if belief.mean is not None and entry is not best and best.belief.mean:
        metric = task.parsed_metric
        behind = metric.behind(metric.value(belief.mean), metric.value(best.belief.mean))
        text = f"{abs(behind):.1%} {'behind' if behind >= 0 else 'ahead of'} " + (
            f"{best.belief.candidate.loss} in {task.metric} at the horizon."
        )
        found.append(Reason(text=text, source=_source(belief, task)))
    if belief.profile is not None and belief.profile.outcome != "completed":
        text = f"Its training ended early: {belief.profile.outcome}."
        found.append(Reason(text=text, source=_source(belief, task)))
    return tuple(found)


def next_experiment(
    decision: Decision, task: Task, statistics: TaskStatistics
) -> NextExperiment | None:
    """What would settle an open question; None where the answer is recommended or a tie."""
    if decision.verdict != "not_enough_evidence":
        return None
    leaders = [e for e in decision.entries if e.belief.infeasible is None][:3]
    names = ", ".join(e.belief.candidate.loss for e in leaders)
    seconds = sum(_seconds_to_settle(e.belief) for e in leaders) * _FINISH_FACTOR
    budget = max(_MIN_EXPERIMENT_SECONDS, seconds)
    if leaders and leaders[0].belief.level == "measured":
        text = f"Calibrate for {budget:.0f} s more: train {names} to the horizon with three seeds."
    else:
        text = f"Calibrate for {budget:.0f} s on this task's data: {names} are open."
    return NextExperiment(text=text, budget_seconds=round(budget, 1))


def warnings(
    decision: Decision, task: Task, prepared: Prepared | None, has_baseline: bool
) -> tuple[str, ...]:
    """What the reader should know before trusting the answer; the data's notes among it."""
    best = decision.entries[0].belief
    found = list(prepared.notes) if prepared else []
    claim = known_loss(best.candidate.loss).consistency(task.parsed_metric, best.candidate.settings)
    if claim.status == "inconsistent":
        found.append(
            f"{best.candidate.loss} stands first although theory calls it inconsistent with "
            f"{task.metric}: {claim.reason}"
        )
    if best.profile is not None and best.profile.outcome != "completed":
        ended = _ENDED[best.profile.outcome]
        found.append(
            f"A training of {best.candidate.loss} with these settings {ended}: its best value so "
            f"far stands, but it is not stable."
        )
    if best.level != "measured":
        found.append(f"Nothing was measured on this task: the answer rests on {best.level} alone.")
    elif not best.is_measured:
        found.append(
            f"{best.candidate.loss} with these settings was not trained here: what others showed, "
            f"here and on stored tasks, speaks for it."
        )
    if best.mean is not None and not has_baseline:
        found.append(f"The baseline {task.baseline.loss} took no part, so its gain is unknown.")
    return tuple(found)


def _headline(entry: Entry, task: Task) -> Reason:
    belief = entry.belief
    name, source = belief.candidate.loss, _source(belief, task)
    seconds = belief.train_seconds
    spent = f"{_duration(seconds.mean)} of training" if seconds else "an unknown time"
    if belief.metric is None:
        text = f"{name} would take about {spent} to the horizon, by {belief.cost.source}."
        return Reason(text=text, source=source)
    m = task.parsed_metric.interval(belief.metric)
    text = (
        f"{name} is predicted to reach {task.metric} {m.mean:.4f} ({m.low:.4f} to {m.high:.4f}) "
        f"at the horizon, most of it after {spent}; it is the best of all losses with "
        f"probability {entry.p_best:.2f}."
    )
    return Reason(text=text, source=source)


def _against(best: Entry, second: Entry, task: Task) -> Reason:
    ours, theirs, metric = best.belief, second.belief, task.parsed_metric
    values = [metric.value(b.mean or 0.0) for b in (ours, theirs)]
    difference = values[1] / values[0] - 1 if values[0] else 0.0
    text = f"Next comes {theirs.candidate.loss}: its {task.metric} is {abs(difference):.1%} " + (
        "lower" if difference <= 0 else "higher"
    )
    if ours.train_seconds and theirs.train_seconds:
        ratio = theirs.train_seconds.mean / max(ours.train_seconds.mean, 1e-9)
        text += f", and it takes {ratio:.1f} times the training seconds"
    return Reason(text=text + ".", source=_source(ours, task))


def _gain_reason(gain: Interval, task: Task) -> Reason:
    verb = "lowers" if task.parsed_metric.falls else "changes"
    text = (
        f"Changing from {task.baseline.loss} {verb} {task.metric} by {gain.mean:+.4f} "
        f"(80% interval {gain.low:+.4f} to {gain.high:+.4f})."
    )
    return Reason(text=text, source="difference of the two forecasts")


def _overtaking(best: Entry, rest: Sequence[Entry], task: Task) -> list[Reason]:
    """At which shorter or longer horizon another loss leads: what would change the answer."""
    end = best.belief.horizon_seconds
    grid = np.geomspace(_WORTH_SAYING * end, end, 60)
    ours = _at_seconds(best.belief, grid)
    found: list[Reason] = []
    for entry in rest:
        name, leads = entry.belief.candidate.loss, _at_seconds(entry.belief, grid) > ours
        if not leads.any() or leads.all():
            continue
        if leads[0] and not leads[-1]:
            text = f"Below about {_duration(grid[int(np.argmin(leads))])} of training {name} leads"
        elif leads[-1] and not leads[0]:
            since = len(grid) - int(np.argmin(leads[::-1]))
            text = f"Above about {_duration(grid[since])} of training {name} has the better metric"
        else:
            continue
        found.append(Reason(text=text + "; see the curve.", source="measured and forecast curves"))
    return found[:2]


def _at_seconds(belief: Belief, grid: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    curve = belief.curve
    if not curve:
        return np.zeros_like(grid)
    return np.interp(grid, [p.seconds for p in curve], [p.mean for p in curve], left=0.0)


def _seconds_to_settle(belief: Belief) -> float:
    """Three seeds to the horizon, less what is trained already; a default where unpriced."""
    if belief.cost.seconds_per_example is None:
        return 0.0
    per_example = belief.cost.seconds_per_example.mean
    to_go = max(0, belief.horizon_examples - belief.examples) + 2 * belief.horizon_examples
    return to_go * per_example


def _duration(seconds: float) -> str:
    if seconds < 0.1:
        return f"{seconds * 1e3:.1f} ms"
    if seconds < 120:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
