"""Schema: brings a database to the newest migration, once, whoever else tries at the same time.

On SQLite the file is copied first, if there is anything in it to lose. Migrations run inside one
transaction on both databases: a failed upgrade leaves the old state.
"""

import sqlite3
import time
from contextlib import closing
from functools import cache
from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from advisor.errors import StoreOutdatedError
from store.database import BUSY_SECONDS, create_engine, parse_url

MIGRATIONS = Path(__file__).parent / "migrations"
_ADVISORY_LOCK = 0x50F7AD01  # any number that no one else uses in this database


def upgrade(url: str) -> None:
    """Bring the database at this URL to the newest schema; raises StoreOutdatedError if newer."""
    parsed = parse_url(url)
    is_sqlite = parsed.get_backend_name() == "sqlite"
    # Foreign keys are off here because SQLite changes a table by replacing it.
    engine = create_engine(parsed, foreign_keys=False, poolclass=sa.NullPool)
    if is_sqlite:
        _use_write_ahead_log(Path(str(parsed.database)))
    try:
        with engine.execution_options(is_write=True).begin() as connection:
            if not is_sqlite:
                connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_ADVISORY_LOCK)))
            revision = current_revision(connection)
            if revision == newest_revision():
                return
            if is_sqlite:
                _back_up(Path(str(parsed.database)))
            command.upgrade(_config(connection), "head")
            if is_sqlite:
                _check_foreign_keys(connection)
    finally:
        engine.dispose()


def check(connection: sa.Connection) -> None:
    """Raise StoreOutdatedError unless the database has the newest schema."""
    revision = current_revision(connection)
    if revision != newest_revision():
        raise StoreOutdatedError(
            f"the database is at schema {revision or 'none'}, this version needs "
            f"{newest_revision()}; run `softmax-advisor db upgrade`"
        )


def newest_revision() -> str:
    """The revision that this version of the code works with."""
    return _revisions()[0]


def current_revision(connection: sa.Connection) -> str | None:
    """The revision of a database, None if it has none; raises if this version does not know it."""
    revision = MigrationContext.configure(connection).get_current_revision()
    if revision is not None and revision not in _revisions():
        raise StoreOutdatedError(
            f"the database is at schema {revision}, which a newer version made; "
            "use that version, or a backup from before its upgrade"
        )
    return revision


@cache
def _revisions() -> tuple[str, ...]:
    """All revisions of this version, the newest first."""
    scripts = ScriptDirectory(str(MIGRATIONS))
    return tuple(script.revision for script in scripts.walk_revisions())


def _config(connection: sa.Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config


def _check_foreign_keys(connection: sa.Connection) -> None:
    broken = connection.exec_driver_sql("PRAGMA foreign_key_check").first()
    if broken is not None:
        raise RuntimeError(f"the upgrade would leave a row of {broken[0]} that points nowhere")


def _use_write_ahead_log(file: Path) -> None:
    """WAL is a property of the file. Changing it does not wait for others, so we do."""
    deadline = time.monotonic() + BUSY_SECONDS
    with closing(sqlite3.connect(file, timeout=BUSY_SECONDS)) as connection:
        while True:
            try:
                connection.execute("PRAGMA journal_mode = WAL")
                return
            except sqlite3.OperationalError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)


def _back_up(file: Path) -> None:
    """Copy the file as it is, beside itself; the upgrade's lock keeps writers out meanwhile."""
    with closing(sqlite3.connect(file, timeout=BUSY_SECONDS)) as source:
        if source.execute("SELECT count(*) FROM sqlite_master").fetchone() == (0,):
            return
        target_file = file.with_name(f"{file.name}.before-{newest_revision()}.backup")
        unfinished = target_file.with_suffix(".unfinished")
        unfinished.unlink(missing_ok=True)
        with closing(sqlite3.connect(unfinished)) as target:
            source.backup(target)
        unfinished.replace(target_file)
