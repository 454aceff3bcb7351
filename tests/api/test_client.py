"""The Python client against real servers: typed, patient, and nothing done twice."""

import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

import polars as pl
import pytest

from advisor.ask_tell import ToldMeasurement, TrainerDevice
from advisor.live import NumberedEvent
from advisor.outcome import FullTraining
from advisor.task import Task
from api.client import AdvisorClient, NoAnswerError, ServiceError, ServiceUnreachableError
from tests.api import trainers
from tests.api.servers import Site
from tests.small_data import at_one_setting


@pytest.fixture
def advisor(sqlite_served: Site) -> Iterator[AdvisorClient]:
    with AdvisorClient(str(sqlite_served.http.base_url)) as client:
        yield client


def _short(site: Site) -> Task:
    return Task.model_validate(site.task(losses=at_one_setting("bpr", "softmax")))


def test_an_answer_comes_as_the_value_that_was_stored(
    sqlite_served: Site, advisor: AdvisorClient
) -> None:
    answer = advisor.recommend(sqlite_served.task())
    assert answer.evidence_level in ("prior", "measured")
    assert advisor.recommendation(str(answer.id)) == answer
    assert advisor.recommend(answer.task).loss == answer.loss


def test_a_calibration_is_watched_to_its_answer_and_told_its_outcome(
    sqlite_served: Site, advisor: AdvisorClient
) -> None:
    events: list[NumberedEvent] = []
    assert advisor.plan(_short(sqlite_served), 30).is_useful
    answer = advisor.calibrate(_short(sqlite_served), 30, on_event=events.append)
    assert [event.number for event in events] == list(range(1, len(events) + 1))
    assert events[-1].event.kind == "decided"
    assert events[-1].event.recommendation_id == answer.id
    assert list(advisor.events(str(answer.calibration_id), after=len(events))) == []
    frame = advisor.profiles(task="shop", loss=answer.loss)
    assert isinstance(frame, pl.DataFrame)
    assert set(frame["loss"]) == {answer.loss}
    assert frame["final_value"].max() > 0
    training = FullTraining(epochs=20, value=0.5)
    profile_id = advisor.report_outcome(str(answer.id), training)
    assert profile_id in set(advisor.profiles(task="shop")["id"])


def test_profiles_come_as_a_pandas_frame_where_pandas_is_installed(
    sqlite_served: Site, advisor: AdvisorClient
) -> None:
    pandas = pytest.importorskip("pandas", reason="not installed: nothing of ours needs it")
    answer = advisor.recommend(sqlite_served.task())
    advisor.report_outcome(str(answer.id), FullTraining(epochs=20, value=0.5))
    frame = advisor.profiles_as_pandas(task="shop", loss=answer.loss)
    same = advisor.profiles(task="shop", loss=answer.loss)
    assert isinstance(frame, pandas.DataFrame)
    assert len(frame) == len(same) > 0
    assert [*frame.columns] == same.columns
    for column in ("id", "settings", "final_value", "created_at", "curve_values"):
        assert frame[column].tolist() == same[column].to_list()
    assert frame["final_value"].dtype == "float64"
    assert str(frame["created_at"].dt.tz) == "UTC"
    assert frame[frame["source"] == "outcome"]["final_value"].max() == 0.5


def test_without_pandas_its_frame_is_refused_by_name(
    advisor: AdvisorClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ImportError, match="pandas"):
        advisor.profiles_as_pandas(task="shop")


def test_a_trainer_of_ones_own_asks_and_tells(advisor: AdvisorClient) -> None:
    device = TrainerDevice(name="box")
    begun = advisor.begin_elsewhere(trainers.task(), 3, device=device, data_fingerprint="may")
    for lease in advisor.leases(begun.id, trainer="me"):
        measured = trainers.points(lease.leg)
        points = [ToldMeasurement(**point) for point in measured]
        told = advisor.tell(lease, points, wall_seconds=measured[-1]["seconds"] + 0.15)
        assert told.leg_has_ended
    answer = advisor.answer(begun.id)
    assert answer.evidence_level == "measured"
    assert answer.calibration_id == begun.id


