"""Profiles as a table: one row each, settings as JSON text, the curve as two lists."""

import json
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from advisor.evidence import Profile

if TYPE_CHECKING:
    import polars as pl

_PLAIN = (
    "id",
    "created_at",
    "source",
    "bad",
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

COLUMNS = (
    *_PLAIN,
    "loss",
    "settings",
    "n_rows",
    "n_classes",
    "n_examples",
    "targets_per_example",
    "class_gini",
    "device_id",
    "device_name",
    "step_seconds",
    "curve_examples",
    "curve_values",
)


def profile_frame(profiles: Iterable[Profile]) -> "pl.DataFrame":
    """The table of these profiles, in their order; polars is imported only here."""
    import polars as pl

    schema = {
        "id": pl.String,
        "created_at": pl.Datetime("us", "UTC"),
        "source": pl.String,
        "bad": pl.Boolean,
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
    return pl.DataFrame([profile_row(profile) for profile in profiles], schema=schema)


def profile_row(profile: Profile) -> dict[str, Any]:
    """One profile by column; the curve as two lists."""
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
