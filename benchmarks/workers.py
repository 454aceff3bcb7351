"""What a second worker is worth: legs of one calibration, trained by one worker and by two.

    python -m benchmarks.workers [--seconds 90] [--rounds 3] [--only-bare] [--json FILE]

Server, PostgreSQL and workers are real. Each worker has a core of its own for itself and its
trainings, on one thread; the server and the database take what they need of either. The task is
one loss at settings that cost the same, with a horizon so near that the race asks for nearly all
legs at one length. An example is the same work in each of them, and the speed is examples a second
from the first leg's lease to the last one's tell. One and two workers are measured in turns,
because a machine's speed drifts. Beside them stands what the machine itself bears: one training
alone and two side by side, without any service.
"""

import argparse
import dataclasses
import json
import os
import statistics
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from advisor.evidence import Leg, Trial
from advisor.search_space import candidates
from advisor.task import Task
from profiler.device import this_device
from profiler.leg import run_leg
from profiler.prepare import prepare
from profiler.workspace import Workspace
from tests.api.servers import Site, eventually, site
from tests.databases import postgresql_database, postgresql_server
from tests.small_data import write_interactions

GOAL = 1.7
LEARNING_RATES = (2e-3, 2.5e-3, 3e-3, 3.5e-3, 4e-3, 5e-3, 6e-3, 7e-3)
BARE_EPOCHS = 4
_READY_SECONDS = 8.0  # until a worker that is listed has loaded torch


@dataclasses.dataclass(frozen=True)
class Speed:
    """Work done side by side, and how long that took."""

    case: str
    n_at_once: int
    n_legs: int
    n_alike: int  # of the most frequent length
    examples: int
    seconds: float
    seconds_a_leg: float

    @property
    def examples_per_second(self) -> float:
        return self.examples / self.seconds

    def __str__(self) -> str:
        legs = f"{self.n_legs} legs of {self.seconds_a_leg:.2f} s, {self.n_alike} alike"
        speed = f"{self.seconds:8.1f} s{self.examples_per_second:10,.0f} examples/s"
        return f"{self.case:9s}{self.n_at_once} at once, {legs:32s}{speed}"


def main() -> None:
    options = _options()
    cores = sorted(os.sched_getaffinity(0))[:2]
    if len(cores) < 2:
        raise SystemExit("two workers need two cores")
    speeds: list[Speed] = []
    with tempfile.TemporaryDirectory(prefix="workers-") as name:
        for _ in range(options.rounds):
            for n_at_once in (1, 2):
                speeds.append(_bare(Path(name), cores[:n_at_once]))
                print(speeds[-1], flush=True)
    if not options.only_bare:
        with postgresql_server() as server:
            for _ in range(options.rounds):
                for n_at_once in (1, 2):
                    with _new_site(server) as found:
                        speeds.append(_served(found, cores[:n_at_once], options.seconds))
                    print(speeds[-1], flush=True)
    ratios = {case: _ratio(speeds, case) for case in dict.fromkeys(s.case for s in speeds)}
    for case, ratio in ratios.items():
        goal = f", goal {GOAL}" if case == "workers" else ""
        print(
            f"{case}: two are {ratio:.2f} times as fast as one (median of {options.rounds}{goal})"
        )
    if options.json:
        rows = [
            dataclasses.asdict(s) | {"examples_per_second": s.examples_per_second} for s in speeds
        ]
        about = {"device": this_device(1).model_dump(mode="json"), "goal": GOAL}
        options.json.write_text(json.dumps({**about, "ratios": ratios, "rows": rows}, indent=1))


def _ratio(speeds: list[Speed], case: str) -> float:
    one, two = (
        statistics.median(
            s.examples_per_second for s in speeds if (s.case, s.n_at_once) == (case, n_at_once)
        )
        for n_at_once in (1, 2)
    )
    return two / one


def _task(path: str) -> dict[str, Any]:
    """Some 10 ms a step on one thread, and 32 settings of one loss that cost and learn the same."""
    settings = {"learning_rate": LEARNING_RATES, "weight_decay": (1e-4, 3e-5, 1e-5, 3e-6)}
    return {
        "name": "workers",
        "data": {"path": path},
        "metric": "ndcg@10",
        "model": {"embedding_dim": 64},
        "training": {"batch_size": 512},
        "horizon": {"epochs": 2},
        "losses": {"include": ["softmax"], "settings": {"softmax": settings}},
    }


