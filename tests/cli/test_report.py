"""The report: one page, nothing loaded from elsewhere, nothing from data run as code."""

import json
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import pytest

from advisor.recommendation import Recommendation
from advisor.task import DataSource, Task
from api.charts import colour
from api.report import render_report
from tests.cli.answers import DEVICE, by_theory, measured

EVIL = "<script>alert(1)</script>"


class _Page(HTMLParser):
    """Elements with their attributes, and the text of every script by id."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[str] = []
        self._is_script = False
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self._is_script = tag == "script"
        if self._is_script:
            self.scripts.append("")

    def handle_data(self, data: str) -> None:
        if self._is_script:
            self.scripts[-1] += data

    def handle_endtag(self, tag: str) -> None:
        self._is_script = False


def test_the_page_loads_nothing() -> None:
    page = _Page(render_report(measured(), DEVICE))
    for _, attributes in page.elements:
        for name in ("src", "href", "action", "srcset"):
            assert (attributes.get(name) or "data:,").startswith("data:")
    css = re.findall(r"<style>(.*?)</style>", render_report(measured()), flags=re.DOTALL)
    assert css
    assert not any("url(" in style or "@import" in style for style in css)
    policy = next(a["content"] for _, a in page.elements if a.get("http-equiv"))
    assert policy is not None
    assert policy.startswith("default-src 'none'")


def test_the_answer_inside_is_the_answer() -> None:
    answer = measured(warnings=("</script><!-- & \u2028",))
    scripts = _Page(render_report(answer, DEVICE)).scripts
    assert len(scripts) == 4
    assert Recommendation.model_validate(json.loads(scripts[0])) == answer


def test_text_from_data_is_escaped() -> None:
    task = Task(name=EVIL, data=DataSource(path=EVIL), metric="ndcg@20")
    page = render_report(measured(task=task, warnings=(EVIL,), settings={"a": EVIL}), DEVICE)
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert len(_Page(page).scripts) == 4


def test_the_same_answer_gives_the_same_page() -> None:
    assert render_report(measured(), DEVICE) == render_report(measured(), DEVICE)


def test_every_chart_stands_beside_its_numbers() -> None:
    page = render_report(measured(), DEVICE)
    for chart in ("curves", "front", "chances"):
        assert f'id="{chart}"' in page
    assert page.count("<summary>The numbers</summary>") == 3
    assert "<td>forecast</td>" in page
    assert "<td>measured</td>" in page


def test_a_report_of_theory_alone_draws_no_charts() -> None:
    page = render_report(by_theory())
    assert 'class="chart"' not in page
    assert "Calibrate for 30 s." in page
    assert "unknown" in page


def test_a_loss_has_one_colour_known_or_not() -> None:
    assert len({colour(loss) for loss in ("softmax", "sampled_softmax", "rg2", "bpr")}) == 4
    assert colour("a new one") == colour("a new one")


@pytest.mark.browser
@pytest.mark.parametrize("answer", [measured(), by_theory()], ids=["measured", "theory"])
def test_a_browser_draws_the_charts(answer: Recommendation, tmp_path: Path) -> None:
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        pytest.skip("Chromium is not installed")
    file = tmp_path / "report.html"
    file.write_text(render_report(answer, DEVICE), encoding="utf-8")
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run"]
    options += ["--disable-background-networking", "--virtual-time-budget=5000", "--dump-dom"]
    options += ["--enable-logging=stderr", f"--user-data-dir={tmp_path / 'profile'}"]
    ended = subprocess.run(
        [chromium, *options, file.as_uri()], capture_output=True, text=True, timeout=60, check=True
    )
    assert "CONSOLE" not in ended.stderr
    drawn = 3 if answer.evidence_level == "measured" else 0
    assert ended.stdout.count('class="user-select-none svg-container"') == drawn
