"""One calibration on two workers of one PostgreSQL: its legs side by side, whatever becomes of one.

The one that takes the calibration runs it; the other, idle, trains legs that are offered.
"""

import itertools
import signal
from collections import Counter
from typing import Any

import psutil
import pytest

from tests.api.servers import Program, Site, eventually
from tests.api.streams import events_of
from tests.small_data import six_losses

pytestmark = pytest.mark.slow
BUDGET_SECONDS = 300  # more than any test waits for
LONG = {"horizon": {"epochs": 100}, "losses": six_losses()}  # seconds a leg


class Pair:
    """Two workers: one runs a calibration, the other one has begun to help it."""

    def __init__(self, site: Site) -> None:
        self.site = site
        alive = {slot: site.worker(slot) for slot in ("cpu0", "cpu1")}
        eventually(lambda: len([w for w in self.workers() if w["silent_seconds"] < 4]) == 2)
        self.calibration_id = site.calibrate(BUDGET_SECONDS, **LONG)
        self.offer = self.taken()
        slots = {worker["id"]: worker["device_slot"] for worker in self.workers()}
        helping = slots[self.offer["worker"]]
        self.helper = alive[helping]
        (self.driver,) = (program for slot, program in alive.items() if slot != helping)

    def workers(self) -> list[dict[str, Any]]:
        return self.site.http.get("/v1/workers").json()["items"]

    def taken(self) -> dict[str, Any]:
        """An offer that the helper has taken, once it has."""
        return eventually(lambda: next((o for o in self.site.offers() if o["worker"]), None))

    def is_over(self) -> bool:
        """Whether what was offered first is no longer waited for."""
        return self.offer["id"] not in {offer["id"] for offer in self.site.offers()}

    def told(self) -> dict[str, dict[str, Any]]:
        """The legs of this calibration that have been told."""
        legs = self.site.legs(self.calibration_id)
        return {id_: leg for id_, leg in legs.items() if leg["status"] == "told"}

    def goes_on(self, n_lost: int) -> None:
        """Some more legs are told, it is cancelled and answers; so many were begun in vain."""
        before = self.told()
        eventually(lambda: len(self.told()) >= len(before) + 3)
        self.site.http.post(f"/v1/calibrations/{self.calibration_id}:cancel")
        ended = self.site.ended(self.calibration_id)
        assert ended["status"] == "cancelled", ended
        assert ended["recommendation_id"]
        assert self.site.offers() == []
        trials = self.site.trials(self.calibration_id)
        assert sum(t["attempts"] - t["legs_told"] for t in trials) <= n_lost
        legs = self.site.legs()
        kept = {id_: leg for id_, leg in before.items() if leg["outcome"] != "cancelled"}
        assert {id_: legs[id_] for id_ in kept} == kept, "a told leg was trained again"
        ended = [leg for leg in self.told().values() if leg["outcome"] != "cancelled"]
        assert len({(leg["trial_id"], leg["from_examples"]) for leg in ended}) == len(ended)


@pytest.fixture
def pair(queueing: Site) -> Pair:
    return Pair(queueing)


def trainers(program: Program) -> list[psutil.Process]:
    """The children of a worker's fork server: those that train."""
    return [child for child in program.children() if child.ppid() != program.process.pid]


def test_an_idle_worker_trains_legs_of_a_calibration_side_by_side(pair: Pair) -> None:
    def both() -> list[dict[str, Any]] | None:
        legs = [worker["leg"] for worker in pair.workers() if worker["leg"]]
        return legs if len(legs) == 2 else None

    first, second = eventually(both)
    assert first["trial_id"] != second["trial_id"]
    assert {worker["calibration_id"] for worker in pair.workers()} == {pair.calibration_id}
    pair.goes_on(n_lost=0)
    told = pair.told().values()
    spans = sorted((leg["leased_at"], leg["told_at"]) for leg in told)
    assert any(later[0] < earlier[1] for earlier, later in itertools.pairwise(spans))
    with events_of(pair.site, pair.calibration_id) as events:
        said = Counter(numbered.event.kind for numbered in events)
    assert said["leg_started"] == said["leg_ended"] == len(told)
    assert said["measurement"] >= len([leg for leg in told if leg["outcome"] == "completed"])
    assert said["decided"] == 1
    eventually(lambda: not trainers(pair.helper) and not trainers(pair.driver), 15)


def test_a_helper_that_is_killed_in_a_leg_takes_nothing_with_it(pair: Pair) -> None:
    pair.helper.kill()  # no child of it may live on
    eventually(pair.is_over, 30)
    pair.goes_on(n_lost=1)


def test_a_frozen_helper_that_comes_back_tells_nothing_of_what_it_lost(pair: Pair) -> None:
    pair.helper.process.send_signal(signal.SIGSTOP)
    eventually(pair.is_over, 30)
    n_told = len(pair.told())
    eventually(lambda: len(pair.told()) > n_told)
    pair.helper.process.send_signal(signal.SIGCONT)
    pair.taken()  # another one, as before
    pair.goes_on(n_lost=1)


def test_a_helper_told_to_stop_gives_its_leg_back(pair: Pair) -> None:
    pair.helper.terminate()
    assert pair.is_over()
    pair.goes_on(n_lost=0)


def test_what_is_queued_goes_before_help(pair: Pair) -> None:
    other = pair.site.calibrate(5, losses={"include": ["bpr"]})
    assert pair.site.ended(other)["status"] == "succeeded"
    assert pair.site.calibration(pair.calibration_id)["status"] == "running"
    pair.taken()
    pair.goes_on(n_lost=0)


def test_when_the_one_that_decides_is_killed_the_helper_takes_over(pair: Pair) -> None:
    pair.driver.kill()
    pair.goes_on(n_lost=2)
