"""A task of the ground truth with some of its settings: what policies are judged on.

A leg's values are read off the stored curves; its wall-clock is the start of a child, the probe's
step and an evaluation for each checkpoint. The truth of a candidate is the mean over its seeds of
best-so-far validation at the horizon, and test at the same checkpoint.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from advisor.calibration import Prepared
from advisor.curve import checkpoints
from advisor.evidence import Candidate, Device, Leg, LegReport, Measurement
from advisor.pace import START_SECONDS
from advisor.task import DataSource, Horizon, Metric, Task, TaskStatistics, Trade
from benchmarks.ground_truth import curves
from benchmarks.stored import step_costs

Array = npt.NDArray[np.float64]
LEFT_OUT = 0.25  # of the settings, in every world
WHOLE = -1  # a seed


@dataclass(frozen=True)
class Truth:
    """One seed of one candidate: counts of examples, scores, best-so-far and test beside it."""

    examples: Array
    scores: Array
    best: Array
    test: Array

    def score(self, examples: float) -> float:
        return float(np.interp(np.log(examples), np.log(self.examples), self.scores))

    def at(self, horizon: float) -> tuple[float, float]:
        """Best-so-far validation and its test, at the last checkpoint up to the horizon."""
        last = max(0, int(np.searchsorted(self.examples, 1.001 * horizon, side="right")) - 1)
        return float(self.best[last]), float(self.test[last])


class World:
    """A task, a share of its horizon, and three quarters of its settings, by a seed.

    With the seed `WHOLE` it has all of them.
    """

    def __init__(self, name: str, seed: int, share: float = 1.0) -> None:
        rows, told = curves(name)
        self.name, self.seed, self.share = name, seed, share
        self.metric = Metric.parse(told["task"]["metric"])
        self.statistics = TaskStatistics.model_validate(told["statistics"])
        self.costs = step_costs(told)
        truths = _truths(rows, self.metric)
        left_out = 0.0 if seed == WHOLE else LEFT_OUT
        drawn = np.random.default_rng(max(0, seed)).random(len(truths))
        kept = [c for c, d in zip(truths, drawn, strict=True) if d >= left_out]
        self.truths = {c.key: truths[c] for c in kept}
        self.space: dict[str, tuple[Candidate, ...]] = {}
        for candidate in kept:
            self.space[candidate.loss] = (*self.space.get(candidate.loss, ()), candidate)
        asked = Task.model_validate({**told["task"], "data": DataSource(path="stored")})
        epochs = share * (asked.horizon.epochs or 1.0)
        self.task = asked.model_copy(
            update={
                "trade": Trade(speed=0.0, memory=0.0),
                "horizon": Horizon(epochs=epochs),
            }
        )
        self.batch_size = self.task.training.batch_size
        examples = self.task.horizon.examples(self.statistics.n_examples, 1e-9)
        self.horizon = -(-examples // self.batch_size) * self.batch_size
        at_horizon = {
            key: [seed_truth.at(self.horizon) for seed_truth in seeds]
            for key, seeds in self.truths.items()
        }
        self.true_validation = {k: float(np.mean([v for v, _ in x])) for k, x in at_horizon.items()}
        self.true_test = {k: float(np.mean([t for _, t in x])) for k, x in at_horizon.items()}

    @property
    def candidates(self) -> list[Candidate]:
        return [c for group in self.space.values() for c in group]

    @property
    def run_seconds(self) -> float:
        """What one full training run of softmax takes, with its evaluations: the budgets' unit."""
        return self.full_seconds("softmax")

    @property
    def grid_seconds(self) -> float:
        return sum(self.full_seconds(c.loss) for c in self.candidates)

    def full_seconds(self, loss: str) -> float:
        """Seconds of a loss to the horizon, with its evaluations."""
        points = checkpoints(self.horizon, self.batch_size)
        return self.seconds(loss, 0, self.horizon, len(points))

    def seconds(self, loss: str, start: float, until: float, n_checkpoints: int) -> float:
        cost = self.costs[loss]
        evaluating = (cost.evaluation_seconds or 0.0) * n_checkpoints
        return START_SECONDS + (until - start) * cost.seconds_per_example + evaluating

    def score(self, candidate: Candidate, examples: float, seed: int = 0) -> float:
        """The validation score of one seed; seeds beyond those trained begin again."""
        seeds = self.truths[candidate.key]
        return seeds[seed % len(seeds)].score(examples)

    def prepared(self) -> Prepared:
        device = Device(
            id="replay", name="replay", kind="cpu", n_threads=1, memory_bytes=2**34, software={}
        )
        return Prepared(
            task=self.task,
            task_fingerprint=self.name,
            statistics=self.statistics,
            device=device,
            dataset_dir="",
        )

    def report(self, leg: Leg) -> LegReport:
        """What training this leg would tell."""
        candidate = leg.trial.candidate
        start, until, n = leg.from_examples, leg.until_examples, len(leg.checkpoints)
        return LegReport(
            leg=leg,
            outcome="completed",
            measurements=tuple(
                Measurement(
                    examples=e,
                    seconds=0.0,
                    value=self.metric.value(self.score(candidate, e, leg.trial.seed)),
                )
                for e in leg.checkpoints
            ),
            examples=until,
            train_seconds=(until - start) * self.costs[candidate.loss].seconds_per_example,
            wall_seconds=self.seconds(candidate.loss, start, until, n),
        )

    def regret(self, chosen: Candidate) -> tuple[float, float, float]:
        """On validation, on test, and test's floor: that of the grid's own validation pick."""
        best = max(self.true_validation, key=lambda key: self.true_validation[key])
        top, top_test = self.true_validation[best], max(self.true_test.values())
        return (
            1 - self.true_validation[chosen.key] / top,
            1 - self.true_test[chosen.key] / top_test,
            1 - self.true_test[best] / top_test,
        )

    def is_hit(self, chosen: Candidate, within: float = 0.01) -> bool:
        """Whether the chosen loss has a setting within 1% of the best."""
        top = max(self.true_validation.values())
        mine = [self.true_validation[c.key] for c in self.space[chosen.loss]]
        return max(mine) >= (1 - within) * top


def _truths(rows: pl.DataFrame, metric: Metric) -> dict[Candidate, list[Truth]]:
    found: dict[Candidate, list[Truth]] = {}
    finite = rows.filter(pl.col("value").is_not_null()).sort("seed", maintain_order=True)
    for (loss, settings, _), points in finite.group_by(
        ["loss", "settings", "seed"], maintain_order=True
    ):
        candidate = Candidate(loss=str(loss), settings=json.loads(str(settings)))
        found.setdefault(candidate, []).append(_truth(points.sort("examples"), metric))
    return found


def _truth(points: pl.DataFrame, metric: Metric) -> Truth:
    scores = [metric.score(v) for v in points["value"]]
    test = [None if v is None else metric.score(v) for v in points["test_value"]]
    best = np.maximum.accumulate(scores)
    at_best = [int(np.argmax(scores[: i + 1])) for i in range(len(scores))]
    return Truth(
        points["examples"].to_numpy().astype(float),
        np.array(scores),
        best,
        np.array([_known(test, i) for i in at_best]),
    )


def _known(test: Sequence[float | None], index: int) -> float:
    value = test[index]
    return np.nan if value is None else value
