"""What a candidate costs: measured where it was probed, else scaled from a profile, else priced.

The card's formula gives flop and bytes; a profile of the same loss on the same device turns flop
into seconds; with neither, the order of magnitude of a CPU core does, and the interval says so.
"""

from collections.abc import Sequence

from advisor.card import StepShape
from advisor.catalogue import known_loss
from advisor.evidence import Candidate, Device, Profile, StepCost
from advisor.task import Task, TaskStatistics
from advisor.value import Interval, Value

# Sustained flop/s of one core over a whole training step: an order of magnitude, hence the factor.
_CORE_FLOP_PER_SECOND = 1e10
_PRICED_FACTOR = 4.0
_SCALED_FACTOR = 1.5
_STEP_SECONDS_AT_LEAST = 5e-4
_TIMED_WITHIN = 3.0
_BYTES_MAX = 2**62  # more than anything holds, and still a number that a database does
_PROBED = "probe on this device at the task's full size"


class Cost(Value):
    """Training seconds per example and peak bytes, with what they rest on."""

    seconds_per_example: Interval | None
    peak_bytes: int | None
    evaluation_seconds: float | None = None
    source: str
    failure: str | None = None

    @property
    def at_worst(self) -> float:
        """Times as long as expected, where steps are known by their order of magnitude only."""
        per_example = self.seconds_per_example
        if per_example is None or per_example.high <= _TIMED_WITHIN * per_example.low:
            return 1.0
        return per_example.high / per_example.mean


def shape_of(candidate: Candidate) -> Candidate:
    """The candidate whose probe stands for this one: what changes no cost is at its default."""
    settings = {
        s.name: candidate.settings.get(s.name, s.choices[0]) if s.changes_cost else s.choices[0]
        for s in known_loss(candidate.loss).card.settings
    }
    return Candidate(loss=candidate.loss, settings=settings)


def cost_of(
    candidate: Candidate,
    task: Task,
    statistics: TaskStatistics,
    device: Device | None,
    costs: Sequence[StepCost] = (),
    profiles: Sequence[Profile] = (),
) -> Cost:
    """The best founded cost there is: a probe, a profile of this device, the card's formula.

    A probe that timed out says only that a step is slow: it is priced like one never probed.
    """
    shape = shape_of(candidate)
    for cost in costs:
        if cost.candidate.key == shape.key and cost.outcome != "timed_out":
            return _probed(cost)
    for profile in profiles:
        here = device is not None and profile.device.id == device.id
        if here and profile.step_seconds and profile.candidate.loss == candidate.loss:
            return _scaled(candidate, profile, task, statistics)
    return _priced(candidate, task, statistics, device)


def price_bytes(candidate: Candidate, task: Task, statistics: TaskStatistics) -> int:
    """Peak bytes by the card's formula, with the encoder's embedding, gradient and moments."""
    # What the encoder embeds: rows, or the tokens it reads, which are the classes. Of features only
    # the data tells; they are taken for as many as the rows.
    c = statistics.n_classes
    embedded = {"sequences": c, "text": c, "embeddings": 0}
    n_embedded = embedded.get(task.kind, statistics.n_rows)
    encoder = 4 * 4 * n_embedded * task.model.embedding_dim
    layer = known_loss(candidate.loss).step_bytes(
        _shape(task.training.batch_size, task, statistics), candidate.settings
    )
    return min(round(encoder + layer), _BYTES_MAX)


def _probed(cost: StepCost) -> Cost:
    is_whole = cost.outcome == "completed"
    failure = None if is_whole else f"{cost.outcome}: {cost.detail}"
    return Cost(
        seconds_per_example=_per_example(cost.step_seconds, cost.batch_size),
        peak_bytes=cost.peak_bytes,
        evaluation_seconds=cost.evaluation_seconds,
        source=cost.detail if is_whole and cost.detail else _PROBED,
        failure=failure,
    )


def _scaled(candidate: Candidate, profile: Profile, task: Task, statistics: TaskStatistics) -> Cost:
    known = known_loss(candidate.loss)
    ours = known.step_flop(_shape(profile.batch_size, task, statistics), candidate.settings)
    dim, size = profile.embedding_dim, profile.statistics.n_classes
    rows = _rows(profile.batch_size, profile.statistics)
    shape = StepShape(batch_size=rows, n_classes=size, embedding_dim=dim)
    theirs = known.step_flop(shape, profile.candidate.settings)
    ratio = ours / theirs
    # Less than all of a step grows with its flop: the interval reaches back to "nothing does".
    seconds = _per_example(profile.step_seconds, profile.batch_size)
    if seconds is None:
        raise ValueError("a profile without step seconds cannot be scaled")
    spread = _SCALED_FACTOR if ratio != 1.0 else 1.0
    return Cost(
        seconds_per_example=Interval(
            low=seconds.low * min(ratio, 1.0) / spread,
            mean=seconds.mean * ratio,
            high=seconds.high * max(ratio, 1.0) * spread,
        ),
        peak_bytes=_scaled_bytes(candidate, profile, task, statistics),
        source=f"profile {profile.id or profile.task_name} on this device, scaled by flop",
    )


def _scaled_bytes(
    candidate: Candidate, profile: Profile, task: Task, statistics: TaskStatistics
) -> int:
    """What the profile measured, plus what the formulas say the larger task adds."""
    ours = price_bytes(candidate, task, statistics)
    if profile.peak_bytes is None:
        return ours
    model = task.model.model_copy(update={"embedding_dim": profile.embedding_dim})
    training = task.training.model_copy(update={"batch_size": profile.batch_size})
    theirs = task.model_copy(update={"model": model, "training": training})
    added = ours - price_bytes(profile.candidate, theirs, profile.statistics)
    return max(ours, profile.peak_bytes + added)


def _priced(
    candidate: Candidate, task: Task, statistics: TaskStatistics, device: Device | None
) -> Cost:
    batch_size = task.training.batch_size
    flop = known_loss(candidate.loss).step_flop(
        _shape(batch_size, task, statistics), candidate.settings
    )
    speed = _CORE_FLOP_PER_SECOND * (device.n_threads if device else 1)
    seconds = max(flop / speed, _STEP_SECONDS_AT_LEAST) / batch_size
    return Cost(
        seconds_per_example=Interval(
            low=seconds / _PRICED_FACTOR, mean=seconds, high=seconds * _PRICED_FACTOR
        ),
        peak_bytes=price_bytes(candidate, task, statistics),
        source="the card's formula at a CPU's order of magnitude; nothing was measured here",
    )


def _shape(batch_size: int, task: Task, statistics: TaskStatistics) -> StepShape:
    return StepShape(
        batch_size=_rows(batch_size, statistics),
        n_classes=statistics.n_classes,
        embedding_dim=task.model.embedding_dim,
    )


def _rows(batch_size: int, statistics: TaskStatistics) -> int:
    """Rows of hidden in a step."""
    return max(1, round(batch_size * statistics.targets_per_example))


def _per_example(step: Interval | None, batch_size: int) -> Interval | None:
    if step is None:
        return None
    return Interval(
        low=step.low / batch_size, mean=step.mean / batch_size, high=step.high / batch_size
    )
