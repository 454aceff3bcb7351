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
def test_a_race_does_what_its_plan_said(budget_seconds: float) -> None:
    asked = task()
    planned = plan(prepared(asked), budget_seconds, costs(asked))
    told, _ = run(new_race(asked, budget_seconds - 1), budget_seconds - 1)
    assert planned.n_settings == len({r.leg.trial.candidate.key for r in told})
    first = [r for r in told if r.leg.from_examples == 0 and r.leg.trial.seed == 0]
    assert planned.opening_seconds == pytest.approx(sum(r.wall_seconds for r in first), rel=0.1)
    assert 0.5 < planned.n_legs / len(told) < 1.5
    by_loss = {p.loss: p.n_settings for p in planned.losses}
    opened = [r.leg.trial.candidate.loss for r in first]
    assert by_loss == {loss: opened.count(loss) for loss in by_loss}


def test_the_least_budget_takes_every_loss_in_and_two_to_their_end() -> None:
    asked = task()
    least = plan(prepared(asked), 100, costs(asked)).least_budget_seconds
    assert not plan(prepared(asked), 0.99 * least, costs(asked)).is_useful
    assert plan(prepared(asked), least, costs(asked)).is_useful
    told, _ = run(new_race(asked, least), least)
    assert {r.leg.trial.candidate.loss for r in told} == set(asked.losses.include or ())
    horizon = max(r.examples for r in told)
    assert len({r.leg.trial.candidate.loss for r in told if r.examples == horizon}) >= 2


def test_a_larger_budget_buys_no_less() -> None:
    asked = task()
    plans = [plan(prepared(asked), 2.0**i, costs(asked)) for i in range(2, 12)]
    for less, more in itertools.pairwise(plans):
        assert less.n_legs <= more.n_legs
        assert less.least_budget_seconds == more.least_budget_seconds
    assert plans[-1].way_share == 1.0


def test_a_data_file_is_planned_for_and_nothing_is_stored(http: Client) -> None:
    asked = {"name": "shop", "data": {"path": "orders.csv"}, "losses": {"include": ["bpr", "rg2"]}}
    planned = _planned(http, task=asked)
    assert [p.n_settings > 0 for p in planned.losses] == [True, True]
    assert planned.probe_seconds > 0
    assert "order of magnitude" in planned.notes[0]
    assert http.get("/v1/calibrations").json()["items"] == []
    assert http.get("/v1/recommendations").json()["items"] == []


def test_what_cannot_be_had_says_why_in_the_plan(http: Client) -> None:
    asked = {"kind": "description", "statistics": STATISTICS, "losses": {"include": ["bpr", "nce"]}}
    asked |= {"constraints": {"probabilities": "required"}}
    found = {p.loss: p for p in _planned(http, task=asked).losses}
    assert "no probabilities" in str(found["bpr"].infeasible)
    assert (found["bpr"].n_settings, found["bpr"].opening_seconds) == (0, 0)
    assert found["nce"].infeasible is None


def test_whole_trials_buy_fewer_settings(http: Client) -> None:
    asked = trainers.task(losses={"include": ["bpr", "rg2", "softmax"]})
    paused = _planned(http, 600, task=asked, executor="external")
    whole = _planned(http, 600, task=asked, executor="external", can_pause=False)
    assert (paused.probe_seconds, whole.probe_seconds) == (0, 0)
    assert 0 < whole.n_settings == whole.n_legs < paused.n_settings
    assert whole.least_budget_seconds > paused.least_budget_seconds


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
