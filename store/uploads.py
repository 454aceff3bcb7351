"""UploadRepository: what is known of the files that were sent; their bytes lie elsewhere."""

from datetime import datetime, timedelta

from pydantic import AwareDatetime, Field
from sqlalchemy import Select, delete, func, or_, select

from advisor.errors import NotFoundError, UploadTooLargeError
from advisor.task import Format
from advisor.value import Value
from store.columns import now
from store.database import Database
from store.page import Page, checked_limit, is_behind, page_of
from store.tables import UploadRow


class Upload(Value):
    """A file that was sent; a task names it as its data with the path `upload:ID`."""

    id: str
    tenant: str
    created_at: AwareDatetime
    expires_at: AwareDatetime | None = Field(description="when it goes; null: when it is deleted")
    name: str = Field(description="as it was given; it decides nothing")
    format: Format = Field(description="by its content")
    is_compressed: bool = Field(description="whether it is gzipped")
    size_bytes: int
    sha256: str


class UploadRepository:
    """Uploads that have arrived whole; one that has expired is not there any more."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def save(self, upload: Upload, quota_bytes: int) -> None:
        """Remember an upload; raises UploadTooLargeError where its tenant has no room for it."""
        with self._database.write() as session:
            used = session.scalar(_used(upload.tenant)) or 0
            if used + upload.size_bytes > quota_bytes:
                raise quota_error(used, upload.size_bytes, quota_bytes)
            session.add(UploadRow(**upload.model_dump()))

    def used_bytes(self, tenant: str) -> int:
        """The sizes of the tenant's uploads, added up."""
        with self._database.read() as session:
            return session.scalar(_used(tenant)) or 0

    def get(self, tenant: str, id: str) -> Upload:
        """One upload of this tenant; raises NotFoundError."""
        query = _alive(tenant).where(UploadRow.id == id)
        with self._database.read() as session:
            row = session.scalars(query).one_or_none()
        if row is None:
            raise NotFoundError(f"no upload {id!r}")
        return _to_upload(row)

    def forget(self, id: str) -> None:
        """Remove an upload; harmless if it is not there."""
        with self._database.write() as session:
            session.execute(delete(UploadRow).where(UploadRow.id == id))

    def expired(self, moment: datetime) -> list[Upload]:
        """Everyone's uploads whose time was over at this moment."""
        with self._database.read() as session:
            rows = session.scalars(select(UploadRow).where(UploadRow.expires_at <= moment))
            return [_to_upload(row) for row in rows]

    def known(self, id: str) -> bool:
        """Whether anyone has an upload with this id, expired or not."""
        with self._database.read() as session:
            return session.get(UploadRow, id) is not None

    # Last, because its name hides the built-in one from the annotations above it.
    def list(self, tenant: str, limit: int = 100, after: str | None = None) -> Page[Upload]:
        """The tenant's uploads, newest first."""
        query = _alive(tenant)
        if after is not None:
            query = query.where(is_behind(UploadRow.created_at, UploadRow.id, after))
        query = query.order_by(UploadRow.created_at.desc(), UploadRow.id.desc())
        with self._database.read() as session:
            rows = session.scalars(query.limit(checked_limit(limit) + 1)).all()
        return page_of([_to_upload(row) for row in rows], limit)


def quota_error(used: int, size_bytes: int, quota_bytes: int) -> UploadTooLargeError:
    """Why a file finds no room, with what is used, given and allowed."""
    return UploadTooLargeError(
        f"{used:,} bytes of uploads are kept already, and with {size_bytes:,} more it would be "
        f"above the {quota_bytes:,} bytes allowed; delete some first"
    )


def expiry(created_at: datetime, days: float | None) -> datetime | None:
    """When an upload goes that is kept for so many days."""
    return None if days is None else created_at + timedelta(days=days)


def _used(tenant: str) -> Select[int]:
    return select(func.sum(UploadRow.size_bytes)).where(UploadRow.tenant == tenant)


def _alive(tenant: str) -> Select[UploadRow]:
    not_over = or_(UploadRow.expires_at.is_(None), UploadRow.expires_at > now())
    return select(UploadRow).where(UploadRow.tenant == tenant, not_over)


def _to_upload(row: UploadRow) -> Upload:
    return Upload.model_validate({name: getattr(row, name) for name in Upload.model_fields})
