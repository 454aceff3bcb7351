"""Training on features, several labels and given vectors: encoders, legs, and going on bitwise."""

import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from advisor.calibration import Prepared
from advisor.evidence import Candidate, Leg, Trial
from advisor.search_space import candidates
from advisor.task import Task
from profiler.dataset import open_dataset
from profiler.encoders.given import build as build_given
from profiler.encoders.linear import Linear
from profiler.encoders.mlp import Mlp
from profiler.kinds.features import Features
from profiler.leg import run_leg
from profiler.messages import LegEnd
from profiler.optimiser import RowAdam, optimisers
from profiler.prepare import prepare
from profiler.trial_state import TrialState
from profiler.workspace import Workspace
from tests.profiler.labelled_files import clusters, opened

N_CLASSES = 6
KINDS = ["features", "mlp", "text", "multilabel", "embeddings"]


def task_of(kind: str, folder: Path) -> Task:
    """A small task with something to learn."""
    x, y = clusters(1500, N_CLASSES)
    fields: dict[str, Any] = {"kind": kind, "model": {"embedding_dim": 16}}
    if kind == "text":
        path = folder / "x.csv"
        words = np.array([f"w{i}" for i in range(30)])
        draws = np.random.default_rng(1)
        rows = [" ".join(words[draws.integers(5, size=4) + 5 * c]) + f",c{c}" for c in y]
        path.write_text("text,label\n" + "\n".join(rows) + "\n")
        fields["kind"] = "features"
    else:
        path = folder / f"{kind}.npz"
        labels = np.eye(N_CLASSES)[y] + np.eye(N_CLASSES)[(y + 1) % N_CLASSES]
        np.savez(path, X=x, y=labels if kind == "multilabel" else y)
    if kind == "mlp":
        fields |= {"kind": "features", "model": {"embedding_dim": 16, "encoder": "mlp"}}
    return Task.model_validate(
        {**fields, "data": {"path": str(path)}, "training": {"batch_size": 64}}
    )


@pytest.fixture(scope="module", params=KINDS)
def prepared_kind(request: pytest.FixtureRequest, tmp_path_factory: Any) -> Prepared:
    folder = tmp_path_factory.mktemp(request.param)
    return prepare(task_of(request.param, folder), Workspace(folder / "data"))


def state(prepared: Prepared, loss: str = "softmax") -> TrialState:
    torch.set_num_threads(1)
    candidate = candidates(prepared.task, prepared.statistics)[loss][0]
    return TrialState(
        prepared.task, open_dataset(prepared.dataset_dir), Trial(candidate=candidate, seed=0)
    )


@pytest.mark.parametrize("loss", ["softmax", "sampled_softmax"])
def test_a_continued_trial_equals_the_uninterrupted_one_bitwise(
    prepared_kind: Prepared, loss: str, tmp_path: Path
) -> None:
    straight = state(prepared_kind, loss)
    losses = [straight.step() for _ in range(30)]  # more than an epoch: 19 steps
    paused = state(prepared_kind, loss)
    for _ in range(21):
        paused.step()
    paused.save(tmp_path / "state.pt")
    continued = state(prepared_kind, loss)
    continued.load(tmp_path / "state.pt")
    assert torch.equal(torch.stack(losses[21:]), torch.stack([continued.step() for _ in range(9)]))
    rows = open_dataset(prepared_kind.dataset_dir).evaluation("validation")
    inputs = rows.inputs(rows.units)
    one, other = (trial.score(trial.hidden(inputs)) for trial in (straight, continued))
    assert torch.equal(one, other)


@pytest.mark.parametrize(
    ("loss", "dtype"),
    [("softmax", "float32"), ("sampled_softmax", "float32"), ("softmax", "bfloat16")],
)
def test_a_leg_learns(prepared_kind: Prepared, loss: str, dtype: str, tmp_path: Path) -> None:
    training = prepared_kind.task.training.model_copy(update={"dtype": dtype})
    task = prepared_kind.task.model_copy(update={"training": training})
    first = candidates(prepared_kind.task, prepared_kind.statistics)[loss][0]
    candidate = Candidate(loss=loss, settings={**first.settings, "learning_rate": 0.02})
    leg = Leg(trial=Trial(candidate=candidate, seed=0), from_examples=0, checkpoints=(7200,))
    prepared = prepared_kind.model_copy(update={"task": task})
    measured, end = run_leg(prepared, leg, str(tmp_path), 1, time.monotonic() + 60)
    assert isinstance(end, LegEnd)
    assert measured.value is not None
    assert measured.value > 0.85  # by chance: one in six, or in three


