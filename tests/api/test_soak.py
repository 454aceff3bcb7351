"""Kills at random moments, a database that crashes or is locked, a disk that is full.

Each in a short form for every run of the tests, and in a long one for `make soak`. No calibration
is lost, no told leg is trained again, no child lives on, and all of them are answered.
"""

import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.api.misbehaving_losses import OUTCOMES, write_package
from tests.api.servers import Program, Site, eventually, site
from tests.databases import (
    BACKENDS,
    postgresql_database,
    postgresql_that_crashes,
    sqlite_url,
)
from tests.small_data import at_one_setting

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]
BUDGET_SECONDS = 10
QUEUES_ONLY = {"ADVISOR_RUNS_CALIBRATIONS": "false", "ADVISOR_DEAD_AFTER_SECONDS": "4"}
SOAK = pytest.mark.soak


def _told(site: Site) -> dict[str, dict[str, Any]]:
    return {id: leg for id, leg in site.legs().items() if leg["status"] == "told"}


def _ended(site: Site, id_: str) -> dict[str, Any]:
    """The calibration once it has ended, however long the database is away."""

    def ended() -> dict[str, Any] | None:
        answer = site.http.get(f"/v1/calibrations/{id_}")
        if answer.status_code >= 500:
            assert answer.status_code == 503, answer.text
            return None
        return None if answer.json()["status"] in ("queued", "running") else answer.json()

    return eventually(ended)


def _check_all(site: Site, ids: list[str], told: dict[str, dict[str, Any]], n_stops: int) -> None:
    for id_ in ids:
        ended = _ended(site, id_)
        assert ended["status"] == "succeeded", ended
        answer = site.http.get(f"/v1/recommendations/{ended['recommendation_id']}").json()
        assert answer["calibration_id"] == id_
    legs = site.legs()
    assert {id: legs[id] for id in told} == told, "a told leg is as it was"
    assert len({(leg["trial_id"], leg["until_examples"]) for leg in legs.values()}) == len(legs)
    trials = [trial for id_ in ids for trial in site.trials(id_)]
    again = sum(t["attempts"] for t in trials) - sum(t["legs_told"] for t in trials)
    assert again <= n_stops, "only legs in flight are trained again"


def _calibrate(site: Site, number: int) -> str:
    """One of its own: a calibration of the same task would go on from the one before."""
    return site.calibrate(BUDGET_SECONDS, training={"batch_size": 128 + number})


def _soon_told(site: Site) -> str:
    """A calibration that is settled after some legs, the first of which has been told."""
    losses = at_one_setting("bpr", "negative_sampling", "softmax")
    id_ = site.calibrate(120, losses=losses)
    site.told(id_, at_least=1)
    return id_


