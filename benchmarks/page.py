"""How fast the page is in a real Chromium, on this machine.

    python -m benchmarks.page [--rounds 5] [--json FILE]

A real server with a calibration of 200 trials and 10,000 measured points, told to its store as a
worker tells them; nothing is trained. Seconds are the browser's own, from navigation or click to
the frame in which it is drawn; the server and the browser share the machine. On a busy one they
say little: beside them stand the seconds of CPU of the page's own process, for one view or drawing,
and of the longest task.
"""

import argparse
import dataclasses
import json
import shutil
import statistics
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import psutil
from playwright.sync_api import Browser, Page, sync_playwright

from advisor.catalogue import catalogue
from advisor.evidence import Candidate, Leg, LegReport, Measurement, Trial
from profiler.device import this_device
from store.engine import Store, open_store
from tests.api.servers import site
from tests.databases import sqlite_url
from tests.store.examples import prepared_calibration

FIRST_VIEW_SECONDS, REDRAW_SECONDS, TASK_SECONDS = 1.5, 0.2, 0.2
N_TRIALS, N_POINTS = 200, 50
LIVE_SECONDS = 40.0
_WATCH = """
addEventListener("DOMContentLoaded", () => {
  const look = () => {
    if (document.querySelector(".view:not([aria-busy]) h1") && self.usableAt === undefined)
      requestAnimationFrame(() => (self.usableAt ??= performance.now()));
  };
  const all = { subtree: true, childList: true, attributes: true };
  new MutationObserver(look).observe(document.body, all);
});
self.tasks = [];
new PerformanceObserver((list) => {
  for (const { startTime, duration } of list.getEntries()) self.tasks.push({ startTime, duration });
}).observe({ type: "longtask", buffered: true });
"""
_REDRAW = """async (name) => {
  const plot = document.querySelector(".chart");
  const option = [...document.querySelectorAll(".choice input")].find((one) => one.value === name);
  const drawn = new Promise((resolve) => plot.once("plotly_afterplot", resolve));
  const started = performance.now();
  option.click();
  await drawn;
  await new Promise(requestAnimationFrame);
  return (performance.now() - started) / 1000;
}"""
_FIRST_DRAWN = """() => new Promise((resolve) => {
  const look = () => {
    const plot = document.querySelector(".chart path.js-line");
    if (plot) resolve(performance.now());
    else setTimeout(look, 20);
  };
  look();
})"""


@dataclasses.dataclass(frozen=True)
class Row:
    """A case, what it took, and how long it may take at the worst."""

    case: str
    seconds: float
    worst_seconds: float
    cpu_seconds: float | None
    goal_seconds: float

    @property
    def met(self) -> bool:
        return self.worst_seconds <= self.goal_seconds

    def __str__(self) -> str:
        times = (self.seconds, self.worst_seconds, self.cpu_seconds, self.goal_seconds)
        numbers = "".join(" " * 11 if s is None else f"{s:9.3f} s" for s in times)
        return f"{self.case:58s}{numbers}  {'met' if self.met else 'NOT MET'}"


def main() -> None:
    options = _options()
    print(f"{'':58s}{'median':>11s}{'worst':>11s}{'CPU':>11s}{'goal':>11s}")
    rows: list[Row] = []
    for row in _measured(options.rounds):
        rows.append(row)
        print(row, flush=True)
    if options.json:
        told = [{**dataclasses.asdict(row), "met": row.met} for row in rows]
        about = {"device": this_device(1).model_dump(mode="json"), "rounds": options.rounds}
        options.json.write_text(json.dumps({**about, "rows": told}, indent=1) + "\n")


def _measured(rounds: int) -> Iterator[Row]:
    executable = shutil.which("chromium")
    if executable is None:
        raise SystemExit("there is no Chromium here")
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        url = sqlite_url(Path(folder))
        with site(url, Path(folder)) as found:
            found.serve(ADVISOR_RUNS_CALIBRATIONS="false")
            store, base = open_store(url), f"http://127.0.0.1:{found.port}"
            launch = partial(
                playwright.chromium.launch, executable_path=executable, args=["--no-sandbox"]
            )
            with launch() as browser:
                yield _first_view(browser, f"{base}/", rounds)
            done = prepared_calibration(store)
            _tell(store, done, 0.0)
            with launch() as browser:
                yield _redraws(browser, f"{base}/#/calibrations/{done}", rounds)
            live = prepared_calibration(store, task="live-data")
            with launch() as browser:
                yield _smoothness(browser, f"{base}/#/calibrations/{live}", store, live)
            store.close()


def _first_view(browser: Browser, url: str, rounds: int) -> Row:
    """Nothing in the browser's cache: a context of its own each time."""
    found = [_usable_after(browser, url) for _ in range(rounds)]
    seconds, cpu = [wall for wall, _ in found], statistics.median(cpu for _, cpu in found)
    case = "first view usable, nothing cached"
    return Row(case, statistics.median(seconds), max(seconds), cpu, FIRST_VIEW_SECONDS)


