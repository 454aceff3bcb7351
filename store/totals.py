"""TotalsRepository: how much there is of what, over all tenants; for whoever runs the service."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import case, func, select

from advisor.value import Value
from store.columns import DatabaseNow
from store.database import Database
from store.tables import CalibrationRow, LegRow, WorkerRow


class LegTotal(Value):
    """The told legs with one outcome: how many, their wall-clock seconds, and how many up to each
    of the bounds that were asked for."""

    outcome: str
    n_legs: int
    wall_seconds: float
    n_up_to: tuple[int, ...]


class TotalsRepository:
    """Counts; nothing in them is of any one tenant."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def open_calibrations(self) -> dict[tuple[str, str], int]:
        """How many wait or run, by device tag and status."""
        query = (
            select(CalibrationRow.device_tag, CalibrationRow.status, func.count())
            .where(CalibrationRow.status.in_(("queued", "running")))
            .group_by(CalibrationRow.device_tag, CalibrationRow.status)
        )
        with self._database.read() as session:
            return {(tag, status): n for tag, status, n in session.execute(query)}

    def live_workers(self, dead_after_seconds: float) -> dict[str, int]:
        """How many workers beat, by tag."""
        with self._database.read() as session:
            moment = session.scalars(select(DatabaseNow())).one()
            alive = WorkerRow.seen_at >= moment - timedelta(seconds=dead_after_seconds)
            query = select(WorkerRow.tag, func.count()).where(alive).group_by(WorkerRow.tag)
            return {tag: n for tag, n in session.execute(query)}

    def legs(self, bounds_seconds: Sequence[float]) -> list[LegTotal]:
        """The told legs by outcome, with how many took at most so many seconds; reads them all."""
        seconds = func.coalesce(LegRow.wall_seconds, 0.0)
        up_to = [func.sum(case((seconds <= bound, 1), else_=0)) for bound in bounds_seconds]
        query = (
            select(LegRow.outcome, func.count(), func.sum(seconds), *up_to)
            .where(LegRow.status == "told")
            .group_by(LegRow.outcome)
            .order_by(LegRow.outcome)
        )
        with self._database.read() as session:
            return [_to_total(tuple(row)) for row in session.execute(query)]


def _to_total(row: tuple[Any, ...]) -> LegTotal:
    outcome, n_legs, wall_seconds, *n_up_to = row
    return LegTotal(
        outcome=outcome, n_legs=n_legs, wall_seconds=wall_seconds, n_up_to=tuple(n_up_to)
    )
