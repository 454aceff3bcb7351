"""The classifier where it is used: in pipelines and searches, and with the loss advised."""

import numpy as np
import pytest
from joblib import Parallel, delayed
from sklearn.datasets import load_digits
from sklearn.experimental import enable_halving_search_cv  # noqa: F401 - makes HalvingGridSearchCV
from sklearn.model_selection import GridSearchCV, HalvingGridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler

from profiler.estimator import SoftmaxFamilyClassifier

X, Y = load_digits(return_X_y=True)
LOSSES = ["softmax", "sparsemax", "nce"]
ONE = {"learning_rate": (0.01,), "weight_decay": (1e-5,)}


def made(**parameters) -> SoftmaxFamilyClassifier:
    return SoftmaxFamilyClassifier(max_iter=8, batch_size=64, random_state=0, **parameters)


def test_a_grid_search_over_the_loss_inside_a_pipeline_finds_its_best() -> None:
    pipeline = make_pipeline(MinMaxScaler(), made(learning_rate=0.02))
    grid = {"softmaxfamilyclassifier__loss": LOSSES}
    search = GridSearchCV(pipeline, grid, cv=2, error_score="raise").fit(X[:600], Y[:600])
    assert search.best_params_["softmaxfamilyclassifier__loss"] in LOSSES
    assert search.score(X[600:1200], Y[600:1200]) > 0.85


def test_a_halving_search_over_the_loss_gives_the_last_ones_all_the_rows() -> None:
    search = HalvingGridSearchCV(
        made(learning_rate=0.02), {"loss": LOSSES}, cv=2, factor=3, min_resources=200,
        random_state=0, error_score="raise",
    ).fit(X[:600], Y[:600])  # fmt: skip
    assert search.n_candidates_ == [3, 1]
    assert search.n_resources_ == [200, 600]


@pytest.mark.slow
def test_an_advised_loss_is_what_a_real_calibration_recommends() -> None:
    advised = made(
        loss="advised",
        budget_seconds=20,
        task_options={
            "losses": {"include": ("softmax",), "settings": {"softmax": ONE}},
            "constraints": {"probabilities": "required"},
        },
    )
    # In a worker, as a search with n_jobs has it
    (classifier,) = Parallel(n_jobs=2)([delayed(advised.fit)(X[:1200], Y[:1200])])
    answer = classifier.recommendation_
    assert answer.evidence_level == "measured"
    assert answer.elapsed_seconds < 21
    assert [entry.loss for entry in answer.ranking] == ["softmax"]
    assert classifier.loss_ == answer.loss == "softmax"
    assert classifier.settings_ == answer.settings
    assert classifier.score(X[1200:], Y[1200:]) > 0.8
    np.testing.assert_allclose(classifier.predict_proba(X[:5]).sum(axis=1), 1.0)


def test_what_the_calibration_of_an_advised_loss_refuses_is_said() -> None:
    with pytest.raises(ValueError, match=r"task_options: 'kind' follows from the classifier"):
        made(loss="advised", task_options={"kind": "text"}).fit(X, Y)
    with pytest.raises(ValueError, match="unknown loss 'softmx'"):
        made(loss="advised", task_options={"losses": {"include": ("softmx",)}}).fit(X, Y)
