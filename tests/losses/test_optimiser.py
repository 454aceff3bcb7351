"""A row optimiser equals torch's where all rows are touched, and leaves other rows alone."""

import copy
from pathlib import Path

import pytest
import torch
from torch import nn

from profiler.optimiser import (
    RowAdagrad,
    RowAdam,
    RowAdamW,
    RowOptimiser,
    RowSGD,
    optimisers,
)

PAIRS = {
    "adam": (RowAdam, torch.optim.Adam),
    "adamw": (RowAdamW, torch.optim.AdamW),
    "sgd": (RowSGD, torch.optim.SGD),
    "adagrad": (RowAdagrad, torch.optim.Adagrad),
}
every_optimiser = pytest.mark.parametrize("name", PAIRS)


def _step(embedding: nn.Embedding, ids: torch.Tensor, scale: torch.Tensor) -> None:
    embedding.zero_grad()
    (embedding(ids) * scale).square().sum().backward()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
@every_optimiser
def test_it_equals_torch_s_where_every_row_is_touched(
    name: str, weight_decay: float, dtype: torch.dtype
) -> None:
    torch.manual_seed(0)
    sparse = nn.Embedding(6, 3, sparse=True, dtype=dtype)
    dense = nn.Embedding(6, 3, dtype=dtype)
    dense.load_state_dict(sparse.state_dict())
    (by_row,) = optimisers([sparse], 0.05, weight_decay, name)
    (whole,) = optimisers([dense], 0.05, weight_decay, name)
    assert (type(by_row), type(whole)) == PAIRS[name]
    for step in range(20):
        ids = torch.cat((torch.arange(6), torch.tensor([step % 6, 2])))
        scale = torch.randn(8, 3, dtype=dtype)
        for embedding, stepper in ((sparse, by_row), (dense, whole)):
            _step(embedding, ids, scale)
            stepper.step()
    tolerance = {} if dtype == torch.float32 else {"rtol": 0.05, "atol": 0.02}
    torch.testing.assert_close(sparse.weight, dense.weight, **tolerance)


@every_optimiser
def test_untouched_rows_keep_their_values_and_moments(name: str) -> None:
    embedding = nn.Embedding(100, 4, sparse=True)
    before = embedding.weight.detach().clone()
    (optimiser,) = optimisers([embedding], 0.1, 0.5, name)
    for _ in range(3):
        _step(embedding, torch.tensor([7, 7, 42]), torch.ones(3, 4))
        optimiser.step()
    assert (embedding.weight != before).any(1).nonzero()[:, 0].tolist() == [7, 42]
    if name == "sgd":
        assert not optimiser.state_dict()["state"]
        return
    for moment in optimiser.state[embedding.weight]["rows"].unbind(1)[1:]:
        assert moment.any(1).nonzero()[:, 0].tolist() == [7, 42]


def test_a_decoupled_decay_shrinks_touched_rows_by_rate_times_decay() -> None:
    embedding = nn.Embedding(3, 2, sparse=True)
    before = embedding.weight.detach().clone()
    optimiser = RowAdamW([embedding.weight], 0.1, weight_decay=0.5)
    _step(embedding, torch.tensor([1]), torch.zeros(2))
    optimiser.step()
    torch.testing.assert_close(embedding.weight[1], before[1] * 0.95)
    assert torch.equal(embedding.weight[[0, 2]], before[[0, 2]])


@every_optimiser
def test_saved_and_loaded_it_continues_bitwise(name: str) -> None:
    torch.manual_seed(0)
    embedding = nn.Embedding(50, 8, sparse=True)
    (optimiser,) = optimisers([embedding], 0.1, 0.01, name)
    generator = torch.Generator().manual_seed(5)

    def steps(of: nn.Embedding, stepper: torch.optim.Optimizer) -> torch.Tensor:
        for _ in range(5):
            ids = torch.randint(50, (64,), generator=generator)
            _step(of, ids, torch.linspace(-0.1, 0.1, 8))
            stepper.step()
        return of.weight.detach()

    steps(embedding, optimiser)
    saved = copy.deepcopy((embedding.state_dict(), optimiser.state_dict(), generator.get_state()))
    uninterrupted = steps(embedding, optimiser).clone()
    again = nn.Embedding(50, 8, sparse=True)
    again.load_state_dict(saved[0])
    (continued,) = optimisers([again], 0.1, 0.01, name)
    continued.load_state_dict(saved[1])
    generator.set_state(saved[2])
    assert torch.equal(steps(again, continued), uninterrupted)


def _trained() -> tuple[nn.Embedding, RowAdam]:
    torch.manual_seed(0)
    embedding = nn.Embedding(1000, 16, sparse=True)
    optimiser = RowAdam([embedding.weight], 0.1)
    _step(embedding, torch.arange(0, 1000, 3), torch.ones(16))
    optimiser.step()
    return embedding, optimiser


