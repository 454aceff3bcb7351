"""A recommendation in an Optuna study: space, first trials, directions; a pruner that forecasts."""

from pathlib import Path

import pytest

from advisor import Task, recommend
from advisor.automl.outlook import Outlook
from advisor.automl.space import Choice, Range, spaces
from advisor.card import Settings
from advisor.catalogue import known_loss
from advisor.evidence import Candidate
from advisor.recommendation import Recommendation
from advisor.shipped import shipped_bank

optuna = pytest.importorskip("optuna", reason="the extra optuna is not installed")
from advisor.automl.optuna import HorizonPruner, directions, enqueue, suggest  # noqa: E402 - after the skip

N_CLASSES = 300


def described() -> Task:
    statistics = {"n_rows": 1000, "n_classes": N_CLASSES, "n_examples": 20_000}
    fields = {"kind": "description", "metric": "ndcg@20", "statistics": statistics}
    return Task.model_validate(fields)


@pytest.fixture(scope="module")
def answer() -> Recommendation:
    return recommend(described())


@pytest.fixture(autouse=True)
def quiet() -> None:
    optuna.logging.set_verbosity(optuna.logging.WARNING)


def curve(final: float, steps: range = range(1, 21)) -> dict[int, float]:
    """It rises to `final` at step 20."""
    return {step: final * (step / 20) ** 0.3 for step in steps}


def finished(study: "optuna.Study", final: float, loss: str = "softmax") -> None:
    study.add_trial(
        optuna.trial.create_trial(
            params={"loss": loss},
            distributions={
                "loss": optuna.distributions.CategoricalDistribution(("softmax", "nce"))
            },
            value=final,
            intermediate_values=curve(final),
        )
    )


def is_pruned_at(study: "optuna.Study", values: dict[int, float], loss: str = "nce") -> int | None:
    """The step at which a new trial with these values is ended."""
    study.enqueue_trial({"loss": loss})
    trial = study.ask()
    trial.suggest_categorical("loss", ("softmax", "nce"))
    for step, value in values.items():
        trial.report(value, step)
        if trial.should_prune():
            return step
    return None


def test_what_is_suggested_is_a_loss_of_the_ranking_with_all_its_settings(
    answer: Recommendation,
) -> None:
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    ranking = {entry.loss: entry.settings for entry in answer.ranking}
    losses = set()
    for _ in range(200):
        try:
            chosen = suggest(study.ask(), answer)
        except optuna.TrialPruned:
            continue
        losses.add(chosen.loss)
        assert set(chosen.settings) == set(ranking[chosen.loss])
        assert known_loss(chosen.loss).refusal(chosen.settings) is None
        assert chosen.settings.get("n_negatives", 1) <= N_CLASSES
    assert losses == set(ranking)


def test_numbers_vary_by_their_ratio_and_everything_else_by_choice(answer: Recommendation) -> None:
    space = spaces(answer)["sampled_softmax"]
    rate = space.varied["learning_rate"]
    assert isinstance(rate, Range)
    assert (rate.is_whole, rate.low > 0, rate.high > rate.low) == (False, True, True)
    assert set(space.varied) | set(space.fixed) == set(space.first)
    of_task = answer.task.model_copy(
        update={
            "losses": answer.task.losses.model_copy(
                update={"settings": {"softmax": {"cosine": (False, True)}}}
            )
        }
    )
    changed = spaces(answer.model_copy(update={"task": of_task}))["softmax"]
    assert changed.varied["cosine"] == Choice((False, True))


def test_the_first_trials_are_the_ranking_exactly_and_only_once(answer: Recommendation) -> None:
    study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=0))
    enqueue(study, answer)
    enqueue(study, answer)
    tried: list[tuple[str, Settings]] = []
    for _ in answer.ranking:
        chosen = suggest(study.ask(), answer)
        tried.append((chosen.loss, chosen.settings))
    assert tried == [(entry.loss, entry.settings) for entry in answer.ranking]
    assert not study.get_trials(states=(optuna.trial.TrialState.WAITING,))


def test_only_the_first_few_are_begun_with_if_so_asked(answer: Recommendation) -> None:
    study = optuna.create_study()
    enqueue(study, answer, 2)
    assert len(study.get_trials(states=(optuna.trial.TrialState.WAITING,))) == 2


def test_with_stored_curves_all_settings_follow_by_what_is_expected_of_them() -> None:
    answer = recommend(described(), bank=shipped_bank())
    outlook = Outlook(answer, bank=shipped_bank())
    study = optuna.create_study()
    enqueue(study, answer, outlook=outlook)
    tried = [suggest(study.ask(), answer) for _ in outlook.first()]
    assert tried == list(outlook.first())
    assert tried[0] == Candidate(loss=answer.loss, settings=answer.settings)
    assert len(tried) > 3 * len(answer.ranking)
    assert not study.get_trials(states=(optuna.trial.TrialState.WAITING,))
    assert tried[1].loss in [entry.loss for entry in answer.ranking[:3]]


