"""The cards are true to the tree: every check exists, every status has its reason."""

import subprocess
import sys
from pathlib import Path

import pytest

from advisor.card import StepShape
from advisor.catalogue import known_losses
from advisor.task import Metric

ROOT = Path(__file__).parents[2]
CARDS = {name: loss.card for name, loss in known_losses().items()}


def test_every_check_that_a_card_names_is_a_test() -> None:
    collected = subprocess.run(
        [sys.executable, "-m", "pytest", "--collect-only", "-q", "tests/theory", "tests/losses"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    ).stdout.splitlines()
    missing = {
        claim.check
        for card in CARDS.values()
        for claim in card.claims
        if claim.check and claim.check not in collected
    }
    assert not missing


@pytest.mark.parametrize("name", CARDS)
def test_a_claim_is_checked_or_says_why_not(name: str) -> None:
    for claim in CARDS[name].claims:
        assert (claim.check is None) == bool(claim.unchecked_because), claim.statement


@pytest.mark.parametrize("name", CARDS)
def test_a_card_claims_a_minimiser_an_order_and_a_smoothness(name: str) -> None:
    assert {"minimiser", "order", "smoothness"} <= {claim.topic for claim in CARDS[name].claims}


def test_the_catalogue_is_the_folder() -> None:
    files = {path.stem for path in (ROOT / "advisor" / "losses").glob("[!_]*.py")}
    assert set(CARDS) == files


@pytest.mark.parametrize("name", CARDS)
@pytest.mark.parametrize("metric", ["ndcg@10", "recall@20", "map@5", "top@3", "accuracy", "mrr"])
def test_consistency_has_a_reason_and_a_source_for_every_metric(name: str, metric: str) -> None:
    found = known_losses()[name].consistency(Metric.parse(metric), {})
    assert found.status != "unknown"
    assert found.reason
    assert found.source


@pytest.mark.parametrize(
    ("name", "settings", "status"),
    [
        ("sampled_softmax", {"proposal": "popularity", "correction": "both"}, "consistent"),
        ("sampled_softmax", {"proposal": "popularity", "correction": "none"}, "inconsistent"),
        ("sampled_softmax", {"proposal": "uniform", "correction": "none"}, "consistent"),
        ("sampled_softmax", {"correction": "importance"}, "conditional"),
        ("negative_sampling", {"proposal": "uniform"}, "consistent"),
        ("negative_sampling", {"proposal": "popularity"}, "inconsistent"),
        ("bpr", {"proposal": "uniform"}, "consistent"),
        ("bpr", {"proposal": "popularity"}, "inconsistent"),
        ("sampled_softmax", {"proposal": "hard", "correction": "none"}, "conditional"),
        ("rankmax", {}, "inconsistent"),
    ],
)
def test_consistency_follows_the_minimiser(name: str, settings: dict, status: str) -> None:
    assert known_losses()[name].consistency(Metric.parse("ndcg@10"), settings).status == status


@pytest.mark.parametrize("name", CARDS)
@pytest.mark.parametrize("metric", ["perplexity", "log_loss"])
def test_a_likelihood_needs_probabilities_and_every_loss_that_has_them_speaks_of_it(
    name: str, metric: str
) -> None:
    found = known_losses()[name].consistency(Metric.parse(metric), {})
    assert (found.status != "unknown") == CARDS[name].has_probabilities
    assert ("no probabilities" in found.reason) == (not CARDS[name].has_probabilities)


@pytest.mark.parametrize(
    ("name", "settings", "status"),
    [
        ("softmax", {}, "consistent"),
        ("softmax", {"label_smoothing": 0.1}, "inconsistent"),
        ("softmax", {"cosine": True}, "conditional"),
        ("sparsemax", {}, "conditional"),
        ("sampled_softmax", {}, "consistent"),
        ("sampled_softmax", {"correction": "importance"}, "conditional"),
        ("sampled_softmax", {"proposal": "in_batch"}, "conditional"),
        ("sampled_softmax", {"correction": "none"}, "unknown"),
        ("hierarchical_softmax", {}, "consistent"),
    ],
)
def test_consistency_with_the_likelihood_follows_the_minimisers_probabilities(
    name: str, settings: dict, status: str
) -> None:
    assert known_losses()[name].consistency(Metric.parse("log_loss"), settings).status == status


@pytest.mark.parametrize("name", CARDS)
@pytest.mark.parametrize("metric", ["psp@5", "macro_f1"])
def test_theory_is_silent_on_a_metric_it_does_not_know(name: str, metric: str) -> None:
    silent = known_losses()[name].consistency(Metric.parse(metric), {})
    assert silent.status == "unknown"


@pytest.mark.parametrize("name", CARDS)
def test_more_classes_cost_more_flop_only_where_all_are_seen_and_less_in_factors(name: str) -> None:
    few, many = (
        StepShape(batch_size=512, n_classes=n, embedding_dim=64) for n in (10_000, 1_000_000)
    )
    loss, softmax = known_losses()[name], known_losses()["softmax"]
    if loss.card.family == "factorised":
        for shape in (few, many):
            assert loss.step_flop(shape, {}) < 0.1 * softmax.step_flop(shape, {})
        return
    growth = loss.step_flop(many, {}) / loss.step_flop(few, {})
    assert (growth > 2) == (loss.card.family == "exact")
