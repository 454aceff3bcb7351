"""Large data is calibrated on an unbiased part: of training and validation rows, never of classes.

A leg trains on all rows in random order, so one that stops early has seen a random part of them,
and it ranks a random part of the validation rows; what it costs does not grow with the data.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from advisor.calibration import Prepared
from advisor.evidence import Trial
from advisor.search_space import candidates
from profiler.dataset import EVALUATION_ROWS, Dataset, open_dataset
from profiler.leg import evaluated
from profiler.prepare import prepare, summarise
from profiler.trial_state import TrialState
from profiler.workspace import Workspace
from tests.small_data import small_task, write_interactions

N_USERS, N_CLASSES = 7000, 301


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pairs sorted by user, 10 of each, and at the end one item that is chosen only once."""
    path = tmp_path_factory.mktemp("large") / "pairs.csv"
    write_interactions(path, n_users=N_USERS, n_items=N_CLASSES - 1, per_user=10)
    with path.open("a") as file:
        file.write("u0,rare\n")
    return path


@pytest.fixture(scope="module")
def large(path: Path, workspace: Workspace) -> Prepared:
    return prepare(small_task(path), workspace)


@pytest.fixture(scope="module")
def dataset(large: Prepared) -> Dataset:
    return open_dataset(large.dataset_dir)


class Watched:
    """A dataset that remembers which examples were trained on."""

    def __init__(self, dataset: Dataset) -> None:
        self._dataset, self.examples = dataset, []

    def training(self, examples: NDArray[np.int64]) -> Any:
        self.examples += examples.tolist()
        return self._dataset.training(examples)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._dataset, name)


def trial_of(large: Prepared, dataset: Any, loss: str = "softmax", seed: int = 0) -> TrialState:
    first = candidates(large.task, large.statistics)[loss][0]
    return TrialState(large.task, dataset, Trial(candidate=first, seed=seed))


def batches(large: Prepared, dataset: Dataset, loss: str, n: int) -> list[int]:
    watched = Watched(dataset)
    trial = trial_of(large, watched, loss)
    for _ in range(n):
        trial.step()
    return watched.examples


def test_a_leg_that_stops_early_has_trained_on_a_random_part_and_on_nothing_twice(
    large: Prepared, dataset: Dataset
) -> None:
    n = dataset.n_examples
    seen = batches(large, dataset, "softmax", 40)
    assert len(set(seen)) == len(seen) == 40 * large.task.training.batch_size < n
    # The file is sorted by user: a biased part would lie at its beginning.
    share = np.histogram(seen, bins=10, range=(0, n))[0] / len(seen)
    assert np.abs(share - 0.1).max() < 4 * np.sqrt(0.09 / len(seen))


def test_every_loss_trains_on_the_same_part(large: Prepared, dataset: Dataset) -> None:
    assert batches(large, dataset, "softmax", 5) == batches(large, dataset, "sampled_softmax", 5)


def test_one_epoch_later_every_row_was_trained_on_once(large: Prepared, dataset: Dataset) -> None:
    n, batch_size = dataset.n_examples, large.task.training.batch_size
    seen = batches(large, dataset, "softmax", -(-n // batch_size))[:n]
    assert sorted(seen) == list(range(n))


def test_what_is_ranked_is_a_random_part_of_the_users_once_and_for_all(
    large: Prepared, dataset: Dataset
) -> None:
    part = dataset.evaluation("validation", EVALUATION_ROWS)
    again = open_dataset(large.dataset_dir).evaluation("validation", EVALUATION_ROWS)
    assert part.n_rows == EVALUATION_ROWS < dataset.evaluation("validation").n_rows == N_USERS
    assert np.array_equal(part.units, again.units)
    assert abs(part.units.mean() / N_USERS - 0.5) < 4 / np.sqrt(12 * EVALUATION_ROWS)


def test_the_metric_on_the_part_is_that_on_all_users_but_for_chance(
    large: Prepared, dataset: Dataset
) -> None:
    trial, metric = trial_of(large, dataset), large.task.parsed_metric
    for _ in range(100):
        trial.step()
    whole = evaluated(trial, dataset.evaluation("validation"), metric)
    part = evaluated(trial, dataset.evaluation("validation", EVALUATION_ROWS), metric)
    assert whole > 0.02
    assert abs(part - whole) < 4 * np.sqrt(whole * (1 - whole) / EVALUATION_ROWS)


@pytest.mark.parametrize("loss", ["softmax", "sampled_softmax"])
def test_no_class_is_left_out_of_counts_proposals_and_ranking(
    large: Prepared, dataset: Dataset, loss: str
) -> None:
    trial = trial_of(large, dataset, loss)
    assert large.statistics.n_classes == dataset.n_classes == N_CLASSES
    assert len(trial.class_counts) == N_CLASSES
    assert trial.class_counts.sum() == dataset.n_examples == large.statistics.n_examples
    units = dataset.evaluation("validation", EVALUATION_ROWS).units[:3]
    assert trial.score(trial.hidden((units,))).shape == (3, N_CLASSES)


def test_the_part_is_counted_in_the_summary_and_told_to_who_calibrates(
    path: Path, large: Prepared, dataset: Dataset, workspace: Workspace
) -> None:
    said = "a calibration ranks 2,000 of 7,000 validation rows, the same random ones for every loss"
    assert large.notes[-1].startswith(said)
    assert f"among all {N_CLASSES} classes" in large.notes[-1]
    assert f"all {dataset.n_examples:,} examples in random order" in large.notes[-1]
    assert summarise(small_task(path), workspace).notes == large.notes


def test_of_small_data_nothing_is_said(prepared: Prepared) -> None:
    assert not [note for note in prepared.notes if "a calibration ranks" in note]