@pytest.mark.parametrize("backend", BACKENDS)
@SOAK  # the short form: test_restart.py and test_workers.py
@pytest.mark.parametrize("n", [50])
def test_calibrations_that_are_each_killed_once_are_all_answered(
    backend: str, n: int, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    chance = np.random.default_rng(n)
    with ExitStack() as stack:
        url = sqlite_url(tmp_path)
        if backend == "postgresql":
            url = stack.enter_context(postgresql_database(request.getfixturevalue("postgresql")))
        found = stack.enter_context(site(url, tmp_path))
        start: dict[str, Callable[[], Program]] = {"server": found.serve}
        if backend == "postgresql":
            start = {
                "server": lambda: found.serve(**QUEUES_ONLY),
                "worker": lambda: found.work(ADVISOR_DEAD_AFTER_SECONDS="4"),
            }
        running = {name: begin() for name, begin in start.items()}
        ids = [_calibrate(found, number) for number in range(n)]
        told: dict[str, dict[str, Any]] = {}
        for number, id_ in enumerate(ids):
            eventually(lambda id_=id_: found.calibration_status(id_) != "queued")
            time.sleep(chance.uniform(0.0, 0.7 * BUDGET_SECONDS))
            name = list(start)[-1 - number % len(start)]  # the worker first
            running[name].kill()
            now = _told(found)
            assert {i: now[i] for i in told} == told
            told = now
            running[name] = start[name]()
        _check_all(found, ids, told, n_stops=n)
        for program in running.values():
            assert program.terminate() < 10


@pytest.mark.parametrize("n", [1, pytest.param(3, marks=SOAK)])
def test_calibrations_go_on_when_postgresql_crashes_under_them(n: int, tmp_path: Path) -> None:
    with (
        postgresql_that_crashes() as (server, crash),
        postgresql_database(server) as url,
        site(url, tmp_path) as found,
    ):
        found.serve(**QUEUES_ONLY)
        found.work(ADVISOR_DEAD_AFTER_SECONDS="4")
        ids = [_calibrate(found, number) for number in range(n)]
        for id_ in ids:
            eventually(lambda id_=id_: found.calibration_status(id_) != "queued")
            time.sleep(0.3 * BUDGET_SECONDS)
            told = _told(found)
            found.forget_connections()
            crash()
        _check_all(found, ids, told, n_stops=2 * n)


@pytest.mark.parametrize("seconds", [3, pytest.param(40, marks=SOAK)])
def test_a_calibration_waits_for_a_sqlite_file_that_another_has_locked(
    seconds: int, tmp_path: Path
) -> None:
    with site(sqlite_url(tmp_path), tmp_path) as found:
        found.serve()
        id_ = _soon_told(found)
        with closing(sqlite3.connect(tmp_path / "advisor.sqlite", timeout=30)) as other:
            other.isolation_level = None
            other.execute("BEGIN IMMEDIATE")
            told = _told(found)
            time.sleep(seconds)
            other.execute("ROLLBACK")
        _check_all(found, [id_], told, n_stops=1)


@contextmanager
def _small_disk(folder: Path, size: str) -> Iterator[Path]:
    """A file system of its own and of this size; skips where none may be mounted."""
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    try:
        subprocess.run(command, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("only root may mount a small file system")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.mark.parametrize("seconds", [2, pytest.param(20, marks=SOAK)])
def test_a_full_disk_is_said_or_waited_for_and_space_is_enough_to_go_on(
    seconds: int, tmp_path: Path
) -> None:
    with _small_disk(tmp_path / "disk", "48m") as disk, site(sqlite_url(disk), disk) as found:
        server = found.serve()
        id_ = _soon_told(found)
        ballast = disk / "ballast"
        with pytest.raises(OSError, match="No space left"):
            ballast.write_bytes(bytes(2**26))
        refused = found.http.post("/v1/uploads", content=b"user,item\n" * 2**16)
        assert refused.status_code == 507, refused.text
        asked = found.http.post("/v1/tasks", json={"task": found.task()})
        assert asked.status_code in (201, 503, 507), asked.text
        time.sleep(seconds)
        assert server.process.poll() is None
        ballast.unlink()
        eventually(lambda: found.http.get("/readyz").status_code == 200)
        ended = _ended(found, id_)
        # What could not be written ends a calibration with a sentence that says so, or waits.
        assert ended["status"] == "succeeded" or "space" in ended["error"], ended
        after = found.calibrate(BUDGET_SECONDS, losses=at_one_setting("bpr"))
        assert _ended(found, after)["status"] == "succeeded"


def test_a_leg_that_allocates_segfaults_or_hangs_is_an_outcome_and_the_others_go_on(
    tmp_path: Path,
) -> None:
    write_package(tmp_path / "packages")
    with site(sqlite_url(tmp_path), tmp_path) as found:
        server = found.serve(
            PYTHONPATH=str(tmp_path / "packages"),
            ADVISOR_LEG_MEMORY_GIB="1",
            ADVISOR_LEG_SECONDS_MAX="4",
        )
        losses = at_one_setting("softmax")
        names = [*OUTCOMES, "softmax"]
        losses = {"include": names, "settings": dict.fromkeys(names, losses["settings"]["softmax"])}
        id_ = found.calibrate(90, losses=losses, training={"batch_size": 32})
        ended = _ended(found, id_)
        assert ended["status"] == "succeeded", ended
        outcomes = {trial["loss"]: trial["outcome"] for trial in found.trials(id_)}
        assert outcomes == {**OUTCOMES, "softmax": "completed"}
        answer = found.http.get(f"/v1/recommendations/{ended['recommendation_id']}").json()
        assert answer["loss"] == "softmax"
        assert server.process.poll() is None
        assert server.terminate() < 10
