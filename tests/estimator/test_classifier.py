"""The classifier by itself: every loss, dense and sparse, weights, stopping, going on, pickling."""

import doctest
import importlib
import io

import joblib
import numpy as np
import pytest
import torch
from scipy import sparse
from sklearn.base import clone
from sklearn.datasets import make_classification

from advisor.catalogue import known_losses
from profiler.estimator import SoftmaxFamilyClassifier, training
from profiler.losses import names

N_CLASSES = 6
X, Y = make_classification(
    360, 20, n_informative=12, n_classes=N_CLASSES, n_clusters_per_class=1, class_sep=2.0,
    random_state=0,
)  # fmt: skip
SPARSE = sparse.csr_matrix(np.where(X > 0.5, X, 0.0))


def made(loss: str = "softmax", **parameters) -> SoftmaxFamilyClassifier:
    return SoftmaxFamilyClassifier(
        loss, **{"max_iter": 30, "batch_size": 32, "random_state": 0, **parameters}
    )


ONE_OF_EACH_FAMILY = ("softmax", "sampled_softmax", "adaptive_softmax")


@pytest.mark.parametrize(
    ("loss", "x"), [(n, X) for n in names()] + [(n, SPARSE) for n in ONE_OF_EACH_FAMILY]
)
def test_every_loss_learns_the_classes(loss: str, x) -> None:
    settings = {"n_negatives": 4} if known_losses()[loss].card.family == "sampled" else {}
    has_it = "n_negatives" in [s.name for s in known_losses()[loss].card.settings]
    fitted = made(loss, loss_settings=settings if has_it else None).fit(x, Y)
    assert fitted.score(x, Y) > 0.8
    assert fitted.decision_function(x).shape == (len(Y), N_CLASSES)
    assert fitted.loss_ == loss
    assert 1 <= fitted.n_iter_ == len(fitted.loss_curve_) <= 30


@pytest.mark.parametrize("loss", names())
def test_there_are_probabilities_where_the_card_has_them_and_else_a_clear_error(loss: str) -> None:
    fitted = made(loss, max_iter=2).fit(X, Y)
    if known_losses()[loss].has_probabilities(fitted.settings_):
        np.testing.assert_allclose(fitted.predict_proba(X).sum(axis=1), 1.0)
        return
    assert not hasattr(fitted, "predict_proba")
    with pytest.raises(AttributeError, match="predict_proba") as refused:
        fitted.predict_proba(X)
    assert f"{loss} has no probabilities" in str(refused.value.__cause__)


def test_a_network_fitted_on_sparse_rows_reads_dense_ones_and_the_other_way_round() -> None:
    for trained_on, asked in [(SPARSE, SPARSE.toarray()), (SPARSE.toarray(), SPARSE)]:
        fitted = made(max_iter=3).fit(trained_on, Y)
        np.testing.assert_allclose(
            fitted.decision_function(trained_on), fitted.decision_function(asked)
        )


@pytest.mark.parametrize("encoder", ["mlp", "given"])
def test_the_other_encoders_learn_too(encoder: str) -> None:
    fitted = made(encoder=encoder, hidden_units=32, learning_rate=0.01).fit(X, Y)
    assert fitted.score(X, Y) > 0.8


def test_a_feature_that_training_never_had_changes_nothing() -> None:
    wide = sparse.hstack([SPARSE, sparse.csr_matrix((len(Y), 3))], format="csr")
    filled = sparse.hstack([SPARSE, sparse.csr_matrix(np.ones((len(Y), 3)))], format="csr")
    fitted = made(max_iter=2).fit(wide, Y)
    np.testing.assert_array_equal(fitted.decision_function(wide), fitted.decision_function(filled))


