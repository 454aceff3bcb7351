"""The metrics equal a naive NumPy version, and scikit-learn's where the definition is the same."""

import math

import ir_measures
import numpy as np
import pytest
import torch
from sklearn.metrics import f1_score, log_loss, ndcg_score, top_k_accuracy_score

from advisor.task import Metric
from profiler.metrics import LEAST_PROBABILITY, evaluate, propensities, rows_per_chunk
from profiler.ranking import best_values

METRICS = (
    *("ndcg@1", "ndcg@5", "ndcg@1000", "recall@3", "recall@1000", "hit@2", "precision@3"),
    *("precision@50", "map@3", "map@1000", "psp@1", "psp@5", "top@4", "accuracy", "mrr"),
)
COUNTS = np.arange(37) ** 2


def naive(scores, seen, positives, metric):
    """One row at a time, by sorting; a positive stands behind everything it ties with."""
    values, possible = [], []
    counts = COUNTS.astype(float)
    c = (math.log(counts.sum()) - 1) * 2.5**0.55
    worth = 1 + c * np.exp(-0.55 * np.log(counts + 1.5))
    for row_scores, row_seen, row_positives in zip(scores, seen, positives, strict=True):
        own = {c: place for place, c in enumerate(row_positives)}
        open_classes = [c for c in range(len(row_scores)) if c not in set(row_seen)]
        ranked = sorted(open_classes, key=lambda c: (-row_scores[c], own.get(c, -1)))
        ranks = [rank for rank, c in enumerate(ranked, start=1) if c in own]
        k = metric.k or (1 if metric.name == "accuracy" else len(row_scores))
        hits = [rank for rank in ranks if rank <= k]
        if metric.name == "ndcg":
            ideal = sum(1 / math.log2(r + 1) for r in range(1, min(k, len(own)) + 1))
            values.append(sum(1 / math.log2(r + 1) for r in hits) / ideal)
        elif metric.name == "recall":
            values.append(len(hits) / len(own))
        elif metric.name == "precision":
            values.append(len(hits) / k)
        elif metric.name in ("hit", "top", "accuracy"):
            values.append(float(len(hits) > 0))
        elif metric.name == "map":
            values.append(sum(i / rank for i, rank in enumerate(hits, start=1)) / len(own))
        elif metric.name == "psp":
            values.append(sum(worth[ranked[rank - 1]] for rank in hits))
            possible.append(sum(sorted((worth[c] for c in own), reverse=True)[:k]))
        else:
            values.append(1 / ranks[0] if ranks else 0.0)
    return float(np.sum(values) / np.sum(possible)) if possible else float(np.mean(values))


def csr(lists):
    indptr = np.cumsum([0, *map(len, lists)]).astype(np.int64)
    return indptr, np.concatenate([*map(np.asarray, lists), []]).astype(np.int32)


def case(seed, n_rows=23, n_classes=37, n_positives=(1, 4), n_seen=(0, 12), levels=None):
    """Scores [rows, classes] (of few levels, if so asked: then ties abound), seen and positives."""
    rng = np.random.default_rng(seed)
    scores = rng.standard_normal((n_rows, n_classes)).astype(np.float32)
    if levels:
        scores = rng.integers(0, levels, (n_rows, n_classes)).astype(np.float32)
    seen, positives = [], []
    for _ in range(n_rows):
        classes = rng.permutation(n_classes)
        n_own, n_old = rng.integers(*n_positives), rng.integers(*n_seen)
        positives.append(classes[:n_own].tolist())
        seen.append(classes[n_own : n_own + n_old].tolist())
    return scores, seen, positives


def value(scores, seen, positives, metric, **options):
    table = torch.from_numpy(scores)
    rows = torch.arange(len(scores))
    options = {"class_counts": COUNTS, **options}
    return evaluate(lambda r: table[r], rows, csr(seen), csr(positives), metric, **options)


def test_the_generator_draws_what_it_says():
    scores, seen, positives = case(0, levels=3)
    assert set(np.unique(scores)) == {0.0, 1.0, 2.0}
    assert {len(p) for p in positives} == {1, 2, 3}
    assert max(map(len, seen)) > 8
    assert all(not set(s) & set(p) for s, p in zip(seen, positives, strict=True))


