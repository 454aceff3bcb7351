"""Workspace: where calibrations keep datasets and trial states, and what a leg may use."""

import math
import shutil
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from advisor.calibration import Prepared
from advisor.evidence import Device, Trial
from profiler.device import this_device

_FLOP_PER_THREAD = 2e9


def step_threads(n_rows: float, n_classes: int, embedding_dim: int, at_most: int) -> int:
    """Threads for a training step: another one for every 2 GFLOP of a dense step.

    A small step is done before a second thread has woken up: on ML-100K (0.3 GFLOP) two threads
    were half as fast as one, and less still with anything else running.
    """
    flop = 6.0 * n_rows * n_classes * embedding_dim
    return int(min(at_most, max(1, 1 + flop // _FLOP_PER_THREAD)))


@dataclass(frozen=True)
class Workspace:
    """A data folder, the device slot that is locked while a leg runs, and the limits of a leg."""

    data_dir: Path
    device: Device = field(default_factory=this_device)
    device_slot: str = "cpu0"
    memory_limit_bytes: float | None = None
    leg_limit_seconds: float = math.inf
    caches_dir: Path | None = None
    """Where datasets are cached, by default `datasets` in the data folder."""

    @classmethod
    def temporary(cls) -> "Workspace":
        """A fresh folder under the system's temporary one; the caller removes it."""
        return cls(Path(tempfile.mkdtemp(prefix="softmax-advisor-")))

    @property
    def datasets_dir(self) -> Path:
        return self.caches_dir or self.data_dir / "datasets"

    def threads(self, prepared: Prepared) -> int:
        """Threads for a task's steps."""
        task, statistics = prepared.task, prepared.statistics
        n_rows = task.training.batch_size * statistics.targets_per_example
        dim = task.model.embedding_dim
        return step_threads(n_rows, statistics.n_classes, dim, self.device.n_threads)

    def states_dir(self, task_fingerprint: str) -> Path:
        """Trial states of a task on this device."""
        return self.data_dir / "states" / f"{task_fingerprint}-{self.device.id}"

    def delete_task(self, task_fingerprint: str) -> None:
        """Forget all that was trained of a task here, on any device."""
        for folder in (self.data_dir / "states").glob(f"{task_fingerprint}-*"):
            shutil.rmtree(folder, ignore_errors=True)

    def delete_states(self, task_fingerprint: str, trials: Iterable[Trial]) -> None:
        """Forget where these trials stopped; one that is asked again starts again, and says so."""
        for trial in trials:
            shutil.rmtree(self.states_dir(task_fingerprint) / trial.id, ignore_errors=True)
