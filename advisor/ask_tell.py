"""Ask and tell: what a trainer elsewhere and the service say to each other.

A trainer asks for a leg, trains it on its own data and machine, and tells what its own validation
measured. Nothing else of its task comes here than numbers.
"""

import math
from typing import Annotated, Literal, Self

from pydantic import AwareDatetime, Field

from advisor.calibration import CalibrationStatus
from advisor.evidence import Leg, Outcome
from advisor.value import Value

LEASE_SECONDS = 600.0
MEASUREMENTS_MAX = 1000
"""In one tell."""

_Words = Annotated[str, Field(max_length=200, pattern=r"^[^\x00-\x1f]*$")]


class TrainerDevice(Value):
    """What the trainers of a calibration measure on; the same words mean the same device."""

    name: Annotated[_Words, Field(min_length=1)]
    kind: Literal["cpu", "cuda"] = "cpu"
    n_threads: int = Field(default=1, ge=1, le=1_000_000)
    memory_bytes: int = Field(default=0, ge=0, le=2**62, description="0 where it is not known")
    software: dict[_Words, _Words] = Field(default={}, max_length=50)


class Asking(Value):
    """Who asks for a leg, and how it trains."""

    trainer: _Words | None = Field(default=None, description="a name of your own, for your eyes")
    can_pause: bool = Field(
        default=True,
        description="whether it can stop a trial and go on with it later; if not, it is given "
        "whole trials, from the first example to the horizon",
    )
    lease_seconds: float = Field(
        default=LEASE_SECONDS,
        ge=1,
        le=86400,
        description="when nothing has been told for so long, the leg may go to someone else",
    )


class Lease(Value):
    """A leg to train, the trainer's own until the deadline; every tell moves the deadline on."""

    id: str
    calibration_id: str
    trial_id: str = Field(description="where to tell: /v1/trials/{trial_id}:tell")
    leg: Leg = Field(
        description="train its candidate with its seed from `from_examples` on, and evaluate at "
        "every checkpoint; who has no state from there trains the trial from its start again"
    )
    attempt: int = Field(description="legs of this trial leased so far, this one included")
    trainer: str | None
    is_whole: bool = Field(description="a whole trial, for a trainer that cannot pause")
    lease_seconds: float
    deadline: AwareDatetime


class Asked(Value):
    """A leg; or when to ask again, since others train now; or that the calibration has ended."""

    lease: Lease | None
    retry_after_seconds: float | None
    status: CalibrationStatus
    recommendation_id: str | None


class ToldMeasurement(Value):
    """The trainer's validation metric after so many examples of the trial."""

    examples: int = Field(ge=1, le=2**53)
    value: float | None = Field(description="null where it was not finite, which ends the trial")
    seconds: float | None = Field(
        default=None,
        ge=0,
        le=1e9,
        description="training seconds of this leg up to here, evaluation apart; by default by "
        "step_seconds, else by the service's clock since the lease",
    )
    train_loss: float | None = None

    @classmethod
    def of(cls, examples: int, value: float, seconds: float | None = None) -> Self:
        """As a training loop has it: a value that is not finite is told as none."""
        return cls(
            examples=examples, value=value if math.isfinite(value) else None, seconds=seconds
        )


class Telling(Value):
    """What a leg has measured since the last tell; what was told before may be told again."""

    lease_id: str = Field(max_length=100)
    measurements: tuple[ToldMeasurement, ...] = Field(default=(), max_length=MEASUREMENTS_MAX)
    outcome: Outcome | None = Field(
        default=None,
        description="ends the leg: `completed` where it stops before its last checkpoint, which "
        "ends it anyway; `cancelled` gives it back untold",
    )
    detail: str | None = Field(default=None, max_length=2000)
    step_seconds: float | None = Field(default=None, gt=0, le=1e6)
    peak_bytes: int | None = Field(default=None, ge=0, le=2**62)
    wall_seconds: float | None = Field(
        default=None,
        ge=0,
        le=1e9,
        description="of the whole leg, charged to the budget; by default by the service's clock",
    )


class Told(Value):
    """What the service made of a tell, and whether to go on."""

    n_new: int = Field(description="measurements that were not known yet")
    leg_has_ended: bool
    should_stop: bool = Field(description="end the leg now: tell `completed`, then ask again")
    reason: str | None = Field(default=None, description="why it should stop")
    deadline: AwareDatetime | None
    status: CalibrationStatus
    recommendation_id: str | None
