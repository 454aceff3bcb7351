"""What the service takes: answers at once, profiles by filter, memory, listeners.

    python -m benchmarks.service [--profiles 1000000] [--only sqlite postgresql] [--json FILE]

A real server over a real database with so many profiles stored; the client is another process on
the same machine, so what it takes is in every number. An answer at once is remembered by all that
it depends on, so three streams of tasks are timed: the same ones again and again (after each was
asked once), and tasks nobody asked before, of similar sizes and of any. Goals are for a million.
"""

import argparse
import dataclasses
import itertools
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import psutil

from benchmarks.service_load.listeners import events_heard
from benchmarks.service_load.many_profiles import KINDS, METRICS, fill
from benchmarks.service_load.requests import Connection, Timing, at_rate, one_by_one, per_second
from profiler.device import this_device
from tests.api.servers import Program, Site, site
from tests.databases import BACKENDS, postgresql_database, postgresql_server, sqlite_url
from tests.small_data import at_one_setting

PER_SECOND, N_TASKS = 20.0, 40
ANSWER_P50, ANSWER_P99, PREVIEW_SECONDS, FILTER_P99 = 0.006, 0.015, 0.1, 0.03
THROUGHPUT_RATIO, MEMORY_BYTES, N_LISTENERS, ROUNDS = 0.4, 200e6, 200, 3
PATH = "/v1/recommendations"


@dataclasses.dataclass(frozen=True)
class Row:
    """A number, its unit and its goal; `at_least` is the direction of the goal."""

    database: str
    case: str
    value: float
    unit: str
    goal: float | None = None
    at_least: bool = False

    @property
    def met(self) -> bool | None:
        if self.goal is None:
            return None
        return self.value >= self.goal if self.at_least else self.value <= self.goal

    def __str__(self) -> str:
        words = {True: "met", False: "NOT MET", None: ""}[self.met]
        sign = "" if self.goal is None else f"{'>=' if self.at_least else '<='} {self.goal:g}"
        case = f"{self.database:11s}{self.case:54s}"
        return f"{case}{self.value:11.4g} {self.unit:11s}{sign:9s}{words}"


def main() -> None:
    options = _options()
    rows: list[Row] = []
    for database in options.only:
        with _filled(database, options.profiles) as (found, server):
            for row in _measure(database, found, server, options):
                rows.append(row)
                print(row, flush=True)
    if options.json:
        about = {"device": this_device(1).model_dump(mode="json"), "profiles": options.profiles}
        told = [{**dataclasses.asdict(row), "met": row.met} for row in rows]
        options.json.write_text(json.dumps({**about, "rows": told}, indent=1) + "\n")
    if any(row.met is False for row in rows):
        print("not every goal is met")


@contextmanager
def _filled(database: str, n_profiles: int) -> Iterator[tuple[Site, Program]]:
    with ExitStack() as open_, tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if database == "sqlite":
            url = sqlite_url(folder)
        else:
            url = open_.enter_context(postgresql_database(open_.enter_context(postgresql_server())))
        found = open_.enter_context(site(url, folder))
        found.upgrade()
        started = time.monotonic()
        fill(url, n_profiles)
        print(
            f"{database}: {n_profiles:,} profiles in {time.monotonic() - started:.0f} s", flush=True
        )
        # More requests a minute than a client may make by itself.
        yield found, found.serve(ADVISOR_REQUESTS_PER_MINUTE="1000000")


def _measure(
    database: str, found: Site, server: Program, options: argparse.Namespace
) -> Iterator[Row]:
    client = Connection(str(found.http.base_url))
    for case, timing, goals in _answers(client, options.seconds):
        yield from _timed(database, case, timing, goals)
    yield from _throughput(database, found, server, client, options.requests)
    for case, timing in _filters(client, options.requests):
        yield from _timed(database, case, timing, (None, FILTER_P99))
    yield from _listeners(database, found)
    memory = psutil.Process(server.process.pid).memory_info().rss
    yield Row(database, "memory of the server after all this", memory, "bytes", MEMORY_BYTES)
    has_torch = float("libtorch" in server.memory_maps())
    yield Row(database, "torch in it", has_torch, "libraries", 0.0)


def _timed(
    database: str, case: str, timing: Timing, goals: tuple[float | None, float | None]
) -> Iterator[Row]:
    for name, value, goal in zip(("p50", "p99"), (timing.p50, timing.p99), goals, strict=True):
        of = None if goal is None else 1000 * goal
        yield Row(database, f"{case}, {name} of {timing.n}", 1000 * value, "ms", of)


def _task(n_classes: int, **changes: Any) -> dict[str, Any]:
    statistics = {"n_rows": 200_000, "n_classes": n_classes, "n_examples": 6_000_000}
    task = {"kind": "description", "metric": "ndcg@20", "horizon": {"epochs": 10}}
    return {"task": {**task, "statistics": statistics, **changes}}


