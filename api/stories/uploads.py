"""The story of an upload: received piece by piece, looked at, named by a task, deleted, expired.

Its bytes lie under its id in the data folder, with what is made of them: to delete the folder is
to delete everything. The name that a sender gives is kept, and never used as a path.
"""

import hashlib
import os
import shutil
import time
from pathlib import Path

from advisor.calibration import Calibration
from advisor.errors import (
    DataInvalidError,
    InUseError,
    NotFoundError,
    UploadTooLargeError,
)
from advisor.summary import DataPreview
from advisor.task import DataSource
from api.stories.disk import disk_may_be_full
from api.stories.service import Service
from profiler.preview import preview
from profiler.readers.sniff import HEAD_BYTES, Sniffed, sniff
from store.columns import new_id, now
from store.uploads import Upload, expiry, quota_error

PREFIX = "upload:"
"""What a task's path begins with where it names an upload."""
_UNFINISHED_SECONDS = 86400.0


class Receipt:
    """A file on its way in; `write` its pieces, then `finish`, or `abandon` it."""

    def __init__(self, service: Service, tenant: str, name: str, n_bytes: int | None) -> None:
        self._service, self._tenant, self._name = service, tenant, name
        self._id, self._digest, self._head, self._n_bytes = new_id(), hashlib.sha256(), b"", 0
        self._used = service.store.uploads.used_bytes(tenant)
        self._check_room(n_bytes or 0)
        self._folder = folder_of(service, self._id)
        with disk_may_be_full():
            self._folder.mkdir(parents=True)
            self._file = (self._folder / "unfinished").open("wb")

    def write(self, piece: bytes) -> None:
        """Keep a piece; raises UploadTooLargeError, StorageFullError."""
        self._n_bytes += len(piece)
        self._check_room(self._n_bytes)
        self._head += piece[: HEAD_BYTES - len(self._head)]
        self._digest.update(piece)
        with disk_may_be_full():
            self._file.write(piece)

    def finish(self, sha256: str | None = None) -> Upload:
        """The upload, once it is safely on disk.

        Raises DataInvalidError for an unknown format, or where the bytes are not those whose
        `sha256` was given.
        """
        found, digest = sniff(self._head, repr(self._name)), self._digest.hexdigest()
        if sha256 is not None and sha256.lower() != digest:
            raise DataInvalidError(
                f"sha256: {sha256.lower()} was given, but what arrived has {digest}; send it again"
            )
        created_at = now()
        upload = Upload(
            id=self._id,
            tenant=self._tenant,
            created_at=created_at,
            expires_at=expiry(created_at, self._service.uploads.days),
            name=self._name,
            format=found.format,
            is_compressed=found.is_compressed,
            size_bytes=self._n_bytes,
            sha256=digest,
        )
        with disk_may_be_full():
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
            (self._folder / "unfinished").rename(file_of(self._service, upload))
        self._service.store.uploads.save(upload, self._service.uploads.quota_bytes)
        return upload

    def abandon(self) -> None:
        """Leave nothing behind."""
        self._file.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _check_room(self, n_bytes: int) -> None:
        limits = self._service.uploads
        if n_bytes > limits.bytes_max:
            raise UploadTooLargeError(
                f"the file is larger than the {limits.bytes_max:,} bytes that one may have"
            )
        if self._used + n_bytes > limits.quota_bytes:
            raise quota_error(self._used, n_bytes, limits.quota_bytes)


def look(service: Service, tenant: str, id: str, n_rows: int) -> DataPreview:
    """The first rows of an upload; raises NotFoundError, DataInvalidError."""
    upload = service.store.uploads.get(tenant, id)
    path = str(file_of(service, upload))
    try:
        return preview(DataSource(path=path, format=upload.format), n_rows)
    except DataInvalidError as error:
        raise DataInvalidError(str(error).replace(path, f"{PREFIX}{id}")) from error


def delete(service: Service, tenant: str, id: str) -> None:
    """Delete an upload and all that was made of it.

    Raises NotFoundError, and InUseError while a calibration of it waits or runs.
    """
    upload = service.store.uploads.get(tenant, id)
    users = _users(service, upload)
    if users:
        raise InUseError(f"calibration {users[0]} uses this upload; cancel it first, or wait")
    _delete(service, upload)


def sweep(service: Service) -> None:
    """Delete what has expired and is not in use, and what never arrived whole."""
    for upload in service.store.uploads.expired(now()):
        if not _users(service, upload):
            _delete(service, upload)
    long_ago = time.time() - _UNFINISHED_SECONDS
    for folder in _uploads_dir(service).glob("*"):
        is_old = folder.stat().st_mtime < long_ago
        if is_old and not service.store.uploads.known(folder.name):
            shutil.rmtree(folder, ignore_errors=True)


def named(service: Service, tenant: str, path: str) -> Path:
    """The file of the upload that a task's path names; raises DataInvalidError."""
    id_ = path.removeprefix(PREFIX)
    try:
        return file_of(service, service.store.uploads.get(tenant, id_))
    except NotFoundError as error:
        raise DataInvalidError(f"path {path!r}: there is no such upload") from error


def folder_of(service: Service, id: str) -> Path:
    """Where an upload lies, with what is made of it."""
    return _uploads_dir(service) / id


def file_of(service: Service, upload: Upload) -> Path:
    """The upload's bytes; the ending says the format that they have."""
    ending = Sniffed(upload.format, upload.is_compressed).ending
    return folder_of(service, upload.id) / f"content{ending}"


def is_one(service: Service, file: Path) -> bool:
    """Whether this file is that of an upload."""
    return file.parent.parent == _uploads_dir(service)


def _uploads_dir(service: Service) -> Path:
    return service.workspace.data_dir / "uploads"


def _delete(service: Service, upload: Upload) -> None:
    """The bytes, the datasets made of them, and the states of trials trained on those."""
    # In this order: a row without its bytes would be an upload that cannot be read.
    service.store.uploads.forget(upload.id)
    shutil.rmtree(folder_of(service, upload.id), ignore_errors=True)
    for calibration in _calibrations_of(service, upload):
        if calibration.task_fingerprint is not None:
            service.workspace.delete_task(calibration.task_fingerprint)


def _users(service: Service, upload: Upload) -> list[str]:
    """The calibrations of this upload that wait or run."""
    return [c.id for c in _calibrations_of(service, upload) if c.status in ("queued", "running")]


def _calibrations_of(service: Service, upload: Upload) -> tuple[Calibration, ...]:
    return service.store.calibrations.reading(upload.tenant, f"{PREFIX}{upload.id}")
