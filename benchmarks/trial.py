"""One whole trial of the ground truth, in a child: validation, and test beside it."""

import math
import time
from collections.abc import Iterator

import torch

from advisor.calibration import Prepared
from advisor.evidence import Trial
from advisor.value import Value
from profiler.dataset import EVALUATION_ROWS, Part, open_dataset
from profiler.leg import PeakMemory, TrainingClock, evaluated
from profiler.trial_state import TrialState

_PARTS: tuple[Part, Part] = ("validation", "test")


class Point(Value):
    """Where a trial stands after so many examples; no value where it is not finite.

    `test_value` is there only where validation is the best so far: nothing else is ever read.
    """

    examples: int
    value: float | None
    test_value: float | None
    train_loss: float | None
    train_seconds: float
    peak_bytes: int


def train(
    prepared: Prepared, trial: Trial, checkpoints: tuple[int, ...], n_threads: int
) -> Iterator[Point]:
    """Yield a point at every checkpoint, up to the first that is not finite."""
    torch.set_num_threads(n_threads)
    dataset = open_dataset(prepared.dataset_dir, prepared.task.model)
    memory = PeakMemory()
    state = TrialState(prepared.task, dataset, trial)
    clock = TrainingClock(state, time.monotonic() + 1e6)
    metric = prepared.task.parsed_metric
    validation, test = (dataset.evaluation(part, EVALUATION_ROWS) for part in _PARTS)
    best = -math.inf
    for checkpoint in checkpoints:
        clock.train_until(checkpoint)
        value = evaluated(state, validation, metric) if clock.is_finite() else math.nan
        is_best = math.isfinite(value) and metric.score(value) > best
        best = metric.score(value) if is_best else best
        test_value = evaluated(state, test, metric) if is_best and len(test.units) else math.nan
        yield Point(
            examples=state.examples,
            value=_finite(value),
            test_value=_finite(test_value),
            train_loss=clock.mean_loss(),
            train_seconds=clock.seconds,
            peak_bytes=memory.peak_bytes(),
        )
        if not math.isfinite(value):
            return


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
