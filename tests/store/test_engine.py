"""Opening and upgrading a database, alone and in company."""

import sqlite3
import subprocess
import sys
import tomllib
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from advisor.errors import StoreOutdatedError
from store import schema
from store.engine import Store, open_store, upgrade
from store.schema import newest_revision
from store.tables import Row
from tests.databases import sqlite_url
from tests.store.examples import TASK

ROOT = Path(schema.__file__).parent


def tables(url: str) -> set[str]:
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    return set(sa.inspect(engine).get_table_names())


def execute(url: str, *statements: str) -> None:
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    with engine.begin() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)


def backups(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.backup"))


def test_the_migrations_make_exactly_the_tables(empty_url: str) -> None:
    upgrade(empty_url)
    engine = sa.create_engine(empty_url, poolclass=sa.NullPool)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection)
        assert compare_metadata(context, Row.metadata) == []
    assert tables(empty_url) == {*Row.metadata.tables, "alembic_version"}


def test_every_table_has_a_tenant() -> None:
    assert all("tenant" in table.columns for table in Row.metadata.tables.values())


def test_an_upgrade_of_the_newest_changes_nothing(empty_url: str, tmp_path: Path) -> None:
    upgrade(empty_url)
    opened = open_store(empty_url)
    created = opened.calibrations.create(TASK, 60, "cpu")
    opened.close()
    upgrade(empty_url)
    opened = open_store(empty_url)
    assert opened.calibrations.get("local", created.id) == created
    opened.close()
    assert backups(tmp_path) == []


def test_three_processes_may_upgrade_at_once(empty_url: str) -> None:
    program = "import sys; from store.engine import upgrade; upgrade(sys.argv[1])"
    command = [sys.executable, "-W", "error", "-c", program, empty_url]
    processes = [
        subprocess.Popen(command, stderr=subprocess.PIPE, text=True, cwd=ROOT.parent)
        for _ in range(3)
    ]
    for process in processes:
        _, complaint = process.communicate(timeout=60)
        assert (process.returncode, complaint) == (0, "")
    opened = open_store(empty_url)
    opened.ping()
    opened.close()


def test_a_failed_upgrade_leaves_the_old_state(empty_url: str) -> None:
    execute(empty_url, "CREATE TABLE workers (id INTEGER PRIMARY KEY)")
    with pytest.raises(sa.exc.DBAPIError):
        upgrade(empty_url)
    assert tables(empty_url) == {"workers"}
    execute(empty_url, "DROP TABLE workers")
    upgrade(empty_url)


def test_tables_of_others_are_left_alone(empty_url: str) -> None:
    execute(empty_url, "CREATE TABLE dbos_migrations (version INTEGER)")
    upgrade(empty_url)
    assert "dbos_migrations" in tables(empty_url)


def test_a_sqlite_file_is_backed_up_before_it_changes(tmp_path: Path) -> None:
    url = sqlite_url(tmp_path)
    execute(url, "CREATE TABLE precious (n INTEGER)", "INSERT INTO precious VALUES (7)")
    upgrade(url)
    (backup,) = backups(tmp_path)
    with closing(sqlite3.connect(backup)) as connection:
        assert connection.execute("SELECT n FROM precious").fetchall() == [(7,)]
        names = connection.execute("SELECT name FROM sqlite_master").fetchall()
    assert names == [("precious",)]
    assert list(tmp_path.glob("*.unfinished*")) == []


def test_a_database_of_a_newer_version_is_refused(empty_url: str) -> None:
    upgrade(empty_url)
    execute(empty_url, "UPDATE alembic_version SET version_num = '29991231'")
    for refuse in (upgrade, open_store):
        with pytest.raises(StoreOutdatedError, match="newer version"):
            refuse(empty_url)


def test_a_new_sqlite_file_needs_no_upgrade_by_hand(tmp_path: Path) -> None:
    opened = open_store(sqlite_url(tmp_path / "new folder"))
    opened.ping()
    opened.close()


def test_a_postgresql_that_was_not_upgraded_says_what_to_do(empty_url: str) -> None:
    if empty_url.startswith("sqlite"):
        open_store(empty_url).close()
        return
    with pytest.raises(StoreOutdatedError, match="db upgrade"):
        open_store(empty_url)


def test_sqlite_enforces_foreign_keys_and_writes_ahead(tmp_path: Path) -> None:
    opened = open_store(sqlite_url(tmp_path))
    id_ = opened.calibrations.create(TASK, 60, "cpu").id
    with pytest.raises(sa.exc.IntegrityError):
        opened.calibrations.prepared(id_, "shop-data", "no such device")
    with closing(sqlite3.connect(tmp_path / "advisor.sqlite")) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    opened.close()


def test_a_writer_waits_for_another_process(tmp_path: Path) -> None:
    opened = open_store(sqlite_url(tmp_path))
    program = (
        "import sqlite3, sys, time; c = sqlite3.connect(sys.argv[1]); "
        "c.execute('BEGIN IMMEDIATE'); print(flush=True); time.sleep(1); c.rollback()"
    )
    command = [sys.executable, "-c", program, str(tmp_path / "advisor.sqlite")]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        assert opened.calibrations.create(TASK, 60, "cpu").status == "queued"
    opened.close()


def test_a_database_that_does_not_answer_fails_the_ping(store: Store, database_url: str) -> None:
    store.ping()
    if database_url.startswith("sqlite"):
        return
    execute(
        database_url,
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() "
        "AND datname = current_database()",
    )
    store.ping()  # a lost connection is replaced


def test_an_unreachable_server_is_an_error() -> None:
    with pytest.raises(sa.exc.OperationalError):
        open_store("postgresql+psycopg://nobody@127.0.0.1:1/nothing")


@pytest.mark.parametrize("url", ["", "nonsense", "sqlite://", "sqlite:///:memory:", "mysql://h/d"])
def test_a_url_that_is_not_served_says_what_is(url: str) -> None:
    with pytest.raises(ValueError, match="allowed are sqlite:///FILE and postgresql"):
        upgrade(url)


def test_a_refused_url_hides_its_password() -> None:
    with pytest.raises(ValueError, match="not served") as refusal:
        upgrade("mysql://user:secret@host/database")
    assert "secret" not in str(refusal.value)


def test_migrations_are_named_by_date_verb_and_thing() -> None:
    for file in (ROOT / "migrations" / "versions").glob("[!_]*.py"):
        date, _verb, *things = file.stem.split("_")
        assert len(date) == 8
        assert date.isdigit()
        assert things
    assert newest_revision()[:8].isdigit()


def test_the_wheel_holds_every_file_of_the_store() -> None:
    settings = tomllib.loads((ROOT.parent / "pyproject.toml").read_text())
    patterns = settings["tool"]["setuptools"]["package-data"]["store"]
    packaged = {file for pattern in patterns for file in ROOT.glob(pattern)}
    others = {f for f in ROOT.rglob("*") if f.is_file() and f.suffix not in (".py", ".pyc")}
    assert others <= packaged
    folders = {f.parent for f in ROOT.rglob("*.py")}
    assert all((folder / "__init__.py").exists() for folder in folders)
