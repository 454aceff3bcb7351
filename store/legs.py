"""Legs as rows: leased, told once, and read back in the order told.

Every function works inside the caller's session. Who writes holds the calibration's row, so two
tells of one leg come one after the other; the device's row orders tells between calibrations.
"""

from collections.abc import Sequence
from typing import Final, cast

from sqlalchemy import Select, delete, func, select
from sqlalchemy.orm import Session

from advisor.evidence import Candidate, Leg, LegReport, Measurement, Outcome, Trial
from advisor.task import Metric
from store.columns import now
from store.events import say_begun, say_measured, say_over
from store.profile_rows import finite
from store.tables import CalibrationRow, DeviceRow, LegRow, MeasurementRow, TrialRow

# A cancelled leg says nothing about its trial: it is not told again, and may be leased again.
_SILENT: Final[Outcome] = "cancelled"


def lease_leg(
    session: Session, calibration: CalibrationRow, leg: Leg, why: str = ""
) -> LegReport | None:
    """Count an attempt at this leg; returns its report instead if it has been told."""
    trial = _trial_row(session, calibration, leg)
    row = _leg_row(session, trial, leg)
    if row is not None and row.status == "told" and row.outcome != _SILENT:
        return leg_reports(session, all_told().where(LegRow.id == row.id))[0]
    if row is None:
        row = LegRow(
            tenant=trial.tenant,
            trial_id=trial.id,
            from_examples=leg.from_examples,
            until_examples=leg.until_examples,
        )
        session.add(row)
    else:
        session.execute(delete(MeasurementRow).where(MeasurementRow.leg_id == row.id))
    row.status, row.outcome, row.told_order, row.leased_at = "leased", None, None, now()
    row.checkpoints = list(leg.checkpoints)
    trial.attempts += 1
    trial.status = "running"
    say_begun(session, calibration, trial, leg, why)
    return None


def measure_leg(
    session: Session, calibration: CalibrationRow, leg: Leg, point: Measurement
) -> None:
    """Say what a leased leg has measured; it is stored when the leg is told."""
    say_measured(session, calibration, _trial_row(session, calibration, leg), leg, point)


def tell_leg(session: Session, calibration: CalibrationRow, report: LegReport) -> None:
    """Store a report; a leg that has been told already stays as it is."""
    trial = _trial_row(session, calibration, report.leg)
    row = _leg_row(session, trial, report.leg)
    if row is None:
        lease_leg(session, calibration, report.leg)
        session.flush()
        row = _leg_row(session, trial, report.leg)
        assert row is not None
    if row.status == "told":
        return
    values = [finite(m.value) for m in report.measurements]
    outcome = "diverged" if None in values else report.outcome
    row.status, row.outcome = "told", outcome
    row.told_at, row.told_order = now(), _next_order(session, calibration)
    row.checkpoints = list(report.leg.checkpoints)
    row.examples = report.examples
    row.train_seconds, row.wall_seconds = report.train_seconds, report.wall_seconds
    row.peak_bytes, row.detail = report.peak_bytes, report.detail
    for measurement, value in zip(report.measurements, values, strict=True):
        session.merge(
            MeasurementRow(
                leg_id=row.id,
                tenant=trial.tenant,
                examples=measurement.examples,
                seconds=measurement.seconds,
                value=value,
                train_loss=finite(measurement.train_loss),
            )
        )
    trial.status = "paused" if outcome in ("completed", _SILENT) else "ended"
    trial.outcome = outcome
    trial.legs_told += 1
    trial.examples = max(trial.examples, report.examples)
    trial.train_seconds += report.train_seconds
    seen = [v for v in (trial.best_value, *values) if v is not None]
    best = min if Metric.parse(calibration.task["metric"]).falls else max
    trial.best_value = best(seen, default=None)
    say_over(session, calibration, trial, report.model_copy(update={"outcome": outcome}))


def all_told() -> Select[LegRow, TrialRow]:
    """Every leg that was told and says something of its trial, in the order told."""
    return (
        select(LegRow, TrialRow)
        .join(TrialRow, TrialRow.id == LegRow.trial_id)
        .where(LegRow.status == "told", LegRow.outcome != _SILENT)
        .order_by(LegRow.told_order, LegRow.id)
    )


def told_query(tenant: str, task_fingerprint: str, device_id: str) -> Select[LegRow, TrialRow]:
    """The told legs of a task on a device, whichever calibration they belong to."""
    return (
        all_told()
        .join(CalibrationRow, CalibrationRow.id == TrialRow.calibration_id)
        .where(
            CalibrationRow.tenant == tenant,
            CalibrationRow.task_fingerprint == task_fingerprint,
            CalibrationRow.device_id == device_id,
        )
    )


