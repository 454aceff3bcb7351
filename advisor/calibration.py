"""A calibration seen from outside: its record, its trials, and the events while it runs."""

from typing import Annotated, Literal

from pydantic import AwareDatetime, Field

from advisor.evidence import Candidate, Device, Leg, LegReport, Outcome, StepCost
from advisor.recommendation import Recommendation
from advisor.task import SettingValue, Task, TaskStatistics
from advisor.value import Value

CalibrationStatus = Literal["queued", "running", "succeeded", "failed", "cancelled"]


class Prepared(Value):
    """A task whose data has been read: what a calibration needs to know before it spends."""

    task: Task
    task_fingerprint: str
    statistics: TaskStatistics
    device: Device
    dataset_dir: str
    notes: tuple[str, ...] = Field(default=(), description="what was guessed, dropped and why")


class Calibration(Value):
    """One budgeted comparison of candidates for a task on a device, as stored."""

    id: str
    tenant: str = "local"
    status: CalibrationStatus
    task: Task
    budget_seconds: float
    device_tag: str
    created_at: AwareDatetime
    started_at: AwareDatetime | None = None
    finished_at: AwareDatetime | None = None
    spent_seconds: float = Field(default=0.0, description="wall-clock used, downtime outside")
    cancel_requested: bool = False
    task_fingerprint: str | None = None
    device_id: str | None = None
    recommendation_id: str | None = None
    error: str | None = None


class TrialRecord(Value):
    """One trial of a calibration, as listed."""

    id: str
    calibration_id: str
    status: Literal["running", "paused", "ended"]
    loss: str
    settings: dict[str, SettingValue]
    seed: int
    attempts: int = Field(description="legs leased, told or not")
    legs_told: int
    examples: int
    train_seconds: float
    best_value: float | None
    outcome: Outcome | None
    created_at: AwareDatetime


class DataPrepared(Value):
    """The data has been read."""

    kind: Literal["prepared"] = "prepared"
    prepared: Prepared


class Probed(Value):
    """A loss has been timed at the task's full size."""

    kind: Literal["probed"] = "probed"
    cost: StepCost
    seconds_left: float


class LegStarted(Value):
    """A leg has been leased and starts now."""

    kind: Literal["leg_started"] = "leg_started"
    leg: Leg
    why: str = ""
    seconds_left: float


class LegEnded(Value):
    """A leg has ended and was told; the leader is the race's best guess after it."""

    kind: Literal["leg_ended"] = "leg_ended"
    report: LegReport
    leader: Candidate | None
    leader_value: float | None
    leader_p_best: float | None = None
    seconds_left: float


class Decided(Value):
    """The calibration has its answer."""

    kind: Literal["decided"] = "decided"
    recommendation: Recommendation


Event = Annotated[
    DataPrepared | Probed | LegStarted | LegEnded | Decided, Field(discriminator="kind")
]
