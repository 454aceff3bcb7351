"""The task at the door: what is refused, and that the sentence says what is allowed."""

import math

import pytest
from pydantic import ValidationError

from advisor.task import Horizon, Metric, Task

DATA = {"path": "orders.csv"}


@pytest.mark.parametrize("text", ["ndcg@20", "recall@1", "mrr"])
def test_a_metric_reads_back_as_it_was_written(text: str) -> None:
    assert str(Metric.parse(text)) == text


@pytest.mark.parametrize("text", ["ndcg", "ndcg@0", "ndcg@", "mrr@5", "auc", "", "NDCG@5"])
def test_an_unknown_metric_is_refused_with_what_is_allowed(text: str) -> None:
    with pytest.raises(ValidationError, match="allowed are ndcg@K, recall@K, "):
        Task.model_validate({"data": DATA, "metric": text})


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"horizon": {"epochs": -1}}, "greater than 0"),
        ({"horizon": {"epochs": math.nan}}, "finite"),
        ({"horizon": {"seconds": math.inf}}, "finite"),
        ({"horizon": {}}, "give epochs, seconds, or both"),
        ({"kind": "pictures"}, "'embeddings' or 'description'"),
        ({"kind": []}, "'embeddings' or 'description'"),
        ({"model": {"encoder": "mlp"}}, "it is a choice for features and multilabel only"),
        ({"data": None}, "needs data"),
        ({"kind": "description"}, "needs statistics"),
        ({"constraints": {"peak_memory_gib": 0}}, "greater than 0"),
        ({"training": {"optimiser": "lion"}}, "'adam', 'adamw', 'sgd' or 'adagrad'"),
        ({"training": {"dtype": "float16"}}, "'float32' or 'bfloat16'"),
        ({"trade": {"speed": 2}}, "less than or equal to 1"),
        ({"model": {"embedding_dim": 0}}, "greater than or equal to 1"),
        ({"horison": {"epochs": 1}}, "Extra inputs are not permitted"),
        ({"name": ""}, "at least 1 character"),
    ],
)
def test_a_wrong_field_is_refused_in_words(changes: dict[str, object], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        Task.model_validate({"data": DATA, **changes})


def test_all_faults_are_reported_at_once() -> None:
    with pytest.raises(ValidationError) as caught:
        Task.model_validate({"data": DATA, "metric": "x", "horizon": {"epochs": -1}})
    assert {e["loc"][0] for e in caught.value.errors()} == {"metric", "horizon"}


def test_the_first_of_epochs_and_seconds_ends_the_horizon() -> None:
    assert Horizon(epochs=2).examples(1000, 0.01) == 2000
    assert Horizon(seconds=5).examples(1000, 0.01) == 500
    assert Horizon(epochs=2, seconds=5).examples(1000, 0.01) == 500
    assert Horizon(epochs=0.1, seconds=5).examples(1000, 0.01) == 100


def test_the_fingerprint_names_what_is_measured_and_not_what_is_wished() -> None:
    task = Task.model_validate({"data": DATA})
    same = Task.model_validate(
        {"data": DATA, "name": "other", "horizon": {"epochs": 3}, "trade": {"speed": 0}}
    )
    other = Task.model_validate({"data": DATA, "metric": "mrr"})
    assert task.fingerprint("d") == same.fingerprint("d")
    assert task.fingerprint("d") != other.fingerprint("d")
    assert task.fingerprint("d") != task.fingerprint("e")


def test_a_task_is_frozen() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        Task.model_validate({"data": DATA}).name = "other"


@pytest.mark.parametrize("kind", ["sequences", "text"])
def test_heads_that_cannot_share_the_dimensions_are_refused_where_there_are_heads(
    kind: str,
) -> None:
    model = {"embedding_dim": 7}  # two heads by default
    with pytest.raises(ValidationError, match=r"7 is not a multiple of model\.n_heads 2"):
        Task.model_validate({"kind": kind, "data": {"path": "x.csv"}, "model": model})
    Task.model_validate({"data": {"path": "x.csv"}, "model": model})
