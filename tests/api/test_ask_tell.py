"""Ask and tell over HTTP: trainers elsewhere calibrate, and nobody loses or repeats a leg."""

import itertools
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import update

from advisor.ask_tell import Lease
from api.settings import Settings
from api.stories.legs import ATTEMPTS_MAX
from store.database import Database
from store.tables import LeaseRow
from tests.advisor.worlds import STATISTICS, STEP_SECONDS
from tests.api.in_process import Client, in_process
from tests.api.servers import site
from tests.api.streams import events_of
from tests.api.trainers import (
    BATCH_SIZE,
    LOSSES,
    asked,
    leased,
    opened,
    points,
    post_tell,
    task,
    told,
    train_on,
)
from tests.databases import BACKENDS, postgresql_database, sqlite_url


@pytest.fixture(scope="module", params=BACKENDS)
def http(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Client]:
    """The service over each database, without a process of its own."""
    folder = tmp_path_factory.mktemp("elsewhere")
    if request.param == "sqlite":
        with in_process(Settings(data_dir=folder)) as client:
            yield client
        return
    with postgresql_database(request.getfixturevalue("postgresql")) as url:
        with in_process(Settings(data_dir=folder, database_url=url)) as client:
            yield client


@pytest.fixture(scope="module")
def fast(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """The service over SQLite, where the database makes no difference."""
    with in_process(Settings(data_dir=tmp_path_factory.mktemp("elsewhere"))) as client:
        yield client


def _trials(http: httpx.Client, calibration_id: str) -> list[dict[str, Any]]:
    wanted = {"calibration_id": calibration_id, "page_size": 1000}
    return http.get("/v1/trials", params=wanted).json()["items"]


def _lapse(http: Client, lease: Lease) -> None:
    """As if the lease's seconds had gone by."""
    past = update(LeaseRow).where(LeaseRow.id == lease.id)
    with Database(http.service.store._engine).write() as session:
        session.execute(past.values(deadline=datetime.now(UTC) - timedelta(seconds=1)))


def _problem(answer: httpx.Response, status: int, name: str) -> str:
    assert answer.status_code == status, answer.text
    problem = answer.json()
    assert problem["type"] == f"urn:softmax-advisor:problem:{name}"
    return problem["detail"]


def test_a_trainer_elsewhere_calibrates_from_the_first_leg_to_the_answer(http: Client) -> None:
    device = {"name": "a box of mine", "kind": "cuda", "memory_bytes": 80 * 2**30}
    id_ = opened(http, budget_seconds=20, device=device, task=task(name="mine"))
    legs: list[Lease] = []
    ended = train_on(http, id_, legs.append, at_a_time=1)
    # A trial goes on where it stopped, each stretch once, in the order in which it was leased.
    for _, group in itertools.groupby(
        sorted(legs, key=lambda lease: lease.trial_id), key=lambda lease: lease.trial_id
    ):
        stretches = [(lease.leg.from_examples, lease.leg.until_examples) for lease in group]
        assert [0, *(end for _, end in stretches)][:-1] == [begin for begin, _ in stretches]
    calibration = http.get(f"/v1/calibrations/{id_}").json()
    assert (calibration["status"], calibration["device_tag"]) == ("succeeded", "external")
    answer = http.get(f"/v1/recommendations/{ended.recommendation_id}").json()
    assert answer["evidence_level"] == "measured"
    assert answer["loss"] in ("rg2", "softmax")  # which are as good, to the third digit
    assert answer["calibration_id"] == id_
    assert answer["task"]["data"] is None
    _check_costs(answer)
    mine = {"loss": answer["loss"], "task": "mine"}
    (profile, *_) = http.get("/v1/profiles", params=mine).json()["items"]
    assert answer["ranking"][0]["profile_ids"][0] == profile["id"]
    assert profile["device"]["name"] == "a box of mine"
    assert profile["final_value"] == pytest.approx(
        answer["ranking"][0]["measured"][-1]["mean"], rel=0.02
    )


def _check_costs(answer: dict[str, Any]) -> None:
    """No probe ran: what a loss costs is what its trainer told."""
    n = 20 * STATISTICS.n_examples
    for ranked in answer["ranking"]:
        horizon_seconds = n * STEP_SECONDS[ranked["loss"]] / BATCH_SIZE
        assert ranked["curve"][-1]["seconds"] == pytest.approx(horizon_seconds, rel=0.05)
        assert ranked["peak_bytes"] == 10**8


def test_what_is_told_again_changes_nothing(http: Client) -> None:
    id_ = opened(http)
    lease = leased(http, id_)
    first, *rest = points(lease.leg)
    assert told(http, lease, measurements=[first]).n_new == 1
    other_value = {**first, "value": 0.9}
    again = told(http, lease, measurements=[first, other_value])
    assert (again.n_new, again.leg_has_ended) == (0, False)
    for _ in range(2):
        over = told(http, lease, measurements=[first, *rest], wall_seconds=1.0)
        assert over.leg_has_ended
    curve = http.get(f"/v1/trials/{lease.trial_id}/measurements").json()["items"]
    assert [(p["examples"], p["value"], p["seconds"]) for p in curve] == [
        (p["examples"], p["value"], p["seconds"]) for p in points(lease.leg)
    ]
    (trial,) = _trials(http, id_)
    assert (trial["attempts"], trial["legs_told"]) == (1, 1)
    assert http.get(f"/v1/calibrations/{id_}").json()["spent_seconds"] == 1.0


def test_who_asks_again_with_the_same_key_is_given_the_same_leg(http: Client) -> None:
    id_ = opened(http)
    lease = leased(http, id_, key="first", trainer="a")
    again = leased(http, id_, key="first", trainer="a")
    assert (again.id, again.leg, again.trainer) == (lease.id, lease.leg, "a")
    other = leased(http, id_, key="second")
    assert other.leg.trial != lease.leg.trial
    told(http, lease, measurements=points(lease.leg), wall_seconds=0.1)
    assert leased(http, id_, key="first").id not in (lease.id, other.id)


def test_a_lease_that_lapses_goes_back_and_its_holder_is_told(http: Client) -> None:
    id_ = opened(http, task=task(losses={**task()["losses"], "include": ["bpr"]}))
    slow = leased(http, id_, lease_seconds=60)
    told(http, slow, measurements=points(slow.leg)[:1])
    waiting = asked(http, id_)
    assert waiting.lease is None
    assert waiting.status == "running"
    assert waiting.retry_after_seconds == pytest.approx(6.0, abs=1)
    _lapse(http, slow)
    # Nobody has taken it meanwhile: who was late may go on.
    renewed = told(http, slow).deadline
    assert renewed is not None
    assert renewed > datetime.now(UTC) + timedelta(seconds=50)
    _lapse(http, slow)
    taken = leased(http, id_)
    assert (taken.leg, taken.attempt) == (slow.leg, 2)
    late = post_tell(http, slow, measurements=points(slow.leg))
    assert "ask for another leg" in _problem(late, 409, "lease-lost")
    told(http, taken, measurements=points(taken.leg))
    curve = http.get(f"/v1/trials/{taken.trial_id}/measurements").json()["items"]
    assert [p["examples"] for p in curve] == list(taken.leg.checkpoints)


def test_a_trial_that_every_trainer_is_lost_with_is_left_alone(fast: Client) -> None:
    two = task(losses={**task()["losses"], "include": ["bpr", "rg2"]})
    id_ = opened(fast, budget_seconds=10, task=two)
    fatal = leased(fast, id_)
    for attempt in range(2, ATTEMPTS_MAX + 1):
        _lapse(fast, fatal)
        again = leased(fast, id_)
        assert (again.leg, again.attempt) == (fatal.leg, attempt)
        fatal = again
    _lapse(fast, fatal)
    legs: list[Lease] = []
    ended = train_on(fast, id_, legs.append)
    assert fatal.leg.trial not in [lease.leg.trial for lease in legs]
    answer = fast.get(f"/v1/recommendations/{ended.recommendation_id}").json()
    assert answer["loss"] != fatal.leg.trial.candidate.loss


def test_a_trainer_that_cannot_pause_is_given_whole_trials(fast: Client) -> None:
    id_ = opened(fast, budget_seconds=100)
    legs: list[Lease] = []
    ended = train_on(fast, id_, legs.append, can_pause=False)
    horizon = -(-20 * STATISTICS.n_examples // BATCH_SIZE) * BATCH_SIZE
    assert all(lease.is_whole and lease.leg.from_examples == 0 for lease in legs)
    assert {lease.leg.until_examples for lease in legs} == {horizon}
    assert {lease.leg.trial.candidate.loss for lease in legs} == set(LOSSES)
    answer = fast.get(f"/v1/recommendations/{ended.recommendation_id}").json()
    assert answer["loss"] in ("rg2", "softmax")


def test_a_whole_trial_that_was_stopped_early_is_not_begun_again(fast: Client) -> None:
    id_ = opened(fast, task=task(losses={**task()["losses"], "include": ["bpr", "rg2"]}))
    first = leased(fast, id_, can_pause=False)
    told(fast, first, measurements=points(first.leg)[:9], outcome="completed", wall_seconds=1.0)
    legs: list[Lease] = []
    train_on(fast, id_, legs.append, can_pause=False)
    assert first.leg.trial not in [lease.leg.trial for lease in legs]


def test_the_budget_is_of_the_seconds_that_trainers_told(fast: Client) -> None:
    id_ = opened(fast, budget_seconds=3)
    ended = train_on(fast, id_)
    calibration = fast.get(f"/v1/calibrations/{id_}").json()
    assert 1 < calibration["spent_seconds"] < 4
    answer = fast.get(f"/v1/recommendations/{ended.recommendation_id}").json()
    assert answer["elapsed_seconds"] == calibration["spent_seconds"]


def test_a_trainer_over_the_budget_is_told_to_stop(fast: Client) -> None:
    id_ = opened(fast, budget_seconds=2)
    lease = leased(fast, id_)
    (first, *_) = points(lease.leg)
    said = told(fast, lease, measurements=[{**first, "seconds": 5.0}])
    assert (said.should_stop, said.reason) == (True, "the budget is spent")
    over = told(fast, lease, outcome="completed")
    assert (over.leg_has_ended, over.status) == (True, "succeeded")
    assert asked(fast, id_).recommendation_id == over.recommendation_id


def test_a_cancelled_calibration_answers_with_what_was_told_of_legs_in_flight(
    http: Client,
) -> None:
    id_ = opened(http)
    lease = leased(http, id_)
    told(http, lease, measurements=points(lease.leg)[:1])
    ended = http.post(f"/v1/calibrations/{id_}:cancel").json()
    assert ended["status"] == "cancelled"
    answer = http.get(f"/v1/recommendations/{ended['recommendation_id']}").json()
    measured = [ranked for ranked in answer["ranking"] if ranked["measured"]]
    assert [ranked["loss"] for ranked in measured] == [lease.leg.trial.candidate.loss]
    late = told(http, lease, measurements=points(lease.leg))
    assert (late.n_new, late.leg_has_ended, late.status) == (0, True, "cancelled")
    assert asked(http, id_).status == "cancelled"


@pytest.mark.parametrize("outcome", ["diverged", "out_of_memory", "failed"])
def test_what_goes_wrong_elsewhere_is_an_outcome(fast: Client, outcome: str) -> None:
    id_ = opened(fast)
    lease = leased(fast, id_)
    point = {**points(lease.leg)[0], "value": None}
    body = {"measurements": [point]} if outcome == "diverged" else {"outcome": outcome}
    assert told(fast, lease, detail="as it was", **body).leg_has_ended
    (trial,) = _trials(fast, id_)
    assert trial["outcome"] == outcome
    others = [leased(fast, id_) for _ in LOSSES[1:]]
    assert lease.leg.trial not in [other.leg.trial for other in others]
    assert asked(fast, id_).lease is None


def test_a_leg_that_is_given_back_is_asked_again(fast: Client) -> None:
    id_ = opened(fast)
    lease = leased(fast, id_)
    assert told(fast, lease, outcome="cancelled", wall_seconds=0.0).leg_has_ended
    again = leased(fast, id_)
    assert (again.leg, again.attempt) == (lease.leg, 2)


def test_trainers_side_by_side_share_the_legs(http: Client) -> None:
    id_ = opened(http, budget_seconds=8)
    leases: list[Lease] = []

    def work(name: str) -> None:
        while True:
            answer = asked(http, id_, trainer=name)
            if answer.lease is not None:
                leases.append(answer.lease)
                told(
                    http,
                    answer.lease,
                    measurements=points(answer.lease.leg),
                    wall_seconds=points(answer.lease.leg)[-1]["seconds"] + 0.15,
                )
            elif answer.status == "running":
                time.sleep(0.05)
            else:
                return

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(work, "abc"))
    assert len({lease.leg.id for lease in leases}) == len(leases)
    assert {lease.attempt for lease in leases if lease.leg.from_examples == 0} == {1}
    assert http.get(f"/v1/calibrations/{id_}").json()["status"] == "succeeded"


def test_a_second_calibration_goes_on_only_where_it_is_said_to_be_the_same(fast: Client) -> None:
    same = {"data_fingerprint": "orders of may", "device": {"name": "box"}}
    before: list[Lease] = []
    train_on(fast, opened(fast, budget_seconds=8, **same), before.append)
    legs: list[Lease] = []
    train_on(fast, opened(fast, budget_seconds=8, **same), legs.append)
    assert legs
    assert {lease.leg.id for lease in legs}.isdisjoint(lease.leg.id for lease in before)
    for other in ({}, {"data_fingerprint": "orders of june", "device": {"name": "box"}}):
        lease = leased(fast, opened(fast, **other))
        assert (lease.leg.from_examples, lease.leg.trial.seed) == (0, 0)


@pytest.mark.parametrize(
    ("point", "sentence"),
    [
        ({"examples": 10**9, "value": 0.1}, "measurements.0.examples: 1000000000 is not above 0"),
        ({"examples": 512, "value": 28.7}, "28.7 is not between 0 and 1, as ndcg@20 is"),
        ({"examples": 512, "value": -0.1}, "-0.1 is not between 0 and 1, as ndcg@20 is"),
    ],
)
def test_what_cannot_be_of_a_leg_is_refused(
    fast: Client, point: dict[str, float], sentence: str
) -> None:
    lease = leased(fast, opened(fast))
    assert sentence in _problem(post_tell(fast, lease, measurements=[point]), 422, "tell-invalid")


def test_the_largest_task_there_may_be_fits_the_database(http: Client) -> None:
    most = {"n_rows": 10**12, "n_classes": 10**12, "n_examples": 10**12}
    largest = task(
        statistics={**most, "targets_per_example": 1e6},
        horizon={"epochs": 1e300},
        model={"embedding_dim": 65536},
        training={"batch_size": 1_000_000},
    )
    id_ = opened(http, budget_seconds=1e-3, task=largest)
    lease = leased(http, id_)
    last = {"examples": lease.leg.until_examples, "value": 0.5, "seconds": 1e9}
    over = told(http, lease, measurements=[last], peak_bytes=2**62)
    assert http.get(f"/v1/recommendations/{over.recommendation_id}").status_code == 200
    assert http.get(f"/v1/trials/{lease.trial_id}").json()["examples"] == last["examples"]


def test_a_lease_that_is_not_there_is_not_found(fast: Client) -> None:
    first = leased(fast, opened(fast))
    second = leased(fast, opened(fast))
    wrong = second.model_copy(update={"id": first.id})
    _problem(post_tell(fast, wrong), 404, "not-found")
    _problem(post_tell(fast, first.model_copy(update={"trial_id": "0" * 32})), 404, "not-found")
    _problem(fast.post("/v1/calibrations/0123/trials:ask"), 404, "not-found")


@pytest.mark.parametrize(
    ("changes", "name", "sentence"),
    [
        ({"task": task(statistics=None)}, "request-invalid", "or the statistics of data"),
        ({"task": task(data={"path": "x.csv"})}, "task-invalid", "and no data"),
        ({"task": task(metric="perplexity")}, "task-invalid", "which perplexity needs"),
        (
            {"task": task(statistics={**STATISTICS.model_dump(), "n_examples": 10**13})},
            "request-invalid",
            "task.statistics.n_examples: Input should be less than or equal to 1000000000000",
        ),
        ({"device_tag": "cpu"}, "request-invalid", "device_tag for worker"),
        ({"executor": "worker", "device": {"name": "x"}}, "request-invalid", "for executor ext"),
        ({"device": {"name": ""}}, "request-invalid", "device.name"),
        ({"budget_seconds": 1e9}, "task-invalid", "is not above 0 and at most 86400"),
    ],
)
def test_a_calibration_that_cannot_be_opened_says_why(
    fast: Client, changes: dict[str, Any], name: str, sentence: str
) -> None:
    body = {"task": task(), "budget_seconds": 10, "executor": "external"} | changes
    if body["task"].get("metric") == "perplexity":
        body["task"]["losses"] = {"include": ["bpr"]}
    assert sentence in _problem(fast.post("/v1/calibrations", json=body), 422, name)


def test_a_server_killed_in_the_middle_forgets_no_lease_and_no_tell(tmp_path: Path) -> None:
    with site(sqlite_url(tmp_path), tmp_path) as own_site:
        server = own_site.serve(ADVISOR_RUNS_CALIBRATIONS="false")
        id_ = opened(own_site.http, budget_seconds=6)
        for _ in range(3):
            done = leased(own_site.http, id_)
            told(own_site.http, done, measurements=points(done.leg), wall_seconds=0.5)
        lease = leased(own_site.http, id_, key="mine")
        (first, *_) = points(lease.leg)
        told(own_site.http, lease, measurements=[first])
        before = _trials(own_site.http, id_)
        server.kill()
        own_site.serve(ADVISOR_RUNS_CALIBRATIONS="false")
        assert _trials(own_site.http, id_) == before
        assert leased(own_site.http, id_, key="mine").leg == lease.leg
        over = told(own_site.http, lease, measurements=points(lease.leg), wall_seconds=0.5)
        assert over.n_new == len(points(lease.leg)) - 1
        ended = train_on(own_site.http, id_)
        with events_of(own_site, id_) as stream:
            events = list(stream)
        assert [event.number for event in events] == list(range(1, len(events) + 1))
        measured = [e.event for e in events if e.event.kind == "measurement"]
        assert len({(m.trial_id, m.examples) for m in measured}) == len(measured)
        assert events[-1].event.kind == "decided"
        assert events[-1].event.recommendation_id == ended.recommendation_id
        # The service's workers leave it alone.
        running = own_site.calibrate(5, losses={"include": ["bpr"]})
        _problem(own_site.http.post(f"/v1/calibrations/{running}/trials:ask"), 409, "not-elsewhere")