@pytest.mark.parametrize("metric", [Metric.parse(text) for text in METRICS], ids=str)
@pytest.mark.parametrize("levels", [None, 2, 5], ids=["no ties", "many ties", "some ties"])
@pytest.mark.parametrize("seed", range(5))
def test_equals_the_naive_version(metric, levels, seed):
    one = case(seed, levels=levels, n_positives=(1, 4) if seed % 2 else (5, 25))
    assert value(*one, metric) == pytest.approx(naive(*one, metric), abs=1e-6)


@pytest.mark.parametrize("metric", [Metric.parse(text) for text in METRICS], ids=str)
def test_masked_positives_and_rows_with_everything_masked_count_as_missed(metric):
    scores, seen, positives = case(7)
    seen[0] = list(range(scores.shape[1]))
    seen[1] = positives[1][:1]
    expected = naive(scores, seen, positives, metric)
    assert value(scores, seen, positives, metric) == pytest.approx(expected, abs=1e-6)
    everything = [list(range(scores.shape[1]))] * len(scores)
    assert value(scores, everything, positives, metric) == 0.0


@pytest.mark.parametrize("metric", [Metric.parse(text) for text in METRICS], ids=str)
@pytest.mark.parametrize("chunk_bytes", [1, 5 * 37 * 3, 10**9])
def test_the_chunk_changes_nothing(metric, chunk_bytes):
    one = case(3, levels=5)
    chunked = value(*one, metric, chunk_bytes=chunk_bytes)
    assert chunked == pytest.approx(value(*one, metric), abs=1e-12)


MEASURES = {
    "ndcg": ir_measures.nDCG,
    "recall": ir_measures.R,
    "precision": ir_measures.P,
    "hit": ir_measures.Success,
    "map": ir_measures.AP,
}


@pytest.mark.parametrize("k", [1, 5, 20])
@pytest.mark.parametrize("name", MEASURES)
def test_ranking_metrics_are_those_of_ir_measures(name, k):
    scores, seen, positives = case(13, n_rows=200, n_positives=(1, 9))
    rows, classes = range(len(scores)), range(scores.shape[1])
    run = [
        ir_measures.ScoredDoc(str(r), str(c), float(scores[r, c]))
        for r in rows
        for c in classes
        if c not in seen[r]
    ]
    truth = [ir_measures.Qrel(str(r), str(c), 1) for r in rows for c in positives[r]]
    measure = MEASURES[name] @ k
    theirs = ir_measures.calc_aggregate([measure], truth, run)[measure]
    assert value(scores, seen, positives, Metric(name=name, k=k)) == pytest.approx(theirs, abs=1e-6)


def _single(seed=17, n_rows=400):
    scores, _, positives = case(seed, n_rows=n_rows, n_positives=(1, 2))
    return scores, np.array([p[0] for p in positives]), positives


@pytest.mark.parametrize("k", [1, 3, 10])
def test_top_k_and_accuracy_are_those_of_scikit_learn(k):
    scores, truth, positives = _single()
    theirs = top_k_accuracy_score(truth, scores, k=k, labels=range(37))
    nothing = [[]] * len(scores)
    assert value(scores, nothing, positives, Metric(name="top", k=k)) == pytest.approx(theirs)
    if k == 1:
        assert value(scores, nothing, positives, Metric(name="accuracy")) == pytest.approx(theirs)


@pytest.mark.parametrize("chunk_bytes", [1, 10**9])
def test_macro_f1_is_that_of_scikit_learn(chunk_bytes):
    scores, truth, positives = _single(n_rows=60)
    theirs = f1_score(truth, scores.argmax(1), average="macro")
    metric, nothing = Metric(name="macro_f1"), [[]] * len(scores)
    ours = value(scores, nothing, positives, metric, chunk_bytes=chunk_bytes)
    assert ours == pytest.approx(theirs)


def test_log_loss_is_that_of_scikit_learn_and_perplexity_its_exponential():
    scores, truth, positives = _single()
    log_p = torch.log_softmax(torch.from_numpy(scores).double(), 1).numpy()
    theirs = log_loss(truth, np.exp(log_p), labels=range(37))
    seen = [[int(c)] for c in truth]  # changes nothing: a probability is over every class
    assert value(log_p, seen, positives, Metric(name="log_loss")) == pytest.approx(theirs)
    perplexity = value(log_p, seen, positives, Metric(name="perplexity"))
    assert perplexity == pytest.approx(math.exp(theirs))


