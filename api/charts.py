"""Charts of an answer as plotly figures in plain dictionaries, each with its numbers as a table.

Every loss has its own colour and marker, the same in all reports, from palettes that colour-blind
people can tell apart (Okabe and Ito; Tol).
"""

import math
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from advisor.recommendation import RankedCandidate, Recommendation
from api import wording

_COLOURS = {
    "softmax": "#0072B2",
    "sampled_softmax": "#E69F00",
    "sparsemax": "#009E73",
    "negative_sampling": "#CC79A7",
    "rg2": "#D55E00",
    "bpr": "#56B4E9",
    "nce": "#999933",
    "entmax": "#44AA99",
    "rankmax": "#882255",
    "rgx": "#CC6677",
    "hierarchical_softmax": "#332288",
    "adaptive_softmax": "#117733",
}
_OTHER_COLOURS = ("#AA4499", "#88CCEE", "#DDCC77", "#777777")
_MARKERS = {
    "softmax": "circle",
    "sampled_softmax": "square",
    "sparsemax": "triangle-up",
    "negative_sampling": "diamond",
    "rg2": "x",
    "bpr": "star",
    "nce": "hexagon",
    "entmax": "triangle-down",
    "rankmax": "pentagon",
    "rgx": "cross",
    "hierarchical_softmax": "triangle-left",
    "adaptive_softmax": "triangle-right",
}
_OTHER_MARKERS = ("hourglass", "bowtie", "star-square", "diamond-tall")
_SIZE_MIN, _SIZE_SPAN = 10.0, 24.0
_SIDES = ("top right", "bottom right", "top left", "bottom left")
Trace = dict[str, Any]


@dataclass(frozen=True)
class Chart:
    """A figure, how to read it, and the numbers in it."""

    id: str
    title: str
    reading: str
    figure: dict[str, Any]
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    has_log_switch: bool = False


def colour(loss: str) -> str:
    """The colour of a loss, always the same."""
    return _COLOURS.get(loss) or _of_name(loss, _OTHER_COLOURS)


def charts(answer: Recommendation) -> list[Chart]:
    """The charts that there are numbers for."""
    found = [_curves(answer), _front(answer), _chances(answer)]
    return [chart for chart in found if chart is not None]


def _curves(answer: Recommendation) -> Chart | None:
    shown = [r for r in answer.ranking if r.curve]
    if not shown:
        return None
    metric, goal = answer.task.metric, wording.horizon(answer.task.horizon)
    seconds = [point.seconds for ranked in shown for point in ranked.curve]
    points = [point for ranked in shown for point in ranked.curve]
    falls = answer.task.parsed_metric.falls
    # Of a falling metric the high ends reach to infinity: what counts is near the means.
    top = max((p.mean if falls else p.high) for p in points) * 1.03
    bottom = 0.97 * min(p.low for p in points) if falls else 0.0
    traces = [trace for ranked in shown for trace in _curve_traces(ranked, goal, top)]
    layout = {
        "xaxis": _log_axis("training seconds on this device", seconds),
        "yaxis": {
            "title": {"text": f"{metric}, best so far" + (", lower is better" if falls else "")},
            **({"range": [bottom, top]} if falls else {"rangemode": "tozero"}),
        },
        "hovermode": "closest",
        "showlegend": True,
    }
    return Chart(
        id="curves",
        title=f"{metric} against training seconds",
        reading=(
            "The metric on validation, one line per loss at its best settings: "
            "measured points, then the forecast (dashed) "
            f"with its 80% band. The dotted upright line is the loss's horizon, {goal}."
        ),
        figure={"data": traces, "layout": layout},
        columns=("loss", "examples", "training seconds", metric, "80% interval", "is"),
        rows=tuple(row for ranked in shown for row in _curve_rows(ranked)),
        has_log_switch=True,
    )


