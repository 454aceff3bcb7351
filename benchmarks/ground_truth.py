"""Ground truth: every setting of every loss to the horizon, on eight real tasks, curves kept.

    python -m benchmarks.ground_truth --data DIR [--only ml100k ...] [--seconds 3600]

Resumable: a finished trial is in benchmarks/curves/TASK.parquet and is not trained again. First
every setting with one seed, then further seeds for those within 3% of the best. Values against
examples do not depend on the machine's load; step seconds come from one interleaved probe a task,
in TASK.json, so that no trial's own clock matters. One trial at a time.
"""

import argparse
import json
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import polars as pl

from advisor.calibration import Prepared
from advisor.cost import shape_of
from advisor.curve import checkpoints
from advisor.evidence import Candidate, StepCost, Trial
from advisor.search_space import candidates
from advisor.task import Metric
from benchmarks.tasks import tasks
from benchmarks.trial import Point
from profiler.device import this_device
from profiler.isolation import ChildFailedError, in_child
from profiler.prepare import prepare
from profiler.probe import probe
from profiler.workspace import Workspace

CURVES = Path(__file__).with_name("curves")
LEADERS_WITHIN = 0.03
_PROBE_SECONDS = 240.0
_TRIAL_SECONDS = 1800.0
_SCHEMA = {
    "loss": pl.String,
    "settings": pl.String,
    "seed": pl.Int64,
    "outcome": pl.String,
    "examples": pl.Int64,
    "value": pl.Float64,
    "test_value": pl.Float64,
    "train_loss": pl.Float64,
    "train_seconds": pl.Float64,
    "peak_bytes": pl.Int64,
}


def main() -> None:
    options = _options()
    until = time.monotonic() + options.seconds
    chosen = tasks(options.data)
    for name in options.only or chosen:
        task = chosen[name]
        workspace = Workspace(options.work.resolve(), device=this_device(options.threads))
        prepared = prepare(task, workspace)
        truth = Truth(name, prepared)
        truth.probe_once(workspace, again=options.probe_only)
        if options.probe_only:
            continue
        for trial in truth.missing(options.seeds):
            if time.monotonic() > until:
                print("out of time; run it again to go on")
                return
            truth.train(trial, options.threads)