@pytest.mark.parametrize("x", [X, SPARSE], ids=["dense", "sparse"])
@pytest.mark.parametrize("loss", ["softmax", "sampled_softmax"])
def test_a_pickled_classifier_predicts_the_same_and_goes_on_the_same(loss: str, x) -> None:
    fitted = made(loss, max_iter=3, warm_start=True).fit(x, Y)
    file = io.BytesIO()
    joblib.dump(fitted, file)
    file.seek(0)
    loaded = joblib.load(file)
    np.testing.assert_array_equal(loaded.decision_function(x), fitted.decision_function(x))
    scores = [c.fit(x, Y).decision_function(x) for c in (fitted, loaded)]
    np.testing.assert_array_equal(*scores)


def test_a_pickle_holds_every_number_once() -> None:
    file = io.BytesIO()
    fitted = made("sampled_softmax", loss_settings={"n_negatives": 4}, max_iter=2).fit(SPARSE, Y)
    joblib.dump(fitted, file)
    network = fitted.network_
    n_numbers = sum(p.numel() for m in (network.encoder, network.layer) for p in m.parameters())
    assert file.tell() < 3 * 4 * n_numbers + 30_000  # parameter and two moments of Adam


def test_the_same_random_state_gives_the_same_classifier_and_torch_is_left_as_it_was() -> None:
    before = torch.get_rng_state()
    one, other = (made("sampled_softmax", encoder="mlp", dropout=0.2).fit(X, Y) for _ in range(2))
    np.testing.assert_array_equal(one.decision_function(X), other.decision_function(X))
    assert torch.equal(before, torch.get_rng_state())
    third = made("sampled_softmax", encoder="mlp", dropout=0.2, random_state=1).fit(X, Y)
    assert (third.decision_function(X) != one.decision_function(X)).any()


def test_weights_move_the_odds_as_they_say() -> None:
    """Two classes that no feature tells apart: the log-odds are those of the weighted counts."""
    rng = np.random.RandomState(0)
    x, y = rng.normal(size=(400, 2)) * 1e-3, np.arange(400) % 2
    weight = np.where(y == 1, 3.0, 1.0)
    settings = {"max_iter": 60, "weight_decay": 0.0, "learning_rate": 0.003}
    by_row = made(**settings).fit(x, y, sample_weight=weight)
    by_class = made(class_weight={0: 1.0, 1: 3.0}, **settings).fit(x, y)
    assert np.median(by_row.predict_proba(x)[:, 1]) == pytest.approx(0.75, abs=0.04)
    np.testing.assert_array_equal(by_row.predict_proba(x), by_class.predict_proba(x))
    balanced = made(class_weight="balanced", **settings).fit(x[100:300], y[:200] * y[100:300])
    assert balanced.network_.plan.class_counts == pytest.approx([100, 100])


def test_rows_of_weight_zero_take_no_part() -> None:
    weight = np.r_[np.ones(200), np.zeros(160)]
    nonsense = np.where(weight[:, None] > 0, X, 1e6)
    weighted = made(max_iter=3).fit(nonsense, Y, sample_weight=weight)
    alone = made(max_iter=3).fit(X[:200], Y[:200], sample_weight=np.ones(200))
    np.testing.assert_array_equal(weighted.decision_function(X), alone.decision_function(X))
    with pytest.raises(ValueError, match="at least one non-zero"):
        made().fit(X, Y, sample_weight=np.zeros(360))


def test_early_stopping_keeps_the_best_parameters_on_rows_held_out() -> None:
    fitted = made(early_stopping=True, learning_rate=0.1, max_iter=50, n_iter_no_change=3)
    fitted.fit(X, Y)
    assert fitted.n_iter_ < 50
    assert fitted.best_validation_score_ == max(fitted.validation_scores_)
    assert len(fitted.validation_scores_) == fitted.n_iter_
    with pytest.raises(ValueError, match="no row is left to validate on: 6 rows of 6 classes"):
        made(early_stopping=True).fit(X[:6], range(6))


