"""The population minimiser of every loss: its form and its order, by optimisation."""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
import torch

from advisor.catalogue import known_loss
from advisor.task import Metric
from tests.theory.populations import (
    Population,
    centred,
    normal,
    probabilities,
    random_counts,
    random_q,
    uniform,
)

Form = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


class Case(NamedTuple):
    """A loss with settings, its form s(p, q), whether s is known up to a constant, whether q is
    uniform."""

    loss: str
    settings: dict[str, Any]
    form: Form
    shift_invariant: bool
    uniform: bool = False


def _log_p(p: torch.Tensor, q: torch.Tensor) -> torch.Tensor:
    del q
    return p.log()


def _log_p_over_q(p: torch.Tensor, q: torch.Tensor) -> torch.Tensor:
    return (p / q).log()


def _log_p_over_2q(p: torch.Tensor, q: torch.Tensor) -> torch.Tensor:
    return (p / (2 * q)).log()


def _smoothed(p: torch.Tensor, q: torch.Tensor) -> torch.Tensor:
    return (0.9 * p + 0.1 / len(q)).log()


def _tsallis(alpha: float) -> Form:
    return lambda p, q: p ** (alpha - 1) / (alpha - 1)


def _gbce(calibration: float) -> Form:
    """Of two draws: log(p / q) - log(2 / beta)."""

    def form(p: torch.Tensor, q: torch.Tensor) -> torch.Tensor:
        rate = 2 / (len(q) - 1)
        beta = rate * (calibration * (1 - 1 / rate) + 1 / rate)
        return (p / q).log() - math.log(2 / beta)

    return form


def _calibrated(p: torch.Tensor, q: torch.Tensor) -> torch.Tensor:
    return p.log() + math.log(len(q) / (len(q) - 1))


CASES = {
    "softmax": Case("softmax", {}, _log_p, True),
    "softmax-temperature": Case("softmax", {"temperature": 0.2}, _log_p, True),
    "softmax-smoothing": Case("softmax", {"label_smoothing": 0.1}, _smoothed, True),
    "sparsemax": Case("sparsemax", {}, lambda p, q: p, True),
    "entmax": Case("entmax", {"alpha": 1.5}, _tsallis(1.5), True),
    "entmax-1.25": Case("entmax", {"alpha": 1.25}, _tsallis(1.25), True),
    "entmax-1.75": Case("entmax", {"alpha": 1.75}, _tsallis(1.75), True),
    "rg2": Case("rg2", {}, lambda p, q: p.shape[1] * p - 1, False),
    "rgx": Case("rgx", {}, lambda p, q: p.shape[1] * p, True),
    "sampled_softmax": Case("sampled_softmax", {"n_negatives": 2}, _log_p, True),
    "sampled_softmax-per_row": Case(
        "sampled_softmax", {"n_negatives": 2, "negatives": "per_row"}, _log_p, True
    ),
    "sampled_softmax-none": Case(
        "sampled_softmax", {"n_negatives": 2, "correction": "none"}, _log_p_over_q, True
    ),
    "sampled_softmax-none-uniform": Case(
        "sampled_softmax", {"n_negatives": 2, "correction": "none"}, _log_p, True, uniform=True
    ),
    "negative_sampling": Case(
        "negative_sampling", {"n_negatives": 2}, _log_p_over_2q, False, uniform=True
    ),
    "negative_sampling-popularity": Case(
        "negative_sampling", {"n_negatives": 2}, _log_p_over_2q, False
    ),
    "negative_sampling-gbce": Case(
        "negative_sampling", {"n_negatives": 2, "calibration": 0.6}, _gbce(0.6), False
    ),
    "negative_sampling-calibrated": Case(
        "negative_sampling",
        {"n_negatives": 2, "calibration": 1.0},
        _calibrated,
        False,
        uniform=True,
    ),
    "negative_sampling-per_row": Case(
        "negative_sampling", {"n_negatives": 2, "negatives": "per_row"}, _log_p_over_2q, False
    ),
    "nce": Case("nce", {"n_negatives": 2}, _log_p, False),
    "nce-per_row": Case("nce", {"n_negatives": 2, "negatives": "per_row"}, _log_p, False),
    "hierarchical_softmax": Case("hierarchical_softmax", {"tree": "huffman"}, _log_p, False),
    "bpr": Case("bpr", {"n_negatives": 1}, _log_p_over_q, True, uniform=True),
    "bpr-popularity": Case("bpr", {"n_negatives": 1}, _log_p_over_q, True),
    "bpr-two": Case("bpr", {"n_negatives": 2}, _log_p_over_q, True),
    "bpr-shared": Case("bpr", {"n_negatives": 2, "negatives": "shared"}, _log_p_over_q, True),
}
ORDERED = (
    "softmax",
    "entmax",
    "entmax-1.25",
    "entmax-1.75",
    "rgx",
    "softmax-smoothing",
    "sparsemax",
    "rg2",
    "sampled_softmax",
    "sampled_softmax-none-uniform",
    "negative_sampling",
    "negative_sampling-calibrated",
    "nce",
    "bpr",
    "hierarchical_softmax",
)
WITH_PROBABILITIES = (
    "softmax",
    "sparsemax",
    "entmax",
    "entmax-1.25",
    "sampled_softmax",
    "sampled_softmax-none-uniform",
    "nce",
    "hierarchical_softmax",
)
MISORDERED = ("sampled_softmax-none", "negative_sampling-popularity", "bpr-popularity")
EACH_POSITIVE = (
    "softmax",
    "entmax",
    "rgx",
    "sparsemax",
    "rg2",
    "sampled_softmax",
    "negative_sampling",
    "nce",
    "bpr",
)


