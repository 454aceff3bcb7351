"""Engine: runs queued calibrations durably; the only module that knows DBOS.

One workflow per calibration, on a queue per device tag, one at a time per process. Our store is
the truth of what a calibration has learnt; the engine only sees to it that someone runs it. What
DBOS lacks is here: a heartbeat by the database's clock, the rescue of what a dead process left,
and a fence for a frozen one that comes back.
"""

import asyncio
import logging
import math
import multiprocessing
import os
import socket
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any, TextIO

from dbos import DBOS, DBOSConfig, DBOSPortableJSONSerializer, SetWorkflowID, WorkflowStatus

from advisor.calibration import Calibration
from advisor.errors import AdvisorError, NotFoundError, TaskInvalidError
from api.logs import about
from api.settings import Settings
from api.slot import crew_of, taken_slot, worker_id
from api.stories import calibrate, helping
from api.stories.service import COMMAND_LINE_TAG, EXTERNAL_TAG, Service
from profiler.isolation import start_server, wait_for_server
from store.database import parse_url

# Work that is pending under another version is never taken up again: see docs of DBOS.
APPLICATION_VERSION = "calibrations-1"
POLL_SECONDS = 0.2
NEXT_LEG_WITHIN_SECONDS = 2.0
BEATS_TO_DEATH = 10
RECONCILE_SECONDS = 30.0
RETRY_SECONDS = 2.0
STOP_SECONDS = 3.0
_WORKFLOW = "calibration"
_NOT_OURS = (COMMAND_LINE_TAG, EXTERNAL_TAG)
_OVER = ("SUCCESS", "ERROR", "CANCELLED", "MAX_RECOVERY_ATTEMPTS_EXCEEDED")

_log = logging.getLogger(__name__)


class EngineNotReadyError(AdvisorError):
    """The engine is not running."""


