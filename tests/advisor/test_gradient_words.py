"""What a diagnosis says in words, and where in an answer it stands."""

from advisor.card import Consistency
from advisor.evidence import Candidate, Diagnosis, GradientAgreement, Support
from advisor.gradient_words import gradient_reasons, with_diagnoses
from advisor.recommend import recommend
from advisor.recommendation import RankedCandidate
from advisor.task import Horizon, Task, TaskStatistics
from advisor.value import Interval


def agreement(n_negatives: int, cosine: float, of_mean: float, bias: float) -> GradientAgreement:
    return GradientAgreement(
        n_negatives=n_negatives,
        n_draws=20,
        cosine=Interval(low=cosine, mean=cosine, high=cosine),
        cosine_of_mean=of_mean,
        bias=bias,
        bias_floor=0.05,
        variance=0.05,
    )


def test_the_words_of_a_sampled_loss() -> None:
    diagnosis = Diagnosis(
        n_rows=512,
        n_classes=50_000,
        agreement=agreement(512, 0.968, 0.999, 0.06),
        more_negatives=agreement(2048, 0.9913, 0.999, 0.03),
    )
    said, figures = gradient_reasons("nce", {"proposal": "popularity"}, diagnosis)
    assert said.text == (
        "With 512 negatives drawn by popularity the gradient of nce has cosine 0.97 to the exact "
        "softmax gradient on your data; 2,048 would give 0.991."
    )
    assert said.source == "measured on this task (gradient of one batch, 20 draws)"
    assert "bias is 0.06 (0.05 by chance alone)" in figures.text


def test_bias_that_no_number_of_negatives_removes_is_named() -> None:
    diagnosis = Diagnosis(n_rows=512, n_classes=9, agreement=agreement(1, 0.5, 0.62, 0.8))
    said, _ = gradient_reasons("bpr", {"proposal": "uniform"}, diagnosis)
    assert said.text.startswith("With 1 negative drawn uniformly the gradient of bpr has")
    assert said.text.endswith("The mean over the draws has 0.62: the rest is bias, not chance.")


def ranked(loss: str, p_best: float) -> RankedCandidate:
    return RankedCandidate(
        loss=loss,
        settings={},
        p_best=p_best,
        consistency=Consistency(status="unknown", reason="", source=""),
        predicted_metric=None,
        train_seconds=None,
        peak_bytes=None,
        feasible=True,
        pareto=False,
        reasons=(),
    )


def test_the_answer_speaks_of_the_likeliest_loss_where_the_named_one_is_dense() -> None:
    losses = (ranked("rg2", 0.5), ranked("bpr", 0.1), ranked("nce", 0.4))
    statistics = TaskStatistics(n_rows=9, n_classes=9, n_examples=99)
    task = Task(name="a", kind="description", statistics=statistics, horizon=Horizon(epochs=1))
    answer = recommend(task).model_copy(update={"ranking": losses, "reasons": ()})
    dense = Diagnosis(n_rows=9, n_classes=9, support=Support(classes=9, target_outside=None))
    drawn = Diagnosis(n_rows=9, n_classes=9, agreement=agreement(2, 0.5, 0.99, 0.1))
    found = {
        Candidate(loss=loss, settings={}).key: dense if loss == "rg2" else drawn
        for loss in ("rg2", "bpr", "nce")
    }
    told = with_diagnoses(answer, found, 7.0)
    (said,) = told.reasons
    assert "the gradient of nce has" in said.text
    assert [len(r.reasons) for r in told.ranking] == [0, 2, 2]
    assert told.elapsed_seconds == 7.0


def test_the_words_of_a_sparse_loss_and_none_of_a_dense_one() -> None:
    sparse = Support(classes=38.2, target_outside=0.12)
    (said,) = gradient_reasons("entmax", {}, Diagnosis(n_rows=9, n_classes=1682, support=sparse))
    assert said.text == (
        "The gradient of entmax touches 38 of 1,682 classes per row; in 12% of the rows the target "
        "has probability 0."
    )
    dense = Support(classes=1682, target_outside=0)
    assert not gradient_reasons("softmax", {}, Diagnosis(n_rows=9, n_classes=1682, support=dense))
