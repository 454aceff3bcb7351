"""The store under test, once over SQLite and once over PostgreSQL."""

from collections.abc import Iterator

import pytest

from store.engine import Store, open_store, upgrade


@pytest.fixture
def store(database_url: str) -> Iterator[Store]:
    if not database_url.startswith("sqlite"):  # which upgrades itself
        upgrade(database_url)
    opened = open_store(database_url)
    yield opened
    opened.close()
