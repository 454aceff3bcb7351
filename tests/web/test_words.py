"""The page's words are those of the terminal: words.js against api/wording.py."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Browser

from advisor.recommendation import Recommendation
from advisor.task import Baseline, DataSource, Horizon, Task
from advisor.value import Interval
from api import wording
from tests.cli.answers import by_theory, measured, ranked
from tests.web.alone import Alone, alone

pytestmark = pytest.mark.browser
# Ties and borders, where two roundings differ if they can.
EDGES = (
    0.125,
    0.375,
    0.625,
    0.0125,
    0.00125,
    0.25,
    2.5,
    9.95,
    12.5,
    60,
    119.5,
    600,
    7200,
    9e4,
    1e5,
)


@pytest.fixture(scope="module")
def words(chromium: Browser) -> Iterator[Alone]:
    with alone(chromium, "words.js") as found:
        yield found


def _numbers() -> list[float]:
    return [*EDGES, *(10 ** np.random.default_rng(1).uniform(-5, 6, 500)).tolist()]


def _intervals() -> list[dict[str, float]]:
    return [{"low": 0.8 * x, "mean": x, "high": 1.3 * x} for x in _numbers()]


def _interval(given: dict[str, float]) -> Interval:
    return Interval(**given)


@pytest.mark.parametrize(
    ("name", "values", "expected"),
    [
        ("duration", _numbers(), wording.duration),
        ("durationInterval", _intervals(), lambda i: wording.duration_interval(_interval(i))),
        ("size", _numbers(), wording.size),
        ("probability", [n / 2000 for n in range(2001)], wording.probability),
        ("metricValue", _numbers(), wording.metric_value),
        ("metricInterval", _intervals(), lambda i: wording.metric_interval(_interval(i))),
        ("setting", [*_numbers(), True, False, 64, "shared"], wording.setting),
        ("horizon", [{"epochs": x, "seconds": x} for x in _numbers()], lambda x: _horizon(**x)),
        ("listed", [["a"], ["a", "b"], ["a", "b", "c"]], wording.listed),
    ],
)
def test_a_value_is_said_in_the_same_words(
    words: Alone, name: str, values: list[Any], expected: Callable[[Any], str]
) -> None:
    assert words.each(name, values) == [expected(value) for value in values]


def _horizon(**given: float) -> str:
    return wording.horizon(Horizon(**given))


@pytest.mark.parametrize("name", ["headline", "gain"])
def test_an_answer_is_said_in_the_same_words(words: Alone, name: str) -> None:
    answers = _answers()
    said = words.each(name, [answer.model_dump(mode="json") for answer in answers])
    assert said == [getattr(wording, name)(answer) for answer in answers]
    assert len(set(said)) >= 3


def _answers() -> list[Recommendation]:
    tied = (ranked("softmax", 0.3, 24.0, 0.5), ranked("rg2", 0.3, 2.0, 0.4))
    task = Task(
        data=DataSource(path="a.csv"),
        metric="ndcg@20",
        horizon=Horizon(seconds=90),
        baseline=Baseline(loss="rg2"),
    )
    won = Interval(low=-0.001, mean=0.0178, high=0.0234)
    return [
        measured(),
        by_theory(),
        measured(verdict="tied", ranking=tied, p_best=0.5),
        measured(verdict="not_enough_evidence", p_best=0.005),
        measured(ranking=tied[:1]),
        measured(task=task, gain_over_baseline=won),
    ]
