"""Probes as rows: what one training step of a candidate costs on a task and device."""

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from advisor.catalogue import known_losses
from advisor.evidence import Candidate, StepCost
from store.profile_rows import finite, interval_columns, to_interval
from store.tables import CalibrationRow, ProbeRow


def add_probe(session: Session, calibration: CalibrationRow, cost: StepCost) -> None:
    """Store a probe."""
    session.add(
        ProbeRow(
            tenant=calibration.tenant,
            calibration_id=calibration.id,
            loss=cost.candidate.loss,
            settings=cost.candidate.settings,
            outcome=cost.outcome,
            batch_size=cost.batch_size,
            **interval_columns("step_seconds", cost.step_seconds),
            evaluation_seconds=finite(cost.evaluation_seconds),
            peak_bytes=cost.peak_bytes,
            detail=cost.detail,
        )
    )


def latest_probes(
    session: Session, tenant: str, task_fingerprint: str, device_id: str
) -> list[StepCost]:
    """The last probe of every cost shape, in the order in which they were made."""
    query: Select[ProbeRow] = (
        select(ProbeRow)
        .join(CalibrationRow, CalibrationRow.id == ProbeRow.calibration_id)
        .where(
            CalibrationRow.tenant == tenant,
            CalibrationRow.task_fingerprint == task_fingerprint,
            CalibrationRow.device_id == device_id,
        )
        .order_by(ProbeRow.created_at, ProbeRow.id)
    )
    latest: dict[str, StepCost] = {}
    for cost in map(_to_step_cost, session.scalars(query)):
        shape = _cost_shape(cost.candidate)
        latest.pop(shape, None)
        latest[shape] = cost
    return list(latest.values())


def _cost_shape(candidate: Candidate) -> str:
    """What of a candidate changes its cost; all of it, for a loss that has no card here."""
    known = known_losses().get(candidate.loss)
    if known is None:
        return candidate.key
    costly = {setting.name for setting in known.card.settings if setting.changes_cost}
    settings = {name: value for name, value in candidate.settings.items() if name in costly}
    return Candidate(loss=candidate.loss, settings=settings).key


def _to_step_cost(row: ProbeRow) -> StepCost:
    columns = {
        name: getattr(row, name)
        for name in StepCost.model_fields.keys() - {"candidate", "step_seconds"}
    }
    return StepCost(
        **columns,
        candidate=Candidate(loss=row.loss, settings=row.settings),
        step_seconds=to_interval(
            row.step_seconds_low, row.step_seconds_mean, row.step_seconds_high
        ),
    )
