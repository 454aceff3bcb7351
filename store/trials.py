"""Trials as they are listed, and a trial's measurements over all its legs."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from advisor.calibration import TrialRecord
from advisor.errors import NotFoundError
from advisor.evidence import LegReport, Measurement
from store.legs import all_told, first_of_each, leg_reports, told_query
from store.page import is_behind
from store.tables import CalibrationRow, TrialRow


def trial_query(
    tenant: str, calibration_id: str | None, loss: str | None, after: str | None
) -> Select[TrialRow]:
    """A tenant's trials, the newest first."""
    query = select(TrialRow).where(TrialRow.tenant == tenant)
    if calibration_id is not None:
        query = query.where(TrialRow.calibration_id == calibration_id)
    if loss is not None:
        query = query.where(TrialRow.loss == loss)
    if after is not None:
        query = query.where(is_behind(TrialRow.created_at, TrialRow.id, after))
    return query.order_by(TrialRow.created_at.desc(), TrialRow.id.desc())


def to_trial_record(row: TrialRow) -> TrialRecord:
    """A row as the value that is listed."""
    columns: dict[str, Any] = {name: getattr(row, name) for name in TrialRecord.model_fields}
    return TrialRecord.model_validate(columns)


def find_trial(session: Session, tenant: str, id: str) -> TrialRow:
    """One trial of this tenant; raises NotFoundError."""
    row = session.scalars(
        select(TrialRow).where(TrialRow.tenant == tenant, TrialRow.id == id)
    ).one_or_none()
    if row is None:
        raise NotFoundError(f"no trial {id!r}")
    return row


def trial_measurements(session: Session, trial: TrialRow) -> list[Measurement]:
    """The trial's curve, with its seconds added up over its legs.

    A trial that went on from an earlier calibration of the same task and device begins there.
    """
    calibration = session.get_one(CalibrationRow, trial.calibration_id)
    if calibration.task_fingerprint is None or calibration.device_id is None:
        query = all_told().where(TrialRow.id == trial.id)
    else:
        query = told_query(trial.tenant, calibration.task_fingerprint, calibration.device_id).where(
            TrialRow.key == trial.key
        )
    return _joined(first_of_each(leg_reports(session, query)))


def _joined(reports: Sequence[LegReport]) -> list[Measurement]:
    joined: list[Measurement] = []
    spent_seconds = 0.0
    for report in sorted(reports, key=lambda r: (r.leg.from_examples, r.leg.until_examples)):
        joined += [
            m.model_copy(update={"seconds": spent_seconds + m.seconds}) for m in report.measurements
        ]
        spent_seconds += report.train_seconds
    return joined
