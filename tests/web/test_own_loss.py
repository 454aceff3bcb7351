"""A loss of an installed package on the page: in the catalogue, with a colour, and in detail."""

import os
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect

from advisor.catalogue import known_losses
from tests.api.servers import site
from tests.databases import sqlite_url
from tests.own_loss import NAME, PACKAGE, installed
from tests.web.conftest import walking
from tests.web.walk import Walk

pytestmark = [pytest.mark.browser, pytest.mark.slow]
COLOUR = "(dot) => getComputedStyle(dot).backgroundColor"


@pytest.fixture(scope="module")
def address(chromium: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server beside which the package is installed."""
    folder = tmp_path_factory.mktemp("beside")
    with site(sqlite_url(folder), folder) as found:
        path = [str(installed(folder)), os.environ.get("PYTHONPATH", "")]
        found.serve(PYTHONPATH=os.pathsep.join(filter(None, path)))
        yield str(found.http.base_url).rstrip("/")


@pytest.fixture
def walk(chromium: Browser, address: str) -> Iterator[Walk]:
    yield from walking(chromium, address)


def test_the_catalogue_shows_it_with_a_colour_of_its_own_and_leads_to_its_source(
    walk: Walk,
) -> None:
    page = walk.to("#/losses")
    rows = page.locator(".matrix tbody tr")
    expect(rows).to_have_count(len(known_losses()) + 1)
    mine = rows.filter(has_text=NAME)
    colour = mine.locator(".dot").evaluate(COLOUR)
    others = rows.filter(has_not_text=NAME).locator(".dot")
    assert colour not in others.evaluate_all(f"(dots) => dots.map({COLOUR})")
    walk.keep("own-loss-catalogue")
    mine.get_by_role("link", name=NAME).click()
    walk.arrived()
    assert page.locator("h1 .dot").evaluate(COLOUR) == colour
    expect(page.locator(".formula")).to_contain_text("log")
    page.get_by_text("The layer: one file").click()
    source = (PACKAGE / NAME / "layer.py").read_text(encoding="utf-8")
    expect(page.locator("details pre")).to_have_text(source)
    walk.keep("own-loss")