class Truth:
    """The trials of one task, as far as they are trained."""

    def __init__(self, name: str, prepared: Prepared) -> None:
        self.name, self.prepared = name, prepared
        self.metric = prepared.task.parsed_metric
        self.file = CURVES / f"{name}.parquet"
        self.rows = pl.read_parquet(self.file) if self.file.exists() else pl.DataFrame([], _SCHEMA)
        space = candidates(prepared.task, prepared.statistics)
        # Setting by setting over all losses, so that an interrupted run has something of each.
        deepest = max(len(group) for group in space.values())
        self.space = [g[i] for i in range(deepest) for g in space.values() if i < len(g)]

    def probe_once(self, workspace: Workspace, again: bool = False) -> None:
        """Step seconds and peak bytes of every loss that has none, interleaved in one run."""
        file = CURVES / f"{self.name}.json"
        is_known = file.exists() and not again
        known = json.loads(file.read_text())["costs"] if is_known else []
        costs = [StepCost.model_validate(cost) for cost in known]
        have = {cost.candidate.key for cost in costs}
        shapes = {shape_of(c).key: shape_of(c) for c in self.space}
        missing = [shape for key, shape in shapes.items() if key not in have]
        if missing:
            deadline = time.monotonic() + _PROBE_SECONDS
            costs += probe(self.prepared, missing, workspace, _PROBE_SECONDS, deadline)
        told = {
            "task": self.prepared.task.model_copy(update={"data": None}).model_dump(mode="json"),
            "statistics": self.prepared.statistics.model_dump(mode="json"),
            "notes": self.prepared.notes,
            "device": self.prepared.device.model_dump(mode="json"),
            "costs": [cost.model_dump(mode="json") for cost in costs],
        }
        CURVES.mkdir(exist_ok=True)
        file.write_text(json.dumps(told, indent=1) + "\n")

    def missing(self, n_seeds: int) -> Iterator[Trial]:
        """What is not trained yet: one seed of each first, then more of the leaders."""
        for candidate in self.space:
            if (candidate.key, 0) not in self._done():
                yield Trial(candidate=candidate, seed=0)
        scores = {c.key: self._score(c) for c in self.space}
        best = max(scores.values())
        for seed in range(1, n_seeds):
            for candidate in self.space:
                is_leader = scores[candidate.key] >= (1 - LEADERS_WITHIN) * best
                if is_leader and (candidate.key, seed) not in self._done():
                    yield Trial(candidate=candidate, seed=seed)

    def train(self, trial: Trial, n_threads: int) -> None:
        """Train it in a child and keep its curve; what does not fit is an outcome."""
        prepared, batch_size = self.prepared, self.prepared.task.training.batch_size
        horizon = prepared.task.horizon.examples(prepared.statistics.n_examples, 1e-9)
        arguments = {
            "prepared": prepared,
            "trial": trial,
            "checkpoints": checkpoints(horizon, batch_size),
            "n_threads": n_threads,
        }
        points: list[Point] = []
        outcome = "completed"
        try:
            for point in in_child(
                "benchmarks.trial:train", arguments, time_limit_seconds=_TRIAL_SECONDS
            ):
                points.append(point)
            if points and points[-1].value is None:
                outcome = "diverged"
        except ChildFailedError as error:
            if error.outcome == "failed":  # a fault of the program says nothing of the loss
                raise
            outcome = error.outcome
            print(error.detail)
        self._keep(trial, outcome, points)
        values = [p.value for p in points if p.value is not None]
        best = (min if self.metric.falls else max)(values, default=None)
        spent = points[-1].train_seconds if points else 0.0
        print(
            f"{self.name} {trial.candidate.loss:20s} {_text(trial.candidate)} seed {trial.seed}: "
            f"{'-' if best is None else f'{best:.4f}'} {outcome} {spent:.1f} s",
            flush=True,
        )

    def _keep(self, trial: Trial, outcome: str, points: Sequence[Point]) -> None:
        same = {
            "loss": trial.candidate.loss,
            "settings": _text(trial.candidate),
            "seed": trial.seed,
            "outcome": outcome,
        }
        rows = [{**same, **point.model_dump()} for point in points] or [same]
        self.rows = pl.concat([self.rows, pl.DataFrame(rows, _SCHEMA)])
        partial = self.file.with_suffix(".partial")
        self.rows.write_parquet(partial, compression="zstd")
        partial.replace(self.file)

    def _done(self) -> set[tuple[str, int]]:
        trials = self.rows.select("loss", "settings", "seed").unique().iter_rows()
        return {(f"{loss} {settings}", seed) for loss, settings, seed in trials}

    def _score(self, candidate: Candidate) -> float:
        values = self.rows.filter(
            (pl.col("loss") == candidate.loss)
            & (pl.col("settings") == _text(candidate))
            & (pl.col("seed") == 0)
        )["value"].drop_nulls()
        return max((self.metric.score(v) for v in values), default=0.0)


def curves(name: str) -> tuple[pl.DataFrame, dict]:
    """What is trained of a task, and what else is known of it."""
    told = json.loads((CURVES / f"{name}.json").read_text())
    return pl.read_parquet(CURVES / f"{name}.parquet"), told


def true_values(name: str, column: str = "value") -> dict[str, float]:
    """Best validation so far at the horizon by candidate key, mean over its seeds.

    Column `test_value` is test at the same checkpoint, null where that was never evaluated.
    """
    rows, told = curves(name)
    metric = Metric.parse(told["task"]["metric"])
    by_validation = rows.filter(pl.col("value").is_not_null()).sort(
        "value", descending=not metric.falls, maintain_order=True
    )
    per_seed = by_validation.group_by("loss", "settings", "seed").first()
    means = per_seed.group_by("loss", "settings").agg(pl.col(column).mean())
    return {f"{r['loss']} {r['settings']}": r[column] for r in means.iter_rows(named=True)}


def _text(candidate: Candidate) -> str:
    return json.dumps(candidate.settings, sort_keys=True)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with the data sets")
    parser.add_argument("--work", type=Path, default=Path("ground-truth-work"))
    parser.add_argument("--only", nargs="+", help="these tasks")
    parser.add_argument("--seconds", type=float, default=5 * 3600, help="stop after so many")
    parser.add_argument("--seeds", type=int, default=3, help="of those within 3%% of the best")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--probe-only", action="store_true", help="time the steps again, no more")
    return parser.parse_args()


if __name__ == "__main__":
    main()
