"""Database: connections and transactions, the same for SQLite and PostgreSQL.

A read sees one state of the data; a write holds SQLite's write lock from its first statement, so
it waits for others instead of failing at the end.
"""

from collections.abc import Callable, Collection, Generator, Mapping, Sequence
from contextlib import closing, contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any, cast

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import ArgumentError
from sqlalchemy.orm import Session

from store.columns import json_text
from store.tables import Row

BUSY_SECONDS = 30
_AT_END = "at the end of the transaction"
_ALLOWED = "allowed are sqlite:///FILE and postgresql+psycopg://USER:PASSWORD@HOST/DATABASE"


def parse_url(url: str) -> sa.URL:
    """A database URL with its driver; raises ValueError that says which ones are served."""
    try:
        parsed = sa.make_url(url)
    except ArgumentError:
        raise ValueError(f"the database URL is not a URL; {_ALLOWED}") from None
    if parsed.drivername in ("postgres", "postgresql"):
        return parsed.set(drivername="postgresql+psycopg")
    is_file = parsed.drivername == "sqlite" and parsed.database not in (None, "", ":memory:")
    if parsed.drivername == "postgresql+psycopg" or is_file:
        return parsed
    raise ValueError(f"the database URL {parsed.render_as_string()!r} is not served; {_ALLOWED}")


def create_engine(url: sa.URL, *, foreign_keys: bool = True, **options: Any) -> sa.Engine:
    """An engine with our rules for transactions; a SQLite file's folder is made if need be."""
    options["json_serializer"] = json_text
    if url.get_backend_name() != "sqlite":
        return sa.create_engine(url, pool_pre_ping=True, **options)
    Path(str(url.database)).parent.mkdir(parents=True, exist_ok=True)
    engine = sa.create_engine(url, connect_args={"timeout": BUSY_SECONDS}, **options)

    def connected(connection: Any, _record: object) -> None:
        # The driver's own BEGIN comes too late, after the first read; ours is in `begun`.
        connection.isolation_level = None
        with closing(connection.cursor()) as cursor:
            cursor.execute(f"PRAGMA foreign_keys = {'ON' if foreign_keys else 'OFF'}")
            cursor.execute("PRAGMA synchronous = NORMAL")

    def begun(connection: sa.Connection) -> None:
        is_write = connection.get_execution_options().get("is_write", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if is_write else "BEGIN")

    event.listen(engine, "connect", connected)
    event.listen(engine, "begin", begun)
    return engine


def insert_or_update(
    session: Session | sa.Connection,
    row: type[Row],
    values: Mapping[str, Any],
    unique: Sequence[str],
    changed: Collection[str],
) -> None:
    """Insert a row; if one with the same unique columns is there, set the changed ones of it."""
    bound = session.get_bind() if isinstance(session, Session) else session
    dialect = bound.dialect.name
    statement = _insertion(dialect, row, tuple(unique), tuple(sorted(changed)))
    computed = {n: v for n, v in values.items() if isinstance(v, sa.ClauseElement)}
    if computed:  # by the database, as its clock is read
        statement = statement.values(computed)
    session.execute(statement, {n: v for n, v in values.items() if n not in computed})


@lru_cache(maxsize=64)
def _insertion(
    dialect: str, row: type[Row], unique: tuple[str, ...], changed: tuple[str, ...]
) -> sa.Insert:
    """The statement, built once: that takes longer than inserting a row."""
    insert = sqlite.insert if dialect == "sqlite" else postgresql.insert
    statement = insert(cast(sa.Table, row.__table__))  # past the ORM, which takes as long again
    if not changed:
        return statement.on_conflict_do_nothing(index_elements=unique)
    changes = {name: statement.excluded[name] for name in changed}
    return statement.on_conflict_do_update(index_elements=unique, set_=changes)


def at_end(session: Session, work: Callable[[Session], None]) -> None:
    """Do this once more in the session's transaction, after everything else and before its end."""
    session.info.setdefault(_AT_END, dict[Any, None]())[work] = None


class Database:
    """An engine, and sessions on it that last one call; safe to share between threads."""

    def __init__(self, engine: sa.Engine) -> None:
        self._reading = engine
        self._writing = engine.execution_options(is_write=True)

    @contextmanager
    def read(self) -> Generator[Session]:
        """A session that only reads."""
        with Session(self._reading) as session:
            yield session

    @contextmanager
    def write(self) -> Generator[Session]:
        """A session that is committed at the end, or rolled back by an exception."""
        with Session(self._writing) as session, session.begin():
            yield session
            for work in session.info.pop(_AT_END, {}):
                work(session)

    @contextmanager
    def connect(self) -> Generator[sa.Connection]:
        """A connection that only reads, for a short question that is asked often."""
        with self._reading.connect() as connection:
            yield connection

    @contextmanager
    def begin(self) -> Generator[sa.Connection]:
        """A connection as `write` is a session: for a row that is written often."""
        with self._writing.begin() as connection:
            yield connection

    def close(self) -> None:
        """Close all connections."""
        self._reading.dispose()
