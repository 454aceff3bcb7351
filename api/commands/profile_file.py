"""Profiles as a stream over all pages, and as a Parquet file."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from advisor.errors import TaskInvalidError
from advisor.evidence import Profile
from api.profile_frame import profile_frame
from api.stories.service import LOCAL, Service
from store.evidence import ProfileFilter
from store.page import MAX_LIMIT


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
    """One row per profile, as `profile_frame` has them. Returns the rows."""
    if not file.absolute().parent.is_dir() or file.is_dir():
        raise TaskInvalidError(f"parquet: {str(file)!r} cannot be written; name a file")
    frame = profile_frame(profiles)
    frame.write_parquet(file)
    return frame.height