def test_a_saved_file_holds_weights_and_moments_once(tmp_path: Path) -> None:
    embedding, optimiser = _trained()
    path = tmp_path / "state.pt"
    torch.save((embedding.state_dict(), optimiser.state_dict()), path)
    assert path.stat().st_size < 1.1 * 3 * 4 * embedding.weight.numel()
    weights, moments = torch.load(path, weights_only=True)
    torch.testing.assert_close(weights["weight"], embedding.weight.detach())
    torch.testing.assert_close(moments["state"][0]["rows"][:, 0], embedding.weight.detach())


def test_weights_loaded_after_the_optimiser_are_the_ones_it_goes_on_from() -> None:
    _, optimiser = _trained()
    saved = copy.deepcopy(optimiser.state_dict())
    other = nn.Embedding(1000, 16, sparse=True)
    before = other.weight.detach().clone()
    continued = RowAdam([other.weight], 0.1)
    continued.load_state_dict(saved)
    _step(other, torch.tensor([1]), torch.ones(16))
    continued.step()
    moved = (other.weight != before).any(1).nonzero()[:, 0]
    assert moved.tolist() == [1]
    assert continued.state[other.weight]["step"] == 2


def test_a_module_cast_between_two_steps_goes_on_in_its_new_type() -> None:
    embedding, optimiser = _trained()
    before = embedding.weight.detach().double()
    embedding.double()
    _step(embedding, torch.tensor([5]), torch.ones(16))
    optimiser.step()
    assert embedding.weight.dtype == torch.double
    assert (embedding.weight != before).any(1).nonzero()[:, 0].tolist() == [5]


@every_optimiser
def test_weights_that_a_backward_still_needs_are_not_changed_silently(name: str) -> None:
    embedding = nn.Embedding(1000, 16, sparse=True)
    (optimiser,) = optimisers([embedding], 0.1, 0.0, name)
    query = torch.ones(2, 16, requires_grad=True)
    scores = query @ embedding.weight.t()
    _step(embedding, torch.tensor([1]), torch.ones(16))
    optimiser.step()
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        scores.sum().backward(inputs=[query])


def test_it_walks_with_the_sparse_adam_of_torch() -> None:
    weights = []
    for kind in (RowAdam, torch.optim.SparseAdam):
        torch.manual_seed(0)
        embedding = nn.Embedding(30, 4, sparse=True)
        optimiser = kind([embedding.weight], 0.05, eps=1e-15)
        for _ in range(10):
            _step(embedding, torch.randint(30, (12,)), torch.randn(12, 4))
            optimiser.step()
        weights.append(embedding.weight.detach())
    torch.testing.assert_close(*weights)


@every_optimiser
def test_parameters_are_sorted_by_the_kind_of_their_gradient(name: str) -> None:
    modules = [nn.Embedding(5, 2, sparse=True), nn.Linear(2, 3), nn.Embedding(4, 2)]
    dense, rows = optimisers(modules, 0.1, 0.2, name)
    assert isinstance(rows, RowOptimiser)
    assert [p.shape for p in rows.param_groups[0]["params"]] == [(5, 2)]
    assert len(dense.param_groups[0]["params"]) == 3
    assert bool(dense.param_groups[0]["fused"]) == (name != "sgd")
    assert {o.param_groups[0]["weight_decay"] for o in (dense, rows)} == {0.2}


def test_an_unknown_optimiser_is_refused_with_those_there_are() -> None:
    with pytest.raises(ValueError, match="'rmsprop'; allowed are adam, adamw, sgd, adagrad"):
        optimisers([nn.Linear(2, 2)], 0.1, 0.0, "rmsprop")


def test_a_dense_gradient_and_a_negative_rate_are_refused() -> None:
    parameter = nn.Parameter(torch.ones(2, 2))
    parameter.grad = torch.ones(2, 2)
    with pytest.raises(ValueError, match="RowAdam needs sparse gradients"):
        RowAdam([parameter], 0.1).step()
    for rate in (-0.1, float("nan")):
        with pytest.raises(ValueError, match="must be at least 0"):
            RowAdam([parameter], rate)


def test_a_state_that_is_loaded_is_not_shared_with_the_optimiser_it_came_from() -> None:
    first, second = (nn.Embedding(5, 3, sparse=True) for _ in range(2))
    one, other = RowAdam([first.weight], 0.1), RowAdam([second.weight], 0.1)
    ids, scale = torch.arange(5), torch.ones(5, 3)
    _step(first, ids, scale)
    one.step()
    other.load_state_dict(one.state_dict())
    before = first.weight.detach().clone()
    _step(second, ids, scale)
    other.step()
    assert torch.equal(first.weight, before)
    assert not torch.equal(second.weight, before)


def test_a_closure_is_called_before_the_step_and_its_loss_returned() -> None:
    table = nn.Embedding(4, 2, sparse=True)
    before = table.weight.detach().clone()

    def closure() -> torch.Tensor:
        loss = table(torch.tensor([1])).sum()
        loss.backward()
        return loss

    loss = RowAdam([table.weight], 0.1).step(closure)
    assert float(loss.detach()) == pytest.approx(float(before[1].sum()))
    assert (table.weight != before).any(1).tolist() == [False, True, False, False]
