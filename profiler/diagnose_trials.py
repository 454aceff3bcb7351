"""Trials diagnosed where they stopped; runs in a child process."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch

from advisor.calibration import Prepared
from advisor.evidence import Diagnosis, Trial
from profiler.dataset import Inputs, Target, open_dataset
from profiler.diagnostics import diagnoses, noted, smoothness
from profiler.trial_state import TrialState

_BATCH_SEED = 20260124


def diagnose_trials(
    prepared: Prepared, trials: Sequence[tuple[Trial, str]], n_threads: int, draws: int
) -> Iterator[tuple[str, Diagnosis]]:
    """Yield candidate key and what is known so far, again and again: the child may be out of time.

    `trials` come with the path of their saved state, which stays as it is. The batch is of the
    task's size, drawn from the training data, and the same for all; gradients are in float32.
    """
    torch.set_num_threads(n_threads)
    dataset = open_dataset(prepared.dataset_dir, prepared.task.model)
    batch_size = prepared.task.training.batch_size
    drawn = np.random.default_rng(_BATCH_SEED).integers(dataset.n_examples, size=batch_size)
    inputs, target = dataset.training(drawn)
    training = prepared.task.training.model_copy(update={"dtype": "float32"})
    task = prepared.task.model_copy(update={"training": training})
    for trial, state_path in trials:
        state = TrialState(task, dataset, trial)
        state.load(Path(state_path))
        for diagnosis in _diagnose_state(state, inputs, target, draws):
            yield trial.candidate.key, diagnosis


def _diagnose_state(
    state: TrialState, inputs: Inputs, target: Target, draws: int
) -> Iterator[Diagnosis]:
    rows, classes = _one_class_a_row(target)

    def hidden() -> torch.Tensor:
        with torch.no_grad():
            return state.hidden(inputs)[rows]

    found = None
    for found in diagnoses(state.layer, hidden(), classes, draws=draws, generator=state.generator):
        yield found
    if found is not None:
        yield noted(found, "smoothness", smoothness(state.layer, hidden, classes, state.step))


def _one_class_a_row(target: Target) -> tuple[torch.Tensor, torch.Tensor]:
    """Rows of hidden and their classes: with several positives a row stands there several times."""
    if isinstance(target, tuple):
        indices, offsets = target
        rows = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))
        return torch.from_numpy(rows), torch.from_numpy(np.asarray(indices)).long()
    return torch.arange(len(target)), torch.from_numpy(np.asarray(target)).long()
