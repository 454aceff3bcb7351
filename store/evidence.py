"""EvidenceRepository: devices and profiles, in and out as advisor's values.

A tenant lists its own profiles; by id, and for a prior, it also reads those that are shared. What
a prior needs is read by index and never more than a fixed number of rows, however many there are.
"""

import math
from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Select, delete, exists, or_, select, true, update
from sqlalchemy.orm import Session

from advisor.errors import NotFoundError
from advisor.evidence import Device, Profile
from store.database import Database
from store.discards import discard, restore
from store.page import Page, checked_limit
from store.profile_listing import (
    ProfileFilter,
    ProfileSort,
    few_of_size,
    listing_query,
    page_of_profiles,
)
from store.profile_reading import all_profiles, read_profiles, with_curves
from store.profile_rows import class_bucket, to_device
from store.profile_writing import write_device, write_profile
from store.stamps import mark_changed, read_stamp
from store.tables import CalibrationRow, DeviceRow, ProfilePointRow, ProfileRow, WorkerRow

BUCKETS_EITHER_SIDE = 2


class EvidenceRepository:
    """What was measured on which devices."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def save_device(self, device: Device) -> None:
        """Remember a device; its id is its fingerprint, so a known one needs no change."""
        with self._database.write() as session:
            write_device(session, device)

    def devices(self, tenant: str | None) -> list[Device]:
        """The devices that a tenant may know of, the newest first; all for None.

        Those of workers, of shared profiles, and of its own calibrations and profiles.
        """
        query = select(DeviceRow).order_by(DeviceRow.created_at.desc(), DeviceRow.id)
        if tenant is not None:
            query = query.where(_is_known_to(tenant))
        with self._database.read() as session:
            return [to_device(row) for row in session.scalars(query)]

    def save_profile(self, profile: Profile, calibration_id: str | None) -> Profile:
        """Store a profile and its device; what the tenant knew of the same measurement goes.

        Returns the profile with its time. Its id stays when it is replaced, and so does whether
        it is shared.
        """
        with self._database.write() as session:
            id_ = write_profile(session, profile, calibration_id)
            return read_profiles(session, all_profiles().where(ProfileRow.id == id_))[0]

    def profile(self, tenant: str, id: str) -> Profile:
        """One profile of this tenant, or one that is shared; raises NotFoundError."""
        may_be_read = or_(ProfileRow.tenant == tenant, ProfileRow.shared.is_(True))
        with self._database.read() as session:
            found = read_profiles(session, all_profiles().where(may_be_read, ProfileRow.id == id))
        if not found:
            raise NotFoundError(f"no profile {id!r}")
        return found[0]

    def share(self, tenant: str, id: str, *, shared: bool) -> Profile:
        """Let the priors of all tenants read a profile of this one, or of itself only.

        Raises NotFoundError.
        """
        own = (ProfileRow.tenant == tenant, ProfileRow.id == id)
        with self._database.write() as session:
            session.execute(update(ProfileRow).where(*own).values(shared=shared))
            found = read_profiles(session, all_profiles().where(*own))
            if not found:
                raise NotFoundError(f"no profile {id!r}")
            mark_changed(session, tenant, shared=True)
        return found[0]

    def mark_bad(self, tenant: str, id: str, *, bad: bool) -> Profile:
        """Take a profile, and the legs it was made of, out of every later answer, or back in.

        Raises NotFoundError, for a profile that another tenant shares too.
        """
        with self._database.write() as session:
            row = _own_row(session, tenant, id)
            row.bad = bad
            mark_changed(session, tenant, shared=row.shared)
            if row.source == "calibration":
                (discard if bad else restore)(session, row)
            session.flush()
            return read_profiles(session, all_profiles().where(ProfileRow.id == id))[0]

    def delete_profile(self, tenant: str, id: str) -> None:
        """Delete a profile; no later calibration goes on from the legs it was made of."""
        with self._database.write() as session:
            row = _own_row(session, tenant, id)
            if row.source == "calibration":
                discard(session, row)
            mark_changed(session, tenant, shared=row.shared)
            session.execute(delete(ProfilePointRow).where(ProfilePointRow.profile_id == id))
            session.execute(delete(ProfileRow).where(ProfileRow.id == id))

    def profiles(
        self,
        tenant: str,
        filter: ProfileFilter | None = None,
        limit: int = 100,
        after: str | None = None,
        sort: ProfileSort = "-created_at",
    ) -> Page[Profile]:
        """The tenant's profiles, by default newest first; raises PageInvalidError."""
        filter = filter or ProfileFilter()
        with self._database.read() as session:
            few = few_of_size(session, tenant, filter)
            is_own = ProfileRow.tenant == tenant if few is None else ProfileRow.id.in_(few)
            wanted = listing_query(all_profiles().where(is_own), filter, sort, after)
            found = read_profiles(session, wanted.limit(checked_limit(limit) + 1))
        return page_of_profiles(found, limit, sort)

    def stamp(self, tenant: str) -> str:
        """Changes whenever what a prior of this tenant reads does: its own profiles, shared ones.

        Read it before them: what is made of them then may be kept for as long as it stays the same.
        """
        with self._database.connect() as connection:
            return read_stamp(connection, tenant)

    def of_task(self, tenant: str, task_fingerprint: str, limit: int = 300) -> list[Profile]:
        """The tenant's own profiles of this very task on any device, newest first."""
        query = all_profiles().where(
            ProfileRow.tenant == tenant,
            ProfileRow.task_fingerprint == task_fingerprint,
            ProfileRow.bad.is_(False),
        )
        with self._database.read() as session:
            newest = ProfileRow.created_at.desc()
            return read_profiles(session, query.order_by(newest, ProfileRow.id).limit(limit))

    def neighbours(
        self,
        tenant: str,
        kind_in: Sequence[str],
        metric: str,
        n_classes: int,
        limit: int = 300,
    ) -> list[Profile]:
        """Own and shared profiles of tasks with a similar number of classes, nearest first.

        Reads the buckets from the nearest outwards, each newest first, until `limit` rows.
        """
        rows: list[Any] = []
        with self._database.read() as session:
            for query in neighbour_queries(tenant, kind_in, metric, n_classes):
                if len(rows) >= limit:
                    break
                rows += session.execute(query.limit(limit - len(rows)))
            found = with_curves(session, rows)
        return sorted(found, key=lambda p: abs(math.log(p.statistics.n_classes / n_classes)))


