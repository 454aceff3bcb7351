"""The workspace: how many threads a task's steps are worth."""

from pathlib import Path

import pytest

from advisor.calibration import Prepared
from advisor.task import TaskStatistics
from profiler.device import this_device
from profiler.workspace import Workspace


@pytest.mark.parametrize(
    ("n_classes", "cores", "threads"),
    [(2000, 8, 1), (100_000, 2, 2), (100_000, 1, 1), (100_000, 8, 2), (1_000_000, 8, 8)],
)
def test_small_steps_take_one_thread_and_large_ones_all(
    prepared: Prepared, tmp_path: Path, n_classes: int, cores: int, threads: int
) -> None:
    statistics = TaskStatistics(n_rows=10, n_classes=n_classes, n_examples=100)
    asked = prepared.model_copy(update={"statistics": statistics})
    assert Workspace(tmp_path, device=this_device(cores)).threads(asked) == threads
