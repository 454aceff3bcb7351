"""The story of a calibration on the store alone: what it keeps, and how it ends."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from advisor.calibration import Event, LegStarted
from advisor.errors import DataInvalidError, TaskInvalidError
from advisor.task import DataSource, Task
from api.stories import calibrate
from api.stories.calibrate import CalibrationInterruptedError
from api.stories.legs import ATTEMPTS_MAX
from api.stories.recommend import recommend_now
from api.stories.service import LOCAL, Service
from profiler.device import this_device
from profiler.isolation import wait_for_server
from profiler.workspace import Workspace
from store.engine import open_store
from tests.databases import sqlite_url
from tests.profiler.labelled_files import clusters
from tests.small_data import small_task, write_interactions

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module", autouse=True)
def _torch_is_loaded() -> None:
    """As a server does at its start: no budget pays for it."""
    wait_for_server()


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    """A fresh store and workspace; paths are relative to the data folder."""
    write_interactions(tmp_path / "orders.csv")
    store = open_store(sqlite_url(tmp_path))
    workspace = Workspace(tmp_path, device=this_device(1))
    yield Service(store=store, workspace=workspace, data_root=tmp_path)
    store.close()


@pytest.fixture
def task() -> Task:
    """Two losses, so that it is soon over."""
    return small_task(
        Path("orders.csv"),
        losses={"include": ["bpr", "softmax"]},
        data=DataSource(path="orders.csv"),
    )


def test_a_calibration_on_the_store_alone_is_answered(service: Service, task: Task) -> None:
    seen: list[Event] = []
    calibration = calibrate.request(service, task, 6)
    ended = calibrate.run(service, calibration.id, on_event=seen.append)
    assert ended.status == "succeeded"
    assert ended.device_tag == calibrate.COMMAND_LINE_TAG
    assert [seen[0].kind, seen[-1].kind] == ["prepared", "decided"]
    told = [e for e in seen if e.kind == "leg_ended"]
    trials = service.store.calibrations.trials("local", calibration.id).items
    assert sum(trial.legs_told for trial in trials) == len(told) > 0
    assert calibrate.run(service, calibration.id) == ended, "it ran a second time"
    assert calibrate.cancel(service, calibration.id) == ended


def test_a_description_is_calibrated_on_its_twin(service: Service) -> None:
    asked = Task.model_validate(
        {
            "kind": "description",
            "statistics": {"n_rows": 200, "n_classes": 100, "n_examples": 3000},
            "losses": {"include": ["bpr", "softmax"]},
            "horizon": {"epochs": 3},
        }
    )
    calibration = calibrate.request(service, asked, 6)
    ended = calibrate.run(service, calibration.id)
    assert ended.status == "succeeded"
    answer = service.store.recommendations.get(LOCAL, str(ended.recommendation_id))
    assert answer.evidence_level == "measured"
    assert any("synthetic twin" in warning for warning in answer.warnings)
    (profile, *_) = service.store.evidence.profiles(LOCAL).items
    assert profile.kind == "description"


def test_a_leg_that_workers_die_of_is_left_alone_at_last(service: Service, task: Task) -> None:
    calibration = calibrate.request(service, task, 6)
    victims: set[str] = set()

    def die_of_the_first_leg(event: Event) -> None:
        if isinstance(event, LegStarted):
            victims.add(event.leg.trial.id)
            raise CalibrationInterruptedError

    for _ in range(ATTEMPTS_MAX):
        with pytest.raises(CalibrationInterruptedError):
            calibrate.run(service, calibration.id, on_event=die_of_the_first_leg)
    assert len(victims) == 1
    ended = calibrate.run(service, calibration.id)
    assert ended.status == "succeeded"
    trials = service.store.calibrations.trials("local", calibration.id).items
    (victim,) = [trial for trial in trials if trial.outcome == "failed"]
    assert (victim.attempts, victim.legs_told) == (ATTEMPTS_MAX + 1, 1)
    assert any(trial.outcome == "completed" for trial in trials)


def test_a_file_that_has_gone_since_ends_it_as_failed(service: Service, task: Task) -> None:
    calibration = calibrate.request(service, task, 5)
    (service.workspace.data_dir / "orders.csv").unlink()
    ended = calibrate.run(service, calibration.id)
    assert (ended.status, ended.error) == ("failed", "there is no file 'orders.csv'")


def test_the_unexpected_ends_it_as_failed_and_says_nothing_of_the_inside(
    service: Service, task: Task, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*arguments: object, **named: object) -> None:
        raise RuntimeError("secret")

    monkeypatch.setattr("api.stories.running.calibrate", broken)
    ended = calibrate.run(service, calibrate.request(service, task, 5).id)
    assert ended.status == "failed"
    assert ended.error == "failed unexpectedly (RuntimeError); its worker's log says why"


def test_what_fails_while_its_worker_stops_is_not_held_against_it(
    service: Service, task: Task, monkeypatch: pytest.MonkeyPatch
) -> None:
    is_stopping = False

    def killed(*arguments: object, **named: object) -> None:
        nonlocal is_stopping
        is_stopping = True
        raise TaskInvalidError("the data could not be read: its reader was killed")

    def check() -> None:
        if is_stopping:
            raise CalibrationInterruptedError

    monkeypatch.setattr("api.stories.running.calibrate", killed)
    calibration = calibrate.request(service, task, 5)
    with pytest.raises(CalibrationInterruptedError):
        calibrate.run(service, calibration.id, check=check)
    assert service.store.calibrations.get("local", calibration.id).status == "running"


def test_cancelled_before_its_data_was_read_it_has_no_answer(
    service: Service, task: Task, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unread(*arguments: object, **named: object) -> None:
        raise TaskInvalidError("cancelled while the data was being read")

    monkeypatch.setattr("api.stories.running.calibrate", unread)
    calibration = calibrate.request(service, task, 5)
    service.store.calibrations.start(calibration.id)
    calibrate.cancel(service, calibration.id)
    ended = calibrate.run(service, calibration.id)
    assert (ended.status, ended.recommendation_id) == ("cancelled", None)
    assert ended.error == "cancelled while the data was being read"


def test_cancelled_before_it_began_it_answers_without_any_leg(service: Service, task: Task) -> None:
    calibration = calibrate.request(service, task, 5)
    service.store.calibrations.start(calibration.id)
    assert calibrate.cancel(service, calibration.id).status == "running"
    ended = calibrate.run(service, calibration.id)
    assert ended.status == "cancelled"
    answer = service.store.recommendations.get("local", str(ended.recommendation_id))
    assert answer.evidence_level == "prior"
    assert service.store.calibrations.trials("local", calibration.id).items == ()


@pytest.mark.parametrize("budget_seconds", [0, -1, float("nan"), float("inf"), 1e9])
def test_a_budget_that_is_none_is_refused(
    service: Service, task: Task, budget_seconds: float
) -> None:
    with pytest.raises(TaskInvalidError, match="budget_seconds: "):
        calibrate.request(service, task, budget_seconds)


def test_a_path_outside_the_data_folder_is_refused(service: Service, task: Task) -> None:
    outside = task.model_copy(update={"data": DataSource(path="/etc/passwd.csv")})
    with pytest.raises(DataInvalidError, match="outside the data folder"):
        calibrate.request(service, outside, 5)


def embeddings(service: Service, **data: str) -> Task:
    """Vectors of 4 numbers in the data folder, their labels beside them."""
    x, y = clusters(600, n_features=4)
    np.save(service.workspace.data_dir / "h.npy", x)
    np.save(service.workspace.data_dir / "y.npy", y)
    source = {"path": "h.npy", "labels": "y.npy", **data}
    losses = {"include": ["softmax"]}
    return Task.model_validate({"kind": "embeddings", "data": source, "losses": losses})


def test_given_vectors_are_calibrated_at_their_own_dimension(service: Service) -> None:
    ended = calibrate.run(service, calibrate.request(service, embeddings(service), 5).id)
    assert ended.status == "succeeded", ended.error
    assert ended.recommendation_id is not None
    answer = service.store.recommendations.get(LOCAL, ended.recommendation_id)
    assert answer.task.model.embedding_dim == 4
    assert answer.task.data == DataSource(path="h.npy", labels="y.npy")
    again = recommend_now(service, embeddings(service))
    assert again.task.model.embedding_dim == 4


@pytest.mark.parametrize("labels", ["/etc/y.npy", "../y.npy"])
def test_labels_outside_the_data_folder_are_refused(service: Service, labels: str) -> None:
    with pytest.raises(DataInvalidError, match=f"path '{labels}' is outside the data folder"):
        calibrate.request(service, embeddings(service, labels=labels), 5)


def test_labels_are_named_as_they_were_given(service: Service) -> None:
    task = embeddings(service)
    np.save(service.workspace.data_dir / "y.npy", np.full(600, -1))
    with pytest.raises(DataInvalidError, match=r"^row 0 of 'y\.npy' has the label -1; "):
        calibrate.request(service, task, 5)
    with pytest.raises(DataInvalidError, match=r"^there is no file 'no\.npy'$"):
        calibrate.request(service, embeddings(service, labels="no.npy"), 5)
