"""Plans: what a budget will buy, said before it is spent, beside what races then do."""

import itertools
from collections.abc import Iterator
from typing import Any

import pytest

from advisor.plan import Plan, plan
from api.settings import Settings
from tests.advisor.worlds import costs, new_race, prepared, run, task
from tests.api import trainers
from tests.api.in_process import Client, in_process
from tests.api.test_surface import STATISTICS
from tests.small_data import write_interactions


@pytest.fixture(scope="module")
def http(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    folder = tmp_path_factory.mktemp("planned")
    write_interactions(folder / "orders.csv")
    with in_process(Settings(data_dir=folder)) as client:
        yield client


def _planned(http: Client, budget_seconds: float = 60, **changes: Any) -> Plan:
    body = {"budget_seconds": budget_seconds, **changes}
    answer = http.post("/v1/calibrations:plan", json=body)
    assert answer.status_code == 200, answer.text
    return Plan.model_validate_json(answer.content)


@pytest.mark.parametrize("budget_seconds", [20, 60, 200])
def test_a_plan_stays_within_its_budget_and_begins_as_the_race_does(budget_seconds: float) -> None:
    asked = task()
    planned = plan(prepared(asked), budget_seconds, costs(asked))
    assert 0 < planned.race_seconds < budget_seconds
    assert planned.n_legs == sum(p.n_legs for p in planned.losses)
    assert planned.race_seconds == pytest.approx(sum(p.seconds for p in planned.losses))
    told, _ = run(new_race(asked, budget_seconds - 1), budget_seconds - 1)
    begun = {p.loss for p in planned.losses if p.n_settings}
    assert told[0].leg.trial.candidate.loss in begun


def test_a_budget_is_useful_from_the_least_one_on() -> None:
    asked = task()
    least = plan(prepared(asked), 100, costs(asked)).least_budget_seconds
    assert not plan(prepared(asked), 0.99 * least, costs(asked)).is_useful
    useful = plan(prepared(asked), least, costs(asked))
    assert useful.is_useful
    assert 0 < useful.race_seconds <= least


def test_a_larger_budget_buys_no_less() -> None:
    asked = task()
    plans = [plan(prepared(asked), 4.0**i, costs(asked)) for i in range(1, 5)]
    for less, more in itertools.pairwise(plans):
        assert less.race_seconds <= more.race_seconds + 1.0
        assert less.least_budget_seconds == more.least_budget_seconds


def test_a_data_file_is_planned_for_and_nothing_is_stored(http: Client) -> None:
    asked = {"name": "shop", "data": {"path": "orders.csv"}, "losses": {"include": ["bpr", "rg2"]}}
    planned = _planned(http, task=asked)
    assert planned.n_settings > 0
    assert planned.probe_seconds > 0
    assert "order of magnitude" in planned.notes[0]
    assert http.get("/v1/calibrations").json()["items"] == []
    assert http.get("/v1/recommendations").json()["items"] == []


def test_what_cannot_be_had_says_why_in_the_plan(http: Client) -> None:
    asked = {"kind": "description", "statistics": STATISTICS, "losses": {"include": ["bpr", "nce"]}}
    asked |= {"constraints": {"probabilities": "required"}}
    found = {p.loss: p for p in _planned(http, task=asked).losses}
    assert "no probabilities" in str(found["bpr"].infeasible)
    assert (found["bpr"].n_settings, found["bpr"].seconds) == (0, 0)
    assert found["nce"].infeasible is None


def test_whole_trials_are_planned_whole(http: Client) -> None:
    asked = trainers.task(losses={"include": ["bpr", "rg2", "softmax"]})
    paused = _planned(http, 600, task=asked, executor="external")
    whole = _planned(http, 600, task=asked, executor="external", can_pause=False)
    assert (paused.probe_seconds, whole.probe_seconds) == (0, 0)
    assert whole.n_settings > 0
    assert all(p.furthest_share in (0.0, 1.0) for p in whole.losses)


def test_a_budget_too_small_says_what_to_do(http: Client) -> None:
    asked = trainers.task(statistics={**STATISTICS, "n_classes": 100_000, "n_examples": 10**8})
    planned = _planned(http, 10, task=asked, executor="external")
    assert not planned.is_useful
    assert "give more, fewer losses" in planned.notes[0]


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"budget_seconds": 0}, "budget_seconds"),
        ({"budget_seconds": 1e9}, "at most 86400"),
        ({"task": trainers.task()}, "data: kind 'interactions' needs data"),
        ({"device": "abacus"}, "'abacus'"),
    ],
)
def test_what_cannot_be_planned_says_why(
    http: Client, changes: dict[str, Any], sentence: str
) -> None:
    asked = {"kind": "description", "statistics": STATISTICS}
    body = {"task": asked, "budget_seconds": 10, **changes}
    answer = http.post("/v1/calibrations:plan", json=body)
    assert answer.status_code == 422
    assert sentence in answer.json()["detail"]