def _curve_traces(ranked: RankedCandidate, goal: str, top: float) -> list[Trace]:
    ink = colour(ranked.loss)
    ahead = ranked.curve[max(0, len(ranked.measured) - 1) :]
    end = ranked.curve[-1].seconds
    same = {"legendgroup": ranked.loss, "showlegend": False, "hoverinfo": "skip"}
    band = {
        **same,
        "x": [p.seconds for p in ahead] + [p.seconds for p in reversed(ahead)],
        "y": [p.high for p in ahead] + [p.low for p in reversed(ahead)],
        "fill": "toself",
        "fillcolor": _faint(ink),
        "line": {"width": 0},
        "mode": "lines",
    }
    forecast = {
        "legendgroup": ranked.loss,
        "showlegend": False,
        "name": f"{ranked.loss}, forecast",
        "x": [p.seconds for p in ahead],
        "y": [p.mean for p in ahead],
        "mode": "lines",
        "line": {"color": ink, "dash": "dash", "width": 2},
        "hovertemplate": "%{y:.4f} at %{x:.3g} s",
    }
    measured = {
        "legendgroup": ranked.loss,
        "name": f"{ranked.loss}, P(best) {wording.probability(ranked.p_best)}",
        "x": [p.seconds for p in ranked.measured],
        "y": [p.mean for p in ranked.measured],
        "mode": "lines+markers",
        "line": {"color": ink, "width": 2},
        "marker": {"symbol": _marker(ranked.loss), "size": 7, "color": ink},
        "hovertemplate": "%{y:.4f} at %{x:.3g} s",
    }
    horizon = {
        **same,
        "x": [end, end],
        "y": [0, top],
        "mode": "lines",
        "line": {"color": ink, "dash": "dot", "width": 1},
        "hoverinfo": "name",
        "name": f"{ranked.loss}: horizon, {goal}, {wording.duration(end)}",
    }
    return [band, forecast, measured, horizon]


def _curve_rows(ranked: RankedCandidate) -> list[tuple[str, ...]]:
    n_measured = len(ranked.measured)
    return [
        (
            ranked.loss,
            f"{point.examples:,}",
            f"{point.seconds:.3g}",
            f"{point.mean:.4f}",
            f"{point.low:.4f} to {point.high:.4f}",
            "measured" if number < n_measured else "forecast",
        )
        for number, point in enumerate(ranked.curve)
    ]


def _front(answer: Recommendation) -> Chart | None:
    shown = [r for r in answer.ranking if r.feasible and r.predicted_metric and r.train_seconds]
    if not shown:
        return None
    most = max((r.peak_bytes or 0 for r in shown), default=0) or 1
    spans = [r.train_seconds for r in shown if r.train_seconds]
    seconds = [bound for span in spans for bound in (span.low, span.high)]
    traces = [_front_trace(r, most) for r in shown]
    # Neighbours get their names on different sides.
    for number, trace in enumerate(sorted(traces, key=lambda t: t["x"])):
        trace["textposition"] = _SIDES[number % len(_SIDES)]
    better = "Down" if answer.task.parsed_metric.falls else "Up"
    layout = {
        "xaxis": _log_axis("training seconds to 99% of its value", seconds),
        "yaxis": {"title": {"text": f"{answer.task.metric} at the horizon"}},
        "hovermode": "closest",
    }
    return Chart(
        id="front",
        title="Quality, time and memory",
        reading=(
            f"{better} and to the left is better; the area of a mark is its peak memory; bars "
            "are 80% intervals. Filled marks are on the Pareto front: no other loss is at least as "
            "good in all three."
        ),
        figure={"data": traces, "layout": layout},
        columns=("loss", answer.task.metric, "train time", "peak memory", "Pareto front"),
        rows=tuple(_front_row(r) for r in shown),
    )