def _write_data(folder: Path) -> Path:
    return write_interactions(folder / "orders.csv", n_users=2000, n_items=2000, per_user=30)


# Without a service ------------------------------------------------------------------------------


def _bare(folder: Path, cores: list[int]) -> Speed:
    """The same leg on each of these cores, in processes of their own."""
    file = folder / "orders.csv"
    task = Task.model_validate(_task(str(file if file.exists() else _write_data(folder))))
    prepared = prepare(task, Workspace(folder, device=this_device(1)))
    (candidate, *_) = candidates(prepared.task, prepared.statistics)["softmax"]
    examples = BARE_EPOCHS * prepared.statistics.n_examples // 512 * 512
    leg = Leg(trial=Trial(candidate=candidate, seed=0), from_examples=0, checkpoints=(examples,))
    with ProcessPoolExecutor(len(cores), mp_context=get_context("spawn")) as pool:
        states = [str(folder / f"states-{core}") for core in cores]
        list(pool.map(_train, [prepared] * len(cores), [leg] * len(cores), states, cores))
        started = time.monotonic()
        walls = list(pool.map(_train, [prepared] * len(cores), [leg] * len(cores), states, cores))
        seconds = time.monotonic() - started
    n = len(cores)
    return Speed("bare", n, n, n, n * examples, seconds, statistics.mean(walls))


def _train(prepared: Any, leg: Leg, states_dir: str, core: int) -> float:
    os.sched_setaffinity(0, {core})
    started = time.monotonic()
    list(run_leg(prepared, leg, states_dir, 1, started + 600))
    return time.monotonic() - started


# With one ---------------------------------------------------------------------------------------


@contextmanager
def _new_site(server: Any) -> Iterator[Site]:
    with (
        postgresql_database(server) as url,
        tempfile.TemporaryDirectory(prefix="workers-") as name,
        site(url, Path(name)) as found,
    ):
        _write_data(found.data_dir)
        found.serve(ADVISOR_RUNS_CALIBRATIONS="false")
        yield found


def _served(found: Site, cores: list[int], budget_seconds: float) -> Speed:
    """A calibration of so many seconds by a worker on each of these cores."""
    for slot, core in enumerate(cores):
        with _pinned(core):
            found.work(ADVISOR_DEVICE_SLOT=f"cpu{slot}")
    eventually(lambda: len(found.http.get("/v1/workers").json()["items"]) == len(cores))
    time.sleep(_READY_SECONDS)
    body = {"task": _task("orders.csv"), "budget_seconds": budget_seconds}
    calibration_id = found.http.post("/v1/calibrations", json=body).json()["id"]
    ended = eventually(lambda: _ended(found, calibration_id), 2 * budget_seconds + 60)
    assert ended["status"] == "succeeded", ended
    legs = [leg for leg in found.legs().values() if leg["outcome"] == "completed"]
    first = min(leg["leased_at"] for leg in legs)
    last = max(leg["told_at"] for leg in legs)
    lengths = [leg["examples"] - leg["from_examples"] for leg in legs]
    return Speed(
        case="workers",
        n_at_once=len(cores),
        n_legs=len(legs),
        n_alike=lengths.count(statistics.mode(lengths)),
        examples=sum(lengths),
        seconds=(last - first).total_seconds(),
        seconds_a_leg=statistics.mean(leg["wall_seconds"] for leg in legs),
    )


def _ended(found: Site, calibration_id: str) -> dict[str, Any] | None:
    time.sleep(0.5)  # who asks takes time from those who work
    calibration = found.calibration(calibration_id)
    return None if calibration["status"] in ("queued", "running") else calibration


@contextmanager
def _pinned(core: int) -> Iterator[None]:
    """What is started meanwhile runs on this core alone, with all its children."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--seconds", type=float, default=90.0, help="budget of a calibration")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only-bare", action="store_true", help="without any service")
    parser.add_argument("--json", type=Path)
    return parser.parse_args()


if __name__ == "__main__":
    main()