def test_a_value_that_is_not_finite_is_told_as_none(advisor: AdvisorClient) -> None:
    begun = advisor.begin_elsewhere(trainers.task(), 3)
    lease = next(advisor.leases(begun.id))
    point = ToldMeasurement.of(lease.leg.checkpoints[0], float("nan"), 0.1)
    assert advisor.tell(lease, [point]).leg_has_ended
    ended = advisor.cancel(begun.id)
    assert ended.status == "cancelled"
    assert advisor.answer(begun.id).id == ended.recommendation_id


def test_what_is_refused_carries_the_problem_document(advisor: AdvisorClient) -> None:
    with pytest.raises(ServiceError, match="unknown loss 'hinge'") as refused:
        advisor.recommend(trainers.task(losses={"include": ["hinge"]}))
    assert (refused.value.status, refused.value.name) == (422, "unknown-loss")
    assert refused.value.problem["instance"] == "/v1/recommendations"
    with pytest.raises(ServiceError) as missing:
        list(advisor.events("0123456789abcdef"))
    assert missing.value.name == "not-found"
    with pytest.raises(NoAnswerError, match="queued"):
        advisor.answer(advisor.begin_elsewhere(trainers.task(), 3).id)


@contextmanager
def _refusing(n_times: int, status: int) -> Iterator[tuple[str, list[str | None]]]:
    """A server that refuses so often before it answers; yields its address and the keys it saw."""
    keys: list[str | None] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            keys.append(self.headers["Idempotency-Key"])
            self.rfile.read(int(self.headers["Content-Length"]))
            is_refused = len(keys) <= n_times
            self.send_response(status if is_refused else 422)
            self.send_header("Content-Length", "9")
            if is_refused:
                self.send_header("Retry-After", "0")
            self.end_headers()
            self.wfile.write(b"not JSON!")

        def log_message(self, format: str, *args: object) -> None:
            pass

    with _serving(Handler) as address:
        yield address, keys


@contextmanager
def _serving(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    """A server of this handler; yields its address."""
    server = HTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_another_try_is_the_same_request(status: int) -> None:
    with (
        _refusing(3, status) as (address, keys),
        AdvisorClient(address) as client,
        pytest.raises(ServiceError, match="not JSON!") as refused,
    ):
        client.recommend(trainers.task())
    assert refused.value.status == 422
    assert len(keys) == 4
    assert len(set(keys)) == 1
    assert keys[0]


def test_a_ping_between_two_events_is_no_event() -> None:
    at = "2026-01-01T00:00:00Z"
    said = [
        NumberedEvent.model_validate({"number": i + 1, "at": at, "event": event})
        for i, event in enumerate(
            (
                {"kind": "prepared", "task_fingerprint": "f", "device_id": "d"},
                {"kind": "failed", "status": "failed", "error": "the end"},
            )
        )
    ]

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/event-stream")
            self.end_headers()
            for event in said:
                line = f"id: {event.number}\ndata: {event.model_dump_json()}\n\n: ping\n\n"
                self.wfile.write(line.encode())

        def log_message(self, format: str, *args: object) -> None:
            pass

    with _serving(Handler) as address, AdvisorClient(address) as client:
        assert list(client.events("any")) == said


def test_patience_ends() -> None:
    with (
        AdvisorClient("http://127.0.0.1:1", patience_seconds=0.5) as client,
        pytest.raises(ServiceUnreachableError, match="does not answer"),
    ):
        client.recommend(trainers.task())
    with (
        _refusing(1000, 503) as (address, keys),
        AdvisorClient(address, patience_seconds=0.2) as client,
        pytest.raises(ServiceError) as refused,
    ):
        client.recommend(trainers.task())
    assert refused.value.status == 503
    assert len(keys) > 1


def test_importing_the_client_loads_neither_torch_nor_a_database() -> None:
    code = (
        "import api.client, sys;"
        "assert not {'torch', 'sqlalchemy', 'fastapi', 'dbos', 'polars'} & {*sys.modules}"
    )
    subprocess.run([sys.executable, "-P", "-c", code], check=True)