def test_given_vectors_set_the_dimension_and_a_note_says_so(tmp_path: Path) -> None:
    task = task_of("embeddings", tmp_path)
    found = prepare(task, Workspace(tmp_path / "data"))
    assert found.task.model.embedding_dim == 8
    assert "embedding_dim is 8, the length of the vectors given" in found.notes
    right = task.model_copy(update={"model": found.task.model})
    again = prepare(right, Workspace(tmp_path / "data"))
    assert again.task_fingerprint == found.task_fingerprint
    assert not any("embedding_dim" in note for note in again.notes)
    data = open_dataset(found.dataset_dir)
    assert isinstance(data, Features)
    with pytest.raises(ValueError, match="embedding_dim=16; the vectors have 8"):
        build_given(task.model, data)


def test_sparse_rows_are_mapped_as_dense_ones(tmp_path: Path) -> None:
    (tmp_path / "x.txt").write_text("4 5 2\n0 0:1 3:2\n1 1:-1 4:0.5\n0 \n1 2:3\n" * 1)
    data, _ = opened(tmp_path / "x.txt", columns={})
    encoder = Linear(data.n_features, 3, is_sparse=True)
    torch.nn.init.normal_(encoder.bias)
    (indices, offsets, values), _ = data.training(np.arange(data.n_examples))
    x = np.zeros((len(offsets), data.n_features), np.float32)
    x[np.repeat(np.arange(len(x)), np.diff([*offsets, len(indices)])), indices] = values
    hidden = encoder(
        torch.from_numpy(indices).long(), torch.from_numpy(offsets), torch.from_numpy(values)
    )
    expected = torch.from_numpy(x) @ encoder.features.weight + encoder.bias
    torch.testing.assert_close(hidden, expected)


def test_a_step_touches_the_features_of_the_batch_only() -> None:
    encoder = Linear(10, 3, is_sparse=True)
    dense, sparse = optimisers([encoder], 0.1, 0.01)
    assert isinstance(sparse, RowAdam)
    before = encoder.features.weight.detach().clone()
    hidden = encoder(torch.tensor([2, 7]), torch.tensor([0, 2]), torch.ones(2))
    hidden.square().sum().backward()
    dense.step()
    sparse.step()
    changed = (encoder.features.weight.detach() != before).any(1)
    assert changed.nonzero().flatten().tolist() == [2, 7]


def test_the_mlp_is_two_maps_with_what_is_positive_between_them() -> None:
    task = Task.model_validate({"kind": "features", "data": {"path": "x.npz"}})
    model = task.model.model_copy(update={"hidden_units": 5, "embedding_dim": 3})
    encoder = Mlp(Linear(4, 5, is_sparse=False), model).eval()
    x = torch.randn(6, 4)
    first, second = encoder.first, encoder.second
    inner = (x @ first.features.weight.T + first.bias).relu()
    torch.testing.assert_close(encoder(x), inner @ second.weight.T + second.bias)


@pytest.mark.parametrize(
    ("kind", "metric"),
    [("features", "accuracy"), ("embeddings", "accuracy"), ("multilabel", "precision@1")],
)
def test_each_kind_has_its_metric(kind: str, metric: str) -> None:
    assert Task.model_validate({"kind": kind, "data": {"path": "x.npz"}}).metric == metric


def test_an_encoder_of_features_is_no_choice_for_other_kinds() -> None:
    with pytest.raises(ValidationError, match="it is a choice for features and multilabel only"):
        Task.model_validate(
            {"kind": "embeddings", "data": {"path": "x"}, "model": {"encoder": "mlp"}}
        )
