"""Races without training: curves of known shape stand in for what a leg would measure.

The race's own logic is under test, so its input is exact; real trainings are in tests/profiler.
"""

from collections.abc import Callable

import numpy as np

from advisor.calibration import Prepared
from advisor.cost import shape_of
from advisor.evidence import Candidate, Device, Leg, LegReport, Measurement, StepCost
from advisor.race import Race
from advisor.search_space import candidates
from advisor.task import DataSource, Horizon, LossSelection, Task, TaskStatistics
from advisor.value import Interval

DEVICE = Device(
    id="d0", name="test", kind="cpu", n_threads=2, memory_bytes=2**34, software={"torch": "2.13.0"}
)
STATISTICS = TaskStatistics(n_rows=900, n_classes=1700, n_examples=80_000, class_gini=0.6)
STEP_SECONDS = {
    "bpr": 0.0015,
    "negative_sampling": 0.002,
    "rg2": 0.0017,
    "sampled_softmax": 0.003,
    "softmax": 0.006,
    "sparsemax": 0.015,
}
FINAL = {
    "bpr": 0.26,
    "negative_sampling": 0.27,
    "rg2": 0.303,
    "sampled_softmax": 0.29,
    "softmax": 0.304,
    "sparsemax": 0.28,
}
Curve = Callable[[Candidate, int, float], float]


def task(*, losses: LossSelection | dict | None = None, **changes: object) -> Task:
    """A task of the losses whose curves stand above, or of those that are given."""
    selection = LossSelection.model_validate(losses or {}).model_dump(exclude_unset=True)
    fields = {
        "data": DataSource(path="x.csv"),
        "metric": "ndcg@20",
        "horizon": Horizon(epochs=20),
        "losses": {"include": tuple(STEP_SECONDS), **selection},
    }
    return Task.model_validate({**fields, **changes})


def prepared(asked: Task) -> Prepared:
    return Prepared(
        task=asked,
        task_fingerprint="f" * 32,
        statistics=STATISTICS,
        device=DEVICE,
        dataset_dir="nowhere",
    )


def costs(asked: Task) -> list[StepCost]:
    shapes = {
        shape_of(c).key: shape_of(c) for g in candidates(asked, STATISTICS).values() for c in g
    }
    return [
        StepCost(
            candidate=shape,
            outcome="completed",
            batch_size=asked.training.batch_size,
            step_seconds=Interval(
                low=0.9 * STEP_SECONDS[shape.loss],
                mean=STEP_SECONDS[shape.loss],
                high=1.2 * STEP_SECONDS[shape.loss],
            ),
            evaluation_seconds=0.015,
            peak_bytes=100_000_000,
        )
        for shape in shapes.values()
    ]


def curve(candidate: Candidate, seed: int, epochs: float) -> float:
    """Saturating growth; a learning rate off its best one is slower and ends lower."""
    rate = float(candidate.settings["learning_rate"])
    off = abs(np.log(rate / 0.003))
    final = FINAL[candidate.loss] * (1 - 0.03 * off)
    noise = 1 + 0.01 * np.random.default_rng(seed + int(1e6 * rate)).standard_normal()
    half = 1.5 * (1 + off)
    return float(final * noise / (1 + (half / epochs) ** 1.5))


def report(leg: Leg, shape: Curve = curve, seconds_per_example: float = 1e-5) -> LegReport:
    measurements = tuple(
        Measurement(
            examples=e,
            seconds=(e - leg.from_examples) * seconds_per_example,
            value=shape(leg.trial.candidate, leg.trial.seed, e / STATISTICS.n_examples),
        )
        for e in leg.checkpoints
    )
    n = leg.until_examples - leg.from_examples
    return LegReport(
        leg=leg,
        outcome="completed",
        measurements=measurements,
        examples=leg.until_examples,
        train_seconds=n * seconds_per_example,
        wall_seconds=0.15 + n * seconds_per_example + 0.015 * len(measurements),
        peak_bytes=1,
    )


def new_race(asked: Task, budget_seconds: float = 100, **settings: object) -> Race:
    space = candidates(asked, STATISTICS)
    return Race(prepared(asked), space, costs(asked), budget_seconds=budget_seconds, **settings)


def run(race: Race, budget_seconds: float, shape: Curve = curve) -> tuple[list[LegReport], float]:
    """Ask and tell until nothing affordable is left; wall-clock as the probe predicts it."""
    told: list[LegReport] = []
    left = budget_seconds
    while leg := race.ask(left):
        step = STEP_SECONDS[leg.trial.candidate.loss]
        told.append(report(leg, shape, step / 512))
        race.tell(told[-1])
        left -= told[-1].wall_seconds
    return told, left
