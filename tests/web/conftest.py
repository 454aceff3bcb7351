"""Fixtures for the page: Chromium as it is installed here, and a server with something to see."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from playwright.sync_api import Browser, expect, sync_playwright

from tests.api.servers import Site
from tests.small_data import at_one_setting
from tests.web.walk import PATIENCE_MILLISECONDS, Walk


class Shop(NamedTuple):
    """A server on SQLite, and a calibration that it has finished."""

    site: Site
    calibration_id: str
    recommendation_id: str

    @property
    def url(self) -> str:
        return str(self.site.http.base_url).rstrip("/")


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """The browser; a test that needs it skips where there is none.

    Of a module, not of a process: while it is driven an event loop runs, in which no other test of
    the process could run its own.
    """
    executable = shutil.which("chromium")
    if executable is None:
        pytest.skip("there is no Chromium here")
    expect.set_options(timeout=PATIENCE_MILLISECONDS)
    with sync_playwright() as playwright:
        # No sandbox: it cannot be had under root, where CI runs; the pages are our own.
        browser = playwright.chromium.launch(executable_path=executable, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def shop(sqlite_served: Site) -> Shop:
    """Shared by all tests of a process: they may add to it, and delete nothing of it."""
    return calibrated(sqlite_served)


def calibrated(found: Site) -> Shop:
    """A site whose server has finished a calibration."""
    id_ = found.calibrate(60, losses=at_one_setting("bpr", "rg2", "softmax"))
    ended = found.ended(id_)
    assert ended["status"] == "succeeded", ended
    return Shop(found, id_, ended["recommendation_id"])


@pytest.fixture
def walk(chromium: Browser, shop: Shop) -> Iterator[Walk]:
    """A tab on the shop's server; nothing that the browser complains of may be left at the end."""
    yield from walking(chromium, shop.url)


def walking(chromium: Browser, url: str) -> Iterator[Walk]:
    """A walk on any server."""
    context = chromium.new_context(accept_downloads=True)
    found = Walk(context, url)
    yield found
    context.close()
    assert not found.unexpected()


@pytest.fixture
def upload_file(tmp_path: Path) -> Path:
    """A file as a user has one, whose columns nobody would guess."""
    rows = [f"c{n % 40},<script>alert({n % 25})</script>,{n}" for n in range(600)]
    file = tmp_path / "orders of may.csv"
    file.write_text("customer,sku,at\n" + "\n".join(dict.fromkeys(rows)) + "\n")
    return file
