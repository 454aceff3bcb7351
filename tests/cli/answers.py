"""Recommendations made by hand, as a calibration, a prior or theory alone would give them."""

from typing import Any

from advisor.card import Consistency
from advisor.evidence import Device
from advisor.recommendation import (
    ForecastPoint,
    NextExperiment,
    RankedCandidate,
    Reason,
    Recommendation,
)
from advisor.task import DataSource, Task
from advisor.value import Interval

DEVICE = Device(
    id="d1",
    name="a CPU, 2 threads",
    kind="cpu",
    n_threads=2,
    memory_bytes=2**33,
    software={"a": "1"},
)


def ranked(
    loss: str, level: float, seconds: float, p_best: float, **changes: Any
) -> RankedCandidate:
    """A loss that was measured to half its horizon."""
    points = [
        ForecastPoint(
            examples=1000 * n,
            seconds=seconds * n / 8,
            low=level * n / 8 - 0.01,
            mean=level * n / 8,
            high=level * n / 8 + 0.01,
        )
        for n in range(1, 9)
    ]
    fields: dict[str, Any] = {
        "loss": loss,
        "settings": {"learning_rate": 0.003, "n_negatives": 64},
        "p_best": p_best,
        "consistency": Consistency(status="consistent", reason="it orders by p", source="notes"),
        "predicted_metric": Interval(low=level - 0.01, mean=level, high=level + 0.01),
        "train_seconds": Interval(low=seconds * 0.9, mean=seconds, high=seconds * 1.1),
        "peak_bytes": 30 * 2**20,
        "feasible": True,
        "pareto": True,
        "reasons": (Reason(text=f"{loss} was measured.", source="calibration"),),
        "curve": tuple(points),
        "measured": tuple(points[:4]),
    }
    return RankedCandidate(**{**fields, **changes})


def measured(**changes: Any) -> Recommendation:
    """Softmax is best; bpr cannot be had."""
    fields: dict[str, Any] = {
        "id": "r1",
        "task": Task(name="shop", data=DataSource(path="orders.csv"), metric="ndcg@20"),
        "device_id": DEVICE.id,
        "evidence_level": "measured",
        "verdict": "recommended",
        "loss": "softmax",
        "settings": {"learning_rate": 0.003},
        "p_best": 0.9,
        "expected_regret": 0.01,
        "ranking": (
            ranked("softmax", 0.30, 24.0, 0.9),
            ranked("sampled_softmax", 0.28, 3.4, 0.1),
            ranked("bpr", 0.2, 2.0, 0.0, feasible=False, pareto=False, curve=(), measured=()),
        ),
        "gain_over_baseline": Interval(low=0.0, mean=0.0, high=0.0),
        "reasons": (Reason(text="softmax reaches most.", source="calibration"),),
        "next_experiment": None,
        "elapsed_seconds": 61.2,
        "warnings": ("split at random",),
    }
    return Recommendation(**{**fields, **changes})


def by_theory() -> Recommendation:
    """Nothing was measured anywhere: no metric, no curve."""
    unknown = {"predicted_metric": None, "curve": (), "measured": (), "pareto": False}
    return measured(
        id=None,
        evidence_level="theory",
        verdict="not_enough_evidence",
        p_best=0.5,
        expected_regret=None,
        ranking=(
            ranked("softmax", 0.3, 24.0, 0.5, **unknown),
            ranked("rg2", 0.3, 20.0, 0.5, **unknown, peak_bytes=None, train_seconds=None),
        ),
        gain_over_baseline=None,
        next_experiment=NextExperiment(text="Calibrate for 30 s.", budget_seconds=30),
    )
