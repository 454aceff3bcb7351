"""recommend: a task and what is known of it become an answer, each reason with its source."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from advisor.bank import Draws
from advisor.belief import Belief, beliefs, with_curves
from advisor.calibration import Prepared
from advisor.card import Consistency
from advisor.catalogue import known_loss
from advisor.decision import Decision, Entry, decide, draws_of
from advisor.errors import TaskInvalidError
from advisor.evidence import Candidate, Device, Profile, StepCost
from advisor.explanation import entry_reasons, next_experiment, reasons, warnings
from advisor.outcome import with_outcome
from advisor.prior import EMPTY_BANK, Bank
from advisor.recommendation import ForecastPoint, RankedCandidate, Recommendation
from advisor.search_space import candidates
from advisor.staleness import stale_warnings
from advisor.task import Metric, Task
from advisor.value import Interval

_THEORY_ORDER = ("consistent", "conditional", "unknown", "inconsistent")


def recommend(
    task: Task,
    profiles: Sequence[Profile] = (),
    device: Device | None = None,
    *,
    prepared: Prepared | None = None,
    costs: Sequence[StepCost] = (),
    elapsed_seconds: float = 0.0,
    bank: Bank = EMPTY_BANK,
) -> Recommendation:
    """Answer from theory and from stored `profiles` of this and other tasks; trains nothing.

    `prepared` says which profiles are of this very task (the first of a candidate counts, and
    what was told of its full training). `bank` is what is known of other tasks besides, as
    `advisor.shipped.shipped_bank()`.
    Raises TaskInvalidError without statistics, or where no loss is feasible.
    """
    statistics = prepared.statistics if prepared else task.statistics
    if statistics is None:
        raise TaskInvalidError("statistics: the size of the task is not known; give its statistics")
    own, others = _own_and_others(profiles, prepared)
    space = _with_measured(task, candidates(task, statistics), own)
    believed = beliefs(task, statistics, space, own, others, device, costs, bank)
    _check_feasible(believed)
    draws = draws_of(believed)
    decision = decide(believed, draws, task.trade)
    if decision.expected_regret is None:
        decision = _theory_first(decision, task)
    decision = _with_curves(decision)
    best = decision.entries[0]
    gain = _gain_over_baseline(task, decision, believed, draws)
    ranking = tuple(_ranked(entry, best, task) for entry in decision.entries)
    used_ids = tuple(dict.fromkeys(i for ranked in ranking for i in ranked.profile_ids))
    return Recommendation(
        task=task,
        task_fingerprint=prepared.task_fingerprint if prepared else None,
        statistics=statistics,
        device_id=device.id if device else None,
        evidence_level=best.belief.level,
        verdict=decision.verdict,
        loss=best.belief.candidate.loss,
        settings=best.belief.candidate.settings,
        p_best=best.p_best,
        expected_regret=decision.expected_regret,
        ranking=ranking,
        gain_over_baseline=gain,
        reasons=reasons(decision, task, statistics, gain),
        next_experiment=next_experiment(decision, task, statistics),
        elapsed_seconds=elapsed_seconds,
        warnings=(
            *warnings(decision, task, prepared, gain is not None),
            *stale_warnings(profiles, device, used_ids),
        ),
    )


def consistency(belief: Belief, task: Task) -> Consistency:
    """What the card says of this candidate's ranking by the task's metric."""
    known = known_loss(belief.candidate.loss)
    return known.consistency(task.parsed_metric, belief.candidate.settings)


def _own_and_others(
    profiles: Sequence[Profile], prepared: Prepared | None
) -> tuple[list[Profile], list[Profile]]:
    own: dict[str, Profile] = {}
    others: list[Profile] = []
    for profile in profiles:
        if prepared is not None and profile.task_fingerprint == prepared.task_fingerprint:
            key = profile.candidate.key
            own[key] = with_outcome(own[key], profile) if key in own else profile
        else:
            others.append(profile)
    return list(own.values()), others


def _with_measured(
    task: Task, space: dict[str, tuple[Candidate, ...]], own: Sequence[Profile]
) -> dict[str, tuple[Candidate, ...]]:
    """The space, and what was measured outside of it, unless the task names the settings itself."""
    known = {c.key for group in space.values() for c in group}
    found = {loss: list(group) for loss, group in space.items()}
    for profile in own:
        candidate = profile.candidate
        named = candidate.loss in task.losses.settings
        if candidate.loss in found and candidate.key not in known and not named:
            found[candidate.loss].append(candidate)
    return {loss: tuple(group) for loss, group in found.items()}


def _check_feasible(believed: Sequence[Belief]) -> None:
    if any(b.infeasible is None for b in believed):
        return
    told = {b.candidate.loss: b.infeasible for b in believed}
    sentence = "; ".join(f"{loss} {reason}" for loss, reason in told.items())
    raise TaskInvalidError(f"no loss is feasible: {sentence}")


def _theory_first(decision: Decision, task: Task) -> Decision:
    """Without any measurement the card orders: consistent losses first, then the cheaper."""

    def order(entry: Entry) -> tuple[bool, int, float]:
        status = consistency(entry.belief, task).status
        return (
            entry.belief.infeasible is not None,
            _THEORY_ORDER.index(status),
            entry.belief.horizon_seconds,
        )

    entries = tuple(sorted(decision.entries, key=order))
    return Decision(entries, decision.verdict, decision.expected_regret)


def _with_curves(decision: Decision) -> Decision:
    believed = with_curves([entry.belief for entry in decision.entries])
    pairs = zip(decision.entries, believed, strict=True)
    return replace(decision, entries=tuple(replace(e, belief=b) for e, b in pairs))


def _ranked(entry: Entry, best: Entry, task: Task) -> RankedCandidate:
    belief = entry.belief
    metric = task.parsed_metric
    measured, curve = (_in_unit(points, metric) for points in (belief.measured, belief.curve))
    own_id = belief.profile.id if belief.profile else None
    return RankedCandidate(
        loss=belief.candidate.loss,
        settings=belief.candidate.settings,
        p_best=entry.p_best,
        consistency=consistency(belief, task),
        predicted_metric=metric.interval(belief.metric) if belief.metric else None,
        train_seconds=belief.train_seconds,
        peak_bytes=belief.cost.peak_bytes,
        feasible=belief.infeasible is None,
        pareto=entry.is_pareto,
        reasons=entry_reasons(entry, best, task),
        profile_ids=tuple(i for i in (own_id, *belief.prior_ids) if i),
        curve=curve,
        measured=measured,
    )


def _in_unit(points: tuple[ForecastPoint, ...], metric: Metric) -> tuple[ForecastPoint, ...]:
    """The points in the metric's own unit, which is that of scores unless it falls."""
    if not metric.falls:
        return points
    scores = (Interval(low=p.low, mean=p.mean, high=p.high) for p in points)
    return tuple(
        point.model_copy(update=metric.interval(score).model_dump())
        for point, score in zip(points, scores, strict=True)
    )


