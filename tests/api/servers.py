"""Real servers and workers for tests: processes as a user starts them, that tests may kill."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import httpx
import psutil
import sqlalchemy as sa

from tests.small_data import six_losses, write_interactions

T = TypeVar("T")
PATIENCE_SECONDS = 120.0
LEFT_BEHIND_SECONDS = 60.0  # what starts children notices only once it has loaded torch
_SERVE = "from api.app import serve; from api.settings import Settings; serve(Settings(), {!r}, {})"
_WORK = "from api.app import run_worker; from api.settings import Settings; run_worker(Settings())"


def eventually(question: Callable[[], T | None], seconds: float = PATIENCE_SECONDS) -> T:
    """The first answer that is true; fails after so many seconds."""
    deadline = time.monotonic() + seconds
    while not (answer := question()):
        assert time.monotonic() < deadline, f"not within {seconds} s: {question}"
        time.sleep(0.2)
    return answer


class Program:
    """A process of ours with its children, and the environment it was started with."""

    def __init__(self, code: str, folder: Path, environment: dict[str, str], name: str) -> None:
        self.log = folder / f"{name}-{time.time_ns()}.log"
        clean = {k: v for k, v in os.environ.items() if not k.startswith("ADVISOR_")}
        with self.log.open("w") as log:
            # Its own folder as the current one: nothing may depend on where it is started.
            self.process = subprocess.Popen(
                [sys.executable, "-P", "-c", code],
                cwd=folder,
                env=clean | environment,
                stdout=log,
                stderr=log,
            )
        self.seen: dict[int, psutil.Process] = {}

    def children(self) -> list[psutil.Process]:
        """All descendants that live now; they are remembered for `left_behind`."""
        try:
            found = psutil.Process(self.process.pid).children(recursive=True)
        except psutil.NoSuchProcess:
            return []
        self.seen |= {child.pid: child for child in found}
        return found

    def left_behind(self) -> list[psutil.Process]:
        """Descendants that still live, of those ever seen."""
        return [
            child
            for child in self.seen.values()
            if child.is_running() and child.status() != psutil.STATUS_ZOMBIE
        ]

    def kill(self) -> None:
        """kill -9, then no descendant may live on for longer than loading torch takes."""
        self.children()
        self.process.kill()
        self.process.wait()
        eventually(lambda: not self.left_behind(), LEFT_BEHIND_SECONDS)

    def terminate(self) -> float:
        """SIGTERM; returns the seconds until it had ended, children and all."""
        self.children()
        started = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(timeout=30)
        eventually(lambda: not self.left_behind(), LEFT_BEHIND_SECONDS)
        return time.monotonic() - started

    def memory_maps(self) -> str:
        return Path(f"/proc/{self.process.pid}/maps").read_text()


class Site:
    """A data folder with a small task in it, a database, and the programs started on them."""

    def __init__(self, database_url: str, folder: Path) -> None:
        self.database_url, self.folder = database_url, folder
        self.data_dir = folder / "data"
        self.data_dir.mkdir(parents=True, exist_ok=True)
        write_interactions(self.data_dir / "orders.csv")
        self.port = _free_port()
        self.programs: list[Program] = []
        self.workers: dict[str, Program] = {}
        self.http = httpx.Client(base_url=f"http://127.0.0.1:{self.port}", timeout=60)
        self._engine = sa.create_engine(database_url)

    def serve(self, address: str = "127.0.0.1", **settings: str) -> Program:
        """A server, ready; on PostgreSQL too it runs calibrations unless told otherwise."""
        settings = {"ADVISOR_RUNS_CALIBRATIONS": "true", **settings}
        program = self._start(_SERVE.format(address, self.port), "server", settings)

        def is_ready() -> bool:
            assert program.process.poll() is None, program.log.read_text()
            try:
                return self.http.get("/readyz").status_code == 200
            except httpx.TransportError:
                return False

        eventually(is_ready)
        return program

    def work(self, **settings: str) -> Program:
        """A worker, perhaps still starting."""
        return self._start(_WORK, "worker", settings)

    def worker(self, slot: str, tag: str = "cpu") -> Program:
        """The slot's worker that lives, or a new one, perhaps still starting.

        It is taken as dead after 4 s of silence.
        """
        living = self.workers.get(slot)
        if living is None or living.process.poll() is not None:
            settings = {"ADVISOR_DEVICE_SLOT": slot, "ADVISOR_TAG": tag}
            self.workers[slot] = self.work(**settings, ADVISOR_DEAD_AFTER_SECONDS="4")
        return self.workers[slot]

    def upgrade(self) -> None:
        """What `db upgrade` does."""
        from api.app import upgrade_database
        from api.settings import Settings

        upgrade_database(Settings(data_dir=self.data_dir, database_url=self.database_url))

    def task(self, **changes: Any) -> dict[str, Any]:
        """A task of the site: six losses, settled after about 50 legs."""
        fields = {
            "name": "shop",
            "data": {"path": "orders.csv"},
            "metric": "ndcg@10",
            "model": {"embedding_dim": 16},
            "training": {"batch_size": 256},
            "horizon": {"epochs": 5},
            "losses": six_losses(),
        }
        return fields | changes

    def calibrate(self, budget_seconds: float = 60, **changes: Any) -> str:
        """Ask for a calibration; returns its id."""
        body = {"task": self.task(**changes), "budget_seconds": budget_seconds}
        answer = self.http.post("/v1/calibrations", json=body)
        assert answer.status_code == 202, answer.text
        return answer.json()["id"]

    def calibration(self, calibration_id: str) -> dict[str, Any]:
        return self.http.get(f"/v1/calibrations/{calibration_id}").json()

    def calibration_status(self, calibration_id: str) -> str:
        """How it stands in the database, whether a server runs or not."""
        query = sa.text("SELECT status FROM calibrations WHERE id = :id")
        with self._engine.connect() as connection:
            return connection.execute(query, {"id": calibration_id}).scalar_one()

    def ended(self, calibration_id: str) -> dict[str, Any]:
        """The calibration once it has ended."""

        def ended() -> dict[str, Any] | None:
            found = self.calibration(calibration_id)
            return found if found["status"] not in ("queued", "running") else None

        return eventually(ended)

    def trials(self, calibration_id: str) -> list[dict[str, Any]]:
        wanted = {"calibration_id": calibration_id, "page_size": 1000}
        return self.http.get("/v1/trials", params=wanted).json()["items"]

    def told(self, calibration_id: str, at_least: int) -> None:
        """Wait until so many legs have been told."""

        def are_told() -> bool:
            found = self.calibration(calibration_id)
            assert found["status"] in ("queued", "running"), found
            return sum(t["legs_told"] for t in self.trials(calibration_id)) >= at_least

        eventually(are_told)

    def legs(self, calibration_id: str | None = None) -> dict[str, dict[str, Any]]:
        """Every leg, or those of a calibration, as they stand in the database."""
        query = "SELECT legs.* FROM legs JOIN trials ON trials.id = legs.trial_id"
        if calibration_id is not None:
            query += " WHERE trials.calibration_id = :id"
        with self._engine.connect() as connection:
            rows = connection.execute(sa.text(query), {"id": calibration_id}).mappings()
            return {row["id"]: dict(row) for row in rows}

    def offers(self) -> list[dict[str, Any]]:
        """The legs that are offered to idle workers, or trained by them now."""
        with self._engine.connect() as connection:
            rows = connection.execute(sa.text("SELECT * FROM offers")).mappings()
            return [dict(row) for row in rows]

    def legs_of(self, trial_id: str) -> list[dict[str, Any]]:
        return [leg for leg in self.legs().values() if leg["trial_id"] == trial_id]

    def forget_connections(self) -> None:
        """Ours to the database are made anew; theirs are not touched."""
        self._engine.dispose()

    def drop_connections(self) -> None:
        """PostgreSQL ends every connection to this database but the one that asks."""
        name = sa.make_url(self.database_url).database
        ends = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        with self._engine.connect() as connection:
            others = "WHERE datname = :name AND pid <> pg_backend_pid()"
            connection.execute(sa.text(f"{ends} {others}"), {"name": name})

    @contextmanager
    def without_database(self) -> Iterator[None]:
        """PostgreSQL has no such database meanwhile, and all connections to it have ended."""
        url = sa.make_url(self.database_url)
        engine = sa.create_engine(url.set(database="postgres"), isolation_level="AUTOCOMMIT")
        self._engine.dispose()
        with engine.connect() as connection:
            connection.exec_driver_sql(f"DROP DATABASE {url.database} WITH (FORCE)")
            yield
            connection.exec_driver_sql(f"CREATE DATABASE {url.database}")
        engine.dispose()

    @contextmanager
    def frozen_database(self) -> Iterator[None]:
        """PostgreSQL's processes for this database do nothing meanwhile."""
        url = sa.make_url(self.database_url)
        query = sa.text("SELECT pid FROM pg_stat_activity WHERE datname = :name")
        engine = sa.create_engine(url.set(database="postgres"), poolclass=sa.NullPool)
        with engine.connect() as connection:
            found = [*connection.execute(query, {"name": url.database}).scalars()]
        try:
            for pid in found:
                os.kill(pid, signal.SIGSTOP)
            yield
        finally:
            for pid in found:
                os.kill(pid, signal.SIGCONT)

    def close(self) -> None:
        self.http.close()
        self._engine.dispose()
        for program in self.programs:
            program.children()
            program.process.kill()
            program.process.wait()
            for child in program.left_behind():
                child.kill()

    def _start(self, code: str, name: str, settings: dict[str, str]) -> Program:
        environment = {
            "ADVISOR_DATABASE_URL": self.database_url,
            "ADVISOR_DATA_DIR": str(self.data_dir),
            "ADVISOR_THREADS": "1",  # two threads would wait for each other on a busy machine
            **settings,
        }
        self.programs.append(Program(code, self.folder, environment, name))
        return self.programs[-1]


@contextmanager
def site(database_url: str, folder: Path) -> Iterator[Site]:
    """A site whose programs and their children are gone at the end."""
    found = Site(database_url, folder)
    try:
        if not database_url.startswith("sqlite"):
            found.upgrade()
        yield found
    finally:
        found.close()


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]
