"""Live: what a calibration says while it runs, as it is stored and streamed.

The events of `calibration` are for whoever runs it; these are for whoever watches it over HTTP:
small, without a path of the server, and numbered from 1 without a gap.
"""

from typing import Annotated, Literal

from pydantic import AwareDatetime, Field

from advisor.evidence import Outcome
from advisor.recommendation import Verdict
from advisor.task import SettingValue, TaskStatistics
from advisor.value import Value


class _OfTrial(Value):
    """Of which trial an event tells."""

    trial_id: str = Field(description="as under /v1/trials")
    loss: str
    settings: dict[str, SettingValue]
    seed: int


class DataRead(Value):
    """The data has been read; what follows was measured on this device."""

    kind: Literal["prepared"] = "prepared"
    task_fingerprint: str
    device_id: str
    statistics: TaskStatistics | None = None


class StepTimed(Value):
    """A loss has been timed at the task's full size, or could not be."""

    kind: Literal["probed"] = "probed"
    loss: str
    settings: dict[str, SettingValue]
    outcome: Outcome
    step_seconds: float | None
    peak_bytes: int | None


class LegBegun(_OfTrial):
    """A leg has been leased; an attempt above the first begins it anew."""

    kind: Literal["leg_started"] = "leg_started"
    from_examples: int
    until_examples: int
    attempt: int = Field(description="legs of this trial leased so far, this one included")
    why: str | None = Field(default=None, description="why the race asked for it")


class Measured(_OfTrial):
    """The validation metric of a trial after so many examples; null where it was not finite."""

    kind: Literal["measurement"] = "measurement"
    examples: int
    seconds: float = Field(description="training seconds of this leg up to here")
    value: float | None
    train_loss: float | None = None


class LegOver(_OfTrial):
    """A leg has ended and was told to the race."""

    kind: Literal["leg_ended"] = "leg_ended"
    from_examples: int
    examples: int = Field(description="examples seen by the trial at the end of the leg")
    outcome: Outcome
    value: float | None = Field(description="the last finite value of the leg")
    train_seconds: float
    peak_bytes: int | None
    detail: str | None = None


class LeaderChanged(Value):
    """The race's best guess is another candidate now, or is more or less sure.

    `value` is its forecast at the horizon.
    """

    kind: Literal["leader_changed"] = "leader_changed"
    loss: str
    settings: dict[str, SettingValue]
    value: float | None
    p_best: float | None = Field(
        default=None, description="probability that its loss is the best, by the metric alone"
    )


class AnswerGiven(Value):
    """The calibration has ended with an answer; nothing comes after it."""

    kind: Literal["decided"] = "decided"
    status: Literal["succeeded", "cancelled"]
    recommendation_id: str
    loss: str
    settings: dict[str, SettingValue]
    verdict: Verdict
    p_best: float


class NoAnswer(Value):
    """The calibration has ended without an answer; nothing comes after it."""

    kind: Literal["failed"] = "failed"
    status: Literal["succeeded", "failed", "cancelled"]
    error: str | None


LiveEvent = Annotated[
    DataRead | StepTimed | LegBegun | Measured | LegOver | LeaderChanged | AnswerGiven | NoAnswer,
    Field(discriminator="kind"),
]


class NumberedEvent(Value):
    """An event with its place in the calibration's stream, and when it was stored."""

    number: int = Field(ge=1, description="the event's id: what Last-Event-ID says")
    at: AwareDatetime
    event: LiveEvent

    @property
    def is_last(self) -> bool:
        return self.event.kind in ("decided", "failed")
