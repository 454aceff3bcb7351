"""The report in a browser, opened as the file it is: complete, offline, nothing run from data."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from playwright.sync_api import Browser, Page, expect

from advisor.price import priced
from advisor.recommendation import Recommendation
from advisor.task import DataSource, Task
from api.report import render_report
from tests.cli.answers import DEVICE, by_theory, measured, ranked
from tests.web.walk import Walk

pytestmark = pytest.mark.browser
EVIL = "<script>alert(1)</script><b>bold</b>"


class _File(Walk):
    """A walk in a file."""

    def __init__(self, context: Any, folder: Path) -> None:
        super().__init__(context, folder.as_uri())


@pytest.fixture
def report(chromium: Browser, tmp_path: Path) -> Iterator[_File]:
    context = chromium.new_context(offline=True, accept_downloads=True)
    found = _File(context, tmp_path)
    yield found
    context.close()
    assert not found.unexpected()


def _open(report: _File, folder: Path, answer: Recommendation) -> Page:
    file = folder / "report.html"
    file.write_text(render_report(answer, DEVICE), encoding="utf-8")
    report.page.goto(file.as_uri())
    report.page.locator("h1").wait_for()
    return report.page


def test_it_shows_the_answer_with_three_charts(report: _File, tmp_path: Path) -> None:
    page = _open(report, tmp_path, measured())
    expect(page.locator("h1")).to_contain_text("Train with softmax: of 2 losses")
    expect(page.locator(".chart svg.main-svg").first).to_be_visible()
    expect(page.locator(".chart:has(svg.main-svg)")).to_have_count(3)
    expect(page.locator(".ranking tbody tr")).to_have_count(3)
    expect(page.get_by_text("a CPU, 2 threads")).to_be_visible()
    expect(page.locator("a[href]")).to_have_count(0)
    report.inspect("report")


def test_charts_have_their_numbers_and_curves_another_axis(report: _File, tmp_path: Path) -> None:
    page = _open(report, tmp_path, measured())
    summaries = page.get_by_text("The numbers", exact=True)
    expect(summaries).to_have_count(3)
    for n in range(3):
        summaries.nth(n).press("Enter")
    expect(page.locator(".charted table")).to_have_count(3)
    expect(page.get_by_role("cell", name="forecast").first).to_be_visible()
    expect(page.get_by_role("cell", name="measured").first).to_be_visible()
    curves = page.locator(".charted").first
    expect(curves.locator(".xtitle")).to_have_text("training seconds on this device")
    curves.get_by_label("epochs").check(force=True)
    expect(curves.locator(".xtitle")).to_have_text("epochs")
    curves.get_by_label("logarithmic").uncheck()
    expect(curves.locator(".xtick").first).to_have_text("0")


def test_theory_alone_draws_no_chart(report: _File, tmp_path: Path) -> None:
    page = _open(report, tmp_path, by_theory())
    expect(page.locator(".chart:visible")).to_have_count(0)
    expect(page.get_by_text("Calibrate for 30 s.")).to_be_visible()
    expect(page.get_by_text("unknown").first).to_be_visible()
    report.inspect("report-theory")


def test_text_from_data_is_shown_as_text(report: _File, tmp_path: Path) -> None:
    task = Task(name=EVIL, data=DataSource(path=EVIL), metric="ndcg@20")
    losses = (ranked("softmax", 0.3, 24.0, 0.9), ranked(EVIL, 0.28, 3.4, 0.1))
    evil = measured(task=task, warnings=(EVIL,), settings={"a": EVIL}, ranking=losses)
    page = _open(report, tmp_path, evil)
    expect(page.get_by_text(EVIL).first).to_be_visible()
    expect(page.locator(".legend button", has_text=EVIL).first).to_be_visible()
    expect(page.locator(".ytick", has_text=EVIL)).to_be_visible()
    assert page.locator("b, [style*=bold]").count() == 0
    assert yaml.safe_load(page.locator("pre").inner_text())["settings"] == {"a": EVIL}


def test_the_settings_to_copy_are_yaml_of_what_is_recommended(
    report: _File, tmp_path: Path
) -> None:
    settings = {"learning_rate": 1e-07, "cosine": False, "n": 64, "how": "no", "scale": 2.0}
    page = _open(report, tmp_path, by_theory().model_copy(update={"settings": settings}))
    copied = yaml.safe_load(page.locator("pre").inner_text())
    assert copied == {"loss": "softmax", "settings": settings}


def test_the_answer_is_saved_as_it_was_given(report: _File, tmp_path: Path) -> None:
    answer = by_theory().model_copy(update={"warnings": (EVIL,)})
    page = _open(report, tmp_path, answer)
    with page.expect_download() as saved:
        page.get_by_role("button", name="Download the recommendation").click()
    assert saved.value.suggested_filename == "recommendation.json"
    text = Path(saved.value.path()).read_text(encoding="utf-8")
    assert Recommendation.model_validate_json(text) == answer


def test_what_training_costs_stands_in_the_ranking_where_it_is_known(
    report: _File, tmp_path: Path
) -> None:
    page = _open(report, tmp_path, priced(by_theory(), None))
    expect(page.get_by_role("columnheader", name="price")).to_have_count(0)
    page = _open(report, tmp_path, priced(by_theory(), 3.6))
    ranking = page.locator(".ranking")
    expect(ranking.get_by_role("columnheader", name="price")).to_be_visible()
    expect(ranking.locator('[data-label="price"]').first).to_have_text("0.024")
    expect(ranking.locator('[data-label="price"]').last).to_have_text("unknown")
    expect(page.locator(".numbers")).to_contain_text("0.024 (0.0216-0.0264)")
    expect(page.locator(".facts")).to_contain_text("3.6")


def test_without_scripts_the_ranking_is_there(chromium: Browser, tmp_path: Path) -> None:
    context = chromium.new_context(java_script_enabled=False)
    page = context.new_page()
    file = tmp_path / "report.html"
    file.write_text(render_report(measured()), encoding="utf-8")
    page.goto(file.as_uri())
    expect(page.locator("h1")).to_contain_text("Train with softmax")
    expect(page.get_by_role("row")).to_have_count(4)
    context.close()
