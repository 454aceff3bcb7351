"""Optuna studies that train, ours beside Optuna's: MovieLens 100K, for two epochs or more.

All of a study's own CPU seconds count: training, evaluating, sampling, and for ours what is stored
of the other tasks, the recommendation and the pruner's forecasts.

    python -m benchmarks.optuna_real --work DIR [--data FOLDER] [--seeds 3]
        [--share 1 --seconds 600] [--own nop hyperband]

A minute each study, ten at the whole horizon of twenty epochs; the target is 99% of the best of
all studies of a seed. Studies that are done are kept in the folder and not run again.
"""

import argparse
import json
import math
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import optuna
import torch

from advisor.curve import checkpoints
from advisor.evidence import Candidate, Trial
from advisor.recommend import recommend
from advisor.task import Task
from benchmarks.confirm import FIRST_SEED
from benchmarks.optuna_study import (
    DEVICE,
    OWN_PRUNERS,
    SHARE_OF_BEST,
    by_theory,
    others_than,
    ours,
    study,
    whole_world,
)
from benchmarks.tasks import tasks
from profiler.dataset import EVALUATION_ROWS, Dataset, open_dataset, prepare_dataset
from profiler.leg import evaluated
from profiler.samples import fetch
from profiler.trial_state import TrialState

NAME = "ml100k"


def main() -> None:
    """Run what the folder does not have yet, one after the other; then print all of it."""
    options = _options()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
    torch.set_num_threads(1)
    folder: Path = options.work
    folder.mkdir(parents=True, exist_ok=True)
    task = tasks(options.data or fetch("ml-100k", folder).parent)[NAME]
    assert task.data is not None
    data = prepare_dataset(task.data, str(folder / "datasets"), task.kind, task.model)
    dataset = open_dataset(data.dataset_dir, task.model)
    for seed in range(options.seeds):
        for by in (*(f"optuna {own}" for own in options.own), "ours prior"):
            kept = folder / f"{by.replace(' ', '-')}-{seed}.json"
            if not kept.exists():
                found = _study(by, seed, task, dataset, options)
                kept.write_text(json.dumps(found) + "\n")
    rows = [json.loads(kept.read_text()) for kept in sorted(folder.glob("*.json"))]
    for seed in sorted({row["seed"] for row in rows}):
        mine = [row for row in rows if row["seed"] == seed]
        best = max(score for row in mine for _, score in row["improved"])
        for row in mine:
            there = [s for s, score in row["improved"] if score >= SHARE_OF_BEST * best]
            took = f"{there[0]:6.1f} s" if there else "   never"
            own = max(score for _, score in row["improved"])
            print(f"seed {seed} {row['by']:16s} {took}  best {own:.4f}, {row['n_trials']} trials")


def _study(
    by: str, seed: int, task: Task, dataset: Dataset, options: argparse.Namespace
) -> dict[str, Any]:
    course = Training(task, dataset, FIRST_SEED + seed, options.share)
    world = whole_world(NAME, options.share)
    if by == "ours prior":
        others = others_than(NAME)
        answer = recommend(world.task, others, DEVICE, prepared=world.prepared())
        pruner, outlook = ours(world, answer, others, options.least_chance)
    else:
        own = OWN_PRUNERS[by.removeprefix("optuna ")]
        answer, pruner, outlook = by_theory(world), own(), None
    found = study(world, answer, pruner, seed, course, outlook, options.seconds, options.queue)
    return {"by": by, "seed": seed, "n_trials": found["n_trials"], "improved": course.improved}


class Training:
    """Trainings on the data, each with a seed of its own; the clock is this process's CPU."""

    def __init__(self, task: Task, dataset: Dataset, seed: int, share: float) -> None:
        self._task, self._dataset, self._seed = task, dataset, seed
        self._share = share
        self._began = time.process_time()
        self.improved: list[tuple[float, float]] = []
        """Seconds and score, wherever a score was the best so far."""

    @property
    def seconds(self) -> float:
        """Of CPU since the study began."""
        return time.process_time() - self._began

    def points(self, candidate: Candidate) -> Iterator[tuple[int, float]]:
        """Checkpoint by checkpoint; a training that is not finite ends there."""
        task, metric = self._task, self._task.parsed_metric
        trial = TrialState(task, self._dataset, Trial(candidate=candidate, seed=self._seed))
        evaluation = self._dataset.evaluation("validation", EVALUATION_ROWS)
        horizon = round(self._share * task.horizon.examples(self._dataset.n_examples, 1e-9))
        for checkpoint in checkpoints(horizon, task.training.batch_size):
            try:
                while trial.examples < checkpoint:
                    trial.step()
            except ValueError:  # of hidden vectors that are not finite
                return
            value = evaluated(trial, evaluation, metric)
            if not math.isfinite(value):
                return
            score = metric.score(value)
            if not self.improved or score > self.improved[-1][1]:
                self.improved.append((self.seconds, score))
            yield trial.examples, score


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, required=True, help="folder of the studies")
    parser.add_argument("--data", type=Path, help="folder with the data, else the sample is taken")
    parser.add_argument("--seeds", type=int, default=3)
    # By replay none of Optuna's pruners is better here than none; of those that prune, Hyperband.
    parser.add_argument("--own", nargs="+", choices=OWN_PRUNERS, default=["nop"])
    parser.add_argument("--share", type=float, default=0.1, help="of the horizon")
    parser.add_argument("--seconds", type=float, default=60.0, help="of CPU, a study")
    parser.add_argument("--least-chance", type=float, default=0.1, help="of the pruner")
    parser.add_argument("--queue", type=int, help="settings that ours begins with, else all")
    return parser.parse_args()


if __name__ == "__main__":
    main()
