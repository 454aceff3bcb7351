"""Way 2, watch: a calibration as it runs, and what happens when it is cut off from its server."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.api.servers import Site, site
from tests.databases import sqlite_url
from tests.small_data import at_one_setting
from tests.web.conftest import Shop, walking
from tests.web.walk import Walk

pytestmark = pytest.mark.browser
GONE = "The server does not answer"


@pytest.fixture
def long(shop: Shop) -> Iterator[str]:
    """A calibration that goes on until it is stopped; its data and losses no other has."""
    task = {"training": {"batch_size": 32}, "horizon": {"epochs": 100}}
    id_ = shop.site.calibrate(300, losses=at_one_setting("bpr", "softmax"), **task)
    yield id_
    shop.site.http.post(f"/v1/calibrations/{id_}:cancel")
    shop.site.ended(id_)


def _tile(page: Page, name: str):
    return page.locator(".tiles .card", has=page.get_by_role("heading", name=name))


def _rows(page: Page) -> int:
    return page.locator(".trials tbody tr").count()


def test_a_calibration_is_watched_live_reloaded_and_stopped_with_an_answer(
    walk: Walk, shop: Shop, long: str
) -> None:
    page = walk.to(f"#/calibrations/{long}")
    expect(_tile(page, "Time")).to_contain_text("left")
    expect(_tile(page, "Now")).to_contain_text("examples, now at")
    expect(_tile(page, "Now")).to_contain_text("Why: ")
    expect(_tile(page, "Leader")).to_contain_text(re.compile(r"forecast ndcg@10 0\.\d+"))
    expect(_tile(page, "Leader")).to_contain_text("the best with probability")
    expect(page.get_by_role("heading", name="ndcg@10 against seconds")).to_be_visible()
    before = _rows(page)
    assert before >= 1
    at = _tile(page, "Now").inner_text()
    expect(_tile(page, "Now")).not_to_have_text(at)  # it goes on by itself
    page.get_by_role("radio", name="examples").check()
    expect(page.get_by_role("heading", name="ndcg@10 against examples")).to_be_visible()
    page.reload()
    walk.arrived()
    expect(page.locator(".trials tbody tr").nth(before - 1)).to_be_visible()
    second = walk.tab()
    second.goto(page.url)
    expect(_tile(second, "Time")).to_contain_text("left")
    walk.inspect("watch")
    page.get_by_role("button", name="Stop, and answer with the best so far").click()
    for tab in (page, second):
        expect(tab.get_by_role("link", name="See the answer")).to_be_visible()
    assert shop.site.calibration(long)["status"] == "cancelled"
    expect(page.locator(".lead")).to_contain_text("cancelled")
    page.get_by_role("link", name="See the answer").click()
    walk.arrived()
    assert "#/recommendations/" in page.url


def test_the_curves_on_the_page_are_those_that_were_measured(walk: Walk, shop: Shop) -> None:
    page = walk.to(f"#/calibrations/{shop.calibration_id}")
    trials = shop.site.trials(shop.calibration_id)
    expect(page.locator(".trials tbody tr")).to_have_count(len(trials))
    page.get_by_text("The numbers", exact=True).click()
    n_points = 0
    for trial in trials:
        curve = shop.site.http.get(f"/v1/trials/{trial['id']}/measurements").json()["items"]
        n_points += len(curve)
        row = page.locator(".charted tbody tr", has_text=trial["loss"]).filter(
            has_text=f"{curve[-1]['examples']:,}"
        )
        expect(row.first).to_contain_text(f"{curve[-1]['value']:.4f}")
    expect(page.locator(".charted tbody tr")).to_have_count(n_points)
    _hidden_by_the_keyboard_and_shown_again(page)
    page.get_by_text("best first", exact=True).click()
    values = [float(text) for text in page.locator(".trials td:nth-child(4)").all_inner_texts()]
    assert values == sorted(values, reverse=True)
    walk.inspect("watch-ended")


def _hidden_by_the_keyboard_and_shown_again(page: Page) -> None:
    """A line, by its button in the legend."""
    lines = page.locator(".chart .scatterlayer .trace")
    expect(lines).to_have_count(3)
    button = page.locator(".legend").get_by_role("button", name="rg2")
    button.focus()
    page.keyboard.press("Enter")
    expect(button).to_have_attribute("aria-pressed", "false")
    expect(button).to_be_focused()
    expect(lines).to_have_count(2)
    page.keyboard.press("Enter")
    expect(lines).to_have_count(3)


def test_calibrations_and_answers_are_listed_and_lead_on(walk: Walk, shop: Shop) -> None:
    page = walk.to("#/calibrations")
    calibrations = page.get_by_role("table", name="Calibrations, newest first")
    expect(calibrations.get_by_role("link", name="shop").first).to_be_visible()
    expect(page.get_by_role("table", name="Answers, newest first")).to_contain_text("measurements")
    walk.inspect("calibrations")
    calibrations.get_by_role("link", name="see the answer").last.click()
    walk.arrived()
    page.go_back()
    walk.arrived()
    page.get_by_role("table", name="Calibrations, newest first").get_by_role("link").last.focus()
    page.keyboard.press("Enter")
    walk.arrived()


def test_what_is_not_there_is_said_with_a_way_on(walk: Walk) -> None:
    walk.expect("status of 404")
    page = walk.to("#/calibrations/no-such-one")
    expect(page.get_by_role("heading", level=1)).to_have_text("There is no such thing here")
    expect(page.get_by_role("alert")).to_contain_text("no-such-one")
    walk.to("#/nowhere")
    expect(page.get_by_role("heading", level=1)).to_have_text("There is no such view")
    walk.inspect("not-found")


def test_a_server_that_goes_and_comes_back_is_said_and_the_page_goes_on(
    chromium: Browser, tmp_path: Path
) -> None:
    with site(sqlite_url(tmp_path), tmp_path) as own:
        own.serve()
        for walk in walking(chromium, f"http://127.0.0.1:{own.port}"):
            _gone_and_back(walk, own)


def _gone_and_back(walk: Walk, own: Site) -> None:
    for text in ("ERR_CONNECTION", "ERR_INCOMPLETE_CHUNKED", "ERR_EMPTY", "status of 503"):
        walk.expect(text)
    page = walk.to("#/calibrations")
    expect(page.locator(".empty").first).to_contain_text("No calibration yet")
    walk.inspect("calibrations-empty")
    losses = at_one_setting("bpr", "softmax")
    id_ = own.calibrate(300, losses=losses, horizon={"epochs": 60}, training={"batch_size": 32})
    walk.to(f"#/calibrations/{id_}")
    expect(_tile(page, "Now")).to_contain_text("examples, now at")
    own.programs[-1].kill()
    expect(page.locator("#banner")).to_contain_text(GONE)
    walk.check_access("without its server")
    walk.keep("server-gone")
    own.serve()
    expect(page.locator("#banner")).to_be_empty()
    page.get_by_role("button", name="Stop, and answer with the best so far").click()
    expect(page.get_by_role("link", name="See the answer")).to_be_visible()
