"""Every answer says what it costs where it is known what the device costs an hour."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from api.settings import Settings
from profiler.device import this_device
from tests.api.in_process import Client, in_process
from tests.api.trainers import opened, task
from tests.databases import sqlite_url

Priced = Callable[..., AbstractContextManager[Client]]


@pytest.fixture
def priced(tmp_path: Path) -> Priced:
    def served(**money_per_hour: float) -> AbstractContextManager[Client]:
        url = sqlite_url(tmp_path)
        return in_process(
            Settings(data_dir=tmp_path, database_url=url, money_per_hour=money_per_hour)
        )

    return served


def _post(http: Client, path: str, **body: Any) -> dict[str, Any]:
    answer = http.post(path, json={"task": task(kind="description"), **body})
    assert answer.is_success, answer.text
    return answer.json()


def _check(answer: dict[str, Any], money_per_hour: float) -> None:
    assert answer["money_per_hour"] == money_per_hour
    for ranked in answer["ranking"]:
        for end, seconds in ranked["train_seconds"].items():
            price = ranked["train_money"][end]
            assert price == pytest.approx(seconds / 3600 * money_per_hour)
    best = answer["ranking"][0]["train_money"]["mean"]
    (told,) = [reason["text"] for reason in answer["reasons"] if "an hour" in reason["text"]]
    assert told.startswith(f"Training {answer['loss']} costs {best:.3g} (")
    if (experiment := answer["next_experiment"]) is not None:
        price = experiment["budget_seconds"] / 3600 * money_per_hour
        assert experiment["budget_money"] == pytest.approx(price)


def test_answers_previews_plans_and_calibrations_are_priced(priced: Priced) -> None:
    with priced(cpu=3.6) as http:
        answer = _post(http, "/v1/recommendations")
        _check(answer, 3.6)
        asked = {"recommendation_id": answer["id"], "trade": {"speed": 0.0}}
        _check(http.post("/v1/recommendations:preview", json=asked).json(), 3.6)
        plan = _post(http, "/v1/calibrations:plan", budget_seconds=100)
        assert plan["budget_money"] == pytest.approx(0.1)
        least = plan["least_budget_seconds"] / 1000
        assert plan["least_budget_money"] == pytest.approx(least)
        ended = http.post(f"/v1/calibrations/{opened(http)}:cancel").json()
        _check(http.get(f"/v1/recommendations/{ended['recommendation_id']}").json(), 3.6)


def test_a_device_that_is_named_has_its_own_price_and_free_is_a_price(priced: Priced) -> None:
    with priced(**{"cpu": 3.6, this_device().id: 0.0}) as http:
        _check(_post(http, "/v1/recommendations"), 0.0)


def test_without_a_price_nothing_is_priced_and_nothing_else_changes(priced: Priced) -> None:
    with priced(cuda=3.6) as http:
        plain = _post(http, "/v1/recommendations")
        assert plain["money_per_hour"] is None
        assert all(ranked["train_money"] is None for ranked in plain["ranking"])
        assert _post(http, "/v1/calibrations:plan", budget_seconds=100)["budget_money"] is None
    with priced(cpu=3.6) as http:
        other = _post(http, "/v1/recommendations")
    names = ("loss", "settings", "p_best", "verdict", "expected_regret")
    assert [plain[name] for name in names] == [other[name] for name in names]