def test_without_any_an_outlook_is_the_ranking(answer: Recommendation) -> None:
    assert list(Outlook(answer).first()) == [
        Candidate(loss=entry.loss, settings=entry.settings) for entry in answer.ranking
    ]


def test_what_lies_between_two_settings_is_forecast_as_the_nearer_by_ratio() -> None:
    answer = recommend(described(), bank=shipped_bank())
    outlook = Outlook(answer, bank=shipped_bank())
    first = next(c for c in outlook.first() if c.loss == "softmax")
    between = {**first.settings, "learning_rate": 0.0045, "weight_decay": 2e-5}
    near = outlook.nearest(Candidate(loss="softmax", settings=between))
    assert (near.settings["learning_rate"], near.settings["weight_decay"]) == (0.003, 1e-5)
    assert outlook.horizon_steps(near) == 20 * 20_000 / 512


def test_the_directions_are_those_of_the_metric_and_of_what_the_trade_prices(
    answer: Recommendation,
) -> None:
    up, down = optuna.study.StudyDirection.MAXIMIZE, optuna.study.StudyDirection.MINIMIZE
    assert directions(answer) == {"ndcg@20": up, "train_seconds": down}
    trade = answer.task.trade.model_copy(update={"speed": 0.0, "memory": 0.1})
    task = answer.task.model_copy(update={"trade": trade, "metric": "perplexity"})
    found = directions(answer.model_copy(update={"task": task}))
    assert found == {"perplexity": down, "peak_bytes": down}
    study = optuna.create_study(directions=list(found.values()))
    assert study.directions == [down, down]


@pytest.mark.parametrize("storage", ["memory", "sqlite"])
def test_a_trial_far_behind_ends_early_and_one_ahead_never(storage: str, tmp_path: Path) -> None:
    where = None if storage == "memory" else f"sqlite:///{tmp_path / 'study.db'}"
    study = optuna.create_study(
        storage=where, study_name="one", direction="maximize", pruner=HorizonPruner(20, "ndcg@20")
    )
    assert is_pruned_at(study, curve(0.02)) is None  # it has no rival
    finished(study, 0.3)
    finished(study, 0.28, "nce")
    finished(study, 0.02, "softmax")
    assert is_pruned_at(study, curve(0.33)) is None
    assert (is_pruned_at(study, curve(0.05)) or 20) <= 12
    if where is not None:  # what another process of the same study sees
        again = optuna.load_study(study_name="one", storage=where, pruner=study.pruner)
        assert (is_pruned_at(again, curve(0.05)) or 20) <= 12


def test_many_trials_before_it_do_not_condemn_a_trial_that_is_not_far_behind() -> None:
    study = optuna.create_study(direction="maximize", pruner=HorizonPruner(20, "ndcg@20"))
    for i in range(30):
        finished(study, 0.28 + 0.001 * i, ("softmax", "nce")[i % 2])
    assert (is_pruned_at(study, curve(0.3)) or 20) > 8
    assert (is_pruned_at(study, curve(0.05)) or 20) <= 12


def test_a_loss_whose_trials_so_far_were_poor_is_not_condemned_for_that() -> None:
    study = optuna.create_study(direction="maximize", pruner=HorizonPruner(20, "ndcg@20"))
    finished(study, 0.3, "softmax")
    finished(study, 0.02, "nce")
    assert is_pruned_at(study, curve(0.33), "nce") is None


def test_a_falling_metric_is_pruned_by_its_own_direction() -> None:
    def perplexity(end: float) -> dict[int, float]:
        return {step: end * (20 / step) ** 0.5 for step in range(1, 21)}

    study = optuna.create_study(direction="minimize", pruner=HorizonPruner(20, "perplexity"))
    study.add_trial(optuna.trial.create_trial(value=50.0, intermediate_values=perplexity(50.0)))
    assert is_pruned_at(study, perplexity(400.0)) is not None
    assert is_pruned_at(study, perplexity(45.0)) is None


def test_a_study_towards_the_other_side_is_refused() -> None:
    study = optuna.create_study(direction="minimize", pruner=HorizonPruner(20, "ndcg@20"))
    trial = study.ask()
    trial.report(0.1, 1)
    with pytest.raises(ValueError, match="the study must maximize ndcg@20"):
        trial.should_prune()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ((0, "ndcg@20"), "horizon_steps=0"),
        ((20, "reward"), "unknown metric 'reward'; allowed are"),
        ((20, "ndcg@20", 1.0), "least_chance=1.0; allowed are 0 to below 1"),
    ],
)
def test_a_pruner_without_sense_is_refused(arguments: tuple, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        HorizonPruner(*arguments)


def test_values_that_are_not_finite_say_nothing() -> None:
    study = optuna.create_study(direction="maximize", pruner=HorizonPruner(20, "ndcg@20"))
    finished(study, 0.3)
    assert is_pruned_at(study, {1: float("nan"), 2: float("nan")}) is None
