"""Recommendation: an immutable answer, exactly as it leaves the service."""

from typing import Literal

from pydantic import AwareDatetime, Field

from advisor.card import Consistency
from advisor.task import SettingValue, Task, TaskStatistics
from advisor.value import Interval, Value

EvidenceLevel = Literal["theory", "prior", "measured"]
Verdict = Literal["recommended", "tied", "not_enough_evidence"]


class Reason(Value):
    """One sentence with its number, and where the number comes from."""

    text: str
    source: str


class ForecastPoint(Value):
    """The curve on its way to the horizon: 80% interval of best-so-far, at training seconds."""

    examples: int
    seconds: float
    low: float
    mean: float
    high: float


class RankedCandidate(Value):
    """One loss at its best settings; None where there is no evidence for a number."""

    loss: str
    settings: dict[str, SettingValue]
    p_best: float
    consistency: Consistency
    predicted_metric: Interval | None
    train_seconds: Interval | None
    peak_bytes: int | None
    feasible: bool
    pareto: bool
    reasons: tuple[Reason, ...]
    profile_ids: tuple[str, ...] = ()
    curve: tuple[ForecastPoint, ...] = ()
    measured: tuple[ForecastPoint, ...] = ()
    train_money: Interval | None = Field(
        default=None, description="for train_seconds on this device, where its price is set"
    )


class NextExperiment(Value):
    """What would settle the question, and what it costs."""

    text: str
    budget_seconds: float
    budget_money: float | None = None


class Recommendation(Value):
    """The answer to a task: what to train with, at what cost, and how sure."""

    id: str | None = None
    tenant: str = "local"
    created_at: AwareDatetime | None = None
    task: Task
    task_fingerprint: str | None = Field(
        default=None, description="what profiles of this very task carry; null without its data"
    )
    statistics: TaskStatistics | None = Field(
        default=None, description="what the data was found to hold, or was described to"
    )
    device_id: str | None
    evidence_level: EvidenceLevel
    verdict: Verdict
    loss: str
    settings: dict[str, SettingValue]
    p_best: float
    expected_regret: float | None
    ranking: tuple[RankedCandidate, ...]
    gain_over_baseline: Interval | None
    reasons: tuple[Reason, ...]
    next_experiment: NextExperiment | None
    calibration_id: str | None = None
    elapsed_seconds: float
    warnings: tuple[str, ...] = ()
    money_per_hour: float | None = Field(
        default=None, description="of the device, as whoever runs the service has set it"
    )
