"""The report: an answer as one HTML page that needs nothing else, no network and no server.

It is the page's own modules with the answer inside, as JSON. The same answer gives the same report,
byte for byte. Without JavaScript it still says the verdict and the ranking.
"""

import base64
import hashlib
import json
from collections.abc import Iterator
from functools import cache
from html import escape
from importlib.resources import files
from string import Template
from typing import Any

from advisor.evidence import Device
from advisor.recommendation import RankedCandidate, Recommendation
from api import wording
from api.bundle import bundle

# A script runs only if it is one of ours, letter by letter; what is in the answer never is.
_PAGE = Template("""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; script-src $hashes; \
style-src 'unsafe-inline'; img-src data: blob:; base-uri 'none'; form-action 'none'">
<meta name="color-scheme" content="light dark">
<link rel="icon" href="data:,">
<title>$title - Softmax Advisor</title>
<style>
$styles</style>
</head>
<body>
<main id="main">
<noscript>
<h1>$headline</h1>
$ranking
<p>With JavaScript this report shows the curves, the reasons and all else.</p>
</noscript>
</main>
<script type="application/json" id="recommendation">$recommendation</script>
$scripts
</body>
</html>
""")
_STYLES = ("style.css", "answer.css")


def render_report(answer: Recommendation, device: Device | None = None) -> str:
    """The page; `device` is the one that the answer was measured on, where it is known."""
    inside = {
        "answer": answer.model_dump(mode="json"),
        "device": device and device.model_dump(mode="json"),
    }
    scripts = [*_charts(answer), bundle("report.js")]
    return _PAGE.substitute(
        hashes=" ".join(map(_hash, scripts)),
        title=escape(f"{answer.loss} for {answer.task.name}"),
        styles="".join(map(_file, _STYLES)),
        headline=escape(wording.headline(answer)),
        ranking=_table(answer),
        recommendation=_as_script(inside),
        scripts="\n".join(f"<script>{script}</script>" for script in scripts),
    )


def _table(answer: Recommendation) -> str:
    heads = ("loss", answer.task.metric, "P(best)", "train time", "peak memory", "settings")
    body = "\n".join(_row("td", _cells(ranked)) for ranked in answer.ranking)
    return f"<table>\n{_row('th', heads)}\n{body}\n</table>"


def _row(tag: str, cells: tuple[str, ...]) -> str:
    return f"<tr>{''.join(f'<{tag}>{escape(cell)}</{tag}>' for cell in cells)}</tr>"


def _cells(ranked: RankedCandidate) -> tuple[str, ...]:
    seconds, peak = ranked.train_seconds, ranked.peak_bytes
    return (
        ranked.loss,
        wording.predicted(ranked),
        wording.probability(ranked.p_best) if ranked.feasible else "infeasible",
        wording.duration_interval(seconds) if seconds else "unknown",
        wording.size(peak) if peak is not None else "unknown",
        wording.settings(ranked.settings),
    )


def _as_script(value: Any) -> str:
    """JSON for a script element: nothing in it can end the element or start a comment."""
    text = json.dumps(value, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def _charts(answer: Recommendation) -> Iterator[str]:
    """What draws the charts, where there is one to be drawn."""
    if answer.evidence_level != "theory" or any(ranked.curve for ranked in answer.ranking):
        yield _plotly()


@cache
def _hash(script: str) -> str:
    digest = hashlib.sha256(script.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"


@cache
def _file(name: str) -> str:
    return files("api").joinpath("web", name).read_text(encoding="utf-8")


@cache
def _plotly() -> str:
    script = files("plotly") / "package_data" / "plotly.min.js"
    return script.read_text(encoding="utf-8")
