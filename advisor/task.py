"""Task: what the user wants, as a frozen value that is also the JSON and YAML body.

Everything is checked at this door, all faults at once; inside, nothing is checked again.
"""

import hashlib
import math
import re
from typing import Any, Literal, NamedTuple, Self, cast

from pydantic import Field, field_validator, model_validator

from advisor.value import Interval, Value

Kind = Literal[
    "interactions", "sequences", "text", "features", "multilabel", "embeddings", "description"
]
Split = Literal["random", "leave_one_out", "temporal"]
Format = Literal["csv", "tsv", "parquet", "inter", "text", "npz", "npy", "svmlight"]
SPLITS: dict[str, tuple[Split, ...]] = {
    "interactions": ("random",),
    "sequences": ("leave_one_out", "temporal"),
}
_METRIC_OF_KIND = {
    "text": "perplexity",
    "features": "accuracy",
    "embeddings": "accuracy",
    "multilabel": "precision@1",  # what extreme classification reports first
}
KINDS_OF_FEATURES: tuple[Kind, ...] = ("features", "multilabel")
SettingValue = bool | int | float | str
_LEAST_SCORE = 1e-9
COUNT_MAX = 10**12
"""Of rows, of classes and of examples: more than anyone has, and products of two still add up."""
_EXAMPLES_MAX = 2**53  # of a horizon: what a number in JSON can hold


class MetricKind(NamedTuple):
    """Whether a metric has a cut-off, is best for the order of p (one positive a row), falls as
    the model gets better, and needs probabilities."""

    at_k: bool = False
    by_order: bool = False
    falls: bool = False
    needs_probabilities: bool = False


METRICS = {
    "ndcg": MetricKind(at_k=True, by_order=True),
    "recall": MetricKind(at_k=True, by_order=True),
    "hit": MetricKind(at_k=True, by_order=True),
    "map": MetricKind(at_k=True, by_order=True),
    "precision": MetricKind(at_k=True, by_order=True),
    "psp": MetricKind(at_k=True),
    "top": MetricKind(at_k=True, by_order=True),
    "mrr": MetricKind(by_order=True),
    "accuracy": MetricKind(by_order=True),
    "macro_f1": MetricKind(),
    "perplexity": MetricKind(falls=True, needs_probabilities=True),
    "log_loss": MetricKind(falls=True, needs_probabilities=True),
}


class Metric(Value):
    """A metric by name and cut-off.

    Races, priors and forecasts work on its score, which rises and lies in 0..1: the value itself,
    and for perplexity and log-loss the geometric mean of the targets' probabilities.
    """

    name: str
    k: int | None = None

    @classmethod
    def parse(cls, text: str) -> "Metric":
        """Read "ndcg@20"; raises ValueError that says what is allowed."""
        match = re.fullmatch(r"([a-z_]+[0-9]?)(?:@([1-9][0-9]{0,5}))?", text)
        name, k = match.groups() if match else (None, None)
        if name in METRICS and METRICS[name].at_k == bool(k):
            return cls(name=name, k=int(k) if k else None)
        allowed = [f"{m}@K" if kind.at_k else m for m, kind in METRICS.items()]
        raise ValueError(f"unknown metric {text!r}; allowed are {', '.join(allowed)}")

    def __str__(self) -> str:
        return f"{self.name}@{self.k}" if self.k else self.name

    @property
    def falls(self) -> bool:
        """Whether lower is better."""
        return self.name in METRICS and METRICS[self.name].falls

    @property
    def needs_probabilities(self) -> bool:
        return self.name in METRICS and METRICS[self.name].needs_probabilities

    @property
    def is_by_order(self) -> bool:
        """Whether the order of p, one positive a row, is the best there is for it."""
        return self.name in METRICS and METRICS[self.name].by_order

    def score(self, value: float) -> float:
        """The rising score of a value."""
        if self.name == "perplexity":
            return 1 / value
        return math.exp(-value) if self.name == "log_loss" else value

    def value(self, score: float) -> float:
        """The value of a score; a falling metric is cut off where the score comes near 0."""
        if not self.falls:
            return score
        likely = min(max(score, _LEAST_SCORE), 1.0)
        return 1 / likely if self.name == "perplexity" else -math.log(likely)

    def interval(self, score: Interval) -> Interval:
        """The same interval in the metric's own unit, its low end the lower value."""
        low, high = sorted((self.value(score.low), self.value(score.high)))
        return Interval(low=low, mean=self.value(score.mean), high=high)

    def behind(self, value: float, best: float) -> float:
        """How far a value is behind the best, relative to it; negative where it is ahead."""
        return ((value - best) if self.falls else (best - value)) / best if best else 0.0

    def gain(self, score: Interval, baseline_score: float) -> Interval:
        """What is won over the baseline, in the metric's unit: positive is better, falling or not.

        `score` is the interval of the difference of the two scores.
        """
        was, sign = self.value(baseline_score), -1 if self.falls else 1
        low, mean, high = (
            sign * (self.value(baseline_score + won) - was)
            for won in (score.low, score.mean, score.high)
        )
        return Interval(low=low, mean=mean, high=high)


