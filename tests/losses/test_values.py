"""Every layer against its naive formula: value, gradients, several positives, extremes."""

import pytest
import torch

from profiler.losses.testing import Row, make_layer, values
from profiler.losses.testing.values import C, D, dense, random_batch
from tests.loss_rows import ROWS, rows_of
from tests.loss_rows import row_ids as ids

all_rows = pytest.mark.parametrize("row", ROWS, ids=ids(ROWS))
LINEAR_ROWS = rows_of("exact", "sampled")
linear_rows = pytest.mark.parametrize("row", LINEAR_ROWS, ids=ids(LINEAR_ROWS))
UNDRAWN_ROWS = rows_of("exact", "factorised")
undrawn_rows = pytest.mark.parametrize("row", UNDRAWN_ROWS, ids=ids(UNDRAWN_ROWS))


@all_rows
def test_value_and_gradients_equal_the_reference_at_every_spread(row: Row) -> None:
    values.value_and_gradients_equal_the_reference_at_every_spread(row)


@all_rows
def test_value_and_gradients_equal_the_reference(row: Row) -> None:
    values.value_and_gradients_equal_the_reference(row)


@all_rows
def test_many_small_chunks_equal_the_reference(row: Row) -> None:
    values.many_small_chunks_equal_the_reference(row)


@linear_rows
def test_scores_are_the_linear_map_that_is_served(row: Row) -> None:
    values.scores_are_the_linear_map_that_is_served(row)


@all_rows
def test_without_bias_only_matrices_are_left(row: Row) -> None:
    layer = make_layer(row, D, C, bias=False)
    hidden, target = random_batch()
    layer(hidden, target).backward()
    if row in LINEAR_ROWS:
        assert [p.shape for p in layer.parameters()] == [(C, D)]
    assert all(p.ndim == 2 and p.shape[1] > 1 for p in layer.parameters())
    assert all(p.grad is not None for p in layer.parameters())


@undrawn_rows
def test_chunks_of_rows_add_up_to_the_whole(row: Row) -> None:
    values.chunks_of_rows_add_up_to_the_whole(row)


@all_rows
def test_several_positives_equal_the_weighted_single_ones(row: Row) -> None:
    values.several_positives_equal_the_weighted_single_ones(row)


@all_rows
def test_float32_agrees_with_float64(row: Row) -> None:
    values.float32_agrees_with_float64(row)


@all_rows
def test_bfloat16_agrees_with_float64_within_its_rounding(row: Row) -> None:
    values.bfloat16_agrees_with_float64_within_its_rounding(row)


@all_rows
def test_scores_of_ten_thousand_stay_finite(row: Row) -> None:
    values.scores_of_ten_thousand_stay_finite(row)


@all_rows
def test_the_upstream_gradient_scales_every_gradient(row: Row) -> None:
    values.the_upstream_gradient_scales_every_gradient(row)


@all_rows
def test_a_second_derivative_is_right_or_refused(row: Row) -> None:
    values.a_second_derivative_is_right_or_refused(row)


def test_a_row_whose_draws_all_hit_its_class_has_no_loss_under_importance() -> None:
    row = next(row for row in ROWS if row.settings.get("correction") == "importance")
    layer = make_layer(row, D, C)

    class Same(torch.nn.Module):
        def sample(self, n: int, generator: torch.Generator | None) -> torch.Tensor:
            return torch.full((n,), 3)

        def log_q(self, ids: torch.Tensor) -> torch.Tensor:
            return torch.full(ids.shape, -1.0, dtype=torch.double)

    layer.proposal = Same()
    hidden, _ = random_batch(2)
    alone = layer(hidden[:1], torch.tensor([3]))
    assert alone.item() == 0
    both = layer(hidden, torch.tensor([3, 4]))
    gradients = dense(torch.autograd.grad(both, (hidden, *layer.parameters())))
    assert all(torch.isfinite(g).all() for g in gradients)
    assert gradients[0][0].eq(0).all()
    assert gradients[0][1].ne(0).any()
