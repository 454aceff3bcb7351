"""Optuna studies that train, ours beside Optuna's: MovieLens 100K for two epochs.

All of a study's own CPU seconds count: training, evaluating, sampling, and for ours what is stored
of the other tasks, the recommendation and the pruner's forecasts. The target is that of the grid.
"""

import argparse
import json
import math
import statistics
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from advisor.curve import checkpoints
from advisor.evidence import Candidate, Trial
from advisor.recommend import recommend
from advisor.task import Task
from benchmarks.confirm import FIRST_SEED
from benchmarks.optuna_study import (
    DEVICE,
    OWN_PRUNERS,
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

NAME, SHARE = "ml100k", 0.1
OWN = "nop"  # of Optuna's own pruners the best here, by replay at the same share


def real_studies(options: argparse.Namespace) -> None:
    """Run what the folder does not have yet, one after the other; print each and the medians."""
    torch.set_num_threads(1)
    folder: Path = options.real
    folder.mkdir(parents=True, exist_ok=True)
    task = tasks(options.data or fetch("ml-100k", folder).parent)[NAME]
    assert task.data is not None
    data = prepare_dataset(task.data, str(folder / "datasets"), task.kind, task.model)
    dataset = open_dataset(data.dataset_dir, task.model)
    for seed in range(options.seeds):
        for by in (f"optuna {OWN}", "ours prior"):
            kept = folder / f"{by.replace(' ', '-')}-{seed}.json"
            if not kept.exists():
                found = _study(by, seed, task, dataset, options.least_chance)
                kept.write_text(json.dumps({"by": by, **found}) + "\n")
                print(json.loads(kept.read_text()), flush=True)
    rows = [json.loads(kept.read_text()) for kept in sorted(folder.glob("*.json"))]
    for by in sorted({row["by"] for row in rows}):
        seconds = sorted(row["seconds"] for row in rows if row["by"] == by)
        print(f"{by}: median {statistics.median(seconds):.1f} s, {seconds}")


def _study(by: str, seed: int, task: Task, dataset: Dataset, least_chance: float) -> dict[str, Any]:
    course = Training(task, dataset, FIRST_SEED + seed)
    world = whole_world(NAME, SHARE)
    if by == "ours prior":
        others = others_than(NAME)
        answer = recommend(world.task, others, DEVICE, prepared=world.prepared())
        pruner, outlook = ours(world, answer, others, least_chance)
        return study(world, answer, pruner, seed, course, outlook)
    return study(world, by_theory(world), OWN_PRUNERS[OWN](), seed, course)


class Training:
    """Trainings on the data, each with a seed of its own; the clock is this process's CPU."""

    def __init__(self, task: Task, dataset: Dataset, seed: int) -> None:
        self._task, self._dataset, self._seed = task, dataset, seed
        self._began = time.process_time()

    @property
    def seconds(self) -> float:
        """Of CPU since the study began."""
        return time.process_time() - self._began

    def points(self, candidate: Candidate) -> Iterator[tuple[int, float]]:
        """Checkpoint by checkpoint; a training that is not finite ends there."""
        task, metric = self._task, self._task.parsed_metric
        trial = TrialState(task, self._dataset, Trial(candidate=candidate, seed=self._seed))
        evaluation = self._dataset.evaluation("validation", EVALUATION_ROWS)
        horizon = round(SHARE * task.horizon.examples(self._dataset.n_examples, 1e-9))
        for checkpoint in checkpoints(horizon, task.training.batch_size):
            try:
                while trial.examples < checkpoint:
                    trial.step()
            except ValueError:  # of hidden vectors that are not finite
                return
            value = evaluated(trial, evaluation, metric)
            if not math.isfinite(value):
                return
            yield trial.examples, metric.score(value)
