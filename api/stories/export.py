"""The story of an export: every profile that matches, as CSV or Parquet, however many there are.

CSV leaves row by row. A Parquet file is made in a child, part by part out of lines on disk, so that
this process stays small.
"""

import csv
import io
import json
import tempfile
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import BinaryIO

from advisor.errors import StorageFullError
from advisor.evidence import Profile
from api.profile_frame import COLUMNS, profile_frame, profile_row
from api.stories.disk import disk_may_be_full
from api.stories.service import Service
from profiler.isolation import ChildFailedError, in_child
from store.page import MAX_LIMIT
from store.profile_listing import ProfileFilter, ProfileSort

_PART_ROWS = 20_000
_PIECE_BYTES = 2**18
_LIMIT_SECONDS = 3600.0


def every_profile(
    service: Service, tenant: str, wanted: ProfileFilter, sort: ProfileSort = "-created_at"
) -> Iterator[Profile]:
    """All that match, page by page."""
    after: str | None = None
    while True:
        page = service.store.evidence.profiles(tenant, wanted, MAX_LIMIT, after, sort)
        yield from page.items
        if page.next_token is None:
            return
        after = page.next_token


def as_csv(profiles: Iterable[Profile]) -> Iterator[str]:
    """Lines of CSV under a header; the curve's two lists are JSON text, as the settings are."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(COLUMNS)
    for profile in profiles:
        row = profile_row(profile)
        cells = (row[name] for name in COLUMNS)
        writer.writerow([json.dumps(c) if isinstance(c, list) else c for c in cells])
        yield text.getvalue()
        text.seek(0)
        text.truncate()
    yield text.getvalue()


def as_parquet(service: Service, profiles: Iterable[Profile]) -> Iterator[bytes]:
    """The bytes of a Parquet file, which is gone from the disk before the first of them leaves."""
    folder = service.workspace.data_dir / "exports"
    with disk_may_be_full():
        folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as work:
        with disk_may_be_full(), (Path(work) / "lines").open("w", encoding="utf-8") as lines:
            for profile in profiles:
                lines.write(profile.model_dump_json() + "\n")
        _in_child(work)
        file = (Path(work) / "profiles.parquet").open("rb")
    return _pieces(file)


def _in_child(folder: str) -> None:
    try:
        list(
            in_child(
                "api.stories.export:parquet_in_child",
                {"folder": folder},
                needs_torch=False,
                time_limit_seconds=_LIMIT_SECONDS,
            )
        )
    except ChildFailedError as error:
        if "No space left" in error.detail:
            raise StorageFullError from error
        raise


def parquet_in_child(folder: str) -> Iterator[None]:
    """The child's side of `as_parquet`."""
    import polars as pl

    work = Path(folder)
    parts: list[Path] = []
    with (work / "lines").open(encoding="utf-8") as lines:
        while part := [Profile.model_validate_json(line) for line in islice(lines, _PART_ROWS)]:
            parts.append(work / f"part-{len(parts)}.parquet")
            profile_frame(part).write_parquet(parts[-1])
    if not parts:
        parts.append(work / "part-0.parquet")
        profile_frame(()).write_parquet(parts[0])
    pl.scan_parquet(parts).sink_parquet(work / "profiles.parquet")
    yield None


def _pieces(file: BinaryIO) -> Iterator[bytes]:
    with file:
        while piece := file.read(_PIECE_BYTES):
            yield piece
