"""The legs that a worker does not train itself: offered, told by another, lost, taken back."""

import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from advisor.evidence import Leg, LegReport
from api.stories.helping import Crew
from api.stories.legs import ATTEMPTS_MAX, Legs
from api.stories.service import LOCAL, Service
from profiler.device import this_device
from profiler.workspace import Workspace
from store.engine import Store, open_store
from store.offers import Offer
from tests.api.servers import eventually
from tests.store.examples import LAPTOP, a_leg, a_report, prepared_calibration
from tests.store.test_offers import PREPARED

OWN, OTHER = a_leg(loss="softmax"), a_leg(loss="bpr")
CREW = Crew("cpu laptop folder", "me", silent_seconds=30)


class Trained:
    """A calibration whose worker trains one leg, while others are trained by whoever takes them."""

    def __init__(self, service: Service, threads: ThreadPoolExecutor) -> None:
        self.store, self._service, self._threads = service.store, service, threads
        self.id = prepared_calibration(service.store)
        calibration = service.store.calibrations.get(LOCAL, self.id)
        self.legs = Legs(service, calibration, CREW, lambda operation: operation())
        self.is_stopped = False
        # Told before, so that nothing is trained when its turn comes; till then the device is busy.
        self.store.calibrations.tell(self.id, a_report(OWN))
        self.legs.begin(OWN, "")

    def train(self, leg: Leg) -> Future[LegReport | None]:
        """What comes of a leg, while this thread goes on."""
        deadline = time.monotonic() + 60
        workspace = self._service.workspace
        return self._threads.submit(
            self.legs.train, PREPARED, leg, workspace, deadline, lambda: self.is_stopped
        )

    def other(self) -> Future[LegReport | None]:
        self.legs.begin(OTHER, "it may be the best")
        return self.train(OTHER)

    def taken(self, worker: str = "helper") -> Offer:
        return eventually(lambda: self.store.offers.take(worker, CREW.name), 30)


@pytest.fixture
def trained(database_url: str, tmp_path: Path) -> Iterator[Trained]:
    store = open_store(database_url)
    workspace = Workspace(tmp_path, device=this_device(1))
    with ThreadPoolExecutor() as threads:
        yield Trained(Service(store=store, workspace=workspace), threads)
    store.close()


def _beat(store: Store, worker: str = "helper") -> None:
    store.workers.beat(worker, LAPTOP.id, "cpu", crew=CREW.name)


def test_idle_workers_are_counted_and_a_leg_is_asked_for_each(trained: Trained) -> None:
    _beat(trained.store, "me")
    _beat(trained.store, "helper")
    assert trained.legs.n_at_once() == 2


def test_what_another_worker_tells_is_what_came_of_the_leg(trained: Trained) -> None:
    _beat(trained.store)
    told = trained.other()
    offer = trained.taken()
    assert (offer.leg, offer.prepared) == (OTHER, PREPARED)
    assert trained.store.offers.tell(offer, "helper", a_report(OTHER))
    assert told.result(30) == LegReport.model_validate(a_report(OTHER).model_dump())


def test_a_leg_given_back_or_lost_may_be_asked_again(trained: Trained) -> None:
    _beat(trained.store)
    given_back = trained.other()
    offer = trained.taken()
    cancelled = a_report(OTHER, outcome="cancelled").model_copy(update={"measurements": ()})
    trained.store.offers.tell(offer, "helper", cancelled)
    assert given_back.result(30) is None
    lost = trained.other()
    trained.taken("one that has died")
    assert lost.result(30) is None


def test_a_leg_that_helpers_die_of_is_left_alone_at_last(trained: Trained) -> None:
    for _ in range(ATTEMPTS_MAX):
        lost = trained.other()
        trained.taken("one that has died")
        assert lost.result(30) is None
    report = trained.other().result(30)
    assert report is not None
    assert report.outcome == "failed"
    assert report.detail == f"{ATTEMPTS_MAX} workers died while they trained it"
    assert trained.store.offers.take("helper", CREW.name) is None


def test_a_leg_that_another_trains_is_not_waited_for_when_all_shall_stop(trained: Trained) -> None:
    _beat(trained.store)
    report = trained.other()
    offer = trained.taken()
    trained.is_stopped = True
    stopped = report.result(30)
    assert stopped is not None
    assert stopped.outcome == "cancelled"
    assert not trained.store.offers.tell(offer, "helper", a_report(OTHER))


def test_what_nobody_took_is_trained_here_once_the_device_is_free(trained: Trained) -> None:
    other = trained.other()
    time.sleep(0.3)
    assert not other.done()
    trained.store.calibrations.tell(trained.id, a_report(OTHER))
    for leg, report in ((OWN, trained.train(OWN)), (OTHER, other)):
        assert report.result(30) == LegReport.model_validate(a_report(leg).model_dump())
    assert trained.store.offers.take("helper", CREW.name) is None