def test_a_target_without_probability_costs_a_bounded_log_loss():
    log_p = np.full((2, 3), -math.inf)
    log_p[:, 0] = 0.0
    found = value(log_p, [[], []], [[0], [2]], Metric(name="log_loss"))
    assert found == pytest.approx(-0.5 * math.log(LEAST_PROBABILITY))


def test_propensities_rise_with_the_count():
    found = propensities(np.array([0, 1, 10, 1000]), 1011)
    assert (np.diff(found) > 0).all()
    assert ((found > 0) & (found < 1)).all()


@pytest.mark.parametrize("k", [1, 5, 20])
def test_ndcg_is_that_of_scikit_learn(k):
    scores, _, positives = case(11, n_seen=(0, 1))
    truth = np.zeros_like(scores)
    for row, classes in enumerate(positives):
        truth[row, classes] = 1
    ours = value(scores, [[]] * len(scores), positives, Metric(name="ndcg", k=k))
    assert ours == pytest.approx(ndcg_score(truth, scores, k=k), abs=1e-6)


@pytest.mark.parametrize("metric", [Metric.parse(text) for text in METRICS], ids=str)
def test_equal_scores_earn_what_the_last_places_earn(metric):
    scores, seen, positives = case(5, n_seen=(0, 1), n_positives=(1, 2))
    last = {"ndcg": 1 / math.log2(38), "recall": 1.0, "precision": 1 / 50, "mrr": 1 / 37}
    whole = (metric.k or 37) >= 37 and metric.name != "accuracy"
    expected = last.get(metric.name, 1 / 37) if whole else 0.0
    assert value(np.zeros_like(scores), seen, positives, metric) == pytest.approx(expected)


@pytest.mark.parametrize("metric", [Metric.parse(text) for text in METRICS], ids=str)
def test_a_nan_score_gives_nan(metric):
    scores, seen, positives = case(5, n_seen=(0, 1))
    scores[13, 4] = math.nan
    assert math.isnan(value(scores, seen, positives, metric))


@pytest.mark.parametrize("metric", [Metric.parse(text) for text in METRICS], ids=str)
def test_low_precision_ties_are_counted_too(metric):
    scores, seen, positives = case(2)
    low = torch.from_numpy(scores).bfloat16()
    rows, counts = torch.arange(23), COUNTS
    ours = evaluate(lambda r: low[r], rows, csr(seen), csr(positives), metric, class_counts=counts)
    expected = naive(low.float().numpy(), seen, positives, metric)
    assert ours == pytest.approx(expected, abs=1e-6)


def test_only_the_rows_asked_for_are_scored():
    scores, seen, positives = case(9)
    table, asked = torch.from_numpy(scores), []

    def score(rows):
        asked.extend(rows.tolist())
        return table[rows]

    some = [4, 17, 2]
    metric = Metric.parse("ndcg@5")
    ours = evaluate(score, torch.tensor(some), csr(seen), csr(positives), metric)
    chosen = (scores[some], [seen[r] for r in some], [positives[r] for r in some])
    assert asked == some
    assert ours == pytest.approx(naive(*chosen, metric), abs=1e-6)


def test_no_rows_is_an_error_in_one_sentence():
    scores, seen, positives = case(1)
    table = torch.from_numpy(scores)
    with pytest.raises(ValueError, match="at least one"):
        evaluate(
            lambda r: table[r], torch.arange(0), csr(seen), csr(positives), Metric.parse("mrr")
        )


def test_a_chunk_fits_its_buffer():
    assert rows_per_chunk(1000, 4, 64_000) == 12
    assert rows_per_chunk(10**9, 4, 64_000) == 1
    assert rows_per_chunk(1000, 4, 67 * 5000) == 64


@pytest.mark.parametrize("n_classes", [1, 20, 21, 335, 336, 337, 1000, 12_345])
@pytest.mark.parametrize("kind", ["all differ", "ties", "masked", "nan"])
def test_the_best_values_of_a_row_are_those_of_topk(n_classes: int, kind: str) -> None:
    scores = torch.randn(9, n_classes, generator=torch.Generator().manual_seed(n_classes))
    if kind == "ties":
        scores = scores.round()
    if kind == "masked":
        scores[:, n_classes // 50 :] = -math.inf
    if kind == "nan":
        scores[3, n_classes // 2] = math.nan
        scores[4, -1] = math.nan
    n = min(21, n_classes)
    wanted = scores.topk(n, dim=1).values
    assert torch.equal(best_values(scores, n).nan_to_num(1e9), wanted.nan_to_num(1e9))
