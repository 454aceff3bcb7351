"""SoftmaxFamilyClassifier: our losses, encoders and optimisers as a scikit-learn classifier."""

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils import check_random_state, compute_class_weight
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from advisor.card import Settings
from advisor.catalogue import known_loss
from profiler.estimator.advice import advised, first_guess, task_of
from profiler.estimator.network import Network, Plan
from profiler.estimator.parameters import ADVISED, check_parameters
from profiler.estimator.rows import Ints, Matrix, Reader, Scaling, held_out
from profiler.estimator.training import (
    Labelled,
    Patience,
    best_classes,
    chunks,
    one_epoch,
    until_no_better,
)


def _has_probabilities(classifier: "SoftmaxFamilyClassifier") -> bool:
    loss, settings = classifier._trained_with()
    if loss == ADVISED or known_loss(loss).has_probabilities(settings):
        return True
    raise AttributeError(
        f"predict_proba is not available: {loss} has no probabilities with these settings; "
        f"use decision_function, or a loss that has them, such as softmax"
    )


class SoftmaxFamilyClassifier(ClassifierMixin, BaseEstimator):
    """A linear or one-hidden-layer classifier with any loss of the Softmax family.

    X[N, F], dense or sparse, goes through `encoder` to hidden[N, D] and to the scores of the C
    classes. Dense X is scaled to mean 0 and deviation 1 by what is fitted first, sparse X by one
    number, as in a calibration; with encoder "given" X is taken as it is. Training is in float32;
    scores are in the dtype of X, float64 or float32.

    Parameters
    ----------
    loss : a name of the catalogue, or "advised": a calibration on the data given to `fit` chooses.
    loss_settings : the loss's settings by name; those not given are its card's first choice, or
        with "advised" what is recommended.
    encoder : "linear", "mlp" (one hidden layer of `hidden_units`, with `dropout`), or "given",
        which has the output layer read dense X as it is.
    embedding_dim : D.
    learning_rate, weight_decay : None is the card's first choice for the optimiser, or with
        "advised" what is recommended.
    optimiser : "adam", "adamw", "sgd" or "adagrad"; sparse gradients get the row-wise form.
    batch_size, max_iter : examples a step, and epochs at most.
    tol, n_iter_no_change : training ends when this many epochs did not better the mean training
        loss, or with early_stopping the validation accuracy, by `tol`.
    early_stopping, validation_fraction : whether this share of the rows is held out to stop by;
        the best parameters on them are kept.
    class_weight : a dict by class, "balanced" or None; multiplies sample_weight. A row is drawn as
        often as its weight says, so that every loss is weighted in expectation. Rows of weight 0
        take no part.
    budget_seconds : wall-clock of the calibration of "advised".
    task_options : further fields of its task, e.g. {"metric": "macro_f1", "constraints":
        {"probabilities": "required"}, "losses": {"exclude": ["bpr"]}}.
    random_state : int, RandomState or None.
    warm_start : whether `fit` goes on from where it was, on the same classes.

    Attributes
    ----------
    classes_, n_features_in_, feature_names_in_, n_iter_ : as everywhere.
    loss_, settings_ : what it trained with.
    loss_curve_, validation_scores_, best_validation_score_ : by epoch; the last two are None
        without early_stopping.
    recommendation_ : what the calibration answered; None without one.

    >>> import numpy as np
    >>> x, y = np.repeat(np.eye(3), 20, axis=0), np.repeat(["ant", "bee", "cat"], 20)
    >>> SoftmaxFamilyClassifier(loss="sparsemax", random_state=0).fit(x, y).predict(np.eye(3))
    array(['ant', 'bee', 'cat'], dtype='<U3')
    """

    classes_: NDArray
    n_features_in_: int

    def __init__(
        self,
        loss: str = "softmax",
        *,
        loss_settings: Mapping[str, Any] | None = None,
        encoder: str = "linear",
        embedding_dim: int = 64,
        hidden_units: int = 256,
        dropout: float = 0.0,
        bias: bool = True,
        optimiser: str = "adam",
        learning_rate: float | None = None,
        weight_decay: float | None = None,
        batch_size: int = 256,
        max_iter: int = 100,
        tol: float = 1e-4,
        n_iter_no_change: int = 5,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        class_weight: Mapping[Any, float] | str | None = None,
        budget_seconds: float = 60.0,
        task_options: Mapping[str, Any] | None = None,
        random_state: int | np.random.RandomState | None = None,
        warm_start: bool = False,
    ) -> None:
        self.loss = loss
        self.loss_settings = loss_settings
        self.encoder = encoder
        self.embedding_dim = embedding_dim
        self.hidden_units = hidden_units
        self.dropout = dropout
        self.bias = bias
        self.optimiser = optimiser
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.batch_size = batch_size
        self.max_iter = max_iter
        self.tol = tol
        self.n_iter_no_change = n_iter_no_change
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.class_weight = class_weight
        self.budget_seconds = budget_seconds
        self.task_options = task_options
        self.random_state = random_state
        self.warm_start = warm_start

    def fit(self, X: Any, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Self:
        """Train until it gets no better, or max_iter epochs."""
        check_parameters(self.get_params(deep=False))
        goes_on = self.warm_start and hasattr(self, "network_")
        x, y = self._given(X, y, is_first=not goes_on)
        classes = np.unique(y)
        if goes_on and not np.array_equal(classes, self.classes_):
            raise ValueError(
                f"warm_start goes on with the classes it had, {_listed(self.classes_)}; "
                f"y holds {_listed(classes)}"
            )
        rows = self._labelled(x, y, classes, sample_weight)
        self.classes_ = classes
        rng = check_random_state(self.random_state)
        train, validation = self._parts(rows, rng)
        if not goes_on:
            self._begin(rows, (train, validation), rng)
        history = until_no_better(
            self.network_,
            self.reader_,
            rows.of(train) if self.early_stopping else rows,
            rows.of(validation) if self.early_stopping else None,
            self.batch_size,
            Patience(self.max_iter, self.n_iter_no_change, self.tol),
            rng,
        )
        self.loss_curve_, self.validation_scores_ = history.losses, history.accuracies
        self.best_validation_score_ = max(history.accuracies) if history.accuracies else None
        self.n_iter_ = len(history.losses)
        return self

    def partial_fit(
        self,
        X: Any,
        y: ArrayLike,
        classes: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
    ) -> Self:
        """One epoch over these rows; the first call names all `classes` that will come."""
        check_parameters(self.get_params(deep=False))
        is_first = not hasattr(self, "network_")
        if is_first and self.loss == ADVISED:
            raise ValueError("loss 'advised' needs all rows at once: call fit before partial_fit")
        if self.class_weight == "balanced":
            raise ValueError(
                "class_weight 'balanced' needs all rows at once; give partial_fit a dict, from "
                "sklearn.utils.compute_class_weight('balanced', classes=..., y=...)"
            )
        known = self._classes_of_stream(classes, is_first)
        x, y = self._given(X, y, is_first=is_first)
        rows = self._labelled(x, y, known, sample_weight)
        self.classes_ = known
        rng = check_random_state(self.random_state)
        if is_first:
            self._begin(rows, None, rng)
            self.loss_curve_, self.n_iter_ = [], 0
        loss = one_epoch(self.network_, self.reader_, rows, self.batch_size, rng)
        self.loss_curve_ = [*self.loss_curve_, loss]
        self.n_iter_ += 1
        return self

    def predict(self, X: Any) -> NDArray:
        """The class with the highest score, [N]."""
        check_is_fitted(self)
        x = self._matrix(X)
        return self.classes_[best_classes(self.network_, self.reader_, x, x.dtype)]

    def decision_function(self, X: Any) -> NDArray[np.floating]:
        """The scores [N, C]; of two classes [N], the second one's less the first one's."""
        scores = self._of_rows(X, "scores")
        return scores[:, 1] - scores[:, 0] if scores.shape[1] == 2 else scores

    @available_if(_has_probabilities)
    def predict_proba(self, X: Any) -> NDArray[np.floating]:
        """Probabilities [N, C]; AttributeError for a loss that has none."""
        return np.exp(self.predict_log_proba(X))

    @available_if(_has_probabilities)
    def predict_log_proba(self, X: Any) -> NDArray[np.floating]:
        """Their logarithms [N, C]; -inf where a sparse loss gives 0."""
        return self._of_rows(X, "log_prob")

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = self.encoder != "given"
        return tags

    def _given(self, X: Any, y: Any, *, is_first: bool) -> tuple[Matrix, NDArray]:
        """X and y as arrays, checked."""
        x, y = validate_data(
            self,
            X,
            y,
            accept_sparse="csr" if self.encoder != "given" else False,
            dtype=(np.float64, np.float32),
            reset=is_first,
        )
        check_classification_targets(y)
        return x, y

    def _of_rows(self, X: Any, method: str) -> NDArray[np.floating]:
        check_is_fitted(self)
        x = self._matrix(X)
        return np.concatenate(list(chunks(self.network_, self.reader_, x, method, x.dtype)))

    def _matrix(self, X: Any) -> Matrix:
        return validate_data(
            self,
            X,
            accept_sparse="csr" if self.encoder != "given" else False,
            dtype=(np.float64, np.float32),
            reset=False,
        )

    def _labelled(
        self, x: Matrix, y: NDArray, classes: NDArray, sample_weight: ArrayLike | None
    ) -> Labelled:
        """The rows that take part, their classes numbered; raises ValueError for unknown ones."""
        if unknown := np.setdiff1d(y, classes).tolist():
            raise ValueError(f"y holds {unknown[0]!r}; the classes named are {_listed(classes)}")
        if len(classes) < 2:
            raise ValueError(f"there must be 2 classes at least; y holds one class, {classes[0]!r}")
        encoded = np.searchsorted(classes, y)
        if sample_weight is None and self.class_weight is None:
            return Labelled(x, encoded, None)
        weight = _check_sample_weight(sample_weight, x, dtype=np.float64, ensure_non_negative=True)
        if self.class_weight is not None:
            of_class = compute_class_weight(self.class_weight, classes=classes, y=y)
            weight = weight * of_class[encoded]
        return Labelled(x, encoded, weight).of(np.flatnonzero(weight))

    def _classes_of_stream(self, classes: ArrayLike | None, is_first: bool) -> NDArray:
        if is_first and classes is None:
            raise ValueError("classes: name all of them in the first call of partial_fit")
        named = self.classes_ if classes is None else np.unique(np.asarray(classes))
        if not is_first and not np.array_equal(named, self.classes_):
            raise ValueError(
                f"classes={_listed(named)}: the first call named {_listed(self.classes_)}"
            )
        return named

    def _parts(self, rows: Labelled, rng: np.random.RandomState) -> tuple[Ints, Ints]:
        """Rows to train and to validate on, where something stops or chooses by the latter."""
        if self.early_stopping or self.loss == ADVISED:
            return held_out(rows.y, self.validation_fraction, rng)
        return np.arange(len(rows)), np.arange(0)

    def _begin(
        self, rows: Labelled, parts: tuple[Ints, Ints] | None, rng: np.random.RandomState
    ) -> None:
        """Choose the loss and its settings, and make the network."""
        counts = np.bincount(rows.y, weights=rows.weight, minlength=len(self.classes_))
        seed = int(rng.randint(2**31 - 1))
        task = task_of(self._task_fields(rows), self.task_options)
        own = {
            name: value
            for name in ("learning_rate", "weight_decay")
            if (value := getattr(self, name)) is not None
        }
        given = {**(self.loss_settings or {}), **own}
        self.recommendation_ = None
        self.loss_, self.settings_ = self.loss, {}
        if self.loss == ADVISED and parts is not None:
            answer = advised(task, rows, parts, self.budget_seconds, seed)
            self.recommendation_, self.loss_, self.settings_ = answer, answer.loss, answer.settings
        self.settings_ = first_guess(self.loss_, {**self.settings_, **given}, task, counts)
        is_sparse = sparse.issparse(rows.x)
        seen = np.bincount(rows.x.indices, minlength=self.n_features_in_) > 0 if is_sparse else None
        scaling = Scaling.none() if self.encoder == "given" else Scaling.of(rows.x)
        self.reader_ = Reader(scaling, is_sparse)
        self.network_ = Network(
            Plan(
                loss=self.loss_,
                settings=self.settings_,
                encoder=self.encoder,
                model=task.model,
                optimiser=self.optimiser,
                batch_size=min(self.batch_size, len(rows)),
                n_features=self.n_features_in_,
                seen=seen,
                class_counts=counts.astype(np.float64),
                seed=seed,
            )
        )

    def _task_fields(self, rows: Labelled) -> dict[str, Any]:
        is_given = self.encoder == "given"
        dim = self.n_features_in_ if is_given else self.embedding_dim
        model: dict[str, Any] = {"embedding_dim": dim, "bias": self.bias}
        if self.encoder == "mlp":
            model |= {"encoder": "mlp", "hidden_units": self.hidden_units, "dropout": self.dropout}
        return {
            "kind": "embeddings" if is_given else "features",
            "model": model,
            "training": {
                "batch_size": min(self.batch_size, len(rows)),
                "optimiser": self.optimiser,
            },
            "horizon": {"epochs": self.max_iter},
        }

    def _trained_with(self) -> tuple[str, Settings]:
        """The loss and its settings: fitted, or else as they are given."""
        if hasattr(self, "loss_"):
            return self.loss_, self.settings_
        if self.loss == ADVISED:
            return ADVISED, {}
        first = {s.name: s.choices[0] for s in known_loss(self.loss).card.settings}
        return self.loss, {**first, **(self.loss_settings or {})}


def _listed(classes: NDArray) -> str:
    shown = ", ".join(repr(c) for c in classes[:10].tolist())
    return shown if len(classes) <= 10 else f"{shown}, ... ({len(classes):,} in all)"