def _is_sampled(case: Case) -> bool:
    return "n_negatives" in case.settings


def _population(case: Case, n_laws: int, n_classes: int) -> Population:
    q = uniform(n_classes) if case.uniform else random_q(n_classes, n_classes)
    counts = torch.arange(1, n_classes + 1)
    return Population(case.loss, q, n_laws, class_counts=counts, **case.settings)


def _misordered(p: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
    """Whether a law[laws] has two classes with p_i > p_j and not s_i > s_j."""
    greater = p[:, :, None] > p[:, None, :]
    return (greater & ~(scores[:, :, None] > scores[:, None, :])).flatten(1).any(1)


@pytest.mark.parametrize("name", CASES)
def test_the_optimum_has_the_form_of_the_card(name: str) -> None:
    case = CASES[name]
    for n_classes in (3, 5) if _is_sampled(case) else (3, 8, 20):
        counts = random_counts(8, n_classes)
        population = _population(case, 8, n_classes)
        scores = population.minimise(counts)
        expected = case.form(probabilities(counts), population.q)
        if case.shift_invariant:
            scores, expected = centred(scores), centred(expected)
        torch.testing.assert_close(scores, expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", ORDERED)
def test_the_optimum_orders_the_classes_as_p(name: str) -> None:
    """Over 60 laws and more, with near ties and classes of probability 0."""
    case = CASES[name]
    near_tie = torch.tensor([[41, 30, 29]])
    assert not _misordered(near_tie, _population(case, 1, 3).minimise(near_tie)).any()
    for n_classes in (3, 4, 5) if _is_sampled(case) else (3, 5, 8, 13, 20):
        n_laws, total = (21, 30) if _is_sampled(case) else (13, 60)
        counts = random_counts(n_laws, n_classes, seed=1, total=total, zeros=True)
        wrong = _misordered(counts, _population(case, n_laws, n_classes).minimise(counts))
        assert not wrong.any(), counts[wrong]


@pytest.mark.parametrize("name", WITH_PROBABILITIES)
def test_the_probabilities_of_the_optimum_are_p(name: str) -> None:
    counts = random_counts(8, 5, seed=2, zeros=not _is_sampled(CASES[name]))
    population = _population(CASES[name], 8, 5)
    population.minimise(counts)
    found = population.layer.log_prob(population.hidden).detach().exp()
    torch.testing.assert_close(found, probabilities(counts), rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", MISORDERED)
def test_a_popularity_proposal_without_log_q_misorders(name: str) -> None:
    counts = torch.tensor([[35, 27, 20, 12, 6]])
    q = torch.tensor([0.5, 0.05, 0.25, 0.05, 0.15], dtype=torch.double)
    population = Population(CASES[name].loss, q, **CASES[name].settings)
    assert _misordered(counts, population.minimise(counts)).any()


@pytest.mark.parametrize("name", [*ORDERED, *MISORDERED])
def test_the_card_calls_inconsistent_what_misorders_and_nothing_else(name: str) -> None:
    case = CASES[name]
    settings = {**case.settings, "proposal": "uniform" if case.uniform else "popularity"}
    found = known_loss(case.loss).consistency(Metric.parse("ndcg@10"), settings)
    assert (found.status == "inconsistent") == (name in MISORDERED)


def test_importance_correction_can_misorder_at_small_k() -> None:
    counts = random_counts(20, 4)
    misordered = 0
    for seed in range(3):
        population = Population(
            "sampled_softmax", random_q(seed, 4), 20, n_negatives=1, correction="importance"
        )
        misordered += int(_misordered(counts, population.minimise(counts)).sum())
    assert misordered >= 3


def test_importance_correction_comes_closer_to_log_p_with_more_draws() -> None:
    counts = torch.tensor([[6, 3, 1]])
    log_p = centred(probabilities(counts).log())
    deviations = []
    for n_negatives in (2, 12):
        q = torch.tensor([0.5, 0.2, 0.3], dtype=torch.double)
        population = Population("sampled_softmax", q, n_negatives=1, correction="importance")
        # More draws than classes is refused as a setting, but brings the limit into reach here
        population.layer.n_negatives = n_negatives
        deviations.append(float((centred(population.minimise(counts)) - log_p).abs().max()))
    assert deviations[1] < 0.25 * deviations[0]
    assert deviations[1] < 0.1


def test_the_weight_of_a_positive_changes_what_is_ranked() -> None:
    # 4 rows have the positive {0}, 6 rows have {1, 2}: E[r] = .4, .6, .6; E[r/|r|] = .4, .3, .3
    indices = torch.tensor([0] * 4 + [1, 2] * 6)
    offsets = torch.tensor([*range(5), *range(6, 17, 2)])
    hidden = torch.ones(10, 1, dtype=torch.double)
    for name in EACH_POSITIVE:
        first = {}
        for weight in ("each", "mean"):
            population = Population(
                CASES[name].loss, uniform(3), positives_weight=weight, **CASES[name].settings
            )
            scores = population.minimise_batch(hidden, (indices, offsets))[0]
            first[weight] = bool(scores[0] > scores[1])
        assert first == {"each": False, "mean": True}, name


def test_bpr_orders_several_positives_by_their_expectation() -> None:
    """As its negatives are drawn from all classes, the row's other positives among them."""
    for seed in range(5):
        relevant = normal(40, 4, seed=seed) + normal(40, 1, seed=10 + seed) > 0.3  # dependent
        relevant = relevant[relevant.any(1)]
        offsets = torch.tensor([0, *relevant.sum(1).cumsum(0).tolist()])
        target = relevant.nonzero()[:, 1], offsets
        hidden = torch.ones(len(relevant), 1, dtype=torch.double)
        found = Population("bpr", uniform(4), n_negatives=1).minimise_batch(hidden, target)[0]
        expected = relevant.double().mean(0).log()
        torch.testing.assert_close(centred(found), centred(expected), rtol=0, atol=1e-5)


def test_bpr_is_uncorrected_sampled_softmax_of_one_draw() -> None:
    risks = []
    scores, counts = normal(5, 4), random_counts(5, 4)
    for loss, settings in (("bpr", {}), ("sampled_softmax", {"correction": "none"})):
        population = Population(loss, random_q(0, 4), 5, n_negatives=1, **settings)
        population.set_scores(scores)
        risks.append(population.risks(counts))
    torch.testing.assert_close(risks[0], risks[1])


@pytest.mark.parametrize("name", ["sparsemax", "entmax"])
def test_sparse_probabilities_tie_where_scores_do_not(name: str) -> None:
    population = Population(name, uniform(4))
    population.set_scores(torch.tensor([[3.0, 2.5, 0.2, 0.1]]))
    found = population.layer.log_prob(population.hidden).exp()[0]
    assert found[0] > found[1] > 0
    assert found[2:].tolist() == [0, 0]
    scores = population.layer.scores(population.hidden)[0]
    assert scores.argsort(descending=True).tolist() == [0, 1, 2, 3]


def test_one_uniform_negative_leaves_scores_log_c_above_log_p() -> None:
    counts = torch.tensor([[5, 3, 2]])
    population = Population("negative_sampling", uniform(3), n_negatives=1)
    expected = probabilities(counts).log() + math.log(3)
    torch.testing.assert_close(population.minimise(counts), expected, rtol=0, atol=1e-5)


def _cosine_optimum(counts: torch.Tensor, temperature: float) -> torch.Tensor:
    """Scores[C] of one row of two features: every class has any cosine, and no bias."""
    settings = {"cosine": True, "temperature": temperature}
    population = Population("softmax", uniform(len(counts)), 2, **settings)
    with torch.no_grad():
        population.weight.copy_(normal(len(counts), 2))
    target = torch.repeat_interleave(torch.arange(len(counts)), counts)
    hidden = torch.tensor([[1.0, 0.0]], dtype=torch.double).expand(len(target), -1)
    return population.minimise_batch(hidden, target)[0]


def test_cosines_reach_log_p_within_their_range_and_tie_at_its_ends() -> None:
    counts = torch.tensor([12, 6, 3, 1])
    within = _cosine_optimum(counts, temperature=0.5)  # from -2 to 2
    expected = (counts.double() / counts.sum()).log()
    torch.testing.assert_close(centred(within), centred(expected), rtol=0, atol=1e-5)
    beyond = _cosine_optimum(torch.tensor([60, 50, 2, 1]), temperature=2.0)  # from -1/2 to 1/2
    assert beyond.tolist() == pytest.approx([0.5, 0.5, -0.5, -0.5], abs=1e-3)


def test_entmax_of_alpha_2_is_sparsemax() -> None:
    scores, counts = normal(6, 5), random_counts(6, 5, zeros=True)
    risks = []
    for loss, settings in (("sparsemax", {}), ("entmax", {"alpha": 2.0})):
        population = Population(loss, uniform(5), 6, **settings)
        population.set_scores(scores)
        risks.append(population.risks(counts))
    torch.testing.assert_close(risks[0], risks[1])
