"""A metric, its score that rises, and what is said of both."""

import math

import pytest

from advisor.curve import best_so_far, pooled
from advisor.evidence import Measurement
from advisor.task import METRICS, Metric
from advisor.value import Interval

FALLING = [name for name, kind in METRICS.items() if kind.falls]


def _metric(name: str) -> Metric:
    return Metric(name=name, k=10 if METRICS[name].at_k else None)


@pytest.mark.parametrize("name", METRICS)
def test_the_value_of_a_score_is_the_value(name: str) -> None:
    metric = _metric(name)
    value = 3.7 if metric.falls else 0.37
    assert metric.value(metric.score(value)) == pytest.approx(value)


@pytest.mark.parametrize("name", METRICS)
def test_a_better_value_has_the_higher_score(name: str) -> None:
    metric = _metric(name)
    better, worse = (2.0, 5.0) if metric.falls else (0.5, 0.2)
    assert 0 < metric.score(worse) < metric.score(better) <= 1
    assert metric.behind(worse, better) > 0 == metric.behind(better, better)
    won = metric.score(better) - metric.score(worse)
    gain = metric.gain(Interval(low=0.0, mean=won / 2, high=won), metric.score(worse))
    assert gain.low == 0 < gain.mean < gain.high == pytest.approx(abs(better - worse))


@pytest.mark.parametrize("name", METRICS)
def test_an_interval_stays_an_interval_in_the_metrics_unit(name: str) -> None:
    found = _metric(name).interval(Interval(low=0.1, mean=0.2, high=0.4))
    assert found.low < found.mean < found.high


@pytest.mark.parametrize("name", METRICS)
def test_the_best_so_far_never_gets_worse(name: str) -> None:
    metric = _metric(name)
    values = [3.0, 2.0, 2.5, None, 1.0]
    told = [Measurement(examples=i + 1, seconds=0.0, value=v) for i, v in enumerate(values)]
    curve = best_so_far(told, metric)
    expected = [3.0, 2.0, 2.0, 1.0] if metric.falls else [3.0, 3.0, 3.0, 3.0]
    assert [p.value for p in curve] == expected
    assert [p.value for p in pooled([curve, curve], metric)] == expected


def test_perplexity_and_log_loss_are_one_score() -> None:
    perplexity, log_loss = Metric(name="perplexity"), Metric(name="log_loss")
    assert perplexity.score(math.e**2) == pytest.approx(log_loss.score(2.0))
    assert math.isfinite(perplexity.value(0.0))
    assert math.isfinite(log_loss.value(-0.1))
