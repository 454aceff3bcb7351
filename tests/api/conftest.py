"""Fixtures for the service: a site of one's own, or a server that many tests share."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from api.settings import Settings
from tests.api.in_process import Client, in_process
from tests.api.servers import Site, site
from tests.databases import BACKENDS, postgresql_database, sqlite_database


@pytest.fixture
def own_site(database_url: str, tmp_path: Path) -> Iterator[Site]:
    """A fresh data folder and database, once of each kind; no server runs yet."""
    with site(database_url, tmp_path) as found:
        yield found


@pytest.fixture(scope="module")
def queueing(postgresql: sa.URL, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A site on PostgreSQL with a server that only queues; workers stay from test to test."""
    with (
        postgresql_database(postgresql) as url,
        site(url, tmp_path_factory.mktemp("queueing")) as found,
    ):
        found.serve(
            ADVISOR_RUNS_CALIBRATIONS="false",
            ADVISOR_DEAD_AFTER_SECONDS="4",
            ADVISOR_REQUESTS_PER_MINUTE="100000",  # tests ask again and again
        )
        yield found


@pytest.fixture(scope="session")
def postgresql_served(
    postgresql: sa.URL, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    """As `sqlite_served`, on PostgreSQL."""
    folder = tmp_path_factory.mktemp("served")
    with postgresql_database(postgresql) as url, site(url, folder) as found:
        found.serve()
        yield found


@pytest.fixture(params=BACKENDS)
def served(request: pytest.FixtureRequest) -> Site:
    """A site with a server that runs, shared by all tests of a process, once of each kind."""
    return request.getfixturevalue(f"{request.param}_served")


@pytest.fixture
def http(database_url: str, tmp_path: Path) -> Iterator[Client]:
    """The app in this process over a fresh database of each kind; its data folder is tmp_path."""
    with in_process(Settings(data_dir=tmp_path, database_url=database_url)) as client:
        yield client


@pytest.fixture
def lone(tmp_path: Path) -> Iterator[Client]:
    """The same on SQLite alone, for what no database changes."""
    with in_process(Settings(data_dir=tmp_path, database_url=sqlite_database(tmp_path))) as client:
        yield client
