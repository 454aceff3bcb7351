"""Way 1, describe: a task in a form, faults beside their fields, an answer before any training."""

import re
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Locator, Page, expect

from api.stories.samples import folder_in
from tests.small_data import write_interactions
from tests.web.conftest import Shop
from tests.web.walk import Walk

pytestmark = pytest.mark.browser
HEADER = "user_id:token\titem_id:token\trating:float\ttimestamp:float"


def _numbers(page: Page) -> None:
    page.get_by_text("numbers only", exact=True).click()
    page.get_by_label("Rows").fill("20,000")
    page.get_by_label("Classes", exact=True).fill("5000")
    page.get_by_label("Training examples").fill("600000")


def _answer(page: Page) -> None:
    expect(page.locator(".headline")).to_contain_text("ndcg@", timeout=60_000)
    expect(page.locator(".plan")).to_contain_text("The least that is useful", timeout=60_000)


def test_numbers_alone_are_answered_at_once_and_nothing_is_kept(walk: Walk, shop: Shop) -> None:
    before = shop.site.http.get("/v1/recommendations").json()["items"]
    page = walk.to()
    _numbers(page)
    _answer(page)
    assert shop.site.http.get("/v1/recommendations").json()["items"] == before
    walk.inspect("describe-numbers")


def test_an_answer_is_kept_when_it_is_asked_for(walk: Walk, shop: Shop) -> None:
    page = walk.to()
    _numbers(page)
    _answer(page)
    page.get_by_role("button", name="Keep this answer").click()
    page.wait_for_url(re.compile(r"#/recommendations/"))
    walk.arrived()
    kept = shop.site.http.get(f"/v1/recommendations/{page.url.rsplit('/', 1)[1]}").json()
    assert kept["task"]["statistics"]["n_rows"] == 20_000


def test_what_few_need_is_under_advanced_and_is_what_the_api_is_asked(
    walk: Walk, shop: Shop
) -> None:
    page = walk.to()
    _numbers(page)
    page.get_by_text("Advanced", exact=False).click()
    page.get_by_label("Taste in the made-up data").fill("0.7")
    page.get_by_label("Each class has a bias").uncheck()
    page.get_by_label("You train with today").select_option("rg2")
    _setting(page, "Your settings of rg2 today", "learning_rate").fill("0.02")
    page.locator("summary", has_text=re.compile("^rankmax$")).click()
    _setting(page, "Settings to try", "learning_rate").fill("0.01, 3e-4")
    page.get_by_label("Speed").focus()
    for _ in range(5):
        page.keyboard.press("ArrowRight")
    expect(page.locator("output").first).to_have_text(
        "give up 1.5% of the metric for each halving of training time"
    )
    _answer(page)
    walk.inspect("describe-advanced")
    page.get_by_role("button", name="Keep this answer").click()
    page.wait_for_url(re.compile(r"#/recommendations/"))
    walk.arrived()
    id_ = page.url.rsplit("/", 1)[1]
    task = shop.site.http.get(f"/v1/recommendations/{id_}").json()["task"]
    assert task["twin_signal"] == 0.7
    assert task["model"]["bias"] is False
    assert task["baseline"] == {"loss": "rg2", "settings": {"learning_rate": 0.02}}
    assert task["losses"]["settings"] == {"rankmax": {"learning_rate": [0.01, 3e-4]}}
    assert task["trade"]["speed"] == pytest.approx(0.015)
    walk.to("#/losses")
    page.evaluate("sessionStorage.clear()")
    page.reload()
    walk.to(f"#/?recommendation={id_}")
    page.get_by_text("Advanced", exact=False).click()
    expect(_setting(page, "Your settings of rg2 today", "learning_rate")).to_have_value("0.02")
    expect(page.get_by_label("Taste in the made-up data")).to_have_value("0.7")
    page.get_by_label("You train with today").select_option("softmax")
    expect(_setting(page, "Your settings of softmax today", "temperature")).to_have_value("")


def _setting(page: Page, heading: str, name: str) -> Locator:
    """The first field of this name that is shown below a heading."""
    below = page.get_by_role("heading", name=heading).locator("xpath=following-sibling::*")
    return below.get_by_label(name, exact=True).and_(page.locator(":visible")).first


