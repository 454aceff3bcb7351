"""Way 4, explore: profiles, losses with their claims, devices and workers."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import expect

from advisor.catalogue import known_losses
from tests.web.conftest import Shop
from tests.web.walk import Walk

pytestmark = pytest.mark.browser


def test_profiles_are_filtered_in_the_list_and_in_the_address(walk: Walk, shop: Shop) -> None:
    page = walk.to("#/profiles")
    rows = page.locator(".listing tbody tr")
    expect(rows.first).to_be_visible()
    page.get_by_label("Loss", exact=True).last.select_option("rg2")
    expect(page).to_have_url(re.compile("loss=rg2"))
    expect(rows.locator("th", has_text="softmax")).to_have_count(0)
    found = shop.site.http.get("/v1/profiles", params={"loss": "rg2", "page_size": 50}).json()
    expect(rows).to_have_count(len(found["items"]))
    page.reload()
    walk.arrived()
    expect(page.get_by_label("Loss", exact=True).last).to_have_value("rg2")
    expect(rows).to_have_count(len(found["items"]))
    with page.expect_download() as saved:
        page.get_by_role("link", name="As CSV").click()
    lines = Path(saved.value.path()).read_text(encoding="utf-8").splitlines()
    assert len(lines) == len(found["items"]) + 1
    page.get_by_label("Task").fill("nobody has this")
    expect(page.get_by_text("No profile is like that.")).to_be_visible()


def test_two_losses_stand_side_by_side_over_tasks(walk: Walk, shop: Shop) -> None:
    page = walk.to("#/profiles")
    page.get_by_label("Beside", exact=True).select_option("rg2")
    beside = page.locator(".beside")
    expect(beside.locator("h3")).to_have_text("softmax beside rg2")
    expect(beside.locator("svg.main-svg").first).to_be_visible()
    beside.get_by_text("The numbers", exact=True).press("Enter")
    rows = beside.locator("tbody tr")
    expect(rows.filter(has_text="ml100k")).to_have_count(1)  # came with the program
    expect(rows.filter(has_text="shop")).not_to_have_count(0)  # measured here
    walk.inspect("profiles")
    page.get_by_label("Beside", exact=True).select_option("softmax")
    expect(page.get_by_text("Choose two different losses.")).to_be_visible()


def test_a_profile_that_came_with_the_program_is_shown_with_its_curve(walk: Walk) -> None:
    page = walk.to("#/profiles?shipped=yes&loss=entmax")
    page.locator(".listing tbody a").first.click()
    walk.arrived()
    expect(page.locator("h1")).to_contain_text("entmax on ")
    expect(page.locator(".chart svg.main-svg").first).to_be_visible()
    expect(page.get_by_text("came with the program")).to_be_visible()
    page.get_by_label("training seconds").check(force=True)
    expect(page.locator(".xtitle")).to_have_text("training seconds on this device")
    walk.inspect("profile")


def test_every_loss_is_in_the_catalogue_with_its_consistency(walk: Walk) -> None:
    page = walk.to("#/losses")
    expect(page.locator(".matrix tbody tr")).to_have_count(len(known_losses()))
    expect(page.locator(".matrix .mark").first).to_have_text(re.compile("consistent|conditional"))
    walk.inspect("losses")


def test_a_loss_says_its_formula_and_what_backs_each_claim(walk: Walk) -> None:
    page = walk.to("#/losses")
    page.get_by_role("link", name="rankmax").first.click()
    walk.arrived()
    card = known_losses()["rankmax"].card
    expect(page.locator(".formula")).to_have_text(card.formula)
    for fact in (card.minimiser, card.smoothness, card.step_cost, card.gradient_bias):
        expect(page.locator(".facts")).to_contain_text(fact)
    claims = page.locator("section", has=page.get_by_role("heading", name="Claims"))
    expect(claims.locator("tbody tr")).to_have_count(len(card.claims))
    for n, claim in enumerate(card.claims):
        backed = claim.check or claim.unchecked_because or ""
        expect(claims.locator("tbody tr").nth(n)).to_contain_text(backed)
    walk.inspect("loss")


def test_devices_and_workers_are_listed_and_lead_on(walk: Walk, shop: Shop) -> None:
    page = walk.to("#/devices")
    (device, *_) = shop.site.http.get("/v1/devices").json()["items"]
    expect(page.get_by_role("table", name="Workers that live")).to_contain_text("waits")
    walk.inspect("devices")
    devices = page.get_by_role("table", name="Devices", exact=True)
    devices.get_by_role("link", name=device["id"]).click()
    walk.arrived()
    expect(page.locator("h1")).to_have_text(device["name"])
    page.get_by_role("link", name="What was measured on it").click()
    walk.arrived()
    expect(page.get_by_label("Device")).to_have_value(device["id"])
    expect(page.locator(".listing tbody tr").first).to_be_visible()


def test_what_is_not_there_is_said(walk: Walk) -> None:
    walk.expect("status of 404")
    for view in ("profiles", "losses", "devices"):
        page = walk.to(f"#/{view}/nothing")
        expect(page.get_by_role("alert")).to_contain_text("nothing")