def test_training_ends_when_the_loss_falls_no_more() -> None:
    assert made(max_iter=500, learning_rate=0.05, tol=0.05).fit(X, Y).n_iter_ < 100


def test_a_warm_start_goes_on_and_a_cold_one_begins_again() -> None:
    warm, cold = made(max_iter=3, warm_start=True), made(max_iter=3)
    for classifier in (warm, cold):
        classifier.fit(X, Y)
        first = classifier.loss_curve_[0]
        classifier.fit(X, Y)
        assert (classifier.loss_curve_[0] < first) == classifier.warm_start
    with pytest.raises(ValueError, match=r"classes it had, 0, 1, 2, 3, 4, 5; y holds 0, 1, 2"):
        warm.fit(X[Y < 3], Y[Y < 3])


def test_partial_fit_learns_batch_by_batch_and_knows_only_the_classes_named() -> None:
    fitted = made("nce")
    with pytest.raises(ValueError, match="classes: name all of them in the first call"):
        fitted.partial_fit(X, Y)
    for _ in range(20):
        for start in range(0, len(Y), 120):
            rows = slice(start, start + 120)
            fitted.partial_fit(X[rows], Y[rows], classes=range(N_CLASSES))
    assert fitted.score(X, Y) > 0.8
    assert fitted.n_iter_ == 60
    with pytest.raises(ValueError, match=r"y holds 7; the classes named are 0, 1, 2, 3, 4, 5"):
        fitted.partial_fit(X[:1], [7])
    with pytest.raises(ValueError, match="'balanced' needs all rows at once"):
        made(class_weight="balanced").partial_fit(X, Y, classes=range(6))
    with pytest.raises(ValueError, match="'advised' needs all rows at once"):
        made("advised").partial_fit(X, Y, classes=range(6))


def test_every_parameter_that_is_not_usable_is_named_at_once() -> None:
    with pytest.raises(ValueError, match="loss='softmx': one of") as refused:
        made("softmx", batch_size=0, dropout=1.0, encoder="cnn").fit(X, Y)
    for name in ("encoder='cnn': one of linear, mlp, given", "batch_size=0", "dropout=1.0"):
        assert name in str(refused.value)


def test_a_setting_that_the_loss_does_not_have_or_allow_is_refused() -> None:
    with pytest.raises(ValueError, match="unknown setting 'n_negatives'; allowed are"):
        made(loss_settings={"n_negatives": 3}).fit(X, Y)
    with pytest.raises(ValueError, match=r"temperature: -1 given; allowed are numbers from"):
        made(loss_settings={"temperature": -1}).fit(X, Y)


def test_a_training_that_diverges_says_what_to_change() -> None:
    with pytest.raises(ValueError, match="with softmax diverged; try a learning_rate below 1000"):
        made(encoder="given", optimiser="sgd", learning_rate=1000).fit(X * 1e18, Y)


def test_classes_may_be_words_and_a_clone_is_not_fitted() -> None:
    words = np.array(["ant", "bee", "cat", "dog", "elk", "fox"])[Y]
    fitted = made().fit(X, words)
    assert set(fitted.predict(X)) <= set(words)
    assert not hasattr(clone(fitted), "network_")


def test_classes_of_few_rows_at_a_time_are_those_of_all(monkeypatch: pytest.MonkeyPatch) -> None:
    fitted = made(max_iter=3).fit(X, Y)
    whole = fitted.predict(X), fitted.decision_function(X)
    monkeypatch.setattr(training, "_SCORES_AT_ONCE", 1)
    np.testing.assert_array_equal(fitted.predict(X), whole[0])
    np.testing.assert_allclose(fitted.decision_function(X), whole[1])
    np.testing.assert_array_equal(whole[0], whole[1].argmax(axis=1))


def test_the_example_in_the_docstring_is_true() -> None:
    results = doctest.testmod(importlib.import_module("profiler.estimator.classifier"))
    assert results.attempted > 0
    assert results.failed == 0