def _answers(
    client: Connection, seconds: float
) -> Iterator[tuple[str, Timing, tuple[float | None, float | None]]]:
    n = round(seconds * PER_SECOND)
    goals = (ANSWER_P50, ANSWER_P99)

    def asks(bodies: list[dict[str, Any]], path: str = PATH) -> list[Callable[[], object]]:
        return [lambda body=body: client.post(path, body) for body in bodies]

    known = [_task(1000 + 2000 * i) for i in range(N_TASKS)]
    one_by_one(asks(known))
    yield "answers, 40 tasks in turn", at_rate(asks([*itertools.islice(
        itertools.cycle(known), n)]), PER_SECOND), goals  # fmt: skip
    new = [_task(50_001 + i) for i in range(n)]
    one_by_one(asks(new[:1]))
    yield "answers, each task new, of similar size", at_rate(asks(new[1:]), PER_SECOND), goals
    sizes = np.geomspace(100, 900_000, n).astype(int)
    order = np.random.default_rng(0).permutation(n)
    other = [_task(int(sizes[i]) + 1, metric=METRICS[:3][i % 3]) for i in order]
    yield (
        "answers, each task new, of any size and metric",
        at_rate(asks(other[: n // 4]), PER_SECOND / 4),
        (None, None),
    )
    id_ = json.loads(client.post(PATH, known[0]))["id"]
    previews = [
        {"recommendation_id": id_, "horizon": {"epochs": 1 + i}, "trade": {"speed": 0.001 * i}}
        for i in range(n // 4)
    ]
    yield (
        "previews, each at another horizon and trade",
        one_by_one(asks(previews, f"{PATH}:preview")),
        (None, PREVIEW_SECONDS),
    )


def _throughput(
    database: str, found: Site, server: Program, client: Connection, n: int
) -> Iterator[Row]:
    body = _task(1000)
    answer = found.folder / "answer.json"
    answer.write_bytes(client.post(PATH, body))
    with _bare(found, answer) as (bare_url, bare_pid):
        rates: dict[str, list[float]] = {"ours": [], "bare": []}
        cpu_seconds: dict[str, list[float]] = {"ours": [], "bare": []}
        for _ in range(ROUNDS):
            for name, url, pid in (
                ("ours", str(found.http.base_url), server.process.pid),
                ("bare", bare_url, bare_pid),
            ):
                before = sum(psutil.Process(pid).cpu_times()[:2])
                rates[name].append(per_second(url, PATH, body, n))
                spent = sum(psutil.Process(pid).cpu_times()[:2]) - before
                cpu_seconds[name].append(spent / n)
    for name, of in rates.items():
        yield Row(database, f"throughput, {name}", float(np.median(of)), "answers/s")
        spent = 1000 * float(np.median(cpu_seconds[name]))
        yield Row(database, f"CPU of an answer, {name}", spent, "ms")
    ratio = float(np.median(rates["ours"]) / np.median(rates["bare"]))
    yield Row(
        database, f"throughput over that of a bare post of {answer.stat().st_size:,} bytes",
        ratio, "", THROUGHPUT_RATIO, True,
    )  # fmt: skip


@contextmanager
def _bare(found: Site, answer: Path) -> Iterator[tuple[str, int]]:
    port = found.port + 1
    command = [sys.executable, "-m", "benchmarks.service_load.bare", str(port), str(answer)]
    with (found.folder / "bare.log").open("w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    url = f"http://127.0.0.1:{port}"
    try:
        for _ in range(200):
            try:
                httpx.get(f"{url}/openapi.json")
                break
            except httpx.TransportError:
                time.sleep(0.1)
        yield url, process.pid
    finally:
        process.terminate()
        process.wait()


def _filters(client: Connection, n: int) -> Iterator[tuple[str, Timing]]:
    """Each documented filter and pair, with values that many, few and no profiles have."""
    losses, tasks = ("softmax", "rg2", "none"), ("task-1", "task-77", "none")
    narrow = [
        f"n_classes_min={low}&n_classes_max={high}"
        for low, high in ((1, 10**9), (5000, 6000), (70_000, 70_050), (5001, 5001), (10**7, 10**8))
    ]
    cases: dict[str, list[str]] = {
        "none": [""],
        "loss": [f"loss={v}" for v in losses],
        "task": [f"task={v}" for v in tasks],
        "kind": [f"kind={v}" for v in (*KINDS, "none")],
        "device": [f"device={v}" for v in ("device-1", "device-5", "none")],
        "metric": [f"metric={v}" for v in (*METRICS, "none")],
        "n_classes": narrow,
        "source": ["source=calibration", "source=outcome"],
        "bad": ["bad=false", "bad=true"],
        "task and loss": [f"task={t}&loss={v}" for t in tasks for v in losses],
        "loss and metric": [f"loss={v}&metric={m}" for v in losses for m in METRICS],
        "kind and metric": [f"kind={k}&metric={m}" for k in KINDS for m in METRICS],
    }
    for name, queries in cases.items():
        paths = [f"/v1/profiles?{query}" for query in queries]
        for path in [*paths]:  # the second page too
            token = json.loads(client.ask("GET", path))["next_page_token"]
            if token:
                paths.append(f"{path}&page_token={token}")
        asked = itertools.islice(itertools.cycle(paths), max(n // 8, len(paths)))
        yield (
            f"profiles by {name}",
            one_by_one([lambda path=path: client.ask("GET", path) for path in asked]),
        )


def _listeners(database: str, found: Site) -> Iterator[Row]:
    id_ = found.calibrate(60, losses=at_one_setting("bpr"), horizon={"epochs": 1})
    heard = events_heard(str(found.http.base_url), id_, N_LISTENERS)
    whole = [*range(1, max(map(len, heard)) + 1)]
    n_right = sum(numbers == whole for numbers in heard)
    case = f"listeners that heard each of {len(whole)} events once"
    yield Row(database, case, n_right, "of 200", N_LISTENERS, True)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--profiles", type=int, default=1_000_000)
    parser.add_argument("--only", nargs="+", choices=BACKENDS, default=BACKENDS)
    parser.add_argument("--seconds", type=float, default=20.0, help="of each stream of answers")
    parser.add_argument("--requests", type=int, default=800, help="of each round of throughput")
    parser.add_argument("--json", type=Path, help="where the device and all rows are written")
    return parser.parse_args()


if __name__ == "__main__":
    main()