def test_a_fault_of_a_setting_opens_where_its_field_is(walk: Walk) -> None:
    walk.expect("status of 422")
    page = walk.to()
    _numbers(page)
    page.get_by_text("Advanced", exact=False).click()
    page.locator("summary", has_text=re.compile("^rg2$")).click()
    rate = _setting(page, "Settings to try", "learning_rate")
    rate.fill("fast")
    page.locator("summary", has_text=re.compile("^rg2$")).click()
    said = page.locator(".choices .fault:visible")
    expect(said).to_have_text("'fast' given; allowed are numbers from 1e-07 to 10")
    expect(rate).to_have_attribute("aria-invalid", "true")
    rate.fill("")
    _answer(page)
    expect(said).to_have_count(0)


def test_labels_may_be_in_a_file_of_their_own(walk: Walk, tmp_path: Path) -> None:
    page = walk.to()
    page.get_by_text("a file of yours", exact=True).click()
    generator = np.random.default_rng(0)
    np.save(tmp_path / "labels.npy", generator.integers(0, 20, 400))
    np.save(tmp_path / "hidden.npy", generator.normal(size=(400, 8)).astype(np.float32))
    walk.expect("status of 422")  # the labels alone are no task
    for name in ("labels.npy", "hidden.npy"):
        page.get_by_label("Drop a file here").set_input_files(tmp_path / name)
        expect(page.locator(".upload-status")).to_contain_text(f"{name} ")
        expect(page.locator(".upload-status")).to_contain_text("read as npy")
    labels = page.get_by_label("Labels in a file of their own")
    sent = labels.locator("option", has_text="labels.npy").get_attribute("value")
    labels.select_option(sent)
    page.get_by_label("Metric", exact=True).select_option("accuracy")
    expect(page.locator(".headline")).to_contain_text("accuracy after 20 epochs")
    expect(page.locator(".summary")).to_contain_text("classes20")


def test_a_calibration_is_for_a_worker_with_the_tag_that_was_asked_for(
    walk: Walk, shop: Shop
) -> None:
    walk.expect("status of 422")
    page = walk.to()
    _numbers(page)
    _answer(page)
    page.get_by_text("Advanced", exact=False).click()
    page.get_by_label("Worker's tag").fill("gpu")
    page.get_by_role("button", name="Calibrate").click()
    field = page.locator(".field", has=page.get_by_label("Worker's tag"))
    expect(field.locator(".fault")).to_contain_text("no worker has the tag 'gpu'")
    page.get_by_label("Worker's tag").fill("cpu")
    page.get_by_role("button", name="Calibrate").click()
    page.wait_for_url(re.compile(r"#/calibrations/"))
    walk.arrived()
    expect(page.get_by_text("tag cpu ·")).to_be_visible()
    shop.site.http.post(f"/v1/calibrations/{page.url.rsplit('/', 1)[1]}:cancel")


def test_a_fault_stands_beside_its_field_in_the_words_of_the_api(walk: Walk) -> None:
    walk.expect("status of 422")
    page = walk.to()
    _numbers(page)
    _answer(page)
    page.get_by_label("Horizon, epochs").fill("-3")
    field = page.locator(".field", has=page.get_by_label("Horizon, epochs"))
    expect(field.locator(".fault")).to_have_text("Input should be greater than 0")
    expect(page.get_by_label("Horizon, epochs")).to_have_attribute("aria-invalid", "true")
    page.get_by_label("K", exact=True).fill("twenty")
    metric = page.locator(".field", has=page.get_by_label("Metric", exact=True))
    expect(metric.locator(".fault")).to_contain_text("unknown metric 'ndcg@twenty'; allowed are")
    walk.check_access("with faults")
    walk.keep("describe-faults")
    page.get_by_label("Horizon, epochs").fill("3")
    page.get_by_label("K", exact=True).fill("20")
    expect(page.locator(".headline")).to_contain_text("ndcg@20 after 3 epochs")
    expect(page.locator(".fault:visible")).to_have_count(0)


