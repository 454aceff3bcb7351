"""OfferRepository: legs that the worker of a calibration offers to idle workers of its crew.

A crew is named by who makes it up: its workers may train each other's legs. An offer is there as
long as its leg is nobody's or is being trained. Whoever deletes it ends that: the trainer when it
tells, the one who offered when it waits no longer. So a trainer whose offer has gone has lost it.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal, cast

from sqlalchemy import ColumnElement, delete, select
from sqlalchemy.orm import Session

from advisor.calibration import Prepared
from advisor.evidence import Leg, LegReport, Measurement
from store.calibrations import find_calibration
from store.columns import DatabaseNow
from store.database import Database
from store.legs import lease_leg, measure_leg, rows_of, tell_leg, told_report
from store.tables import OfferRow, WorkerRow

Standing = Literal["open", "taken", "silent", "gone"]
"""Of an offer: nobody's, being trained, by someone not heard of any more, or over."""


@dataclass(frozen=True)
class Offer:
    """A leg that was taken, and all that is needed to train it."""

    id: str
    tenant: str
    calibration_id: str
    prepared: Prepared
    leg: Leg
    seconds_left: float


class OfferRepository:
    """Legs of our calibrations that other workers train; deadlines are on the database's clock."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def make(
        self,
        calibration_id: str,
        crew: str,
        prepared: Prepared,
        leg: Leg,
        seconds_left: float,
        why: str = "",
    ) -> str:
        """Offer a leg to the crew; returns the offer's id. It is an attempt when it is taken."""
        with self._database.write() as session:
            row = OfferRow(
                tenant=find_calibration(session, calibration_id).tenant,
                calibration_id=calibration_id,
                crew=crew,
                prepared=prepared.model_dump(mode="json"),
                leg=leg.model_dump(mode="json"),
                why=why,
                ends_at=_moment(session) + timedelta(seconds=seconds_left),
            )
            session.add(row)
            session.flush()
            return row.id

    def take(self, worker: str, crew: str) -> Offer | None:
        """Lease the leg that the crew was offered first, if there is one."""
        offered = select(OfferRow.id, OfferRow.calibration_id)
        offered = offered.where(OfferRow.crew == crew, OfferRow.worker.is_(None))
        with self._database.connect() as connection:  # asked all the time, mostly in vain
            found = connection.execute(offered.order_by(OfferRow.created_at).limit(1)).first()
        if found is None:
            return None
        with self._database.write() as session:
            calibration = find_calibration(session, found.calibration_id, lock=True)
            row = session.get(OfferRow, found.id)
            if row is None or row.worker is not None or calibration.cancel_requested:
                return None
            leg = Leg.model_validate(row.leg)
            if lease_leg(session, calibration, leg, row.why) is not None:
                session.delete(row)  # another attempt at it was told meanwhile
                return None
            session.flush()
            row.worker, row.leg_id = worker, rows_of(session, calibration, leg)[1].id
            return Offer(
                id=row.id,
                tenant=row.tenant,
                calibration_id=row.calibration_id,
                prepared=Prepared.model_validate(row.prepared),
                leg=leg,
                seconds_left=(row.ends_at - _moment(session)).total_seconds(),
            )

    def is_had(self, id: str, worker: str) -> bool:
        """Whether a leg is this worker's still."""
        own = (OfferRow.id == id, OfferRow.worker == worker)
        with self._database.connect() as connection:
            return connection.execute(select(OfferRow.id).where(*own)).first() is not None

    def measured(self, offer: Offer, worker: str, point: Measurement) -> None:
        """Let those who watch know of a measurement, if the leg is this worker's still."""
        with self._database.write() as session:
            calibration = find_calibration(session, offer.calibration_id, lock=True)
            row = session.get(OfferRow, offer.id)
            if row is not None and row.worker == worker:
                measure_leg(session, calibration, offer.leg, point)

    def tell(self, offer: Offer, worker: str, report: LegReport) -> bool:
        """Store what came of the leg; returns whether it was this worker's still."""
        with self._database.write() as session:
            calibration = find_calibration(session, offer.calibration_id, lock=True)
            own = (OfferRow.id == offer.id, OfferRow.worker == worker)
            if session.scalars(delete(OfferRow).where(*own).returning(OfferRow.id)).first() is None:
                return False
            tell_leg(session, calibration, report)
            return True

    def standing(self, id: str, silent_seconds: float) -> Standing:
        """How an offer stands; a worker is silent when its last heartbeat is so long ago."""
        asked = (
            select(OfferRow.worker, WorkerRow.seen_at, DatabaseNow())
            .join(WorkerRow, WorkerRow.id == OfferRow.worker, isouter=True)
            .where(OfferRow.id == id)
        )
        with self._database.connect() as connection:
            found = connection.execute(asked).first()
        if found is None:
            return "gone"
        worker, moment = found[0], found[2]
        seen_at = cast(datetime | None, found[1])  # None where the worker is gone
        if worker is None:
            return "open"
        is_heard = seen_at is not None and moment - seen_at <= timedelta(seconds=silent_seconds)
        return "taken" if is_heard else "silent"

    def withdraw(self, calibration_id: str, id: str) -> bool:
        """End an offer; returns whether somebody had taken it."""
        return self._end(calibration_id, OfferRow.id == id) not in (None, (None,))

    def take_back(self, calibration_id: str, id: str) -> bool:
        """End an offer that nobody has taken; returns whether that is done."""
        return self._end(calibration_id, OfferRow.id == id, OfferRow.worker.is_(None)) is not None

    def told(self, calibration_id: str, leg: Leg) -> LegReport | None:
        """What came of a leg of this calibration; None where nothing did, or it was cancelled."""
        with self._database.read() as session:
            return told_report(session, calibration_id, leg)

    def give_back(self, worker: str) -> None:
        """End whatever this worker had taken: it has started again and trains none of it."""
        with self._database.write() as session:
            session.execute(delete(OfferRow).where(OfferRow.worker == worker))

    def _end(self, calibration_id: str, *which: ColumnElement[bool]) -> Any:
        """The worker of the offer that was ended, in a row; None where there was none."""
        with self._database.write() as session:
            find_calibration(session, calibration_id, lock=True)
            return session.execute(
                delete(OfferRow).where(*which).returning(OfferRow.worker)
            ).first()


def _moment(session: Session) -> datetime:
    return session.scalars(select(DatabaseNow())).one()
