"""docs/api.md is run: its lines in a shell, one after the other, against a real server."""

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from api.app import create_app
from api.settings import Settings
from tests.api.servers import Site, site
from tests.databases import sqlite_url
from tests.house.repository import text
from tests.small_data import write_interactions

PAGE = "docs/api.md"
BUDGET = re.compile(r'"budget_seconds": 60')


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Site]:
    with site(sqlite_url(tmp_path), tmp_path) as found:
        found.serve()
        yield found


def test_the_lines_of_the_page_can_be_pasted_into_a_shell(here: Site, tmp_path: Path) -> None:
    blocks = re.findall(r"```sh\n(.*?)```", text(PAGE), re.DOTALL)
    lines = BUDGET.sub('"budget_seconds": 8', "".join(blocks))
    lines = lines.replace("http://127.0.0.1:8000", str(here.http.base_url).rstrip("/"))
    work = tmp_path / "work"
    work.mkdir()
    write_interactions(work / "orders.csv", n_users=120, n_items=80, per_user=12)
    (work / ".curlrc").write_text("fail-with-body\nsilent\nshow-error\n")
    done = subprocess.run(
        ["sh", "-eux", "-c", lines],
        cwd=work,
        env={**os.environ, "CURL_HOME": str(work)},
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    assert "curl: (" not in done.stderr, done.stderr
    assert "event: decided" in done.stdout
    assert done.stdout.rstrip().endswith("304")
    assert (work / "profiles.csv").read_text().startswith("id,created_at,")
    assert (work / "profiles.parquet").read_bytes()[:4] == b"PAR1"


def test_the_page_names_every_operation_and_no_other(tmp_path: Path) -> None:
    paths = create_app(Settings(data_dir=tmp_path), address="127.0.0.1").openapi()["paths"]
    found = {f"{method.upper()} {path}" for path, methods in paths.items() for method in methods}
    named = re.findall(r"^\| `([A-Z]+ /\S*)` \|", text(PAGE), re.MULTILINE)
    assert sorted(named) == sorted(found)
