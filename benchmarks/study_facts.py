"""What the ground truth says of each loss on each task, as the study tells it."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from advisor.catalogue import known_losses
from advisor.evidence import Diagnosis
from advisor.task import Metric
from benchmarks.gradients import measured
from benchmarks.ground_truth import CURVES, curves
from benchmarks.stored import step_costs

Array = npt.NDArray[np.float64]

NEARLY_FINAL = 0.95  # of its value at the horizon: how soon is a loss there?


@dataclass(frozen=True)
class LossOnTask:
    """A loss at its best setting by validation at the horizon; means over that setting's seeds."""

    task: str
    loss: str
    settings: dict[str, Any]
    n_settings: int
    n_seeds: int
    validation: float
    validation_sd: float | None
    test: float | None
    examples: Array
    best_so_far: Array  # of the first seed
    seconds_per_example: float
    peak_bytes: int | None
    consistency: str
    diagnosis: Diagnosis | None

    @property
    def examples_to_nearly_final(self) -> float:
        """Examples until its curve first stands at 95% of what it comes to."""
        reached = self.best_so_far >= NEARLY_FINAL * self.best_so_far[-1]
        return float(self.examples[int(reached.argmax())])

    def at(self, examples: float) -> float:
        """Best so far at the last checkpoint up to so many examples."""
        last = int(np.searchsorted(self.examples, 1.001 * examples, side="right")) - 1
        return float(self.best_so_far[max(0, last)])


@dataclass(frozen=True)
class TaskFacts:
    """A task of the ground truth, and every loss on it, best first."""

    name: str
    kind: str
    metric: str
    n_classes: int
    n_examples: int
    n_settings: int
    n_trials: int
    horizon_epochs: float
    losses: tuple[LossOnTask, ...]
    rows: pl.DataFrame

    @property
    def horizon_examples(self) -> float:
        return self.horizon_epochs * self.n_examples

    @cached_property
    def by_loss(self) -> dict[str, LossOnTask]:
        return {found.loss: found for found in self.losses}

    def share(self, loss: str) -> float:
        """Of the best loss's validation value."""
        return self.by_loss[loss].validation / self.losses[0].validation

    def best_at(self, share: float) -> dict[str, float]:
        """Each loss's best value at a share of the horizon, over all its settings, first seeds."""
        until = 1.001 * share * self.horizon_examples
        seen = self.rows.filter((pl.col("seed") == 0) & (pl.col("examples") <= until))
        best = seen.group_by("loss").agg(pl.col("value").max()).drop_nulls()
        return dict(sorted(best.iter_rows(), key=lambda pair: -pair[1]))


def all_tasks() -> list[TaskFacts]:
    """Of every task with curves, by name."""
    return [_task(file.stem) for file in sorted(CURVES.glob("*.parquet"))]


def _task(name: str) -> TaskFacts:
    rows, told = curves(name)
    found = sorted(_losses(name, rows, told), key=lambda loss: -loss.validation)
    trials = rows.select("loss", "settings", "seed").unique()
    return TaskFacts(
        name=name,
        kind=told["task"]["kind"],
        metric=told["task"]["metric"],
        n_classes=told["statistics"]["n_classes"],
        n_examples=told["statistics"]["n_examples"],
        n_settings=trials.select("loss", "settings").n_unique(),
        n_trials=len(trials),
        horizon_epochs=told["task"]["horizon"]["epochs"],
        losses=tuple(found),
        rows=rows,
    )


def _losses(name: str, rows: pl.DataFrame, told: dict[str, Any]) -> Iterator[LossOnTask]:
    metric, costs, cards = Metric.parse(told["task"]["metric"]), step_costs(told), known_losses()
    assert not metric.falls, "the study's tasks have metrics that rise"
    gradients = measured().get(name, {})
    finite = rows.filter(pl.col("value").is_not_null())
    ends = (
        finite.sort("value", descending=True, maintain_order=True)
        .group_by("loss", "settings", "seed")
        .first()
        .group_by("loss", "settings")
        .agg(
            pl.col("value").mean().alias("validation"),
            pl.col("value").std().alias("sd"),
            pl.col("test_value").mean().alias("test"),
            pl.len().alias("n_seeds"),
        )
    )
    for loss in sorted(ends["loss"].unique()):
        mine = ends.filter(pl.col("loss") == loss).sort(
            "validation", "settings", descending=[True, False]
        )
        top = mine.row(0, named=True)
        curve = finite.filter(
            (pl.col("loss") == loss)
            & (pl.col("settings") == top["settings"])
            & (pl.col("seed") == 0)
        ).sort("examples")
        cost, diagnosed = costs[loss], gradients.get(loss, {}).get("diagnosis")
        yield LossOnTask(
            task=name,
            loss=loss,
            settings=json.loads(top["settings"]),
            n_settings=len(mine),
            n_seeds=top["n_seeds"],
            validation=top["validation"],
            validation_sd=top["sd"],
            test=top["test"],
            examples=curve["examples"].to_numpy().astype(float),
            best_so_far=np.maximum.accumulate(curve["value"].to_numpy()),
            seconds_per_example=cost.seconds_per_example,
            peak_bytes=cost.peak_bytes,
            consistency=cards[loss].consistency(metric, json.loads(top["settings"])).status,
            diagnosis=Diagnosis.model_validate(diagnosed) if diagnosed else None,
        )
