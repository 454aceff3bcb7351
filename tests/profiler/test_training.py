"""A trial with each optimiser and dtype goes on bitwise, learns, and is scored in float32."""

import time
from pathlib import Path

import pytest
import torch

from advisor.calibration import Prepared
from advisor.catalogue import catalogue
from advisor.evidence import Leg, Trial
from advisor.search_space import candidates
from advisor.task import Training
from profiler.dataset import open_dataset
from profiler.diagnose_trials import diagnose_trials
from profiler.leg import run_leg
from profiler.messages import LegEnd
from profiler.trial_state import TrialState

pytestmark = pytest.mark.slow
OPTIMISERS = ["adam", "adamw", "sgd", "adagrad"]


def changed(prepared: Prepared, **training: object) -> Prepared:
    asked = Training.model_validate({"batch_size": 256, **training})
    task = prepared.task.model_copy(update={"training": asked})
    return prepared.model_copy(update={"task": task})


def trial_of(prepared: Prepared, loss: str) -> Trial:
    return Trial(candidate=candidates(prepared.task, prepared.statistics)[loss][0], seed=0)


def state(prepared: Prepared, loss: str) -> TrialState:
    torch.set_num_threads(1)
    return TrialState(prepared.task, open_dataset(prepared.dataset_dir), trial_of(prepared, loss))


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("loss", ["softmax", "sampled_softmax"])
@pytest.mark.parametrize("optimiser", OPTIMISERS)
def test_a_continued_trial_equals_the_uninterrupted_one_bitwise(
    prepared: Prepared, optimiser: str, loss: str, dtype: str, tmp_path: Path
) -> None:
    here = changed(prepared, optimiser=optimiser, dtype=dtype)
    straight, paused = state(here, loss), state(here, loss)
    losses = [straight.step() for _ in range(30)]
    for _ in range(13):
        paused.step()
    paused.save(tmp_path / "state.pt")
    continued = state(here, loss)
    continued.load(tmp_path / "state.pt")
    again = [continued.step() for _ in range(17)]
    assert torch.equal(torch.stack(losses[13:]), torch.stack(again))
    pairs = zip(straight._modules.parameters(), continued._modules.parameters(), strict=True)
    assert all(torch.equal(one, other) for one, other in pairs)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("loss", ["softmax", "sampled_softmax"])
@pytest.mark.parametrize("optimiser", OPTIMISERS)
def test_the_best_guess_learns_with_every_optimiser(
    prepared: Prepared, optimiser: str, loss: str, dtype: str, tmp_path: Path
) -> None:
    here = changed(prepared, optimiser=optimiser, dtype=dtype)
    n = 30 * prepared.statistics.n_examples
    leg = Leg(trial=trial_of(here, loss), from_examples=0, checkpoints=(256, n))
    before, after, end = run_leg(here, leg, str(tmp_path), 1, time.monotonic() + 100)
    assert isinstance(end, LegEnd)
    assert before.train_loss is not None
    assert after.train_loss is not None
    assert after.train_loss < 0.97 * before.train_loss


@pytest.mark.parametrize("loss", catalogue())
def test_every_loss_trains_in_bfloat16_and_is_scored_in_float32(
    prepared: Prepared, loss: str
) -> None:
    trial = state(changed(prepared, dtype="bfloat16"), loss)
    for _ in range(3):
        assert trial.step().isfinite()
    parameters = [*trial._modules.parameters()]
    assert {p.dtype for p in parameters} == {torch.bfloat16}
    kept = [p.detach().clone() for p in parameters]
    hidden = trial.hidden((torch.arange(50).numpy(),))
    assert hidden.dtype == torch.bfloat16
    with trial.scoring_in_float32():
        assert trial.score(hidden.float()).dtype == torch.float32
    assert all(torch.equal(p, was) for p, was in zip(parameters, kept, strict=True))
    assert trial.step().isfinite()


def test_a_trial_in_bfloat16_is_diagnosed_in_float32(prepared: Prepared, tmp_path: Path) -> None:
    here = changed(prepared, dtype="bfloat16")
    trial = state(here, "sampled_softmax")
    for _ in range(20):
        trial.step()
    trial.save(tmp_path / "state.pt")
    asked = [(trial_of(here, "sampled_softmax"), str(tmp_path / "state.pt"))]
    *_, (_, found) = diagnose_trials(here, asked, 1, 3)
    assert found.agreement is not None
    assert found.agreement.cosine.mean > 0.5
