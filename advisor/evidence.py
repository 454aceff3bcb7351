"""What was measured, from a single measurement to a pooled profile, as frozen values.

Seconds are training seconds (drawing the batch, forward, backward, update) unless the name says
`wall_seconds`. Counts of examples are cumulative over a trial.
"""

import hashlib
import json
from functools import cached_property
from typing import Literal

from pydantic import AwareDatetime, Field

from advisor.task import SettingValue, TaskStatistics
from advisor.value import Interval, Value

Outcome = Literal["completed", "diverged", "out_of_memory", "timed_out", "failed", "cancelled"]


class Device(Value):
    """The hardware and software a measurement was made on; `id` is the fingerprint of the rest."""

    id: str
    name: str
    kind: Literal["cpu", "cuda"]
    n_threads: int
    memory_bytes: int
    software: dict[str, str]


class Candidate(Value):
    """A loss with all its settings."""

    loss: str
    settings: dict[str, SettingValue]

    @cached_property
    def key(self) -> str:
        """Canonical text: equal keys mean the same training."""
        return f"{self.loss} {json.dumps(self.settings, sort_keys=True)}"

    def __hash__(self) -> int:
        return hash(self.key)


class Trial(Value):
    """One candidate with one seed."""

    candidate: Candidate
    seed: int

    @cached_property
    def id(self) -> str:
        """The same trial has the same id in every calibration, so it can go on where it stopped."""
        return hashlib.sha256(f"{self.candidate.key} #{self.seed}".encode()).hexdigest()[:16]


class Leg(Value):
    """One uninterrupted stretch of a trial, evaluated at `checkpoints`; the last one ends it."""

    trial: Trial
    from_examples: int = Field(ge=0)
    checkpoints: tuple[int, ...] = Field(min_length=1)

    @property
    def until_examples(self) -> int:
        return self.checkpoints[-1]

    @property
    def id(self) -> str:
        """A leg that a deadline cut and the one that goes on from there are two."""
        return f"{self.trial.id}-{self.from_examples}-{self.until_examples}"


class Measurement(Value):
    """The validation metric after so many examples; None where it was not finite."""

    examples: int
    seconds: float = Field(description="training seconds of this leg up to here")
    value: float | None
    train_loss: float | None = None


class LegReport(Value):
    """What came of a leg: what is told to the race, and stored."""

    leg: Leg
    outcome: Outcome
    measurements: tuple[Measurement, ...] = ()
    examples: int = Field(description="examples seen by the trial at the end of the leg")
    train_seconds: float = 0.0
    wall_seconds: float = 0.0
    peak_bytes: int | None = None
    detail: str | None = None


class StepCost(Value):
    """A probe of one candidate's shape at the task's full size; medians over interleaved rounds."""

    candidate: Candidate
    outcome: Outcome
    batch_size: int
    step_seconds: Interval | None = Field(description="median, with the quartiles as low and high")
    evaluation_seconds: float | None = None
    peak_bytes: int | None = None
    detail: str | None = None

    @property
    def seconds_per_example(self) -> float:
        if self.step_seconds is None:
            raise ValueError(f"{self.candidate.loss} has no step time: {self.outcome}")
        return self.step_seconds.mean / self.batch_size


class CurvePoint(Value):
    """Best-so-far metric after so many examples, mean over seeds."""

    examples: int
    value: float


class Profile(Value):
    """What is known of one candidate on one task and device, seeds pooled."""

    id: str | None = None
    tenant: str = "local"
    shared: bool = Field(default=False, description="whether other tenants' priors may read it")
    created_at: AwareDatetime | None = None
    source: Literal["calibration", "outcome"] = Field(
        default="calibration", description="measured by a calibration, or told of full training"
    )
    bad: bool = Field(default=False, description="marked so by its owner; no answer rests on it")
    task_name: str
    task_fingerprint: str
    kind: str
    metric: str
    statistics: TaskStatistics
    embedding_dim: int
    batch_size: int
    device: Device
    candidate: Candidate
    n_seeds: int
    outcome: Outcome
    step_seconds: Interval | None
    peak_bytes: int | None
    final_examples: int = Field(description="examples at the last point of the curve")
    final_value: float | None = Field(description="best so far; None where it diverged at once")
    curve: tuple[CurvePoint, ...] = ()


class GradientAgreement(Value):
    """A loss's gradient over draws at fixed parameters, beside softmax's exact one there.

    The gradient is that of one batch in its hidden vectors and all parameters of the output layer,
    as one vector. Norms are relative to the exact gradient's.
    """

    n_negatives: int | None = Field(description="None where nothing is drawn")
    n_draws: int
    cosine: Interval = Field(description="of one draw: median, with the quartiles as low and high")
    cosine_of_mean: float
    bias: float = Field(description="norm of the mean over the draws less the exact gradient")
    bias_floor: float = Field(description="what `bias` would be by chance without any")
    variance: float = Field(description="trace of one draw's covariance, relative to the square")


class Support(Value):
    """How many classes a row's gradient in the scores touches, the target among them."""

    classes: float = Field(description="mean per row of the classes with a gradient that is not 0")
    target_outside: float | None = Field(
        description="share of rows whose target has probability 0; None without probabilities"
    )


class Diagnosis(Value):
    """What the gradient of a loss is like on one batch of this task; None where it has no meaning.

    `missing` says why, by the field's name.
    """

    n_rows: int
    n_classes: int
    agreement: GradientAgreement | None = None
    more_negatives: GradientAgreement | None = None
    support: Support | None = None
    smoothness: Interval | None = Field(
        default=None,
        description="change of the gradient over change of hidden vectors and parameters, per "
        "training step: median, with the least and the greatest as low and high",
    )
    missing: dict[str, str] = Field(default_factory=dict)
