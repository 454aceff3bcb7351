"""What full training really gave, told back by the user: it becomes a profile, beside what a
calibration measured of the same candidate, and both are one curve to every later answer.
"""

import hashlib
from collections.abc import Sequence
from typing import Literal, Self

from pydantic import Field, model_validator

from advisor.errors import TaskInvalidError
from advisor.evidence import Candidate, CurvePoint, Device, Profile
from advisor.recommendation import RankedCandidate, Recommendation
from advisor.task import Metric, SettingValue, Task, TaskStatistics
from advisor.value import Interval, Value

_SCORE_MAX = 1.0


class FullTraining(Value):
    """What came of training to the end; without a loss, of training with the recommended one."""

    loss: str | None = Field(default=None, max_length=100, description="by default the first")
    settings: dict[str, SettingValue] = Field(
        default={}, description="those that differ from the answer's settings of this loss"
    )
    outcome: Literal["completed", "diverged", "out_of_memory", "timed_out", "failed"] = "completed"
    value: float | None = Field(
        default=None, description="of the task's metric on validation data, the best so far"
    )
    epochs: float | None = Field(default=None, gt=0, le=1e6)
    examples: int | None = Field(default=None, ge=1, le=2**53, description="instead of epochs")
    train_seconds: float | None = Field(default=None, gt=0)
    peak_bytes: int | None = Field(default=None, ge=1, le=2**62)
    n_seeds: int = Field(default=1, ge=1, le=1000)
    device: str | None = Field(
        default=None, max_length=64, description="id of a known device; by default the answer's"
    )

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        if (self.epochs is None) == (self.examples is None):
            raise ValueError("give epochs or examples: how long it trained")
        if self.outcome == "completed" and self.value is None:
            raise ValueError("value is missing: what a completed training reached")
        return self


def told_profile(
    training: FullTraining,
    answer: Recommendation,
    statistics: TaskStatistics,
    task_fingerprint: str,
    device: Device,
) -> Profile:
    """The profile of what was told; raises TaskInvalidError for what the answer does not know."""
    task = answer.task
    examples = training.examples or max(1, round((training.epochs or 0) * statistics.n_examples))
    step = None
    if training.train_seconds is not None:
        seconds = training.train_seconds / examples * task.training.batch_size
        step = Interval(low=seconds, mean=seconds, high=seconds)
    value = _checked(training.value, task.parsed_metric)
    return Profile(
        tenant=answer.tenant,
        source="outcome",
        task_name=task.name,
        task_fingerprint=task_fingerprint,
        kind=task.kind,
        metric=task.metric,
        statistics=statistics,
        embedding_dim=task.model.embedding_dim,
        batch_size=task.training.batch_size,
        device=device,
        candidate=_candidate(training, answer),
        n_seeds=training.n_seeds,
        outcome=training.outcome,
        step_seconds=step,
        peak_bytes=training.peak_bytes,
        final_examples=examples,
        final_value=value,
        curve=() if value is None else (CurvePoint(examples=examples, value=value),),
    )


def description_fingerprint(task: Task, statistics: TaskStatistics) -> str:
    """Names a description as a task's data names one: by its numbers."""
    numbers = hashlib.sha256(statistics.model_dump_json().encode()).hexdigest()
    return task.fingerprint(f"description {numbers}")


def joined(profiles: Sequence[Profile]) -> list[Profile]:
    """The profiles, in their order, with what was told joined to what was measured of the same."""
    found: dict[tuple[str, str, str], Profile] = {}
    for profile in profiles:
        key = (profile.task_fingerprint, profile.device.id, profile.candidate.key)
        first = found.get(key)
        found[key] = profile if first is None else with_outcome(first, profile)
    return list(found.values())


def with_outcome(profile: Profile, other: Profile) -> Profile:
    """Two profiles of one candidate as one: the measured curve goes on to what was told.

    Step seconds are measured better than a whole training tells; the peak is not. Where neither
    was told, the first stands.
    """
    if "outcome" not in (profile.source, other.source):
        return profile
    measured, told = (other, profile) if profile.source == "outcome" else (profile, other)
    points = {p.examples: p.value for p in (*measured.curve, *told.curve)}
    better = min if Metric.parse(told.metric).falls else max
    curve: list[CurvePoint] = []
    for examples, value in sorted(points.items()):
        best = better(curve[-1].value, value) if curve else value
        curve.append(CurvePoint(examples=examples, value=best))
    return told.model_copy(
        update={
            "curve": tuple(curve),
            "n_seeds": max(measured.n_seeds, told.n_seeds),
            "step_seconds": measured.step_seconds or told.step_seconds,
            "peak_bytes": told.peak_bytes or measured.peak_bytes,
            "final_examples": max(measured.final_examples, told.final_examples),
            "final_value": curve[-1].value if curve else None,
        }
    )


def _candidate(training: FullTraining, answer: Recommendation) -> Candidate:
    ranked = _ranked(training.loss or answer.loss, answer)
    unknown = sorted(training.settings.keys() - ranked.settings.keys())
    if unknown:
        raise TaskInvalidError(
            f"settings: {ranked.loss} has no setting {unknown[0]!r}; it has "
            f"{', '.join(ranked.settings)}"
        )
    given = {name: _as(ranked.settings[name], v) for name, v in training.settings.items()}
    return Candidate(loss=ranked.loss, settings={**ranked.settings, **given})


def _ranked(loss: str, answer: Recommendation) -> RankedCandidate:
    for ranked in answer.ranking:
        if ranked.loss == loss:
            return ranked
    known = ", ".join(ranked.loss for ranked in answer.ranking)
    raise TaskInvalidError(f"loss: {loss!r} is not one of this recommendation; it has {known}")


def _as(known: SettingValue, given: SettingValue) -> SettingValue:
    """A whole number where a fraction is meant: 1 and 1.0 are one setting."""
    is_number = isinstance(given, int) and not isinstance(given, bool)
    return float(given) if isinstance(known, float) and is_number else given


def _checked(value: float | None, metric: Metric) -> float | None:
    """The value, if the metric can have it."""
    if value is None:
        return None
    least = 1.0 if metric.name == "perplexity" else 0.0
    if value < least or (not metric.falls and value > _SCORE_MAX):
        allowed = f"at least {least:g}" if metric.falls else "between 0 and 1"
        raise TaskInvalidError(f"value: {metric} is {allowed}, and {value:g} was given")
    return value
