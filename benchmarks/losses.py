"""Seconds of the losses' training steps, against the goals they are held to.

    python -m benchmarks.losses [--threads 1 2] [--pairs 20] [--only exact] [--json FILE]

All cases of a comparison run in turn in one process; medians, with quartiles in the JSON. Large
shapes run a part of the pairs (the column says how many).
"""

import argparse
import dataclasses
import importlib
import json
import platform
import sys
import time
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table

from benchmarks.loss_timing.interleave import Row
from profiler.device import this_device

FOLDER = Path(__file__).with_name("loss_timing")
SECTIONS = sorted(p.stem for p in FOLDER.glob("*.py") if "def measure(" in p.read_text())


def main() -> None:
    options = _options()
    console = Console(width=None if sys.stdout.isatty() else 140)
    results = []
    for threads in options.threads:
        for section in options.only or SECTIONS:
            started = time.perf_counter()
            module = importlib.import_module(f"benchmarks.loss_timing.{section}")
            rows = list(module.measure(threads, options.pairs))
            seconds = time.perf_counter() - started
            console.print(_table(f"{section}, {threads} thread(s), {seconds:.0f} s", rows))
            results += [{"threads": threads, **dataclasses.asdict(row)} for row in rows]
            if options.json:
                options.json.write_text(json.dumps({**_about(), "rows": results}, indent=1))
    missed = sum(row["met"] is False for row in results)
    console.print(f"{sum(row['met'] is True for row in results)} goals met, {missed} missed")


def _table(title: str, rows: list[Row]) -> Table:
    table = Table(title=title)
    for column in ("shape", "case", "pairs", "ms", "ratio", "to", "goal", ""):
        table.add_column(column, justify="right" if column in ("pairs", "ms", "ratio") else "left")
    for row in rows:
        sign = "at least" if row.at_least else "at most"
        table.add_row(
            row.shape,
            row.case,
            str(row.pairs or ""),
            f"{row.seconds * 1e3:.2f}",
            "" if row.ratio is None else f"{row.ratio:.3f}",
            row.ratio_to,
            "" if row.goal is None else f"{sign} {row.goal:g}",
            {True: "met", False: "NOT MET", None: ""}[row.met],
        )
    return table


def _about() -> dict[str, object]:
    return {
        "device": this_device(1).model_dump(mode="json"),
        "python": platform.python_version(),
        "torch": torch.__version__,
    }


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--pairs", type=int, default=20, help="interleaved rounds per comparison")
    parser.add_argument("--only", nargs="+", choices=SECTIONS, help="sections; all by default")
    parser.add_argument("--json", type=Path, help="where the device and all rows are written")
    return parser.parse_args()


if __name__ == "__main__":
    main()
