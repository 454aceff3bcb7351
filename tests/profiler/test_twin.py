"""The synthetic twin of a description: its sizes, its skew, something to learn, and its mark."""

import time
from pathlib import Path

import numpy as np
import pytest
import torch

from advisor.evidence import Leg, Trial
from advisor.search_space import candidates
from advisor.task import Horizon, Model, Task, TaskStatistics
from profiler import splits
from profiler.calibrate import calibrate
from profiler.dataset import open_dataset
from profiler.kinds.description import class_shares
from profiler.leg import run_leg
from profiler.metrics import evaluate
from profiler.prepare import prepare
from profiler.workspace import Workspace

pytestmark = pytest.mark.slow
STATISTICS = TaskStatistics(n_rows=400, n_classes=300, n_examples=9000, class_gini=0.6)


def described(**changes: object) -> Task:
    fields = {
        "kind": "description",
        "statistics": STATISTICS,
        "model": Model(embedding_dim=16),
        "horizon": Horizon(epochs=5),
    }
    return Task.model_validate({**fields, **changes})


@pytest.mark.parametrize("gini", [0.0, 0.3, 0.6, 0.9])
def test_class_shares_have_the_gini_index_of_the_description(gini: float) -> None:
    shares = class_shares(1000, gini)
    assert shares.sum() == pytest.approx(1)
    assert splits.gini((shares * 1e9).astype(np.int64)) == pytest.approx(gini, abs=0.01)


def test_the_twin_has_the_sizes_of_the_description(tmp_path: Path) -> None:
    prepared = prepare(described(), Workspace(tmp_path))
    found = prepared.statistics
    assert (found.n_rows, found.n_classes) == (STATISTICS.n_rows, STATISTICS.n_classes)
    assert found.n_examples == pytest.approx(STATISTICS.n_examples, rel=0.03)
    assert found.class_gini == pytest.approx(STATISTICS.class_gini, abs=0.1)
    assert "synthetic twin" in prepared.notes[0]
    again = prepare(described(), Workspace(tmp_path))
    assert again.dataset_dir == prepared.dataset_dir
    other = prepare(described(twin_signal=0.9), Workspace(tmp_path))
    assert other.dataset_dir != prepared.dataset_dir


def test_a_twin_with_signal_lets_a_model_beat_the_popularity(tmp_path: Path) -> None:
    gains = {}
    for signal in (0.0, 1.0):
        prepared = prepare(described(twin_signal=signal), Workspace(tmp_path))
        candidate = candidates(prepared.task, prepared.statistics)["softmax"][0]
        leg = Leg(
            trial=Trial(candidate=candidate, seed=0), from_examples=0, checkpoints=(20 * 9000,)
        )
        measured, _ = run_leg(prepared, leg, str(tmp_path), 1, time.monotonic() + 60)
        data = open_dataset(prepared.dataset_dir)
        found, counts = data.evaluation("validation"), torch.from_numpy(data.class_counts).double()
        popularity = evaluate(
            lambda rows, counts=counts: counts.repeat(len(rows), 1),
            np.arange(len(found.units)),
            found.seen,
            found.positives,
            prepared.task.parsed_metric,
        )
        gains[signal] = measured.value / popularity
    assert gains[0.0] < 1.05
    assert gains[1.0] > 1.3


def test_classes_that_hardly_suffice_still_make_a_twin(tmp_path: Path) -> None:
    tiny = TaskStatistics(n_rows=3, n_classes=4, n_examples=100, class_gini=0.5)
    prepared = prepare(described(statistics=tiny), Workspace(tmp_path))
    data = open_dataset(prepared.dataset_dir)
    assert 1 <= data.n_examples <= 3 * 2


def test_a_calibration_of_a_description_says_everywhere_that_it_is_a_twins(tmp_path: Path) -> None:
    task = described(losses={"include": ["softmax", "bpr"]})
    answer = calibrate(task, 15.0, workspace=Workspace(tmp_path)).recommendation
    assert answer.evidence_level == "measured"
    assert any("synthetic twin" in warning for warning in answer.warnings)
    assert any("synthetic twin" in reason.source for reason in answer.reasons)