def _front_trace(ranked: RankedCandidate, most_bytes: int) -> Trace:
    metric, seconds = ranked.predicted_metric, ranked.train_seconds
    assert metric is not None
    assert seconds is not None
    ink, peak = colour(ranked.loss), ranked.peak_bytes
    return {
        "name": ranked.loss,
        "x": [seconds.mean],
        "y": [metric.mean],
        "error_x": _bar(seconds.low, seconds.mean, seconds.high, ink),
        "error_y": _bar(metric.low, metric.mean, metric.high, ink),
        "mode": "markers+text",
        "text": [ranked.loss],
        "marker": {
            "symbol": "circle" if ranked.pareto else "circle-open",
            "size": _SIZE_MIN + _SIZE_SPAN * ((peak or 0) / most_bytes) ** 0.5,
            "color": ink,
            "line": {"color": ink, "width": 2},
            "opacity": 0.85,
        },
        "hovertemplate": f"%{{y:.4f}} after %{{x:.3g}} s, {wording.size(peak) if peak else '-'}",
    }


def _front_row(ranked: RankedCandidate) -> tuple[str, ...]:
    metric, seconds, peak = ranked.predicted_metric, ranked.train_seconds, ranked.peak_bytes
    return (
        ranked.loss,
        wording.metric_interval(metric) if metric else "unknown",
        wording.duration_interval(seconds) if seconds else "unknown",
        wording.size(peak) if peak is not None else "unknown",
        "yes" if ranked.pareto else "no",
    )


def _chances(answer: Recommendation) -> Chart | None:
    shown = [r for r in answer.ranking if r.feasible]
    if answer.evidence_level == "theory" or not shown:
        return None
    trace = {
        "type": "bar",
        "orientation": "h",
        "x": [r.p_best for r in shown],
        "y": [r.loss for r in shown],
        "marker": {"color": [colour(r.loss) for r in shown]},
        "text": [wording.probability(r.p_best) for r in shown],
        "textposition": "outside",
        "cliponaxis": False,
        "hovertemplate": "%{y}: %{x:.1%}<extra></extra>",
    }
    layout = {
        "xaxis": {"range": [0, 1.08], "tickformat": ".0%", "title": {"text": "P(best)"}},
        "yaxis": {"autorange": "reversed", "automargin": True, "ticksuffix": " "},
        "height": 90 + 38 * len(shown),
        "showlegend": False,
    }
    return Chart(
        id="chances",
        title="How likely each loss is the best",
        reading="By simulation of all forecasts, your trade of time and memory included.",
        figure={"data": [trace], "layout": layout},
        columns=("loss", "P(best)"),
        rows=tuple((r.loss, f"{r.p_best:.4f}") for r in shown),
    )


def _log_axis(title: str, seconds: Sequence[float]) -> dict[str, Any]:
    """A logarithmic axis with 1, 2, 5, 10 ... written out; the page drops them when linear."""
    low, high = max(min(seconds), 1e-6), max(*seconds, 1e-6)
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    ticks = [float(f"{digit}e{power}") for power in powers for digit in (1, 2, 5)]
    pad = 0.03 * max(math.log10(high / low), 0.5)
    return {
        "title": {"text": title},
        "type": "log",
        "range": [math.log10(low) - pad, math.log10(high) + pad],
        "tickmode": "array",
        "tickvals": ticks,
        "ticktext": [f"{tick:g}" for tick in ticks],
    }


def _bar(low: float, mean: float, high: float, ink: str) -> dict[str, Any]:
    return {
        "type": "data",
        "symmetric": False,
        "array": [high - mean],
        "arrayminus": [mean - low],
        "color": ink,
        "thickness": 1.2,
    }


def _marker(loss: str) -> str:
    return _MARKERS.get(loss) or _of_name(loss, _OTHER_MARKERS)


def _of_name(loss: str, choices: Sequence[str]) -> str:
    return choices[zlib.crc32(loss.encode()) % len(choices)]


def _faint(ink: str) -> str:
    red, green, blue = (int(ink[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red},{green},{blue},0.14)"
