"""run_leg: train one trial from one example count to the next; runs in the child process."""

import math
import resource
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psutil
import torch

from advisor.calibration import Prepared
from advisor.evidence import Leg, Measurement
from advisor.task import Metric
from profiler.dataset import EVALUATION_ROWS, Dataset, Evaluation, open_dataset
from profiler.messages import GRACE_SECONDS, LegEnd
from profiler.metrics import evaluate
from profiler.trial_state import TrialState

_FEW_ROWS = 64
_ENCODED_ROWS = 512
_OVERRUN = 1.5  # what an evaluation may take over its estimate


def run_leg(
    prepared: Prepared, leg: Leg, states_dir: str, n_threads: int, deadline: float
) -> Iterator[Measurement | LegEnd]:
    """Yield a Measurement at every checkpoint, then one LegEnd; the state is saved before that.

    `deadline` is on time.monotonic(): past it the leg ends at the next step, saved, and evaluated
    if that can end a little later. A leg without a step measures nothing.
    """
    torch.set_num_threads(n_threads)
    dataset = open_dataset(prepared.dataset_dir, prepared.task.model)
    memory = PeakMemory()
    trial = TrialState(prepared.task, dataset, leg.trial)
    clock = TrainingClock(trial, deadline)
    detail = _continue_from(trial, clock, leg, Path(states_dir))
    validation = Validation(prepared, dataset, trial)
    diverged = False
    for checkpoint in leg.checkpoints:
        clock.train_until(checkpoint)
        diverged = not clock.is_finite()
        if trial.examples <= leg.from_examples:
            break
        if not diverged and not clock.has_time_for(_OVERRUN * validation.expected_seconds()):
            break
        value = math.nan if diverged else validation.value()
        diverged = not math.isfinite(value)
        yield Measurement(
            examples=trial.examples,
            seconds=clock.seconds,
            value=None if diverged else value,
            train_loss=clock.mean_loss(),
        )
        if diverged or clock.is_over:
            break
    if not diverged and trial.examples > leg.from_examples:
        _save(trial, leg, Path(states_dir))
    yield LegEnd(
        examples=trial.examples,
        train_seconds=clock.seconds,
        peak_bytes=memory.peak_bytes(),
        diverged=diverged,
        detail=detail,
    )


class Validation:
    """The task's metric on the fixed part of the validation rows, seen classes left out."""

    def __init__(self, prepared: Prepared, dataset: Dataset, trial: TrialState) -> None:
        self._metric, self._trial = prepared.task.parsed_metric, trial
        self._evaluation = dataset.evaluation("validation", EVALUATION_ROWS)
        self._seconds: float | None = None

    def value(self) -> float:
        started = time.perf_counter()
        value = evaluated(self._trial, self._evaluation, self._metric)
        self._seconds = time.perf_counter() - started
        return value

    def expected_seconds(self) -> float:
        """Seconds of one evaluation: the last one's, before the first scaled from a few rows."""
        if self._seconds is None:
            return self.estimated_seconds(0.0)
        return self._seconds

    def estimated_seconds(self, seconds: float) -> float:
        """Seconds of one evaluation, scaled from as many rows as fit into about `seconds`."""
        n_units = len(self._evaluation.units)
        n = max(1, _FEW_ROWS // self._evaluation.rows_per_unit)
        took = self._seconds_of(n)
        fitting = min(n_units, int(n * seconds / took))
        if fitting > n:
            n, took = fitting, self._seconds_of(fitting)
        return took * max(1.0, n_units / n)

    def _seconds_of(self, n_units: int) -> float:
        part = self._evaluation.first(min(n_units, len(self._evaluation.units)))
        started = time.perf_counter()
        evaluated(self._trial, part, self._metric)
        return time.perf_counter() - started


def evaluated(trial: TrialState, evaluation: Evaluation, metric: Metric) -> float:
    """The metric of a trial as it stands: hidden vectors first, then scores chunk by chunk."""
    n_units = max(1, _ENCODED_ROWS // evaluation.rows_per_unit)
    with torch.no_grad(), trial.scoring_in_float32():
        hidden = torch.cat(
            [
                trial.hidden(evaluation.inputs(evaluation.units[start : start + n_units]))
                for start in range(0, len(evaluation.units), n_units)
            ]
        ).float()
        score = trial.log_prob if metric.needs_probabilities else trial.score
        return evaluate(
            lambda rows: score(hidden[rows]),
            np.arange(len(hidden)),
            evaluation.seen,
            evaluation.positives,
            metric,
            class_counts=trial.class_counts,
        )


class TrainingClock:
    """Steps a trial and counts its training seconds, evaluation and saving apart."""

    def __init__(self, trial: TrialState, deadline: float) -> None:
        self.seconds = 0.0
        self._trial, self._deadline = trial, deadline
        self._step_seconds = 0.0
        self._loss_sum, self._n_steps = torch.zeros(()), 0

    @property
    def is_over(self) -> bool:
        return time.monotonic() > self._deadline or not self.has_time_for(self._step_seconds)

    def has_time_for(self, seconds: float) -> bool:
        """Whether what takes so long ends in time to save the state before the leg is killed."""
        return time.monotonic() + seconds < self._deadline + GRACE_SECONDS / 2

    def train_until(self, examples: int) -> None:
        """Step until the trial has seen so many examples or the deadline has passed."""
        self._loss_sum, self._n_steps = torch.zeros(()), 0
        started = before = time.perf_counter()
        while self._trial.examples < examples and not self.is_over:
            try:
                self._loss_sum += self._trial.step()
            except ValueError:
                if self._trial.is_finite():
                    raise
                self._loss_sum += math.nan
                break
            self._n_steps += 1
            self._step_seconds, before = time.perf_counter() - before, time.perf_counter()
        self.seconds += time.perf_counter() - started

    def is_finite(self) -> bool:
        return bool(torch.isfinite(self._loss_sum))

    def mean_loss(self) -> float | None:
        """Mean training loss since the last checkpoint; None without a finite step."""
        if not self._n_steps or not self.is_finite():
            return None
        return float(self._loss_sum) / self._n_steps


class PeakMemory:
    """Peak resident bytes of this process over its level at construction."""

    def __init__(self) -> None:
        self._before = psutil.Process().memory_info().rss

    def peak_bytes(self) -> int:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        return max(0, peak - self._before)


def state_path(states_dir: Path, leg: Leg, examples: int) -> Path:
    """Where a trial's state after so many examples lies."""
    return states_dir / leg.trial.id / f"{examples}.pt"


def _continue_from(
    trial: TrialState, clock: TrainingClock, leg: Leg, states_dir: Path
) -> str | None:
    if leg.from_examples == 0:
        return None
    saved = state_path(states_dir, leg, leg.from_examples)
    if saved.exists():
        trial.load(saved)
        return None
    clock.train_until(leg.from_examples)
    return f"its state after {leg.from_examples} examples was gone: trained again from the start"


def _save(trial: TrialState, leg: Leg, states_dir: Path) -> None:
    """Save, and keep the state this leg came from: it is asked again if it is never told.

    A later state may be another slot's, which trains the same trial for another calibration.
    """
    path = state_path(states_dir, leg, trial.examples)
    trial.save(path)
    for other in path.parent.glob("*.pt"):
        if int(other.stem) < leg.from_examples:
            other.unlink(missing_ok=True)
