"""A paused and continued trial equals the uninterrupted one, bit by bit."""

from pathlib import Path

import numpy as np
import pytest
import torch

from advisor.calibration import Prepared
from advisor.catalogue import catalogue
from advisor.evidence import Trial
from advisor.search_space import candidates
from profiler.dataset import open_dataset
from profiler.trial_state import TrialState


def state(prepared: Prepared, loss: str, seed: int = 0) -> TrialState:
    torch.set_num_threads(1)
    candidate = candidates(prepared.task, prepared.statistics)[loss][0]
    dataset = open_dataset(prepared.dataset_dir)
    return TrialState(prepared.task, dataset, Trial(candidate=candidate, seed=seed))


@pytest.mark.parametrize("loss", catalogue())
def test_a_continued_trial_equals_the_uninterrupted_one_bitwise(
    prepared: Prepared, loss: str, tmp_path: Path
) -> None:
    straight, paused = state(prepared, loss), state(prepared, loss)
    losses = [straight.step() for _ in range(40)]  # more than an epoch: 19 steps
    for _ in range(23):
        paused.step()
    paused.save(tmp_path / "state.pt")
    continued = state(prepared, loss)
    continued.load(tmp_path / "state.pt")
    assert continued.examples == 23 * 256
    again = [continued.step() for _ in range(17)]
    assert torch.equal(torch.stack(losses[23:]), torch.stack(again))
    rows = (np.arange(50),)
    one, other = (trial.score(trial.hidden(rows)) for trial in (straight, continued))
    assert torch.equal(one, other)


def test_trials_of_one_seed_share_encoder_and_data_order(prepared: Prepared) -> None:
    softmax, bpr = state(prepared, "softmax"), state(prepared, "bpr")
    rows = torch.arange(300)
    assert torch.equal(softmax.encoder(rows), bpr.encoder(rows))
    for _ in range(25):
        assert (softmax._next_batch() == bpr._next_batch()).all()
        softmax.step()
        bpr.step()


def test_another_seed_is_another_trial(prepared: Prepared) -> None:
    first, second = state(prepared, "softmax"), state(prepared, "softmax", seed=1)
    assert (first._next_batch() != second._next_batch()).any()
    assert not torch.equal(first.encoder(torch.arange(9)), second.encoder(torch.arange(9)))


def test_every_epoch_sees_every_example_once(prepared: Prepared) -> None:
    trial = state(prepared, "softmax")
    seen: list[int] = []
    while trial.examples < 2 * prepared.statistics.n_examples:
        seen += trial._next_batch().tolist()
        trial.examples += 256
    n = prepared.statistics.n_examples
    assert len(set(seen[:n])) == n
    assert len(set(seen[n : 2 * n])) == n


def test_a_saved_state_holds_tensors_and_numbers_only(prepared: Prepared, tmp_path: Path) -> None:
    trial = state(prepared, "sampled_softmax")
    trial.step()
    trial.save(tmp_path / "deep" / "state.pt")
    loaded = torch.load(tmp_path / "deep" / "state.pt", weights_only=True)
    assert set(loaded) == {"modules", "optimisers", "generator", "dropout", "examples"}
    assert [p.name for p in (tmp_path / "deep").iterdir()] == ["state.pt"]
