"""The candidates of a task, and how a task may change them."""

import pytest

from advisor.catalogue import catalogue
from advisor.errors import TaskInvalidError, UnknownLossError
from advisor.search_space import candidates, possible
from advisor.task import Baseline, LossSelection, Task, TaskStatistics, Training

STATISTICS = TaskStatistics(n_rows=100, n_classes=300, n_examples=5000)


def _task(baseline: Baseline | None = None, **losses: object) -> Task:
    return Task(
        kind="description",
        statistics=STATISTICS,
        losses=LossSelection.model_validate(losses),
        baseline=baseline or Baseline(loss="softmax"),
    )


def test_every_loss_opens_eight_candidates_with_its_best_guess_first() -> None:
    found = candidates(_task(), STATISTICS)
    assert len(found) >= 6
    for name, of_loss in found.items():
        assert len(of_loss) == len({c.key for c in of_loss}) == 8, name
        assert all(c.loss == name for c in of_loss)


def test_a_count_of_classes_is_capped_by_the_classes() -> None:
    (first, *_) = candidates(_task(include=["sampled_softmax"]), STATISTICS)["sampled_softmax"]
    assert first.settings["n_negatives"] == 300


def test_given_values_replace_the_default_ones() -> None:
    changed = {"softmax": {"learning_rate": [0.5, 1], "weight_decay": [0]}}
    found = candidates(_task(include=["softmax"], settings=changed), STATISTICS)["softmax"]
    first = {s.name: s.choices[0] for s in catalogue()["softmax"].settings}
    assert [c.settings for c in found] == [
        {**first, "learning_rate": 0.5, "weight_decay": 0.0},
        {**first, "learning_rate": 1.0, "weight_decay": 0.0},
    ]


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"softmax": {"temprature": [1]}}, "unknown setting 'temprature'; allowed are learning_r"),
        ({"softmax": {"learning_rate": ["fast"]}}, "'fast' given; allowed are numbers from 1e-07"),
        ({"softmax": {"learning_rate": [True]}}, "True given; allowed are numbers"),
        ({"softmax": {"learning_rate": [0.0]}}, "0.0 given; allowed are numbers from 1e-07 to 10"),
        ({"softmax": {"weight_decay": [-1]}}, "-1 given; allowed are numbers from 0 to 10"),
        ({"softmax": {"weight_decay": []}}, "no value given; allowed are numbers from 0 to 10"),
        ({"bpr": {"n_negatives": [1.5]}}, "1.5 given; allowed are whole numbers from 1 to 300 cl"),
        ({"bpr": {"n_negatives": [0]}}, "0 given; allowed are whole numbers from 1 to 300 classes"),
        ({"nce": {"n_negatives": [9, 301]}}, "301 given; allowed are whole numbers from 1 to 300"),
        ({"bpr": {"proposal": ["hard"]}}, "'hard' given; allowed are uniform, popularity, mixed"),
        ({"sampled_softmax": {"correction": [1]}}, "1 given; allowed are both, importance, none"),
    ],
)
def test_a_value_that_a_setting_does_not_take_is_refused_in_one_sentence(
    settings: dict, says: str
) -> None:
    with pytest.raises(TaskInvalidError, match=says):
        candidates(_task(settings=settings), STATISTICS)


def test_the_baseline_is_checked_like_a_candidate() -> None:
    wrong = Baseline(loss="softmax", settings={"learning_rate": "fast"})
    with pytest.raises(TaskInvalidError, match=r"baseline.settings.learning_rate: 'fast' given"):
        candidates(_task(baseline=wrong), STATISTICS)
    many = Baseline(loss="nce", settings={"n_negatives": 301})
    with pytest.raises(
        TaskInvalidError, match=r"baseline.settings.n_negatives: 301 given; allowed"
    ):
        candidates(_task(baseline=many), STATISTICS)
    unknown = Baseline(loss="softmax", settings={"rate": 1.0})
    with pytest.raises(TaskInvalidError, match=r"baseline.settings: unknown setting 'rate'"):
        candidates(_task(baseline=unknown), STATISTICS)


OPTIMISERS = ["adam", "adamw", "sgd", "adagrad"]


def _rates(optimiser: str, loss: str = "softmax") -> list[tuple[object, object]]:
    task = _task().model_copy(
        update={"training": Training.model_validate({"optimiser": optimiser})}
    )
    found = candidates(task, STATISTICS)[loss]
    return [(c.settings["learning_rate"], c.settings["weight_decay"]) for c in found]


def test_the_rates_that_are_tried_are_of_the_optimiser() -> None:
    rates = {optimiser: _rates(optimiser)[0] for optimiser in OPTIMISERS}
    assert rates == {
        "adam": (0.003, 1e-4),
        "adamw": (0.003, 1.0),
        "sgd": (9.0, 1e-4),
        "adagrad": (0.12, 1e-4),
    }


