"""Fixtures for all tests: `database_url` is a database without rows, once of each kind, and
`sqlite_served` a server that all tests of a process share: they add to it, and delete nothing that
is not theirs.

Each process that runs tests computes on one thread (a second one mostly waits for the tensors of
tests, which are small), and starts with the files of slow tests and of those in a browser, so that
none is left to the end.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from tests.api.servers import Site, site
from tests.databases import (
    BACKENDS,
    postgresql_database,
    postgresql_server,
    sqlite_database,
    sqlite_url,
)

os.environ.setdefault("OMP_NUM_THREADS", "1")  # read when torch is imported, after this file


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    takes_long = ("slow", "browser")
    slow = {item.path for item in items if any(map(item.get_closest_marker, takes_long))}
    items.sort(key=lambda item: item.path not in slow)


@pytest.fixture(scope="session")
def postgresql() -> Iterator[sa.URL]:
    """The session's PostgreSQL server; starts at first use."""
    with postgresql_server() as server:
        yield server


@pytest.fixture(params=BACKENDS)
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of a database of this test's own, with the newest schema; for subprocesses too."""
    if request.param == "sqlite":
        yield sqlite_database(tmp_path)
        return
    with postgresql_database(request.getfixturevalue("postgresql")) as url:
        yield url


@pytest.fixture(scope="session")
def sqlite_served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A server on SQLite that runs calibrations; starts at first use."""
    folder = tmp_path_factory.mktemp("served")
    with site(sqlite_url(folder), folder) as found:
        found.serve()
        yield found