def leg_reports(session: Session, query: Select[LegRow, TrialRow]) -> list[LegReport]:
    """The reports of the told legs that a query finds, each with its measurements."""
    found = session.execute(query).all()
    points: dict[str, list[Measurement]] = {row.id: [] for row, _ in found}
    # In a subquery, not a list of ids: a long race has more legs than a statement has parameters.
    ids = query.with_only_columns(LegRow.id).order_by(None)
    rows = select(MeasurementRow).where(MeasurementRow.leg_id.in_(ids))
    for row in session.scalars(rows.order_by(MeasurementRow.examples)):
        points.setdefault(row.leg_id, []).append(_measurement(row))
    return [_report(row, trial, points[row.id]) for row, trial in found]


def told_report(session: Session, calibration_id: str, leg: Leg) -> LegReport | None:
    """What this calibration was told of a leg; None if nothing, or that it was cancelled."""
    query = all_told().where(
        TrialRow.calibration_id == calibration_id,
        TrialRow.key == leg.trial.id,
        LegRow.from_examples == leg.from_examples,
        LegRow.until_examples == leg.until_examples,
    )
    return next(iter(leg_reports(session, query)), None)


def first_of_each(reports: Sequence[LegReport]) -> list[LegReport]:
    """The reports without later ones of the same leg: two calibrations may have raced for it."""
    return list({report.leg.id: report for report in reversed(reports)}.values())[::-1]


def _trial_row(session: Session, calibration: CalibrationRow, leg: Leg) -> TrialRow:
    known = select(TrialRow).where(
        TrialRow.calibration_id == calibration.id, TrialRow.key == leg.trial.id
    )
    row = session.scalars(known).one_or_none()
    if row is None:
        row = TrialRow(
            tenant=calibration.tenant,
            calibration_id=calibration.id,
            key=leg.trial.id,
            loss=leg.trial.candidate.loss,
            settings=leg.trial.candidate.settings,
            seed=leg.trial.seed,
            status="running",
            examples=leg.from_examples,
        )
        session.add(row)
        session.flush()
    return row


def rows_of(session: Session, calibration: CalibrationRow, leg: Leg) -> tuple[TrialRow, LegRow]:
    """The rows of a leg that has been leased."""
    trial = _trial_row(session, calibration, leg)
    row = _leg_row(session, trial, leg)
    assert row is not None
    return trial, row


def _leg_row(session: Session, trial: TrialRow, leg: Leg) -> LegRow | None:
    known = select(LegRow).where(
        LegRow.trial_id == trial.id,
        LegRow.from_examples == leg.from_examples,
        LegRow.until_examples == leg.until_examples,
    )
    return session.scalars(known).one_or_none()


def _next_order(session: Session, calibration: CalibrationRow) -> int:
    if calibration.device_id is None or calibration.task_fingerprint is None:
        same_race = TrialRow.calibration_id == calibration.id
    else:
        device = select(DeviceRow.id).where(DeviceRow.id == calibration.device_id)
        session.execute(device.with_for_update(key_share=True))
        same_race = TrialRow.calibration_id.in_(
            select(CalibrationRow.id).where(
                CalibrationRow.tenant == calibration.tenant,
                CalibrationRow.task_fingerprint == calibration.task_fingerprint,
                CalibrationRow.device_id == calibration.device_id,
            )
        )
    last = select(func.max(LegRow.told_order)).join(TrialRow, TrialRow.id == LegRow.trial_id)
    return (session.scalar(last.where(same_race)) or 0) + 1


def _measurement(row: MeasurementRow) -> Measurement:
    return Measurement(
        examples=row.examples, seconds=row.seconds, value=row.value, train_loss=row.train_loss
    )


def _report(row: LegRow, trial: TrialRow, measurements: Sequence[Measurement]) -> LegReport:
    candidate = Candidate(loss=trial.loss, settings=trial.settings)
    return LegReport(
        leg=Leg(
            trial=Trial(candidate=candidate, seed=trial.seed),
            from_examples=row.from_examples,
            checkpoints=tuple(row.checkpoints),
        ),
        outcome=cast(Outcome, row.outcome),
        measurements=tuple(measurements),
        examples=row.examples or 0,
        train_seconds=row.train_seconds or 0.0,
        wall_seconds=row.wall_seconds or 0.0,
        peak_bytes=row.peak_bytes,
        detail=row.detail,
    )
