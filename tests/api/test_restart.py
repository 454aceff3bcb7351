"""kill -9 and SIGTERM in the middle of a calibration: it goes on, and trains no told leg again."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import psutil
import pytest

from advisor.task import Task
from api.stories.calibrate import COMMAND_LINE_TAG
from store.engine import open_store
from tests.api.servers import Program, Site, eventually, site
from tests.databases import sqlite_url
from tests.small_data import THREE

pytestmark = pytest.mark.slow
BUDGET_SECONDS = 120  # far more than it needs, even on a busy machine


def _told(legs: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {id: leg for id, leg in legs.items() if leg["status"] == "told"}


def _check_went_on(site: Site, calibration_id: str, told_before: dict[str, Any]) -> None:
    ended = site.ended(calibration_id)
    assert ended["status"] == "succeeded", ended
    # A told leg's row, with the times of its lease and its tell, is the one it was.
    legs = site.legs()
    assert {id: legs[id] for id in told_before} == told_before
    trials = site.trials(calibration_id)
    n_attempts = sum(trial["attempts"] for trial in trials)
    assert n_attempts - len(_told(legs)) <= 2, "only legs in flight may be trained again"
    assert len({(leg["trial_id"], leg["until_examples"]) for leg in legs.values()}) == len(legs)
    assert ended["spent_seconds"] <= BUDGET_SECONDS * 1.05 + 3
    answer = site.http.get(f"/v1/recommendations/{ended['recommendation_id']}").json()
    assert answer["evidence_level"] == "measured"
    assert answer["calibration_id"] == calibration_id
    assert answer["task"] == ended["task"]


def test_killed_and_then_told_to_stop_a_server_goes_on_after_each_restart(own_site: Site) -> None:
    killed = own_site.serve()
    calibration_id = own_site.calibrate(BUDGET_SECONDS, losses=THREE)
    own_site.told(calibration_id, at_least=3)
    killed.kill()
    told_before = _told(own_site.legs())
    assert len(told_before) >= 3
    told_to_stop = own_site.serve()
    own_site.told(calibration_id, at_least=len(told_before) + 3)
    assert told_to_stop.terminate() < 10
    told = _told(own_site.legs())
    assert {id: told[id] for id in told_before} == told_before
    assert own_site.calibration_status(calibration_id) == "running"
    own_site.serve()
    _check_went_on(own_site, calibration_id, told)


def test_what_was_asked_for_but_never_queued_is_run_after_a_restart(tmp_path: Path) -> None:
    url = sqlite_url(tmp_path)
    with site(url, tmp_path) as own_site, closing(open_store(url)) as store:
        # As if the server had been killed between the two; the command line runs its own itself.
        task = Task.model_validate(own_site.task(losses={"include": ["bpr"]}))
        asked_for = store.calibrations.create(task, 3, "cpu")
        not_ours = store.calibrations.create(task, 3, COMMAND_LINE_TAG)
        own_site.serve()
        assert own_site.ended(asked_for.id)["status"] == "succeeded"
        assert own_site.calibration(not_ours.id)["status"] == "queued"


def test_a_server_told_to_stop_does_not_wait_for_a_file_to_be_read(tmp_path: Path) -> None:
    with site(sqlite_url(tmp_path), tmp_path) as own_site, ThreadPoolExecutor() as pool:
        server = own_site.serve()
        body = {"task": own_site.task()}
        asked = pool.submit(own_site.http.post, "/v1/recommendations", json=body)
        eventually(lambda: _readers(server))[0].suspend()
        assert server.terminate() < 10
        assert asked.exception(timeout=5) or asked.result().is_error


def _readers(server: Program) -> list[psutil.Process]:
    """The children that are not forked from a process with torch in it."""

    def reads(child: psutil.Process) -> bool:
        try:
            return any("spawn_main" in word for word in child.cmdline())
        except psutil.Error:  # it has ended meanwhile
            return False

    return [child for child in server.children() if reads(child)]
