"""What a card says of a loss depends on its settings: its probabilities and its order."""

import pytest

from advisor.catalogue import known_losses
from advisor.recommend import recommend
from advisor.task import Metric, Task, TaskStatistics

NDCG = Metric(name="ndcg", k=10)


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, True),
        ({"correction": "none"}, False),
        ({"correction": "none", "proposal": "uniform"}, True),
        ({"correction": "none", "proposal": "popularity", "popularity_power": 0.0}, True),
        ({"correction": "none", "proposal": "in_batch", "popularity_power": 0.0}, False),
        ({"correction": "none", "proposal": "mixed"}, False),
        ({"correction": "none", "proposal": "hard"}, False),
        ({"correction": "importance", "proposal": "in_batch"}, True),
    ],
)
def test_without_correction_only_uniform_draws_leave_probabilities(
    settings: dict, expected: bool
) -> None:
    assert known_losses()["sampled_softmax"].has_probabilities(settings) == expected


def test_elsewhere_the_card_decides_and_nothing_is_refused() -> None:
    for name, known in known_losses().items():
        first = {s.name: s.choices[0] for s in known.card.settings}
        assert known.has_probabilities(first) == known.card.has_probabilities, name
        assert known.refusal(first) is None, name


@pytest.mark.parametrize(("proposal", "is_feasible"), [("popularity", False), ("uniform", True)])
def test_required_probabilities_rule_out_the_settings_that_have_none(
    proposal: str, is_feasible: bool
) -> None:
    asked = Task.model_validate(
        {
            "kind": "description",
            "statistics": TaskStatistics(n_rows=1000, n_classes=2000, n_examples=50_000),
            "horizon": {"epochs": 5},
            "constraints": {"probabilities": "required"},
            "losses": {
                "settings": {"sampled_softmax": {"correction": ["none"], "proposal": [proposal]}}
            },
        }
    )
    (found,) = (r for r in recommend(asked).ranking if r.loss == "sampled_softmax")
    assert found.feasible == is_feasible
    assert is_feasible or "probabilities" in found.reasons[0].text


@pytest.mark.parametrize(
    ("loss", "settings", "status"),
    [
        ("sampled_softmax", {}, "consistent"),
        ("sampled_softmax", {"proposal": "mixed"}, "consistent"),
        ("sampled_softmax", {"proposal": "in_batch"}, "conditional"),
        ("sampled_softmax", {"proposal": "in_batch", "correction": "none"}, "inconsistent"),
        ("sampled_softmax", {"proposal": "mixed", "correction": "none"}, "inconsistent"),
        ("sampled_softmax", {"proposal": "uniform", "correction": "none"}, "consistent"),
        ("sampled_softmax", {"proposal": "hard", "correction": "none"}, "conditional"),
        ("sampled_softmax", {"correction": "importance"}, "conditional"),
        ("nce", {}, "conditional"),
        ("nce", {"proposal": "uniform"}, "conditional"),
        ("negative_sampling", {"calibration": 1.0}, "consistent"),
        ("negative_sampling", {"proposal": "mixed"}, "inconsistent"),
        ("negative_sampling", {"proposal": "popularity", "popularity_power": 0.0}, "consistent"),
        ("bpr", {"proposal": "mixed"}, "inconsistent"),
    ],
)
def test_settings_decide_what_the_minimiser_ranks_by(
    loss: str, settings: dict, status: str
) -> None:
    known = known_losses()[loss]
    assert known.consistency(NDCG, settings).status == status
    assert known.consistency(Metric(name="psp", k=5), settings).status == "unknown"
