"""Every check by the families of losses that it is for."""

from collections.abc import Callable, Iterator

from profiler.losses.testing import contract, values
from profiler.losses.testing.row import Row

EVERY = ("exact", "sampled", "factorised")
LINEAR = ("exact", "sampled")
UNDRAWN = ("exact", "factorised")

_FAMILIES: dict[Callable[[Row], None], tuple[str, ...]] = {
    values.value_and_gradients_equal_the_reference: EVERY,
    values.value_and_gradients_equal_the_reference_at_every_spread: EVERY,
    values.many_small_chunks_equal_the_reference: EVERY,
    values.chunks_of_rows_add_up_to_the_whole: UNDRAWN,
    values.scores_are_the_linear_map_that_is_served: LINEAR,
    values.several_positives_equal_the_weighted_single_ones: EVERY,
    values.float32_agrees_with_float64: EVERY,
    values.bfloat16_agrees_with_float64_within_its_rounding: EVERY,
    values.scores_of_ten_thousand_stay_finite: EVERY,
    values.the_upstream_gradient_scales_every_gradient: EVERY,
    values.a_second_derivative_is_right_or_refused: EVERY,
    contract.a_bad_batch_is_refused_with_what_is_allowed: EVERY,
    contract.bad_settings_are_refused_with_what_is_allowed: EVERY,
    contract.a_state_dict_round_trip_keeps_the_scores: EVERY,
    contract.log_probabilities_sum_to_one_or_are_refused_as_the_card_says: EVERY,
    contract.a_step_touches_only_the_targets_and_the_drawn_classes: ("sampled",),
    contract.a_generator_at_the_same_state_draws_the_same_loss: ("sampled",),
    contract.the_card_says_of_every_metric_and_of_every_cost: EVERY,
    contract.the_card_is_read_without_torch: EVERY,
}


def promises(row: Row) -> Iterator[Callable[[Row], None]]:
    """What must hold for a row, what says most first."""
    return (what for what, families in _FAMILIES.items() if row.family in families)
