"""run_leg: train one trial from one example count to the next; runs in the child process."""

import math
import resource
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import torch

from advisor.calibration import Prepared
from advisor.evidence import Leg, Measurement
from profiler.dataset import Dataset, open_dataset
from profiler.messages import LegEnd
from profiler.metrics import evaluate
from profiler.trial_state import TrialState

EVALUATION_ROWS = 2000


def run_leg(
    prepared: Prepared, leg: Leg, states_dir: str, n_threads: int, deadline: float
) -> Iterator[Measurement | LegEnd]:
    """Yield a Measurement at every checkpoint, then one LegEnd; the state is saved before that.

    `deadline` is on time.monotonic(): past it the leg ends at the next step, evaluated and saved.
    """
    torch.set_num_threads(n_threads)
    dataset = open_dataset(prepared.dataset_dir)
    memory = PeakMemory()
    trial = TrialState(prepared.task, dataset, leg.trial)
    clock = TrainingClock(trial, deadline)
    detail = _continue_from(trial, clock, leg, Path(states_dir))
    diverged = False
    for checkpoint in leg.checkpoints:
        clock.train_until(checkpoint)
        value = validate(prepared, dataset, trial) if clock.is_finite() else math.nan
        diverged = not math.isfinite(value)
        yield Measurement(
            examples=trial.examples,
            seconds=clock.seconds,
            value=None if diverged else value,
            train_loss=clock.mean_loss(),
        )
        if diverged or clock.is_over:
            break
    if not diverged:
        _save(trial, leg, Path(states_dir))
    yield LegEnd(
        examples=trial.examples,
        train_seconds=clock.seconds,
        peak_bytes=memory.peak_bytes(),
        diverged=diverged,
        detail=detail,
    )


def validate(prepared: Prepared, dataset: Dataset, trial: TrialState) -> float:
    """The task's metric on the fixed subset of validation rows, seen classes masked."""
    with torch.no_grad():
        return evaluate(
            trial.score,
            torch.from_numpy(dataset.evaluation_rows(EVALUATION_ROWS)).long(),
            (dataset.train_indptr, dataset.train_indices),
            (dataset.validation_indptr, dataset.validation_indices),
            prepared.task.parsed_metric,
        )


class TrainingClock:
    """Steps a trial and counts its training seconds, evaluation and saving apart."""

    def __init__(self, trial: TrialState, deadline: float) -> None:
        self.seconds = 0.0
        self._trial, self._deadline = trial, deadline
        self._loss_sum, self._n_steps = torch.zeros(()), 0

    @property
    def is_over(self) -> bool:
        return time.monotonic() > self._deadline

    def train_until(self, examples: int) -> None:
        """Step until the trial has seen so many examples or the deadline has passed."""
        self._loss_sum, self._n_steps = torch.zeros(()), 0
        started = time.perf_counter()
        while self._trial.examples < examples and not self.is_over:
            try:
                self._loss_sum += self._trial.step()
            except ValueError:
                if self._trial.is_finite():
                    raise
                self._loss_sum += math.nan
                break
            self._n_steps += 1
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
    """Save, and keep the state this leg came from: it is asked again if it is never told."""
    path = state_path(states_dir, leg, trial.examples)
    trial.save(path)
    for other in path.parent.glob("*.pt"):
        if int(other.stem) not in (leg.from_examples, trial.examples):
            other.unlink(missing_ok=True)