class Engine:
    """The durable engine of this process; there can be one at a time, since DBOS is a singleton.

    With `runs` it runs calibrations of its tag; without, it only queues them.
    """

    def __init__(self, settings: Settings, service: Service, *, runs: bool) -> None:
        self._settings, self._service, self._runs = settings, service, runs
        self.id = worker_id(settings) if runs else f"{socket.gethostname()}-queues-{os.getpid()}"
        self._stopping = threading.Event()
        self._beaten_at = _uptime_seconds()
        self._n_absences = 0
        self._current: str | None = None
        self._threads: list[threading.Thread] = []
        self._slot: TextIO | None = None
        self._crew: helping.Crew | None = None

    def start(self) -> None:
        """Take the slot, launch, and take up what this process or a dead one left; blocks."""
        self._slot = taken_slot(self._settings) if self._runs else None
        if self._runs and not self._settings.is_sqlite:  # whose only worker is the server
            self._crew = crew_of(self._settings, self._service.workspace.device.id)
        if self._runs:
            self._beat()
        DBOS(config=self._config())
        DBOS.listen_queues([_queue(self._settings.tag)] if self._runs else [])
        self._workflow = self._registered_workflow()
        DBOS.launch()
        self._register(self._settings.tag)
        self._begin(self._keep_alive, "heartbeat")
        if self._crew is not None:
            self._begin(partial(self._help, self._crew), "helper")
        if self._runs:
            start_server()  # torch is loaded before the first leg, on nobody's budget

    def stop(self) -> None:
        """Stop within seconds; what runs is left for the next start, or for another worker."""
        self._stopping.set()
        # Only now: what becomes of a child is not told any more. Who waits for one goes on.
        for child in multiprocessing.active_children():
            child.kill()
        deadline = time.monotonic() + STOP_SECONDS
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        DBOS.destroy(destroy_registry=True)
        if self._slot is not None:
            with suppress(Exception):  # the database may be what we stop for
                self._service.store.workers.forget(self.id)
            self._slot.close()

    def check_tag(self, tag: str) -> None:
        """Raise TaskInvalidError for a tag that no worker will ever serve."""
        is_alone = self._settings.is_sqlite and tag != self._settings.tag
        if is_alone or tag in _NOT_OURS:
            raise TaskInvalidError(
                f"device_tag: no worker has the tag {tag!r}; this server's is "
                f"{self._settings.tag!r}"
            )

    def enqueue(self, calibration: Calibration) -> None:
        """Have someone run it, once, however often this is called."""
        self._register(calibration.device_tag)
        with SetWorkflowID(calibration.id):
            DBOS.enqueue_workflow(
                _queue(calibration.device_tag),
                self._workflow,
                calibration.tenant,
                calibration.id,
            )

    def check_ready(self) -> None:
        """Raise unless the engine's database answers and the heartbeat is fresh."""
        DBOS.list_workflows(limit=1, load_input=False, load_output=False)
        if self._stopping.is_set():
            raise EngineNotReadyError("the engine stops")
        silent_seconds = self._silent_seconds()
        if silent_seconds > self._settings.dead_after_seconds:
            raise EngineNotReadyError(f"the engine has been silent for {silent_seconds:.0f} s")

    def _config(self) -> DBOSConfig:
        return DBOSConfig(
            name="softmax-advisor",
            system_database_url=engine_url(self._settings),
            dbos_system_schema="dbos",
            application_version=APPLICATION_VERSION,
            executor_id=self.id,
            serializer=DBOSPortableJSONSerializer(),
            sys_db_pool_size=5,
            log_level="ERROR",
        )

    def _register(self, tag: str) -> None:
        DBOS.register_queue(
            _queue(tag),
            worker_concurrency=1,
            polling_interval_sec=POLL_SECONDS,
            on_conflict="never_update",
        )

    def _begin(self, target: Callable[[], None], name: str) -> None:
        thread = threading.Thread(target=target, name=name, daemon=True)
        self._threads = [t for t in self._threads if t.is_alive()] + [thread]
        thread.start()

    def _registered_workflow(self) -> Callable[[str, str], Coroutine[Any, Any, str]]:
        @DBOS.step(name="run", preemptible=True)
        async def run(tenant: str, calibration_id: str) -> str:
            return await self._run(tenant, calibration_id)

        @DBOS.workflow(name=_WORKFLOW)
        async def calibration(tenant: str, calibration_id: str) -> str:
            return await run(tenant, calibration_id)

        return calibration

    # Running -----------------------------------------------------------------------------------

    async def _run(self, tenant: str, calibration_id: str) -> str:
        """The step: run the story in a plain thread, which may last for hours."""
        loop = asyncio.get_running_loop()
        ended: asyncio.Future[str] = loop.create_future()
        abandoned = threading.Event()

        def work() -> None:
            with about(calibration_id=calibration_id):
                status = self._run_in_thread(tenant, calibration_id, abandoned)
            # Without a status nothing is answered: the workflow stays pending until it is
            # taken up again, here after a restart or by another process.
            if status is not None:
                with suppress(RuntimeError):  # the loop has been closed meanwhile
                    loop.call_soon_threadsafe(_answer, ended, status)

        self._begin(work, f"calibration-{calibration_id}")
        try:
            return await ended
        finally:
            abandoned.set()

    def _run_in_thread(
        self, tenant: str, calibration_id: str, abandoned: threading.Event
    ) -> str | None:
        lease, n_absences = _lease_of(calibration_id), self._n_absences

        def check() -> None:
            nonlocal n_absences
            if abandoned.is_set() or self._stopping.is_set():
                raise calibrate.CalibrationInterruptedError("this worker stops")
            # Only a worker that was away for long, frozen or asleep, may have been taken for dead.
            if self._silent_seconds() < self._absent_seconds and n_absences == self._n_absences:
                return
            while self._silent_seconds() >= self._absent_seconds:
                if self._stopping.wait(POLL_SECONDS):
                    return check()
            n_absences = self._n_absences
            if _lease_of(calibration_id) != lease:
                raise calibrate.CalibrationInterruptedError("another worker has taken it over")

        self._current = calibration_id
        try:
            while True:
                try:
                    check()
                    ended = calibrate.run(
                        self._service, calibration_id, check=check, crew=self._crew
                    )
                    return ended.status
                except NotFoundError as error:
                    return str(error)
                except calibrate.CalibrationInterruptedError as error:
                    _log.warning("calibration %s: %s", calibration_id, error)
                    # Taken over: whatever this execution answers is thrown away by the engine.
                    return None if self._stopping.is_set() else "interrupted"
                except Exception:
                    _log.exception("calibration %s: the database is away?", calibration_id)
                self._stopping.wait(RETRY_SECONDS)
        finally:
            self._current = None

    def _silent_seconds(self) -> float:
        return _uptime_seconds() - self._beaten_at

    @property
    def _absent_seconds(self) -> float:
        return self._settings.dead_after_seconds / 2

    # Helping -----------------------------------------------------------------------------------

    def _help(self, crew: helping.Crew) -> None:
        """Train legs of others while nothing of our own runs, which goes before them."""
        helped_at = -math.inf

        def is_needed() -> bool:
            return self._stopping.is_set() or self._current is not None

        while not self._stopping.is_set():
            try:
                # What an earlier process of this slot had taken, or this one before an outage.
                self._service.store.offers.give_back(self.id)
                wait_for_server()  # or the first leg would take longer than others
                while not self._stopping.is_set():
                    if not is_needed() and helping.help_once(self._service, crew, is_needed):
                        helped_at = time.monotonic()
                    is_soon = time.monotonic() - helped_at < NEXT_LEG_WITHIN_SECONDS
                    self._stopping.wait(POLL_SECONDS / 10 if is_soon else POLL_SECONDS)
            except Exception as error:  # an outage of the database
                _log.warning("no help for others: %s", error)
                self._stopping.wait(RETRY_SECONDS)

    # Heartbeat ---------------------------------------------------------------------------------

    def _keep_alive(self) -> None:
        reconcile_at = 0.0
        while not self._stopping.is_set():
            try:
                self._beat()
                self._rescue()
                if time.monotonic() >= reconcile_at:
                    self._reconcile()
                    reconcile_at = time.monotonic() + RECONCILE_SECONDS
            except Exception as error:  # an outage of the database: the next beat tries again
                _log.warning("no heartbeat: %s", error)
            self._stopping.wait(self._settings.dead_after_seconds / BEATS_TO_DEATH)

    def _beat(self) -> None:
        if self._runs:
            device = self._service.workspace.device.id
            workers = self._service.store.workers
            workers.beat(
                self.id,
                device,
                self._settings.tag,
                self._current,
                self._settings.device_slot,
                self._crew.name if self._crew else None,
            )
        else:
            self._service.store.ping()
        # In this order: who looks meanwhile sees the silence, or that there was one.
        if self._silent_seconds() >= self._absent_seconds:
            self._n_absences += 1
        self._beaten_at = _uptime_seconds()

    def _rescue(self) -> None:
        """Put back into their queues what processes hold that are not alive any more."""
        workers = self._service.store.workers
        dead = {*workers.dead(self._settings.dead_after_seconds)} - {self.id}
        alive = {worker.id for worker in workers.list()} - dead | {self.id}
        pending = DBOS.list_workflows(
            status="PENDING", name=_WORKFLOW, load_input=False, load_output=False
        )
        lost = {str(workflow.executor_id) for workflow in pending} - alive
        if lost:
            _log.warning("taking over from %s", ", ".join(sorted(lost)))
            # Private, but the only way without the vendor's own service; the tests hold it.
            DBOS._recover_pending_workflows(sorted(lost))  # pyright: ignore[reportPrivateUsage]
        for id_ in dead:
            workers.forget(id_)

    def _reconcile(self) -> None:
        """No calibration without a workflow, none that waits for a workflow that is gone."""
        for calibration in self._unended():
            workflow: WorkflowStatus | None = DBOS.get_workflow_status(calibration.id)
            if workflow is None:
                self.enqueue(calibration)
            elif workflow.status in _OVER:
                sentence = f"the engine gave it up ({workflow.status}); ask for it again"
                self._service.store.calibrations.finish(calibration.id, "failed", error=sentence)

    def _unended(self) -> Iterator[Calibration]:
        for status in ("queued", "running"):
            after = None
            while True:
                page = self._service.store.calibrations.list(None, status=status, after=after)
                for calibration in page.items:
                    if calibration.device_tag not in _NOT_OURS:
                        yield calibration
                after = page.next_token
                if after is None:
                    break


