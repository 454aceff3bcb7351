"""The report: an answer as one HTML page that needs nothing else, no network and no server.

The same answer gives the same page, byte for byte. All text from data is escaped.
"""

import json
from functools import cache
from importlib.resources import files
from typing import Any

import yaml
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from advisor.evidence import Device
from advisor.recommendation import Recommendation
from api import charts, wording

_VERDICTS = {
    "recommended": "recommended",
    "tied": "tied",
    "not_enough_evidence": "not enough evidence",
}


def render_report(answer: Recommendation, device: Device | None = None) -> str:
    """The page; `device` is the one that the answer was measured on, where it is known."""
    found = charts.charts(answer)
    return (
        _environment()
        .get_template("report.html")
        .render(
            answer=answer,
            verdict=_VERDICTS[answer.verdict],
            charts=found,
            figures=_as_script({chart.id: chart.figure for chart in found}),
            recommendation=_as_script(answer.model_dump(mode="json")),
            plotly=_plotly() if found else "",
            facts=[*_task_facts(answer), *_device_facts(device)],
            settings=_settings_to_copy(answer),
        )
    )


def _settings_to_copy(answer: Recommendation) -> str:
    chosen = {"loss": answer.loss, "settings": answer.settings}
    return yaml.safe_dump(chosen, sort_keys=False)


def _task_facts(answer: Recommendation) -> list[tuple[str, str]]:
    task = answer.task
    facts = [
        ("task", task.name),
        ("metric", task.metric),
        ("horizon", wording.horizon(task.horizon)),
        ("kind", task.kind),
    ]
    if task.data is not None:
        facts.append(("data", task.data.path))
    if task.statistics is not None:
        s = task.statistics
        sizes = f"{s.n_rows:,} rows, {s.n_classes:,} classes, {s.n_examples:,} training examples"
        facts.append(("size", sizes))
    model, limits = task.model, task.constraints
    facts += [
        ("model", f"{model.embedding_dim} dimensions, {'with' if model.bias else 'no'} class bias"),
        (
            "training",
            f"{task.training.optimiser} in {task.training.dtype}, "
            f"batches of {task.training.batch_size:,}",
        ),
        ("trade", f"speed {task.trade.speed:g}, memory {task.trade.memory:g} per halving"),
        ("probabilities", limits.probabilities),
        ("inner-product serving", "required" if limits.inner_product_serving else "optional"),
    ]
    if limits.peak_memory_gib is not None:
        facts.append(("memory allowed", f"{limits.peak_memory_gib:g} GiB"))
    return facts


def _device_facts(device: Device | None) -> list[tuple[str, str]]:
    if device is None:
        return []
    software = ", ".join(f"{name} {version}" for name, version in device.software.items())
    return [
        ("device", device.name),
        ("device memory", wording.size(device.memory_bytes)),
        ("software", software),
        ("device id", device.id),
    ]


def _as_script(value: Any) -> Markup:
    """JSON for a script element: nothing in it can end the element or start a comment."""
    text = json.dumps(value, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Markup(text)  # noqa: S704 - <, > and & are escaped


@cache
def _plotly() -> Markup:
    script = files("plotly") / "package_data" / "plotly.min.js"
    return Markup(script.read_text(encoding="utf-8"))  # noqa: S704 - from an installed package


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(str(files("api") / "templates")),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.globals["wording"] = wording
    environment.globals["colour"] = charts.colour
    return environment