def test_a_file_is_sent_its_columns_are_named_and_its_data_is_summed_up(
    walk: Walk, upload_file: Path
) -> None:
    page = walk.to()
    page.get_by_text("a file of yours", exact=True).click()
    page.get_by_label("Drop a file here").set_input_files(upload_file)
    expect(page.locator(".upload-status")).to_contain_text("read as csv")
    preview = page.get_by_role("region", name="The first rows")
    expect(preview).to_contain_text("<script>alert(0)</script>")  # as text, and nothing was run
    page.get_by_label("customer is").select_option("user")
    page.get_by_label("sku is").select_option("item")
    _answer(page)
    expect(page.locator(".summary")).to_contain_text("classes25", timeout=60_000)
    expect(page.get_by_label("Name of the task")).to_have_value("orders of may")
    walk.inspect("describe-file")


def test_a_file_can_be_dropped(walk: Walk) -> None:
    page = walk.to()
    page.get_by_text("a file of yours", exact=True).click()
    page.evaluate(
        """() => {
          const held = new DataTransfer();
          const rows = Array.from({length: 300}, (_, n) => `u${n % 20},i${n % 30}`);
          held.items.add(new File(["user,item\\n" + rows.join("\\n")], "dropped.csv"));
          document.querySelector(".drop").dispatchEvent(
            new DragEvent("drop", {dataTransfer: held, bubbles: true, cancelable: true}));
        }"""
    )
    expect(page.locator(".upload-status")).to_contain_text("dropped.csv")
    expect(page.get_by_label("user is")).to_have_value("user")


def test_what_is_no_data_is_said_where_it_was_sent(walk: Walk, tmp_path: Path) -> None:
    walk.expect("status of 422")
    page = walk.to()
    page.get_by_text("a file of yours", exact=True).click()
    file = tmp_path / "picture.png"
    file.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(100))
    page.get_by_label("Drop a file here").set_input_files(file)
    expect(page.locator(".upload-status .fault")).to_contain_text("picture.png: ")


def test_a_sample_is_taken_where_its_data_is_and_told_how_to_get_where_not(
    walk: Walk, shop: Shop, tmp_path: Path
) -> None:
    folder = folder_in(shop.site.data_dir)
    folder.mkdir(exist_ok=True)
    csv = write_interactions(tmp_path / "pairs.csv", n_users=60)
    pairs = [line.replace(",", "\t") for line in csv.read_text().splitlines()[1:]]
    rows = "\n".join(f"{pair}\t5\t{n}" for n, pair in enumerate(pairs))
    (folder / "ml-100k.inter").write_text(f"{HEADER}\n{rows}\n")
    page = walk.to()
    expect(page.get_by_text("softmax-advisor samples --fetch geonames")).to_be_visible()
    expect(page.get_by_role("radio", name=re.compile("GeoNames"))).to_be_disabled()
    page.locator(".sample", has_text="which film a person rates next").first.click()
    expect(page.get_by_label("K", exact=True)).to_have_value("20")
    _answer(page)
    walk.inspect("describe-sample")


def test_what_was_typed_is_there_after_a_reload_and_another_view(walk: Walk) -> None:
    page = walk.to()
    _numbers(page)
    page.get_by_label("Batch size").fill("96")
    page.reload()
    walk.arrived()
    expect(page.get_by_label("Batch size")).to_have_value("96")
    expect(page.get_by_label("Rows")).to_have_value("20,000")
    walk.to("#/losses")
    walk.to("#/")
    expect(page.get_by_label("Batch size")).to_have_value("96")


def test_the_keyboard_alone_describes_a_task_and_starts_a_calibration(
    walk: Walk, shop: Shop
) -> None:
    page = walk.to()
    page.keyboard.press("Tab")
    expect(walk.focused()).to_have_text("Skip to the content")
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")  # the way in
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    for name, text in (("Rows", "2000"), ("Classes", "300"), ("Training examples", "40000")):
        page.keyboard.press("Tab")
        expect(walk.focused()).to_have_accessible_name(name)
        page.keyboard.type(text)
    _answer(page)
    for _ in range(60):
        page.keyboard.press("Tab")
        if walk.focused().evaluate("e => e.textContent") == "Calibrate":
            break
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile(r"#/calibrations/"))
    walk.arrived()
    id_ = page.url.rsplit("/", 1)[1]
    shop.site.http.post(f"/v1/calibrations/{id_}:cancel")
