"""The store under test, once over SQLite and once over PostgreSQL."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from store.engine import Store, open_store
from tests.databases import BACKENDS, postgresql_database, sqlite_url


@pytest.fixture(params=BACKENDS)
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of a database without any table, for what makes and upgrades them."""
    if request.param == "sqlite":
        yield sqlite_url(tmp_path)
        return
    with postgresql_database(request.getfixturevalue("postgresql"), is_empty=True) as url:
        yield url


@pytest.fixture
def store(database_url: str) -> Iterator[Store]:
    opened = open_store(database_url)
    yield opened
    opened.close()
