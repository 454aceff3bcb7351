"""Values to store: as small as they may be, each argument is one that a test turns."""

from typing import Any

from advisor.card import Consistency
from advisor.evidence import (
    Candidate,
    CurvePoint,
    Device,
    Leg,
    LegReport,
    Measurement,
    Outcome,
    Profile,
    StepCost,
    Trial,
)
from advisor.recommendation import RankedCandidate, Recommendation
from advisor.task import DataSource, Task, TaskStatistics
from advisor.value import Interval
from store.engine import Store

TASK = Task(name="shop", data=DataSource(path="orders.csv"))
LAPTOP = Device(
    id="laptop",
    name="two cores",
    kind="cpu",
    n_threads=2,
    memory_bytes=24 * 2**30,
    software={"torch": "2.13.0"},
)


def a_candidate(loss: str = "softmax", **settings: bool | int | float | str) -> Candidate:
    return Candidate(loss=loss, settings=settings or {"learning_rate": 0.01})


def a_leg(until: int = 100, begin: int = 0, seed: int = 0, loss: str = "softmax") -> Leg:
    return Leg(
        trial=Trial(candidate=a_candidate(loss), seed=seed),
        from_examples=begin,
        checkpoints=((begin + until) // 2, until),
    )


def a_report(leg: Leg, value: float | None = 0.25, outcome: Outcome = "completed") -> LegReport:
    points = [
        Measurement.model_construct(
            examples=examples, seconds=0.5 * (i + 1), value=value, train_loss=1.5
        )
        for i, examples in enumerate(leg.checkpoints)
    ]
    return LegReport.model_construct(
        leg=leg,
        outcome=outcome,
        measurements=tuple(points),
        examples=leg.until_examples,
        train_seconds=1.0,
        wall_seconds=1.25,
        peak_bytes=2**33,
        detail=None,
    )


def a_probe(candidate: Candidate, seconds: float = 0.01) -> StepCost:
    return StepCost(
        candidate=candidate,
        outcome="completed",
        batch_size=512,
        step_seconds=Interval(low=seconds / 2, mean=seconds, high=seconds * 2),
        evaluation_seconds=0.5,
        peak_bytes=2**33,
    )


def a_profile(**changes: Any) -> Profile:
    values: dict[str, Any] = {
        "task_name": "shop",
        "task_fingerprint": "shop-data",
        "kind": "interactions",
        "metric": "ndcg@10",
        "statistics": statistics(1000),
        "embedding_dim": 64,
        "batch_size": 512,
        "device": LAPTOP,
        "candidate": a_candidate(),
        "n_seeds": 2,
        "outcome": "completed",
        "step_seconds": Interval(low=0.01, mean=0.02, high=0.03),
        "peak_bytes": 2**33,
        "final_examples": 2000,
        "final_value": 0.3,
        "curve": (CurvePoint(examples=1000, value=0.2), CurvePoint(examples=2000, value=0.3)),
    }
    return Profile.model_construct(**(values | {"id": None, "tenant": "local"} | changes))


def statistics(n_classes: int) -> TaskStatistics:
    return TaskStatistics(n_rows=900, n_classes=n_classes, n_examples=90_000, class_gini=0.6)


def a_recommendation(**changes: Any) -> Recommendation:
    first = RankedCandidate(
        loss="softmax",
        settings={"learning_rate": 1e-3, "bias": True, "scale": 1.0},
        p_best=1.0,
        consistency=Consistency(status="consistent", reason="ranks by p", source="theory 1"),
        predicted_metric=Interval(low=0.1, mean=0.2, high=0.3),
        train_seconds=None,
        peak_bytes=2**40,
        feasible=True,
        pareto=True,
        reasons=(),
    )
    values: dict[str, Any] = {
        "task": TASK,
        "device_id": None,
        "evidence_level": "theory",
        "verdict": "recommended",
        "loss": "softmax",
        "settings": first.settings,
        "p_best": 1.0,
        "expected_regret": None,
        "ranking": (first,),
        "gain_over_baseline": None,
        "reasons": (),
        "next_experiment": None,
        "elapsed_seconds": 0.1,
    }
    return Recommendation(**(values | changes))


def prepared_calibration(store: Store, tenant: str = "local", task: str = "shop-data") -> str:
    """A running calibration whose data has been read on the laptop; returns its id."""
    store.evidence.save_device(LAPTOP)
    id_ = store.calibrations.create(TASK, 60, "cpu", tenant).id
    store.calibrations.start(id_)
    store.calibrations.prepared(id_, task, LAPTOP.id)
    return id_