@contextmanager
def running_engine(settings: Settings, service: Service, *, runs: bool) -> Iterator[Engine]:
    """An engine that is started, and stopped at the end."""
    engine = Engine(settings, service, runs=runs)
    try:
        engine.start()
        yield engine
    finally:
        engine.stop()


def engine_url(settings: Settings) -> str:
    """Its own SQLite file beside ours, its own schema in our PostgreSQL database."""
    url = parse_url(settings.database_url)
    if settings.is_sqlite:
        file = Path(str(url.database)).with_name("engine.sqlite")
        return url.set(database=str(file)).render_as_string()
    return url.render_as_string(hide_password=False)


def upgrade_engine(settings: Settings) -> None:
    """Bring the engine's tables to the version that this program needs."""
    DBOS.migrate(engine_url(settings), schema="dbos")


def _uptime_seconds() -> float:
    """A clock that goes on while the machine sleeps, as the database's does."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


def _queue(tag: str) -> str:
    return f"calibrations-{tag}"


def _answer(ended: "asyncio.Future[str]", status: str) -> None:
    if not ended.done():
        ended.set_result(status)


def _lease_of(calibration_id: str) -> tuple[str | None, int | None]:
    """What changes when another execution, here or elsewhere, takes a workflow over."""
    workflow = DBOS.get_workflow_status(calibration_id)
    return (workflow.executor_id, workflow.recovery_attempts) if workflow else (None, None)