def neighbour_queries(
    tenant: str, kind_in: Sequence[str], metric: str, n_classes: int
) -> Iterator[Select[Any]]:
    """One query per bucket, kind and owner, the nearest bucket first; each walks one index."""
    own = (ProfileRow.tenant == tenant,)
    shared = (ProfileRow.shared.is_(True), ProfileRow.tenant != tenant)
    for bucket in nearest_buckets(n_classes):
        for kind in dict.fromkeys(kind_in):
            for owner in (own, shared):
                yield (
                    all_profiles()
                    .where(
                        *owner,
                        ProfileRow.kind == kind,
                        ProfileRow.metric == metric,
                        ProfileRow.class_bucket == bucket,
                        ProfileRow.bad.is_(False),
                    )
                    .order_by(ProfileRow.created_at.desc())
                )


def nearest_buckets(n_classes: int) -> list[int]:
    """The buckets that are read for a task of so many classes, the nearest first.

    For tasks where these are the same, the same profiles are read.
    """
    middle = class_bucket(n_classes)
    buckets = range(middle - BUCKETS_EITHER_SIDE, middle + BUCKETS_EITHER_SIDE + 1)
    return sorted(buckets, key=lambda b: abs(b - 2 * math.log10(n_classes)))


def _is_known_to(tenant: str) -> ColumnElement[bool]:
    measured = (
        (WorkerRow.device, true()),
        (CalibrationRow.device_id, CalibrationRow.tenant == tenant),
        (ProfileRow.device_id, ProfileRow.tenant == tenant),
        (ProfileRow.device_id, ProfileRow.shared.is_(True)),
    )
    return or_(*(exists().where(device_id == DeviceRow.id, whose) for device_id, whose in measured))


def _own_row(session: Session, tenant: str, id: str) -> ProfileRow:
    query = select(ProfileRow).where(ProfileRow.tenant == tenant, ProfileRow.id == id)
    row = session.scalars(query).one_or_none()
    if row is None:
        raise NotFoundError(f"no profile {id!r}")
    return row
