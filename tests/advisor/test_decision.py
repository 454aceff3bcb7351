"""The decision: utility, Pareto front, P(best), and verdicts that mean what they say."""

import numpy as np
import pytest

from advisor.belief import Belief
from advisor.cost import Cost
from advisor.decision import N_DRAWS, Decision, decide
from advisor.evidence import Candidate
from advisor.task import Trade
from advisor.value import Interval

NO_TRADE = Trade(speed=0, memory=0)


def belief(
    loss: str,
    mean: float | None,
    sd: float = 0.001,
    seconds: float = 10.0,
    peak_bytes: int = 1000,
    infeasible: str | None = None,
    learning_rate: float = 0.01,
) -> Belief:
    """A candidate with a horizon of 100 examples; `sd` is of the log of its score."""
    per_example = seconds / 100
    cost = Cost(
        seconds_per_example=Interval(low=per_example, mean=per_example, high=per_example),
        peak_bytes=peak_bytes,
        source="test",
    )
    return Belief(
        candidate=Candidate(loss=loss, settings={"learning_rate": learning_rate}),
        cost=cost,
        horizon_examples=100,
        batch_size=10,
        level="measured",
        mean=mean,
        sd=sd,
        train_examples=100,
        infeasible=infeasible,
    )


def decided(candidates: list[Belief], trade: Trade = NO_TRADE) -> Decision:
    """The decision where the candidates' scores vary independently of each other."""
    normal = np.random.default_rng(0).standard_normal((N_DRAWS, len(candidates)))
    mean = np.array([b.mean or 0.0 for b in candidates])
    return decide(candidates, mean * np.exp([b.sd for b in candidates] * normal), trade)


def order(*candidates: Belief, trade: Trade = NO_TRADE) -> list[str]:
    return [e.belief.candidate.loss for e in decided(list(candidates), trade).entries]


def test_the_best_metric_wins_and_p_best_sums_to_one() -> None:
    decision = decided([belief("a", 0.2), belief("b", 0.3), belief("c", 0.25)])
    assert [e.belief.candidate.loss for e in decision.entries] == ["b", "c", "a"]
    assert sum(e.p_best for e in decision.entries) == pytest.approx(1.0)
    assert decision.verdict == "recommended"
    assert decision.expected_regret == pytest.approx(0.0, abs=1e-6)


def test_each_loss_has_one_entry_at_its_best_settings() -> None:
    worse, better = belief("a", 0.2, learning_rate=0.1), belief("a", 0.3, learning_rate=0.001)
    (entry,) = decided([worse, better]).entries
    assert entry.belief.candidate.settings == {"learning_rate": 0.001}


def test_the_trade_gives_up_a_percent_for_each_halving_of_seconds() -> None:
    slow, fast = belief("slow", 0.300, seconds=80), belief("fast", 0.295, seconds=10)
    assert order(slow, fast)[0] == "slow"
    assert order(slow, fast, trade=Trade(speed=0.01))[0] == "fast"  # three halvings for 1.7%
    assert order(slow, fast, trade=Trade(speed=0.004))[0] == "slow"


def test_the_trade_for_memory_works_alike() -> None:
    large = belief("large", 0.300, peak_bytes=8000)
    small = belief("small", 0.295, peak_bytes=1000)
    assert order(large, small, trade=Trade(speed=0, memory=0.01))[0] == "small"


def test_a_loss_that_learns_nothing_is_not_the_yardstick_of_speed() -> None:
    quick = belief("useless", 0.001, seconds=0.0001)
    good, better = belief("good", 0.29, seconds=5), belief("better", 0.30, seconds=5)
    assert order(quick, good, better, trade=Trade(speed=0.01)) == ["better", "good", "useless"]


def test_losses_within_a_percent_are_called_tied_and_the_cheapest_comes_first() -> None:
    slow, fast = belief("slow", 0.3000, sd=0.003, seconds=80), belief("fast", 0.2995, sd=0.003)
    decision = decided([slow, fast])
    assert decision.verdict == "tied"
    assert decision.entries[0].belief.candidate.loss == "fast"


def test_wide_beliefs_are_not_enough_evidence() -> None:
    decision = decided([belief("a", 0.30, sd=0.15), belief("b", 0.29, sd=0.15)])
    assert decision.verdict == "not_enough_evidence"
    assert decision.expected_regret is not None
    assert decision.expected_regret > 0.01


def test_an_infeasible_loss_is_last_with_no_chance() -> None:
    decision = decided([belief("a", 0.9, infeasible="too large"), belief("b", 0.3)])
    assert [e.belief.candidate.loss for e in decision.entries] == ["b", "a"]
    assert decision.entries[1].p_best == 0.0
    assert not decision.entries[1].is_pareto


def test_the_pareto_front_holds_what_nothing_beats_in_all_three() -> None:
    decision = decided(
        [
            belief("best", 0.30, seconds=80, peak_bytes=2000),
            belief("fast", 0.28, seconds=10, peak_bytes=2000),
            belief("small", 0.26, seconds=20, peak_bytes=1000),
            belief("beaten", 0.25, seconds=20, peak_bytes=2000),
        ],
    )
    front = {e.belief.candidate.loss for e in decision.entries if e.is_pareto}
    assert front == {"best", "fast", "small"}


def test_without_any_measurement_every_loss_is_as_likely() -> None:
    decision = decided([belief("a", None), belief("b", None)])
    assert [e.p_best for e in decision.entries] == [0.5, 0.5]
    assert decision.verdict == "not_enough_evidence"
    assert decision.expected_regret is None


def test_the_same_beliefs_give_the_same_decision() -> None:
    beliefs = [belief("a", 0.30, sd=0.02), belief("b", 0.29, sd=0.02)]
    assert decided(beliefs) == decided(beliefs)


def test_p_best_of_two_equal_rivals_is_one_half() -> None:
    decision = decided([belief("a", 0.3, sd=0.01), belief("b", 0.3, sd=0.01)])
    assert [e.p_best for e in decision.entries] == pytest.approx([0.5, 0.5], abs=0.03)
