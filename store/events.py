"""Events as rows: numbered per calibration, each written with the change that it tells of.

Whoever adds one holds the calibration's row, so that numbers have no gap and readers who have seen
a number have seen all before it.
"""

from pydantic import TypeAdapter
from sqlalchemy import select
from sqlalchemy.orm import Session

from advisor.evidence import Candidate, Leg, LegReport, Measurement, StepCost
from advisor.live import (
    AnswerGiven,
    DataRead,
    LeaderChanged,
    LegBegun,
    LegOver,
    LiveEvent,
    Measured,
    NoAnswer,
    NumberedEvent,
    StepTimed,
)
from store.profile_rows import finite
from store.tables import CalibrationRow, EventRow, RecommendationRow, TrialRow

MAX_EVENTS = 500
"""How many events are read at once."""

_ANY: TypeAdapter[LiveEvent] = TypeAdapter(LiveEvent)


def events_after(session: Session, calibration_id: str, number: int) -> list[NumberedEvent]:
    """The events behind this number, in order, at most MAX_EVENTS."""
    wanted = select(EventRow).where(
        EventRow.calibration_id == calibration_id, EventRow.number > number
    )
    rows = session.scalars(wanted.order_by(EventRow.number).limit(MAX_EVENTS))
    return [
        NumberedEvent(number=row.number, at=row.created_at, event=_ANY.validate_python(row.body))
        for row in rows
    ]


def say_prepared(session: Session, calibration: CalibrationRow) -> None:
    """The data has been read; said once, however often it is read."""
    if calibration.task_fingerprint is None or calibration.device_id is None:
        return
    event = DataRead(task_fingerprint=calibration.task_fingerprint, device_id=calibration.device_id)
    _add(session, calibration, event, "prepared")


def say_probed(session: Session, calibration: CalibrationRow, cost: StepCost) -> None:
    """A loss has been timed."""
    event = StepTimed(
        loss=cost.candidate.loss,
        settings=cost.candidate.settings,
        outcome=cost.outcome,
        step_seconds=finite(cost.step_seconds.mean) if cost.step_seconds else None,
        peak_bytes=cost.peak_bytes,
    )
    _add(session, calibration, event)


def say_begun(
    session: Session, calibration: CalibrationRow, trial: TrialRow, leg: Leg, why: str
) -> None:
    """A leg has been leased."""
    event = LegBegun(
        trial_id=trial.id,
        loss=trial.loss,
        settings=trial.settings,
        seed=trial.seed,
        from_examples=leg.from_examples,
        until_examples=leg.until_examples,
        attempt=trial.attempts,
        why=why or None,
    )
    _add(session, calibration, event)


def say_measured(
    session: Session, calibration: CalibrationRow, trial: TrialRow, leg: Leg, point: Measurement
) -> None:
    """A measurement of this attempt at a leg; said once, live or when the leg is told."""
    event = Measured(
        trial_id=trial.id,
        loss=trial.loss,
        settings=trial.settings,
        seed=trial.seed,
        examples=point.examples,
        seconds=point.seconds,
        value=finite(point.value),
        train_loss=finite(point.train_loss),
    )
    key = f"{leg.trial.id} {trial.attempts} {point.examples}"
    _add(session, calibration, event, key)


def say_over(
    session: Session, calibration: CalibrationRow, trial: TrialRow, report: LegReport
) -> None:
    """A leg has ended, with what of it was not said live."""
    for point in report.measurements:
        say_measured(session, calibration, trial, report.leg, point)
    values = [v for v in (finite(m.value) for m in report.measurements) if v is not None]
    event = LegOver(
        trial_id=trial.id,
        loss=trial.loss,
        settings=trial.settings,
        seed=trial.seed,
        from_examples=report.leg.from_examples,
        examples=report.examples,
        outcome=report.outcome,
        value=values[-1] if values else None,
        train_seconds=report.train_seconds,
        peak_bytes=report.peak_bytes,
        detail=report.detail,
    )
    _add(session, calibration, event)


def say_leader(
    session: Session,
    calibration: CalibrationRow,
    leader: Candidate,
    value: float | None,
    p_best: float | None,
) -> None:
    """Who leads now, if that is another than before, or is surer or less sure by a percent."""
    said = leader.key if p_best is None else f"{leader.key} {p_best:.0%}"
    if calibration.leader_key == said:
        return
    calibration.leader_key = said
    event = LeaderChanged(
        loss=leader.loss, settings=leader.settings, value=finite(value), p_best=p_best
    )
    _add(session, calibration, event)


def say_ended(session: Session, calibration: CalibrationRow) -> None:
    """The calibration has ended: the last event."""
    answer = None
    if calibration.recommendation_id is not None:
        answer = session.get(RecommendationRow, calibration.recommendation_id)
    if answer is None:
        event = NoAnswer.model_validate({"status": calibration.status, "error": calibration.error})
    else:
        said = {name: answer.body[name] for name in ("loss", "settings", "verdict", "p_best")}
        event = AnswerGiven.model_validate(
            {"status": calibration.status, "recommendation_id": answer.id, **said}
        )
    _add(session, calibration, event)


def _add(
    session: Session, calibration: CalibrationRow, event: LiveEvent, key: str | None = None
) -> None:
    """Append an event; one with a key that was said before is not said again."""
    if key is not None:
        same = select(EventRow.number).where(
            EventRow.calibration_id == calibration.id, EventRow.key == key
        )
        if session.scalars(same).first() is not None:
            return
    calibration.n_events += 1
    row = EventRow(
        calibration_id=calibration.id,
        number=calibration.n_events,
        tenant=calibration.tenant,
        key=key,
        body=event.model_dump(mode="json"),
    )
    session.add(row)
