"""The report as a file: nothing loaded from elsewhere, nothing from data run as code.

What it shows in a browser is tested in tests/web/test_report.py.
"""

import base64
import hashlib
import json
import re
from html.parser import HTMLParser

from advisor.evidence import Device
from advisor.recommendation import Recommendation
from advisor.task import DataSource, Task
from api.report import render_report
from tests.cli.answers import DEVICE, by_theory, measured

EVIL = "<script>alert(1)</script>"


class _Page(HTMLParser):
    """Elements with their attributes, the text of every script, and what is in the noscript."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[str] = []
        self.without_script = ""
        self._open: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self._open.append(tag)
        if tag == "script":
            self.scripts.append("")

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1] == "script":
            self.scripts[-1] += data
        elif "noscript" in self._open:
            self.without_script += data

    def handle_endtag(self, tag: str) -> None:
        while self._open and self._open.pop() != tag:
            pass

    @property
    def policy(self) -> str:
        return next(a["content"] or "" for _, a in self.elements if a.get("http-equiv"))


def test_the_page_loads_nothing() -> None:
    page = _Page(render_report(measured(), DEVICE))
    for _, attributes in page.elements:
        for name in ("src", "href", "action", "srcset"):
            assert (attributes.get(name) or "data:,").startswith("data:")
    css = re.findall(r"<style>(.*?)</style>", render_report(measured()), flags=re.DOTALL)
    assert css
    assert not any("url(" in style or "@import" in style for style in css)
    assert page.policy.startswith("default-src 'none'")


def test_only_our_own_scripts_may_run() -> None:
    page = _Page(render_report(measured(), DEVICE))
    digests = [hashlib.sha256(script.encode()).digest() for script in page.scripts[1:]]
    hashes = [f"'sha256-{base64.b64encode(digest).decode()}'" for digest in digests]
    assert len(hashes) == 2
    assert f"script-src {' '.join(hashes)};" in page.policy
    assert "unsafe-eval" not in page.policy
    assert "script-src 'unsafe-inline'" not in page.policy


def test_the_answer_inside_is_the_answer() -> None:
    answer = measured(warnings=("</script><!-- & \u2028",))
    inside = json.loads(_Page(render_report(answer, DEVICE)).scripts[0])
    assert Recommendation.model_validate(inside["answer"]) == answer
    assert Device.model_validate(inside["device"]) == DEVICE


def test_text_from_data_is_escaped() -> None:
    task = Task(name=EVIL, data=DataSource(path=EVIL), metric="ndcg@20")
    page = render_report(measured(task=task, warnings=(EVIL,), settings={"a": EVIL}), DEVICE)
    assert "<script>alert" not in page
    assert "<title>softmax for &lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert len(_Page(page).scripts) == 3


def test_the_same_answer_gives_the_same_page() -> None:
    assert render_report(measured(), DEVICE) == render_report(measured(), DEVICE)


def test_without_scripts_the_verdict_and_the_ranking_are_there() -> None:
    found = _Page(render_report(measured(), DEVICE)).without_script
    assert "Train with softmax: of 2 losses it is the best for ndcg@20" in found
    assert "0.3000 (0.290-0.310)" in found
    assert "bpr" in found
    assert "infeasible" in found


def test_a_report_of_theory_alone_is_small_as_it_draws_no_charts() -> None:
    page = render_report(by_theory())
    assert len(page) < 200_000
    assert "unknown" in _Page(page).without_script
    assert "Calibrate for 30 s." in page