def _gain_over_baseline(
    task: Task, decision: Decision, believed: Sequence[Belief], draws: Draws
) -> Interval | None:
    """The metric won by changing from the baseline, as an 80% interval; None if it is unknown."""
    best, baseline = decision.entries[0].belief, _baseline(task, decision, believed)
    if best.mean is None or baseline is None or baseline.mean is None:
        return None
    keys = [b.candidate.key for b in believed]
    ours, theirs = (draws[:, keys.index(b.candidate.key)] for b in (best, baseline))
    low, mean, high = (float(q) for q in np.quantile(ours - theirs, (0.1, 0.5, 0.9)))
    return task.parsed_metric.gain(Interval(low=low, mean=mean, high=high), baseline.mean)


def _baseline(task: Task, decision: Decision, believed: Sequence[Belief]) -> Belief | None:
    """The baseline with the settings the task names, else as it stands in the ranking."""
    wanted = task.baseline.settings.items()
    if not wanted:
        ranked = (e.belief for e in decision.entries)
        return next((b for b in ranked if b.candidate.loss == task.baseline.loss), None)
    rivals = (
        b
        for b in believed
        if b.candidate.loss == task.baseline.loss and wanted <= b.candidate.settings.items()
    )
    return max(rivals, key=lambda b: b.mean or 0.0, default=None)