class Columns(Value):
    """Which columns of a table, or arrays of an npz, hold what.

    None means: guess by the common names, and say so.
    """

    user: str | None = None
    item: str | None = None
    time: str | None = None
    token: str | None = None
    label: str | None = None
    text: str | None = None
    hidden: str | None = None
    split: str | None = None


class DataSource(Value):
    """A file, its format by its ending or by `format`; `split` is the rule where there is one."""

    path: str = Field(min_length=1)
    format: Format | None = None
    columns: Columns = Columns()
    split: Split | None = Field(default=None, description="the kind's first one if not given")
    tokenizer: Literal["word", "bpe"] = Field(default="word", description="of raw text")
    vocabulary_size: int | None = Field(default=None, ge=2, description="tokens kept at most")
    labels: str | None = Field(default=None, min_length=1, description="npy file of the labels")
    label_separator: str | None = Field(default=None, min_length=1, description="in a label cell")
    ngrams: Literal["words", "characters"] = Field(default="words", description="of a text column")
    hash_size: int = Field(default=2**16, ge=2, le=2**24, description="different n-grams at most")


class TaskStatistics(Value):
    """Size and shape of a task: what a description gives and a data summary measures."""

    n_rows: int = Field(ge=1, le=COUNT_MAX, description="users")
    n_classes: int = Field(ge=2, le=COUNT_MAX)
    n_examples: int = Field(
        ge=1, le=COUNT_MAX, description="training examples: (user, positive) pairs"
    )
    targets_per_example: float = Field(
        default=1.0,
        gt=0,
        le=1e6,
        description="classes told per training example: those of a sequence",
    )
    class_gini: float = Field(default=0.5, ge=0, le=1, description="skew of the class counts")

    @property
    def positives_per_row(self) -> float:
        return self.n_examples * self.targets_per_example / self.n_rows


class Model(Value):
    """The part of the user's model that the losses share."""

    embedding_dim: int = Field(default=64, ge=1, le=65536)
    bias: bool = True
    sequence_length: int = Field(default=50, ge=1, le=4096, description="tokens read at once")
    n_layers: int = Field(default=2, ge=1, le=64, description="of the transformer")
    n_heads: int = Field(default=2, ge=1, le=64)
    dropout: float = Field(default=0.2, ge=0, lt=1)
    encoder: Literal["linear", "mlp"] = Field(default="linear", description="of features")
    hidden_units: int = Field(default=256, ge=1, le=65536, description="of the mlp")


class Training(Value):
    """How the user trains; the learning rate is tuned per loss, never shared."""

    batch_size: int = Field(default=512, ge=1, le=1_000_000)
    optimiser: Literal["adam", "adamw", "sgd", "adagrad"] = Field(
        default="adam", description="sgd without momentum; weight_decay is decoupled for adamw only"
    )
    dtype: Literal["float32", "bfloat16"] = Field(
        default="float32", description="of parameters, hidden vectors and optimiser state"
    )


class Horizon(Value):
    """The final training budget: epochs, training seconds, or both (the first reached ends it)."""

    epochs: float | None = Field(default=None, gt=0)
    seconds: float | None = Field(default=None, gt=0)

    @model_validator(mode="after")
    def _not_empty(self) -> Self:
        if self.epochs is None and self.seconds is None:
            raise ValueError("give epochs, seconds, or both")
        return self

    def examples(self, n_examples: int, seconds_per_example: float) -> int:
        """Examples seen at the horizon by a candidate with this speed; at least 1."""
        by_epochs = self.epochs * n_examples if self.epochs is not None else float("inf")
        by_seconds = float("inf")
        if self.seconds is not None:
            by_seconds = self.seconds / seconds_per_example
        return max(1, round(min(by_epochs, by_seconds, _EXAMPLES_MAX)))


