"""Databases that older versions wrote are upgraded, and nothing in them is lost.

`schemas/` holds one of each schema ever released, as `sqlite3 advisor.sqlite .dump` writes it. A
release with a new schema adds its own; none is ever changed.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext

from store.engine import Store, open_store, upgrade
from store.schema import MIGRATIONS, newest_revision
from store.tables import Row
from tests.store.examples import TASK, a_leg, a_report

SCHEMAS = sorted((Path(__file__).parent / "schemas").glob("*.sql"))


@pytest.fixture(params=SCHEMAS, ids=lambda file: file.stem)
def old(request: pytest.FixtureRequest, empty_url: str, tmp_path: Path) -> str:
    """The URL of a database as that version left it, on SQLite and on PostgreSQL."""
    file = tmp_path / "advisor.sqlite"
    with closing(sqlite3.connect(file)) as connection:
        connection.executescript(request.param.read_text())
    if not empty_url.startswith("sqlite"):
        _copy(f"sqlite:///{file}", empty_url, request.param.stem)
    return empty_url


def _copy(source_url: str, target_url: str, revision: str) -> None:
    """The same rows in PostgreSQL, at the same revision."""
    source, target = (sa.create_engine(url) for url in (source_url, target_url))
    with target.begin() as writing:
        config = Config()
        config.set_main_option("script_location", str(MIGRATIONS))
        config.attributes["connection"] = writing
        command.upgrade(config, revision)
        tables = sa.MetaData()
        tables.reflect(writing)
        with source.connect() as reading:
            old = sa.MetaData()
            old.reflect(reading)
            for table in tables.sorted_tables:
                if table.name == "alembic_version":
                    continue
                rows = reading.execute(sa.select(old.tables[table.name])).mappings().all()
                if rows:
                    writing.execute(table.insert(), [_in_utc(row) for row in rows])
    source.dispose()
    target.dispose()


def _in_utc(row: Any) -> dict[str, Any]:
    return {
        name: value.replace(tzinfo=UTC) if isinstance(value, datetime) else value
        for name, value in row.items()
    }


@pytest.fixture
def upgraded(old: str) -> Iterator[Store]:
    upgrade(old)
    opened = open_store(old)
    yield opened
    opened.close()


def test_an_old_schema_becomes_the_newest(old: str) -> None:
    upgrade(old)
    engine = sa.create_engine(old)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection)
        assert context.get_current_revision() == newest_revision()
        assert compare_metadata(context, Row.metadata) == []
    engine.dispose()


def test_what_was_measured_and_answered_is_still_there(upgraded: Store) -> None:
    queued, ended = upgraded.calibrations.list("local").items
    assert (queued.status, ended.status) == ("queued", "succeeded")
    assert ended.task == TASK
    answer = upgraded.recommendations.get("local", str(ended.recommendation_id))
    assert (answer.loss, answer.calibration_id) == ("softmax", ended.id)
    told = upgraded.calibrations.told("local", "shop-data", "laptop")
    assert len(told) == 8
    assert {report.leg.trial.candidate.loss for report in told} == {"softmax", "bpr"}
    assert [m.value for m in told[0].measurements] == [0.2 + 0.1, 0.2 + 0.1]  # to the last bit
    assert len(upgraded.calibrations.probes("local", "shop-data", "laptop")) == 2
    assert len(upgraded.calibrations.trials("local", ended.id).items) == 4
    (own,) = upgraded.evidence.profiles("local").items
    assert (own.final_value, len(own.curve), own.shared) == (0.3, 2, False)
    (shared,) = upgraded.evidence.profiles("acme").items
    assert shared.shared
    assert {device.id for device in upgraded.evidence.devices(None)} == {"laptop"}


def test_a_calibration_that_waited_is_run_to_its_end(upgraded: Store) -> None:
    queued = upgraded.calibrations.list("local", "queued").items[0]
    upgraded.calibrations.start(queued.id)
    upgraded.calibrations.prepared(queued.id, "shop-data", "laptop")
    known = upgraded.calibrations.told("local", "shop-data", "laptop")
    leg = a_leg(until=300, begin=200)
    assert upgraded.calibrations.lease(queued.id, leg) is None
    upgraded.calibrations.tell(queued.id, a_report(leg))
    assert len(upgraded.calibrations.told("local", "shop-data", "laptop")) == len(known) + 1
    assert upgraded.calibrations.finish(queued.id, "cancelled").status == "cancelled"
