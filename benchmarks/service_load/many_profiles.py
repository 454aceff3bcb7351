"""A database with very many profiles, of many tasks, losses, devices and sizes."""

import hashlib
import itertools
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import sqlalchemy as sa

from advisor.catalogue import catalogue
from advisor.evidence import Device
from store.profile_rows import class_bucket
from store.tables import DeviceRow, ProfilePointRow, ProfileRow

KINDS = ("interactions", "sequences", "text", "features", "multilabel", "embeddings")
METRICS = ("ndcg@10", "ndcg@20", "recall@20", "mrr", "accuracy", "perplexity")
N_TASKS, N_DEVICES, N_POINTS = 4000, 12, 3
SHARED_SHARE, BAD_SHARE, OUTCOME_SHARE = 0.02, 1e-5, 1e-5
_FIRST = datetime(2025, 1, 1, tzinfo=UTC)
_CHUNK = 20_000
SEED = 7


def fill(url: str, n_profiles: int) -> None:
    """Write so many profiles of tenant `local`, and shared ones of another, with their curves."""
    engine = sa.create_engine(url)
    tables = (ProfileRow.__table__, ProfilePointRow.__table__)
    with engine.begin() as connection:
        connection.execute(sa.insert(DeviceRow), [_device(i) for i in range(N_DEVICES)])
        # Written after the rows: ten times as fast.
        for index in tables[0].indexes:
            index.drop(connection)
        for rows in _chunks(_rows(n_profiles)):
            _write(connection, tables[0], rows)
            _write(connection, tables[1], [p for row in rows for p in _points(row)])
        for index in tables[0].indexes:
            index.create(connection)
    if not url.startswith("sqlite"):  # which PostgreSQL does by itself, but only some time later
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.exec_driver_sql("VACUUM ANALYZE")
    engine.dispose()


def _write(connection: sa.Connection, table: Any, rows: list[dict[str, Any]]) -> None:
    if connection.dialect.name == "sqlite":
        connection.execute(table.insert(), rows)
        return
    names = list(rows[0])
    cursor = connection.connection.cursor()
    with cursor.copy(f"COPY {table.name} ({', '.join(names)}) FROM STDIN") as copy:
        for row in rows:
            values = (row[name] for name in names)
            copy.write_row([json.dumps(v) if isinstance(v, dict) else v for v in values])


def _chunks(rows: Iterator[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    while chunk := list(itertools.islice(rows, _CHUNK)):
        yield chunk


def _device(number: int) -> dict[str, Any]:
    device = Device(
        id=f"device-{number}",
        name=f"machine {number}",
        kind="cpu",
        n_threads=8,
        memory_bytes=2**35,
        software={"torch": "2.13.0"},
    )
    return {**device.model_dump(), "tenant": "local"}


def _rows(n_profiles: int) -> Iterator[dict[str, Any]]:
    generator = np.random.default_rng(SEED)
    losses = sorted(catalogue())
    sizes = np.exp(generator.uniform(np.log(100), np.log(1_000_000), N_TASKS)).astype(int)
    draws = zip(
        generator.integers(N_TASKS, size=n_profiles),
        generator.integers(len(losses), size=n_profiles),
        generator.integers(N_DEVICES, size=n_profiles),
        generator.random((n_profiles, 4)),
        strict=True,
    )
    for i, (task, loss, device, (shared, bad, told, value)) in enumerate(draws):
        n_classes, settings = int(sizes[task]), {"learning_rate": 0.001, "weight_decay": float(i)}
        yield {
            "id": hashlib.md5(str(i).encode(), usedforsecurity=False).hexdigest(),
            "tenant": "acme" if shared < SHARED_SHARE else "local",
            "created_at": _FIRST + timedelta(seconds=30 * i),
            "shared": shared < SHARED_SHARE,
            "source": "outcome" if told < OUTCOME_SHARE else "calibration",
            "bad": bad < BAD_SHARE,
            "calibration_id": None,
            "task_name": f"task-{task}",
            "task_fingerprint": f"data-{task}",
            "kind": KINDS[task % len(KINDS)],
            "metric": METRICS[task // len(KINDS) % len(METRICS)],
            "class_bucket": class_bucket(n_classes),
            "n_classes": n_classes,
            "n_rows": 100_000,
            "n_examples": 5_000_000,
            "targets_per_example": 1.0,
            "class_gini": 0.6,
            "embedding_dim": 64,
            "batch_size": 512,
            "device_id": f"device-{device}",
            "loss": losses[loss],
            "settings": settings,
            "candidate_key": hashlib.sha256(f"{i}".encode()).hexdigest(),
            "n_seeds": 1,
            "outcome": "completed",
            "step_seconds_low": 0.01,
            "step_seconds_mean": 0.011,
            "step_seconds_high": 0.012,
            "peak_bytes": 2**28 + i,
            "final_examples": 5_000_000,
            "final_value": 0.05 + 0.3 * float(value),
        }


def _points(row: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for n in range(N_POINTS):
        share = (n + 1) / N_POINTS
        yield {
            "profile_id": row["id"],
            "tenant": row["tenant"],
            "examples": round(row["final_examples"] * share),
            "value": row["final_value"] * share**0.5,
        }
