"""The study's figures, as SVG that is the same, byte for byte, for the same facts.

Needs matplotlib, which the `bench` extra brings.
"""

import re
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt

from advisor.catalogue import known_losses
from benchmarks.study_facts import TaskFacts

_STYLE = {
    "svg.hashsalt": "study",
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.alpha": 0.25,
}
_MARKERS = "os^vD<>pP*Xh"
_SAVED: dict[str, Any] = {"metadata": {"Date": None}, "bbox_inches": "tight", "facecolor": "white"}
_LEGEND: dict[str, Any] = {"loc": "lower center", "ncols": 6, "frameon": False, "fontsize": 8}


def draw(tasks: Sequence[TaskFacts], folder: Path) -> list[str]:
    """Write all figures into the folder; their file names."""
    folder.mkdir(parents=True, exist_ok=True)
    mpl.use("Agg")
    found = {
        "study-final.svg": _final,
        "study-curves.svg": _curves,
        "study-gradients.svg": _gradients,
    }
    with plt.rc_context(_STYLE):
        for name, make in found.items():
            figure = make(tasks)
            figure.savefig(folder / name, **_SAVED)
            plt.close(figure)
    return list(found)


def _final(tasks: Sequence[TaskFacts]) -> Any:
    """Each loss's share of the best, task by task."""
    figure, axes = plt.subplots(figsize=(10, 4.2))
    for loss, marker, colour in _losses():
        places = [i for i, task in enumerate(tasks) if loss in task.by_loss]
        offset = (_MARKERS.index(marker) - 5.5) * 0.05
        axes.plot(
            [i + offset for i in places],
            [100 * tasks[i].share(loss) for i in places],
            marker,
            color=colour,
            label=loss,
            markersize=6,
        )
    axes.set_xticks(range(len(tasks)), [f"{t.name}\n{t.n_classes:,} classes" for t in tasks])
    axes.tick_params(axis="x", labelsize=6.5)
    axes.set_ylabel("% of the best loss, validation, at the horizon")
    figure.subplots_adjust(bottom=0.28)
    figure.legend(**_LEGEND)
    return figure


def _curves(tasks: Sequence[TaskFacts]) -> Any:
    """Best so far against training seconds, each loss at its best setting."""
    figure, grid = plt.subplots(2, 4, figsize=(12, 6))
    for axes, task in zip(grid.flat, tasks, strict=False):
        for loss, _, colour in _losses():
            if (found := task.by_loss.get(loss)) is not None:
                seconds = found.examples * found.seconds_per_example
                axes.plot(seconds, found.best_so_far, color=colour, label=loss, linewidth=1.3)
        axes.set_xscale("log")
        axes.set_title(f"{task.name}, {task.metric}", fontsize=9)
        axes.set_xlabel("training seconds, one core", fontsize=8)
    figure.tight_layout(rect=(0, 0.09, 1, 1))
    handles, labels = grid.flat[0].get_legend_handles_labels()
    figure.legend(handles, labels, **_LEGEND)
    return figure


def _gradients(tasks: Sequence[TaskFacts]) -> Any:
    """Cosine of one drawn gradient to the exact one, against the share of the best."""
    figure, axes = plt.subplots(figsize=(7, 4.4))
    for loss, marker, colour in _losses():
        points = [
            (seen.cosine.mean, 100 * task.share(loss))
            for task in tasks
            if (found := task.by_loss.get(loss)) and found.diagnosis
            if (seen := found.diagnosis.agreement) is not None
        ]
        if points:
            axes.plot(*zip(*points, strict=True), marker, color=colour, label=loss)
    axes.set_xlabel("cosine of one gradient to softmax's exact one, after a tenth of the training")
    axes.set_ylabel("% of the best loss at the horizon")
    figure.subplots_adjust(bottom=0.26)
    figure.legend(**_LEGEND)
    return figure


def _losses() -> list[tuple[str, str, str]]:
    """Every loss with its marker, and its colour as on the page."""
    script = (files("api") / "web" / "losses.js").read_text(encoding="utf-8")
    inks = dict(re.findall(r'(\w+): \{ light: "(#\w+)"', script))
    names = sorted(known_losses())
    return [(n, marker, inks[n]) for n, marker in zip(names, _MARKERS, strict=True)]
