"""The page's files: served to everyone, cached, and nothing else of the machine with them."""

from importlib.metadata import version
from pathlib import Path

import pytest

from api.settings import Settings
from tests.api.in_process import Client, in_process
from tests.databases import sqlite_url

PLOTLY = f"/web/plotly-{version('plotly')}.js"


def test_the_page_may_run_scripts_of_this_server_alone(lone: Client) -> None:
    page = lone.get("/")
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    policy = dict(
        part.split(" ", 1) for part in page.headers["content-security-policy"].split("; ")
    )
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["connect-src"] == "'self'"
    assert "<script>" not in page.text
    assert PLOTLY in page.text


def test_a_file_is_not_sent_again_that_is_still_so(lone: Client) -> None:
    module = lone.get("/web/main.js")
    assert module.headers["content-type"] == "text/javascript; charset=utf-8"
    again = lone.get("/web/main.js", headers={"If-None-Match": module.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


def test_plotly_is_compressed_and_kept_for_good_under_its_version(lone: Client) -> None:
    script = lone.get(PLOTLY)
    assert script.headers["content-encoding"] == "gzip"
    assert "immutable" in script.headers["cache-control"]
    plain = lone.get(PLOTLY, headers={"Accept-Encoding": "identity"})
    assert "content-encoding" not in plain.headers
    assert plain.content == script.content
    assert lone.get("/web/plotly-0.0.0.js").status_code == 404


@pytest.mark.parametrize(
    "name", ["../app.py", "%2e%2e/app.py", "..%2fapp.py", "/etc/passwd", "no-such.js", "describe"]
)
def test_nothing_but_the_pages_files_is_there(lone: Client, name: str) -> None:
    found = lone.get(f"/web/{name}")
    assert found.status_code == 404
    assert found.headers["content-type"] == "application/problem+json"


def test_every_module_that_is_loaded_ahead_is_there(lone: Client) -> None:
    for line in lone.get("/").text.splitlines():
        if "modulepreload" in line or "stylesheet" in line:
            assert lone.get(line.split('href="')[1].split('"')[0]).status_code == 200, line


def test_the_page_is_served_without_a_key_and_what_it_shows_is_not(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, database_url=sqlite_url(tmp_path))
    with in_process(settings, address="0.0.0.0") as client:
        assert client.get("/").status_code == client.get("/web/main.js").status_code == 200
        assert client.get("/v1/calibrations").status_code == 401
        assert client.get("/web/../v1/calibrations").status_code in (401, 404)
