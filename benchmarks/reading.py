"""How long a large csv takes to become a dataset, and in how much memory.

Writes a csv (user, item, time) of ten million rows into a temporary folder, once with integer ids
and once with strings, has `profiler.prepare` read each in its child, and prints the seconds from
asking to answer and the child's peak resident bytes (the mapped pages of the csv count).

    python -m benchmarks.reading [--rows 10000000] [--kind sequences] [--json]
"""

import argparse
import json
import resource
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

LIMITS = {"integers": 8.0, "strings": 18.0}
"""Seconds for ten million rows, by the type of the ids."""
PEAK_GB_LIMIT = 1.2
USERS_PER_ROW, ITEMS_PER_ROW = 1 / 50, 1 / 200
SEED = 20260124


def main() -> None:
    """Measure both files, one after the other, and print a table or JSON."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--kind", choices=["interactions", "sequences"], default="interactions")
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    results = []
    for ids, limit in LIMITS.items():
        with tempfile.TemporaryDirectory(prefix="reading-") as folder:
            path = Path(folder) / "events.csv"
            in_process(write_csv, path, asked.rows, ids == "strings")
            result = in_process(measure, path, asked.kind)
        results.append({"ids": ids, "rows": asked.rows, "kind": asked.kind, **result})
        if not asked.json:
            print(
                f"{asked.kind}, {ids}: {asked.rows:,} rows in {result['seconds']:.1f} s "
                f"(at most {limit:g} s for 10 million), {result['cpu_seconds']:.1f} s of CPU, "
                f"peak {result['peak_bytes'] / 1e9:.2f} GB "
                f"(at most {PEAK_GB_LIMIT} GB)"
            )
    if asked.json:
        print(json.dumps(results, indent=2))


def in_process(function: Callable[..., Any], *arguments: Any) -> Any:
    """Run in a process of its own: a child's peak memory begins with that of its parent."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(function, *arguments).result()


def write_csv(path: Path, n_rows: int, as_text: bool) -> None:
    """Users and items by Zipf-like popularity, in order of time."""
    import numpy as np
    import polars as pl

    generator = np.random.default_rng(SEED)

    def drawn(n_ids: int) -> Any:
        ids = (n_ids ** generator.random(n_rows)).astype(np.int64)  # share falls as 1 / rank
        return generator.permutation(n_ids + 1)[ids]

    n_users, n_items = (max(2, int(n_rows * s)) for s in (USERS_PER_ROW, ITEMS_PER_ROW))
    users = generator.integers(n_users, size=n_rows)
    frame = pl.DataFrame({"user": users, "item": drawn(n_items)})
    if as_text:
        frame = frame.select(
            pl.format("user-{}", "user").alias("user"), pl.format("item-{}", "item").alias("item")
        )
    frame = frame.with_columns(time=1_600_000_000 + np.arange(n_rows))
    frame.write_csv(path)


def measure(path: Path, kind: str) -> dict[str, float]:
    """Seconds of `prepare`; CPU seconds and peak resident bytes of the child that it starts."""
    from advisor.task import Task
    from profiler.prepare import prepare
    from profiler.workspace import Workspace

    columns = {"user": "user", "item": "item", **({"time": "time"} if kind == "sequences" else {})}
    task = Task.model_validate(
        {
            "name": "reading",
            "kind": kind,
            "data": {"path": str(path), "columns": columns},
            "metric": "ndcg@10",
            "horizon": {"epochs": 1},
        }
    )
    workspace = Workspace(path.parent)
    start = time.perf_counter()
    prepare(task, workspace)
    seconds = time.perf_counter() - start
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return {
        "seconds": seconds,
        "cpu_seconds": used.ru_utime + used.ru_stime,
        "peak_bytes": used.ru_maxrss * 1024,
    }


if __name__ == "__main__":
    main()
