"""The whole way on a server with a key, and on PostgreSQL: from a file to an answer, by hand."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from store.engine import open_store
from tests.api.servers import Site, site
from tests.databases import postgresql_database, sqlite_url
from tests.small_data import write_interactions
from tests.web.conftest import walking
from tests.web.walk import Walk

pytestmark = pytest.mark.browser
KEY_ASKED = "status of 401"


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[tuple[Site, str]]:
    """A server that asks everybody for a key, and one that it lets in."""
    url = sqlite_url(tmp_path)
    store = open_store(url)
    key = store.access.create("shop", "calibrate").text
    store.close()
    with site(url, tmp_path) as found:
        found.serve(ADVISOR_NEEDS_KEY="true")
        yield found, key


def _enter(page: Page, key: str) -> None:
    page.get_by_label("Key", exact=True).fill(key)
    page.get_by_role("button", name="Enter").click()


def _from_a_file_to_an_answer(walk: Walk, folder: Path) -> None:
    """Describe, watch and decide, as a person does."""
    page = walk.page
    page.get_by_text("a file of yours", exact=True).click()
    page.get_by_label("Drop a file here").set_input_files(write_interactions(folder / "may.csv"))
    expect(page.get_by_label("item is")).to_have_value("item")
    for label, text in (
        ("K", "10"),
        ("Horizon, epochs", "3"),
        ("Embedding dimensions", "16"),
        ("Batch size", "256"),
        ("Budget", "8"),
    ):
        page.get_by_label(label, exact=True).fill(text)
    page.get_by_label("in", exact=True).select_option(label="seconds")
    expect(page.locator(".headline")).to_contain_text("ndcg@10 after 3 epochs")
    page.get_by_role("button", name="Calibrate").click()
    page.wait_for_url(re.compile(r"#/calibrations/"))
    expect(page.locator(".trials tbody tr").first).to_be_visible()
    page.get_by_role("link", name="See the answer").click()
    page.wait_for_url(re.compile(r"#/recommendations/"))
    walk.arrived()
    expect(page.locator(".ranking tbody tr")).to_have_count(12)
    for view in ("Profiles", "Losses", "Devices"):
        page.get_by_role("link", name=view, exact=True).click()
        walk.arrived()


def test_with_a_key_that_is_asked_for_once_and_kept_for_the_tab(
    chromium: Browser, guarded: tuple[Site, str], tmp_path: Path
) -> None:
    found, key = guarded
    for walk in walking(chromium, f"http://127.0.0.1:{found.port}"):
        walk.expect(KEY_ASKED)
        page = walk.page
        page.goto(f"http://127.0.0.1:{found.port}/")
        expect(page.get_by_role("dialog")).to_contain_text("lets in only who has a key")
        walk.check_access("asked for a key")
        walk.keep("key")
        _enter(page, "not-a-key")
        expect(page.get_by_role("dialog")).to_contain_text("key")
        _enter(page, key)
        walk.arrived()
        page.reload()
        walk.arrived()
        expect(page.get_by_role("dialog")).to_have_count(0)
        _from_a_file_to_an_answer(walk, tmp_path)
        other = walk.tab()
        other.goto(page.url)
        expect(other.get_by_role("dialog")).to_be_visible()
        assert key not in page.content()
        assert page.evaluate("JSON.stringify(localStorage) + document.cookie") == "{}"


@pytest.mark.slow
def test_on_postgresql(chromium: Browser, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    server = request.getfixturevalue("postgresql")
    with postgresql_database(server) as url, site(url, tmp_path) as found:
        found.serve()
        for walk in walking(chromium, f"http://127.0.0.1:{found.port}"):
            walk.to()
            _from_a_file_to_an_answer(walk, tmp_path)
