"""Profiles and devices as columns, and back."""

import hashlib
import math
from collections.abc import Sequence
from typing import Any

from advisor.evidence import Candidate, Device, Profile
from advisor.task import TaskStatistics
from advisor.value import Interval
from store.tables import DeviceRow

_PLAIN = tuple(
    Profile.model_fields.keys() - {"statistics", "device", "candidate", "step_seconds", "curve"}
)


def class_bucket(n_classes: int) -> int:
    """Two buckets per power of ten: tasks whose class counts may be compared lie near."""
    return round(2 * math.log10(n_classes))


def candidate_digest(candidate: Candidate) -> str:
    """The candidate's key in a fixed length, for an index."""
    return hashlib.sha256(candidate.key.encode()).hexdigest()


def finite(number: float | None) -> float | None:
    """The number, or None where it is not finite: what a database column may hold."""
    return number if number is not None and math.isfinite(number) else None


def interval_columns(name: str, interval: Interval | None) -> dict[str, float | None]:
    """An interval as three columns; all are null where there is none."""
    ends = ("low", "mean", "high")
    return {f"{name}_{end}": finite(getattr(interval, end, None)) for end in ends}


def to_interval(low: float | None, mean: float | None, high: float | None) -> Interval | None:
    """Three columns as an interval."""
    if low is None or mean is None or high is None:
        return None
    return Interval(low=low, mean=mean, high=high)


def profile_columns(profile: Profile, calibration_id: str | None) -> dict[str, Any]:
    """All columns but id and time. A completed profile without a finite value has diverged."""
    final_value = finite(profile.final_value)
    lost = final_value is None and (
        profile.final_value is not None or profile.outcome == "completed"
    )
    same = ("tenant", "task_name", "task_fingerprint", "kind", "metric", "embedding_dim")
    same += ("batch_size", "n_seeds", "peak_bytes", "final_examples", "source", "bad")
    return {
        **{name: getattr(profile, name) for name in same},
        **profile.statistics.model_dump(),
        **interval_columns("step_seconds", profile.step_seconds),
        "shared": profile.shared,
        "calibration_id": calibration_id,
        "class_bucket": class_bucket(profile.statistics.n_classes),
        "device_id": profile.device.id,
        "loss": profile.candidate.loss,
        "settings": profile.candidate.settings,
        "candidate_key": candidate_digest(profile.candidate),
        "outcome": "diverged" if lost else profile.outcome,
        "final_value": final_value,
    }


def to_device(row: DeviceRow) -> Device:
    """A row as the value it came from."""
    return Device.model_validate({name: getattr(row, name) for name in Device.model_fields})


def to_profile(row: Any, device: Device, points: Sequence[tuple[int, float]]) -> Profile:
    """A row of the table, with its device and its curve, as the value it came from."""
    # Validated as a whole: the fastest way to make hundreds of them.
    return Profile.model_validate(
        {
            **{name: getattr(row, name) for name in _PLAIN},
            "statistics": {name: getattr(row, name) for name in TaskStatistics.model_fields},
            "device": device,
            "candidate": {"loss": row.loss, "settings": row.settings},
            "step_seconds": to_interval(
                row.step_seconds_low, row.step_seconds_mean, row.step_seconds_high
            ),
            "curve": [{"examples": examples, "value": value} for examples, value in points],
        }
    )
