"""Profiles as a stream over all pages, and as a Parquet file."""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from advisor.errors import TaskInvalidError
from advisor.evidence import Profile
from api.stories.service import LOCAL, Service
from store.evidence import ProfileFilter
from store.page import MAX_LIMIT

_PLAIN = (
    "id",
    "created_at",
    "task_name",
    "task_fingerprint",
    "kind",
    "metric",
    "embedding_dim",
    "batch_size",
    "n_seeds",
    "outcome",
    "peak_bytes",
    "final_examples",
    "final_value",
)


def all_profiles(service: Service, wanted: ProfileFilter) -> Iterator[Profile]:
    """Every profile that matches, newest first, page by page."""
    after: str | None = None
    while True:
        page = service.store.evidence.profiles(LOCAL, wanted, MAX_LIMIT, after)
        yield from page.items
        if page.next_token is None:
            return
        after = page.next_token


def write_parquet(profiles: Iterable[Profile], file: Path) -> int:
    """One row per profile; settings as JSON text, the curve as two lists. Returns the rows."""
    import polars as pl

    if not file.absolute().parent.is_dir() or file.is_dir():
        raise TaskInvalidError(f"parquet: {str(file)!r} cannot be written; name a file")
    schema = {
        "id": pl.String,
        "created_at": pl.Datetime("us", "UTC"),
        "task_name": pl.String,
        "task_fingerprint": pl.String,
        "kind": pl.String,
        "metric": pl.String,
        "embedding_dim": pl.Int64,
        "batch_size": pl.Int64,
        "n_seeds": pl.Int64,
        "outcome": pl.String,
        "peak_bytes": pl.Int64,
        "final_examples": pl.Int64,
        "final_value": pl.Float64,
        "loss": pl.String,
        "settings": pl.String,
        "n_rows": pl.Int64,
        "n_classes": pl.Int64,
        "n_examples": pl.Int64,
        "targets_per_example": pl.Float64,
        "class_gini": pl.Float64,
        "device_id": pl.String,
        "device_name": pl.String,
        "step_seconds": pl.Float64,
        "curve_examples": pl.List(pl.Int64),
        "curve_values": pl.List(pl.Float64),
    }
    rows = [_row(profile) for profile in profiles]
    pl.DataFrame(rows, schema=schema).write_parquet(file)
    return len(rows)


def _row(profile: Profile) -> dict[str, Any]:
    return {
        **{name: getattr(profile, name) for name in _PLAIN},
        **profile.statistics.model_dump(),
        "loss": profile.candidate.loss,
        "settings": json.dumps(profile.candidate.settings, sort_keys=True),
        "device_id": profile.device.id,
        "device_name": profile.device.name,
        "step_seconds": profile.step_seconds.mean if profile.step_seconds else None,
        "curve_examples": [point.examples for point in profile.curve],
        "curve_values": [point.value for point in profile.curve],
    }
