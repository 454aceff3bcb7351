"""One whole trial of the ground truth, in a child: validation, and test beside it."""

import math
import time
from collections.abc import Iterator

import torch

from advisor.calibration import Prepared
from advisor.evidence import Trial
from advisor.value import Value
from profiler.dataset import open_dataset
from profiler.leg import EVALUATION_ROWS, PeakMemory, TrainingClock, evaluated
from profiler.trial_state import TrialState


class Point(Value):
    """Where a trial stands after so many examples; no value where it is not finite."""

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
    parts = [dataset.evaluation(part, EVALUATION_ROWS) for part in ("validation", "test")]
    for checkpoint in checkpoints:
        clock.train_until(checkpoint)
        values = [math.nan, math.nan]
        if clock.is_finite():
            values = [evaluated(state, p, metric) if len(p.units) else math.nan for p in parts]
        value, test_value = (v if math.isfinite(v) else None for v in values)
        yield Point(
            examples=state.examples,
            value=value,
            test_value=test_value,
            train_loss=clock.mean_loss(),
            train_seconds=clock.seconds,
            peak_bytes=memory.peak_bytes(),
        )
        if value is None:
            return
