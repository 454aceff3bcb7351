"""The words of a calibration's events, as progress shows them."""

from advisor.calibration import LegEnded, Prepared
from advisor.catalogue import known_loss
from advisor.evidence import Leg, StepCost
from advisor.task import Task
from api import wording


def size_words(prepared: Prepared) -> str:
    """ "943 rows, 1,682 classes, 80,000 training examples"."""
    s = prepared.statistics
    return f"{s.n_rows:,} rows, {s.n_classes:,} classes, {s.n_examples:,} training examples"


def probe_words(cost: StepCost) -> str:
    """ "softmax: 4.2 ms a step, peak 12 MiB", or why it could not be timed."""
    if cost.step_seconds is None:
        return f"{cost.candidate.loss}: {cost.outcome}" + (
            f" ({cost.detail})" if cost.detail else ""
        )
    words = f"{cost.candidate.loss}: {wording.duration(cost.step_seconds.mean)} a step"
    return f"{words}, peak {wording.size(cost.peak_bytes)}" if cost.peak_bytes else words


def leg_words(leg: Leg, task: Task) -> str:
    """ "softmax (learning_rate 0.003), 0 to 12,800 examples"; without what is never varied."""
    candidate, seed = leg.trial.candidate, leg.trial.seed
    again = f", seed {seed}" if seed else ""
    asked = task.losses.settings.get(candidate.loss, {})
    choices = {s.name: s.choices for s in known_loss(candidate.loss).card.settings} | asked
    tuned = {n: v for n, v in candidate.settings.items() if len(choices[n]) > 1}
    return (
        f"{candidate.loss} ({wording.settings(tuned)}{again}), "
        f"{leg.from_examples:,} to {leg.until_examples:,} examples"
    )


def leg_end_words(event: LegEnded, task: Task) -> str:
    """The leg and what it reached."""
    report = event.report
    values = [m.value for m in report.measurements if m.value is not None]
    reached = f"{task.metric} {wording.metric_value(values[-1])}" if values else "nothing measured"
    if report.outcome != "completed":
        reached = report.outcome.replace("_", " ")
    return f"{leg_words(report.leg, task)}: {reached}"
