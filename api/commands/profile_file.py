"""Profiles as a Parquet file."""

from collections.abc import Iterable
from pathlib import Path

from advisor.errors import TaskInvalidError
from advisor.evidence import Profile
from api.profile_frame import profile_frame


def write_parquet(profiles: Iterable[Profile], file: Path) -> int:
    """One row per profile, as `profile_frame` has them. Returns the rows."""
    if not file.absolute().parent.is_dir() or file.is_dir():
        raise TaskInvalidError(f"parquet: {str(file)!r} cannot be written; name a file")
    frame = profile_frame(profiles)
    frame.write_parquet(file)
    return frame.height