@pytest.mark.parametrize("loss", catalogue())
def test_what_one_optimiser_showed_of_a_candidate_is_no_evidence_for_another(loss: str) -> None:
    """Stored profiles go by a candidate's settings, so no two optimisers share one."""
    tried = [pair for optimiser in OPTIMISERS for pair in _rates(optimiser, loss)]
    assert len(tried) == len(set(tried)) == 8 * len(OPTIMISERS)


def test_a_rate_is_bounded_by_what_its_optimiser_takes() -> None:
    settings = {"softmax": {"learning_rate": [50]}}
    with pytest.raises(TaskInvalidError, match="50 given; allowed are numbers from 1e-07 to 10"):
        candidates(_task(settings=settings), STATISTICS)
    by_sgd = Training(optimiser="sgd")
    task = _task(settings=settings).model_copy(update={"training": by_sgd})
    assert candidates(task, STATISTICS)["softmax"][0].settings["learning_rate"] == 50
    baseline = Baseline(loss="softmax", settings={"learning_rate": 1e5})
    task = _task(baseline=baseline).model_copy(update={"training": by_sgd})
    with pytest.raises(TaskInvalidError, match=r"100000.0 given; .* to 9,000"):
        candidates(task, STATISTICS)


HARD = {"proposal": ["hard"], "correction": ["none"]}


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"proposal": ["hard"]}, "sampled_softmax.proposal: proposal 'hard' has no log q for corr"),
        ({**HARD, "negatives": ["per_row"]}, "'hard' draws for the batch as a whole; use"),
        ({"proposal": ["in_batch"], "negatives": ["per_row"]}, "'in_batch' draws for the batch"),
        (
            {**HARD, "n_negatives": [80], "pool_size": [50]},
            "80 cannot be taken from a pool_size of",
        ),
        ({"proposal": ["popularity", "hard"], "correction": ["both"]}, "'hard' has no log q"),
    ],
)
def test_settings_that_make_no_sense_together_are_refused_with_the_reason(
    settings: dict, says: str
) -> None:
    with pytest.raises(TaskInvalidError, match=says):
        candidates(_task(settings={"sampled_softmax": settings}), STATISTICS)
    if all(len(values) == 1 for values in settings.values()):
        chosen = {name: value for name, (value,) in settings.items()}
        baseline = Baseline(loss="sampled_softmax", settings=chosen)
        with pytest.raises(TaskInvalidError, match=r"baseline.settings: "):
            candidates(_task(baseline=baseline), STATISTICS)


def test_a_grid_keeps_the_combinations_that_make_sense() -> None:
    given = {"proposal": ["popularity", "hard"], "correction": ["both", "none"]}
    asked = _task(include=["sampled_softmax"], settings={"sampled_softmax": given})
    found = candidates(asked, STATISTICS)["sampled_softmax"]
    combinations = {(c.settings["proposal"], c.settings["correction"]) for c in found}
    assert combinations == {("popularity", "both"), ("popularity", "none"), ("hard", "none")}


def test_unknown_losses_and_nothing_left_are_refused() -> None:
    with pytest.raises(UnknownLossError, match="unknown loss 'softmx'"):
        candidates(_task(exclude=["softmx"]), STATISTICS)
    with pytest.raises(TaskInvalidError, match="every loss is excluded"):
        candidates(_task(include=["bpr"], exclude=["bpr"]), STATISTICS)


@pytest.mark.parametrize(
    ("loss", "given", "n_combinations"),
    [
        ("sampled_softmax", {"proposal": ["uniform"], "popularity_power": [1.0]}, 1),
        ("sampled_softmax", {"proposal": ["in_batch", "uniform"], "n_negatives": [10, 20]}, 3),
        ("bpr", {"proposal": ["uniform", "popularity"], "popularity_power": [0.5, 1.0]}, 3),
    ],
)
def test_what_changes_nothing_makes_no_further_candidate(
    loss: str, given: dict, n_combinations: int
) -> None:
    asked = _task(include=[loss], settings={loss: given})
    assert len(candidates(asked, STATISTICS)[loss]) == 8 * n_combinations


def test_a_given_setting_that_changes_nothing_is_refused_with_what_it_needs() -> None:
    asked = _task(include=["bpr"], settings={"bpr": {"popularity_power": [0.5]}})
    with pytest.raises(TaskInvalidError, match="power: changes nothing without proposal 'popul"):
        candidates(asked, STATISTICS)


def test_what_a_card_rules_out_is_not_possible_and_none_left_is_refused() -> None:
    asked = Task(
        kind="description",
        statistics=STATISTICS,
        metric="perplexity",
        losses=LossSelection(include=("bpr", "softmax")),
    )
    assert set(possible(asked, candidates(asked, STATISTICS))) == {"softmax"}
    alone = asked.model_copy(update={"losses": LossSelection(include=("bpr",))})
    with pytest.raises(TaskInvalidError, match="bpr gives no probabilities, which perplex"):
        possible(alone, candidates(alone, STATISTICS))