class Constraints(Value):
    """What the trained model must fit into; a candidate that breaks one is infeasible."""

    peak_memory_gib: float | None = Field(default=None, gt=0)
    probabilities: Literal["optional", "required"] = "optional"
    inner_product_serving: bool = False

    @property
    def peak_bytes(self) -> float | None:
        return None if self.peak_memory_gib is None else self.peak_memory_gib * 2**30


class LossSelection(Value):
    """Which losses take part, and values that replace a setting's default choices, per loss."""

    include: tuple[str, ...] | None = None
    exclude: tuple[str, ...] = ()
    settings: dict[str, dict[str, tuple[SettingValue, ...]]] = Field(default={})


class Baseline(Value):
    """What the user trains with today; settings not given are the loss's best known ones."""

    loss: str
    settings: dict[str, SettingValue] = Field(default={})


class Trade(Value):
    """The metric's fraction given up for each halving of training seconds or peak bytes."""

    speed: float = Field(default=0.01, ge=0, le=1)
    memory: float = Field(default=0.0, ge=0, le=1)


class Task(Value):
    """A learning problem with many classes, and what the answer must respect."""

    name: str = Field(default="task", min_length=1, max_length=200)
    kind: Kind = "interactions"
    data: DataSource | None = None
    statistics: TaskStatistics | None = None
    metric: str = "ndcg@10"
    model: Model = Model()
    training: Training = Training()
    horizon: Horizon = Horizon(epochs=20)
    constraints: Constraints = Constraints()
    losses: LossSelection = LossSelection()
    baseline: Baseline = Baseline(loss="softmax")
    trade: Trade = Trade()
    twin_signal: float = Field(
        default=0.5,
        ge=0,
        le=1,
        description="of a description that is calibrated: share of the choices that are by taste",
    )

    @model_validator(mode="before")
    @classmethod
    def _metric_of_the_kind(cls, given: Any) -> Any:
        if not isinstance(given, dict):
            return given
        fields = cast(dict[str, Any], given)
        metric = _METRIC_OF_KIND.get(str(fields.get("kind")))
        return {"metric": metric, **fields} if metric else fields

    @field_validator("metric")
    @classmethod
    def _metric_is_known(cls, text: str) -> str:
        return str(Metric.parse(text))

    @model_validator(mode="after")
    def _has_evidence(self) -> Self:
        if self.kind == "description" and self.statistics is None:
            raise ValueError("kind 'description' needs statistics: n_rows, n_classes, n_examples")
        if self.data is None and self.statistics is None:
            raise ValueError(
                f"kind {self.kind!r} needs data: a path and, if unusual, its columns; or the "
                "statistics of data that stays where it is"
            )
        dim, n_heads = self.model.embedding_dim, self.model.n_heads
        if self.kind in ("sequences", "text") and dim % n_heads:
            raise ValueError(
                f"model.embedding_dim {dim} is not a multiple of model.n_heads {n_heads}"
            )
        split, allowed = self.data and self.data.split, SPLITS.get(self.kind, ())
        if split is not None and split not in allowed:
            found = ", ".join(allowed) or "none: the kind has its own rule"
            raise ValueError(f"data.split {split!r} given for kind {self.kind!r}; allowed: {found}")
        if self.model.encoder != "linear" and self.kind not in KINDS_OF_FEATURES:
            raise ValueError(
                f"model.encoder {self.model.encoder!r} given for kind {self.kind!r}; it is a "
                f"choice for {' and '.join(KINDS_OF_FEATURES)} only"
            )
        return self

    @property
    def parsed_metric(self) -> Metric:
        return Metric.parse(self.metric)

    def fingerprint(self, data_fingerprint: str) -> str:
        """Names what is trained and measured: data, metric, model and training, at any horizon."""
        parts = (
            self.kind,
            data_fingerprint,
            self.metric,
            self.model.model_dump_json(),
            self.training.model_dump_json(),
        )
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:32]
