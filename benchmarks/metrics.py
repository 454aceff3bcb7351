"""What ranking metrics cost beside the bare matrix product and `topk` of the same scores.

    python -m benchmarks.metrics [--users 20000] [--threads 1 2] [--pairs 5] [--json FILE]

20,000 users, 50,000 items, 64 dimensions, 50 seen and 5 held-out items a user. Bare is what scores
a chunk of users and takes its best 20, at the quickest of several chunk sizes: no item is masked
and nothing is counted. All cases run in turn in one process; medians. Goal: at most 1.1 times.
"""

import argparse
import dataclasses
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from advisor.task import Metric
from benchmarks.loss_timing.interleave import Row, interleaved
from profiler.device import this_device
from profiler.metrics import evaluate
from profiler.ranking import CsrPair

N_ITEMS, DIM, K, N_SEEN, N_HELD_OUT = 50_000, 64, 20, 50, 5
METRICS = ("ndcg@20", "recall@20", "precision@20", "hit@20", "map@20", "psp@20", "mrr")
BARE_CHUNKS = (32, 128, 512)
GOAL = 1.1
SEED = 20260124


def main() -> None:
    options = _options()
    rows: list[Row] = []
    for threads in options.threads:
        torch.set_num_threads(threads)
        rows += _measure(threads, options.users, options.pairs)
    if options.json:
        about = {"device": this_device(max(options.threads)).model_dump(mode="json")}
        told = {**about, "rows": [dataclasses.asdict(row) for row in rows]}
        options.json.write_text(json.dumps(told, indent=1) + "\n")


def _measure(threads: int, n_users: int, pairs: int) -> list[Row]:
    bare, ours = _cases(n_users)
    timings = interleaved({**bare, **ours}, pairs)
    quickest = min(bare, key=lambda name: timings[name].median)
    rows = []
    for name, timing in timings.items():
        ratio = timing.median / timings[quickest].median
        goal = GOAL if name in ours else None
        met = None if goal is None else ratio <= goal
        shape = f"{n_users:,} x {N_ITEMS:,} x {DIM}, {threads} thread(s)"
        rows.append(
            Row(
                "metrics",
                shape,
                name,
                timing.median,
                timing.low,
                timing.high,
                ratio,
                quickest,
                goal,
                met,
                pairs=pairs,
            )
        )
        words = {True: "met", False: "NOT MET", None: ""}[met]
        print(f"{shape}  {name:14s}{timing.median:8.2f} s {ratio:7.3f}  {words}", flush=True)
    return rows


def _cases(n_users: int) -> tuple[dict[str, Callable[[], None]], dict[str, Callable[[], None]]]:
    generator = torch.Generator().manual_seed(SEED)
    users = torch.randn(n_users, DIM, generator=generator)
    items = torch.randn(N_ITEMS, DIM, generator=generator)
    chosen = _distinct(n_users, N_SEEN + N_HELD_OUT)
    seen, held_out = _csr(chosen[:, :N_SEEN]), _csr(chosen[:, N_SEEN:])
    counts = np.bincount(seen[1], minlength=N_ITEMS)

    def score(rows: Tensor) -> Tensor:
        return users[rows] @ items.t()

    def bare(n_chunk: int) -> Callable[[], None]:
        def run() -> None:
            for rows in torch.arange(n_users).split(n_chunk):
                score(rows).topk(K)

        return run

    def ours(metric: Metric) -> Callable[[], None]:
        def run() -> None:
            evaluate(score, np.arange(n_users), seen, held_out, metric, class_counts=counts)

        return run

    return (
        {f"bare, {n} rows": bare(n) for n in BARE_CHUNKS},
        {name: ours(Metric.parse(name)) for name in METRICS},
    )


def _distinct(n_users: int, n_each: int) -> np.ndarray:
    """Items[n_users, n_each], different ones in each row: multiples of a step from a start."""
    generator = np.random.default_rng(SEED)
    start = generator.integers(N_ITEMS, size=(n_users, 1))
    step = 1 + 10 * generator.integers(N_ITEMS // 10, size=(n_users, 1))  # no factor of 50,000
    return (start + step * np.arange(n_each)) % N_ITEMS


def _csr(indices: np.ndarray) -> CsrPair:
    n, each = indices.shape
    return np.arange(0, n * each + 1, each), indices.ravel()


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--users", type=int, default=20_000)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--pairs", type=int, default=5, help="interleaved rounds")
    parser.add_argument("--json", type=Path, help="where the device and all rows are written")
    return parser.parse_args()


if __name__ == "__main__":
    main()
