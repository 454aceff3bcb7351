"""Way 3, decide: an answer, what it would be elsewhere, and how to use it."""

import json
import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.web.conftest import Shop
from tests.web.walk import Walk

pytestmark = pytest.mark.browser


def _answer(walk: Walk, shop: Shop, query: str = "") -> Page:
    page = walk.to(f"#/recommendations/{shop.recommendation_id}{query}")
    expect(page.locator(".handle")).to_be_visible()
    return page


def _told(page: Page) -> str:
    status = page.locator(".told [role=status]")
    expect(status).to_contain_text("Preview, not stored")
    return status.inner_text()


def test_an_answer_says_all_that_it_knows_and_where_it_comes_from(walk: Walk, shop: Shop) -> None:
    page = _answer(walk, shop)
    stored = shop.site.http.get(f"/v1/recommendations/{shop.recommendation_id}").json()
    expect(page.locator(".ranking tbody tr")).to_have_count(len(stored["ranking"]))
    for reason in stored["reasons"]:
        expect(page.locator(".answer > section > ol")).to_contain_text(reason["text"])
    expect(page.get_by_role("link", name=shop.calibration_id)).to_be_visible()
    expect(page.get_by_role("link", name=stored["device_id"])).to_be_visible()
    expect(page.locator(".chart:has(svg.main-svg)")).to_have_count(3)
    walk.inspect("decide")


def test_the_handle_on_the_curves_ranks_anew_and_stores_nothing(walk: Walk, shop: Shop) -> None:
    page = _answer(walk, shop)
    before = shop.site.http.get("/v1/recommendations").json()["items"]
    handle = page.locator(".handle")
    handle.scroll_into_view_if_needed()
    box = handle.bounding_box()
    assert box is not None
    middle, height = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(middle, height)
    page.mouse.down()
    for pixels in range(0, 300, 20):
        page.mouse.move(middle - pixels, height)
    told = _told(page)
    page.mouse.up()
    assert "of training" in told
    seconds = float(re.findall(r"seconds=([\d.e-]+)", page.url)[0])
    shown = page.locator(".handle span").inner_text()
    assert shown.endswith("of training")
    expect(page.locator("h1")).to_contain_text(shown)
    body = {"recommendation_id": shop.recommendation_id, "horizon": {"seconds": seconds}}
    again = shop.site.http.post("/v1/recommendations:preview", json=body).json()
    expect(page.locator(".ranking tbody tr").first).to_contain_text(again["loss"])
    assert shop.site.http.get("/v1/recommendations").json()["items"] == before


def test_the_keyboard_alone_moves_horizon_and_trade_and_takes_them_back(
    walk: Walk, shop: Shop
) -> None:
    page = _answer(walk, shop)
    headline = page.locator("h1").inner_text()
    page.get_by_label("Horizon").focus()
    page.keyboard.press("PageDown")
    horizon = page.get_by_label("Horizon").get_attribute("aria-valuetext")
    assert horizon
    assert horizon in _told(page)
    page.keyboard.press("Tab")
    expect(page.get_by_label("Speed")).to_be_focused()
    page.keyboard.press("End")
    expect(page.get_by_label("Speed")).to_have_attribute("aria-valuetext", re.compile("10%"))
    expect(page).to_have_url(re.compile("speed=0.1"))
    page.get_by_role("button", name="Back to the answer").press("Enter")
    expect(page.locator("h1")).to_have_text(headline)
    expect(page.get_by_label("Horizon")).to_be_focused()
    assert "?" not in page.url


def test_a_preview_is_there_again_after_a_reload(walk: Walk, shop: Shop) -> None:
    page = _answer(walk, shop, "?epochs=2&speed=0.05&memory=0")
    assert "after 2 epochs" in _told(page)
    page.reload()
    walk.arrived()
    assert "after 2 epochs" in _told(page)
    expect(page.get_by_label("Speed")).to_have_value("0.05")


def test_what_is_asked_meanwhile_is_one_question_the_last(walk: Walk, shop: Shop) -> None:
    page = _answer(walk, shop)
    held = walk.hold("**/v1/recommendations:preview")
    horizon = page.get_by_label("Horizon")
    for _ in range(5):
        horizon.press("PageDown")
    page.wait_for_timeout(200)
    assert len(held) == 1
    held[0].continue_()
    page.wait_for_timeout(500)
    assert len(held) == 2
    asked = json.loads(held[1].request.post_data or "")
    held[1].continue_()
    expect(page.locator(".told")).to_contain_text("Preview")
    assert f"{asked['horizon']['seconds']}" in page.url


def test_the_snippet_trains_a_step_and_the_source_is_the_loss_s(walk: Walk, shop: Shop) -> None:
    page = _answer(walk, shop)
    call = page.locator(".snippet pre").first.inner_text()
    made: dict[str, object] = {}
    exec(compile(call, "snippet", "exec"), made)  # noqa: S102 - what a user does with it
    assert getattr(made["scores"], "shape", None) == (256, 200)
    page.get_by_text("The source of").press("Enter")
    loss = re.findall(r'build\(\s+"(\w+)"', call)[0]
    source = shop.site.http.get(f"/v1/losses/{loss}/source").text
    expect(page.locator(".snippet details pre")).to_have_text(source)


def test_json_and_report_are_saved(walk: Walk, shop: Shop, tmp_path: Path) -> None:
    page = _answer(walk, shop)
    path = f"/v1/recommendations/{shop.recommendation_id}"
    for name, where in (("JSON", path), ("Report as one file", f"{path}/report")):
        with page.expect_download() as saved:
            page.get_by_role("link", name=name, exact=True).click()
        text = Path(saved.value.path()).read_text(encoding="utf-8")
        assert text == shop.site.http.get(where).text


def test_an_answer_that_is_not_there_is_said_with_a_way_on(walk: Walk) -> None:
    walk.expect("status of 404")
    page = walk.to("#/recommendations/nothing")
    expect(page.get_by_role("alert")).to_contain_text("nothing")
    expect(page.get_by_role("link", name="Describe a task")).to_be_visible()
    walk.inspect("decide-missing")