def _usable_after(browser: Browser, url: str) -> tuple[float, float]:
    page = _page(browser, url)
    page.locator(".view:not([aria-busy]) h1").wait_for()
    page.wait_for_timeout(100)
    seconds, cpu_seconds = page.evaluate("self.usableAt") / 1000, _cpu_seconds()
    page.context.close()
    return seconds, cpu_seconds


def _redraws(browser: Browser, url: str, rounds: int) -> Row:
    """Another axis is chosen: every point is drawn anew."""
    page = _page(browser, url)
    page.evaluate(_FIRST_DRAWN)
    page.locator(f".trials tbody tr:nth-child({N_TRIALS})").wait_for()
    page.wait_for_timeout(2000)
    names = ["examples", "seconds"] * rounds
    seconds: list[float] = []
    before = _cpu_seconds()
    for name in names:
        seconds.append(page.evaluate(_REDRAW, name))
        page.wait_for_timeout(200)
    cpu = (_cpu_seconds() - before) / len(names)
    page.context.close()
    case = f"{N_TRIALS * N_POINTS:,} curve points redrawn"
    return Row(case, statistics.median(seconds), max(seconds), cpu, REDRAW_SECONDS)


def _smoothness(browser: Browser, url: str, store: Store, id_: str) -> Row:
    """All of it comes while it is watched; tasks before the first drawing is over are left out."""
    page = _page(browser, url)
    telling = threading.Thread(target=_tell, args=(store, id_, LIVE_SECONDS))
    telling.start()
    first = page.evaluate(_FIRST_DRAWN)
    browser.start_tracing(page=page, categories=["toplevel"])
    page.locator(f".trials tbody tr:nth-child({N_TRIALS})").wait_for(timeout=300_000)
    telling.join()
    page.wait_for_timeout(3000)
    cpu = _longest_task_cpu_seconds(json.loads(browser.stop_tracing()))
    tasks = [
        t["duration"] / 1000 for t in page.evaluate("self.tasks") if t["startTime"] > first
    ] or [0.0]
    page.context.close()
    case = f"task of the main thread above 50 ms, {N_TRIALS} trials live"
    return Row(case, statistics.median(tasks), max(tasks), cpu, TASK_SECONDS)


def _longest_task_cpu_seconds(trace: dict[str, Any]) -> float:
    """Of the tasks of all main threads of pages, as the browser itself accounts for them."""
    events = trace["traceEvents"]
    mains = {
        (event["pid"], event["tid"])
        for event in events
        if event["name"] == "thread_name" and event["args"]["name"] == "CrRendererMain"
    }
    spent = (e.get("tdur", 0) for e in events if (e["pid"], e["tid"]) in mains)
    return max(spent, default=0) / 1e6


def _cpu_seconds() -> float:
    """Of the process that the page is in, so far: the busiest, as others only stand ready."""
    used = 0.0
    for child in psutil.Process().children(recursive=True):
        with suppress(psutil.Error):
            if "--type=renderer" in child.cmdline():
                spent = child.cpu_times()
                used = max(used, spent.user + spent.system)
    return used


def _page(browser: Browser, url: str) -> Page:
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    context.add_init_script(_WATCH)
    page = context.new_page()
    page.goto(url)
    return page


def _tell(store: Store, id_: str, seconds: float) -> None:
    """A worker's calls for trials of every loss, spread over so many seconds."""
    names = list(catalogue())
    for n in range(N_TRIALS):
        started = time.monotonic()
        leg = _leg(names[n % len(names)], n)
        leader = leg.trial.candidate
        store.calibrations.lease(id_, leg, "it is measured how fast the page is")
        store.calibrations.tell(id_, _report(leg, n), leader, 0.3, n / N_TRIALS)
        time.sleep(max(0.0, seconds / N_TRIALS - (time.monotonic() - started)))


def _leg(loss: str, n: int) -> Leg:
    candidate = Candidate(loss=loss, settings={"learning_rate": 10 ** (-1 - n / 100)})
    points = tuple(1000 * (i + 1) for i in range(N_POINTS))
    return Leg(trial=Trial(candidate=candidate, seed=0), from_examples=0, checkpoints=points)


def _report(leg: Leg, n: int) -> LegReport:
    measured = tuple(
        Measurement(examples=e, seconds=0.01 * (i + 1 + n / 50), value=_value(i, n))
        for i, e in enumerate(leg.checkpoints)
    )
    fields: dict[str, Any] = {"train_seconds": measured[-1].seconds, "wall_seconds": 0.1}
    return LegReport(
        leg=leg,
        outcome="completed",
        measurements=measured,
        examples=leg.until_examples,
        peak_bytes=2**25,
        **fields,
    )


def _value(i: int, n: int) -> float:
    """A curve that rises and wavers, of its own for every trial."""
    return 0.3 * (1 - 2 ** (-i / (4 + n % 13))) + 0.01 * ((i * 7 + n * 3) % 5) / 5


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path)
    return parser.parse_args()


if __name__ == "__main__":
    main()
