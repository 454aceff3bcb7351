"""The tables, typed; rows never leave the repositories.

Every row has a tenant. Times are UTC, durations seconds, sizes bytes; a non-finite number is null.
A change here needs a migration beside it: a test compares the two on both databases.
"""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, ForeignKey, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from store.columns import Words, now
from store.row import LOCAL, Row, id_column


class DeviceRow(Row):
    """A device by its fingerprint."""

    __tablename__ = "devices"

    id: Mapped[str] = mapped_column(primary_key=True, sort_order=-2)
    name: Mapped[str] = mapped_column(Words())
    kind: Mapped[str]
    n_threads: Mapped[int]
    memory_bytes: Mapped[int] = mapped_column(BigInteger)
    software: Mapped[dict[str, Any]]
    created_at: Mapped[datetime] = mapped_column(default=now)


class TaskRow(Row):
    """A task kept under an id, and the last summary of its data with the stamp of its files."""

    __tablename__ = "tasks"
    __table_args__ = (Index(None, "tenant", "created_at", "id"),)

    id: Mapped[str] = id_column()
    created_at: Mapped[datetime] = mapped_column(default=now)
    name: Mapped[str] = mapped_column(Words())
    body: Mapped[dict[str, Any]]
    summary: Mapped[dict[str, Any] | None]
    summary_stamp: Mapped[str | None]


class UploadRow(Row):
    """A file that was sent: its bytes lie in the data folder, under its id."""

    __tablename__ = "uploads"
    __table_args__ = (Index(None, "tenant", "created_at", "id"),)

    id: Mapped[str] = id_column()
    created_at: Mapped[datetime] = mapped_column(default=now)
    expires_at: Mapped[datetime | None] = mapped_column(index=True)
    name: Mapped[str] = mapped_column(Words())
    format: Mapped[str]
    is_compressed: Mapped[bool]
    size_bytes: Mapped[int] = mapped_column(BigInteger)
    sha256: Mapped[str] = mapped_column(Words(64))


class RecommendationRow(Row):
    """An answer: its body as it left, and what lists are made by."""

    __tablename__ = "recommendations"
    __table_args__ = (Index(None, "tenant", "created_at", "id"),)

    id: Mapped[str] = id_column()
    created_at: Mapped[datetime] = mapped_column(default=now)
    task_name: Mapped[str] = mapped_column(Words())
    loss: Mapped[str]
    verdict: Mapped[str]
    evidence_level: Mapped[str]
    # No foreign key: calibrations point here, and a preview may name a calibration of elsewhere.
    calibration_id: Mapped[str | None] = mapped_column(Words(32))
    device_id: Mapped[str | None]
    body: Mapped[dict[str, Any]]


class CalibrationRow(Row):
    """One budgeted comparison; `status` leaves queued and running only once."""

    __tablename__ = "calibrations"
    __table_args__ = (
        Index(None, "tenant", "created_at", "id"),
        Index(None, "tenant", "task_fingerprint", "device_id"),
    )

    id: Mapped[str] = id_column()
    created_at: Mapped[datetime] = mapped_column(default=now)
    status: Mapped[str]
    task: Mapped[dict[str, Any]]
    task_fingerprint: Mapped[str | None]
    device_id: Mapped[str | None] = mapped_column(ForeignKey("devices.id"))
    device_tag: Mapped[str]
    budget_seconds: Mapped[float]
    spent_seconds: Mapped[float] = mapped_column(default=0.0)
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    cancel_requested: Mapped[bool] = mapped_column(default=False)
    recommendation_id: Mapped[str | None] = mapped_column(ForeignKey("recommendations.id"))
    error: Mapped[str | None] = mapped_column(Words())
    n_events: Mapped[int] = mapped_column(default=0)
    leader_key: Mapped[str | None] = mapped_column(Words())  # of the last event that named one


class EventRow(Row):
    """What a calibration said, numbered from 1; `key` is what may be said only once."""

    __tablename__ = "events"
    __table_args__ = (UniqueConstraint("calibration_id", "key"),)

    calibration_id: Mapped[str] = mapped_column(
        ForeignKey("calibrations.id"), primary_key=True, sort_order=-2
    )
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False, sort_order=-2)
    created_at: Mapped[datetime] = mapped_column(default=now)
    key: Mapped[str | None]
    body: Mapped[dict[str, Any]]


class TrialRow(Row):
    """A trial as one calibration saw it: `key` is the same in every calibration, `id` is not."""

    __tablename__ = "trials"
    __table_args__ = (
        UniqueConstraint("calibration_id", "key"),
        Index(None, "tenant", "created_at", "id"),
    )

    id: Mapped[str] = id_column()
    created_at: Mapped[datetime] = mapped_column(default=now)
    calibration_id: Mapped[str] = mapped_column(ForeignKey("calibrations.id"))
    key: Mapped[str]
    loss: Mapped[str]
    settings: Mapped[dict[str, Any]]
    seed: Mapped[int] = mapped_column(BigInteger)
    status: Mapped[str]
    attempts: Mapped[int] = mapped_column(default=0)
    legs_told: Mapped[int] = mapped_column(default=0)
    examples: Mapped[int] = mapped_column(BigInteger)
    train_seconds: Mapped[float] = mapped_column(default=0.0)
    best_value: Mapped[float | None]
    outcome: Mapped[str | None]


class LegRow(Row):
    """A leg: leased, then told once. `told_order` counts over all calibrations of a task."""

    __tablename__ = "legs"
    __table_args__ = (UniqueConstraint("trial_id", "from_examples", "until_examples"),)

    id: Mapped[str] = id_column()
    trial_id: Mapped[str] = mapped_column(ForeignKey("trials.id"))
    status: Mapped[str]
    from_examples: Mapped[int] = mapped_column(BigInteger)
    until_examples: Mapped[int] = mapped_column(BigInteger)
    checkpoints: Mapped[list[int]]
    leased_at: Mapped[datetime] = mapped_column(default=now)
    told_at: Mapped[datetime | None]
    told_order: Mapped[int | None]
    outcome: Mapped[str | None]
    examples: Mapped[int | None] = mapped_column(BigInteger)
    train_seconds: Mapped[float | None]
    wall_seconds: Mapped[float | None]
    peak_bytes: Mapped[int | None] = mapped_column(BigInteger)
    detail: Mapped[str | None] = mapped_column(Words())


class LeaseRow(Row):
    """A leg that a trainer elsewhere has or had; lost when it lapsed and another took it."""

    __tablename__ = "leases"
    __table_args__ = (
        UniqueConstraint("calibration_id", "ask_key"),
        Index(None, "trial_id"),
    )

    id: Mapped[str] = id_column()
    calibration_id: Mapped[str] = mapped_column(ForeignKey("calibrations.id"))
    trial_id: Mapped[str] = mapped_column(ForeignKey("trials.id"))
    leg_id: Mapped[str] = mapped_column(ForeignKey("legs.id"))
    attempt: Mapped[int]
    ask_key: Mapped[str | None]
    trainer: Mapped[str | None]
    is_whole: Mapped[bool]
    lease_seconds: Mapped[float]
    leased_at: Mapped[datetime]
    deadline: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    is_lost: Mapped[bool] = mapped_column(default=False)


class OfferRow(Row):
    """A leg that a calibration's worker offers to idle ones of its crew; gone when it is over."""

    __tablename__ = "offers"

    id: Mapped[str] = id_column()
    created_at: Mapped[datetime] = mapped_column(default=now)
    calibration_id: Mapped[str] = mapped_column(ForeignKey("calibrations.id"))
    crew: Mapped[str]
    prepared: Mapped[dict[str, Any]]
    leg: Mapped[dict[str, Any]]
    why: Mapped[str] = mapped_column(Words())
    ends_at: Mapped[datetime]  # with the budget
    worker: Mapped[str | None]  # who has taken it
    leg_id: Mapped[str | None] = mapped_column(ForeignKey("legs.id"))


class MeasurementRow(Row):
    """One point of a told leg; `seconds` count from the start of the leg."""

    __tablename__ = "measurements"

    leg_id: Mapped[str] = mapped_column(ForeignKey("legs.id"), primary_key=True, sort_order=-2)
    examples: Mapped[int] = mapped_column(
        BigInteger, primary_key=True, autoincrement=False, sort_order=-2
    )
    seconds: Mapped[float]
    value: Mapped[float | None]
    train_loss: Mapped[float | None]


class ProbeRow(Row):
    """The cost of one training step at a task's full size."""

    __tablename__ = "probes"

    id: Mapped[str] = id_column()
    created_at: Mapped[datetime] = mapped_column(default=now)
    calibration_id: Mapped[str] = mapped_column(ForeignKey("calibrations.id"), index=True)
    loss: Mapped[str]
    settings: Mapped[dict[str, Any]]
    outcome: Mapped[str]
    batch_size: Mapped[int]
    step_seconds_low: Mapped[float | None]
    step_seconds_mean: Mapped[float | None]
    step_seconds_high: Mapped[float | None]
    evaluation_seconds: Mapped[float | None]
    peak_bytes: Mapped[int | None] = mapped_column(BigInteger)
    detail: Mapped[str | None] = mapped_column(Words())


class ProfileRow(Row):
    """What is known of a candidate on a task and device: scalars and meta-features only."""

    __tablename__ = "profiles"
    __table_args__ = (
        UniqueConstraint(
            "tenant",
            "task_fingerprint",
            "device_id",
            "candidate_key",
            "source",
            name="uq_profiles_measured",
        ),
        # The created_at behind the key lets a bucket be read newest first, and no further.
        Index("ix_profiles_own", "tenant", "kind", "metric", "class_bucket", "created_at"),
        Index("ix_profiles_shared", "shared", "kind", "metric", "class_bucket", "created_at"),
        Index("ix_profiles_newest", "tenant", "created_at", "id", "n_classes"),
        # Each filter of the list alone, and the pairs that the description of the API names.
        Index(None, "tenant", "loss", "created_at", "id"),
        Index(None, "tenant", "task_name", "created_at", "id"),
        Index(None, "tenant", "kind", "created_at", "id"),
        Index(None, "tenant", "device_id", "created_at", "id"),
        Index(None, "tenant", "metric", "created_at", "id"),
        Index(None, "tenant", "source", "created_at", "id"),
        Index(None, "tenant", "bad", "created_at", "id"),
        Index("ix_profiles_classes", "tenant", "n_classes", "id"),
        Index("ix_profiles_task_loss", "tenant", "task_name", "loss", "created_at", "id"),
        Index("ix_profiles_loss_metric", "tenant", "loss", "metric", "created_at", "id"),
        Index("ix_profiles_kind_metric", "tenant", "kind", "metric", "created_at", "id"),
    )

    id: Mapped[str] = id_column()
    created_at: Mapped[datetime] = mapped_column(default=now)
    shared: Mapped[bool] = mapped_column(default=False)
    source: Mapped[str] = mapped_column(default="calibration")
    bad: Mapped[bool] = mapped_column(default=False)
    calibration_id: Mapped[str | None] = mapped_column(ForeignKey("calibrations.id"))
    task_name: Mapped[str] = mapped_column(Words())
    task_fingerprint: Mapped[str]
    kind: Mapped[str]
    metric: Mapped[str]
    class_bucket: Mapped[int]
    n_classes: Mapped[int] = mapped_column(BigInteger)
    n_rows: Mapped[int] = mapped_column(BigInteger)
    n_examples: Mapped[int] = mapped_column(BigInteger)
    targets_per_example: Mapped[float]
    class_gini: Mapped[float]
    embedding_dim: Mapped[int]
    batch_size: Mapped[int]
    device_id: Mapped[str] = mapped_column(ForeignKey("devices.id"))
    loss: Mapped[str]
    settings: Mapped[dict[str, Any]]
    candidate_key: Mapped[str] = mapped_column(Words(64))  # a digest: keys may be long
    n_seeds: Mapped[int]
    outcome: Mapped[str]
    step_seconds_low: Mapped[float | None]
    step_seconds_mean: Mapped[float | None]
    step_seconds_high: Mapped[float | None]
    peak_bytes: Mapped[int | None] = mapped_column(BigInteger)
    final_examples: Mapped[int] = mapped_column(BigInteger)
    final_value: Mapped[float | None]


class ProfilePointRow(Row):
    """One point of a profile's curve."""

    __tablename__ = "profile_points"

    profile_id: Mapped[str] = mapped_column(
        ForeignKey("profiles.id", ondelete="CASCADE"), primary_key=True, sort_order=-2
    )
    examples: Mapped[int] = mapped_column(
        BigInteger, primary_key=True, autoincrement=False, sort_order=-2
    )
    value: Mapped[float]


class EvidenceStampRow(Row):
    """Changes with every change of a tenant's profiles; that of tenant `*` with the shared ones."""

    __tablename__ = "evidence_stamps"

    tenant: Mapped[str] = mapped_column(primary_key=True, default=LOCAL)
    stamp: Mapped[str] = mapped_column(Words(32))


class OutcomeRow(Row):
    """What full training with a candidate of an answer gave; the last word of its teller."""

    __tablename__ = "outcomes"
    __table_args__ = (UniqueConstraint("recommendation_id", "candidate_key"),)

    id: Mapped[str] = id_column()
    created_at: Mapped[datetime] = mapped_column(default=now)
    recommendation_id: Mapped[str] = mapped_column(ForeignKey("recommendations.id"))
    candidate_key: Mapped[str] = mapped_column(Words(64))
    # No foreign key: the profile may be deleted, and what was told stays.
    profile_id: Mapped[str] = mapped_column(Words(32))
    body: Mapped[dict[str, Any]]


class DiscardRow(Row):
    """What a candidate's legs told up to a moment counts for nothing in later calibrations."""

    __tablename__ = "discards"

    task_fingerprint: Mapped[str] = mapped_column(primary_key=True)
    device_id: Mapped[str] = mapped_column(primary_key=True)
    candidate_key: Mapped[str] = mapped_column(Words(64), primary_key=True)
    tenant: Mapped[str] = mapped_column(primary_key=True, default=LOCAL)
    discarded_at: Mapped[datetime] = mapped_column(default=now)


class AnswerRow(Row):
    """What was answered to a request with a key of its own; `status` is null until then."""

    __tablename__ = "answers"

    tenant: Mapped[str] = mapped_column(primary_key=True, default=LOCAL)
    key: Mapped[str] = mapped_column(primary_key=True)
    digest: Mapped[str] = mapped_column(Words(64))
    created_at: Mapped[datetime] = mapped_column(default=now, index=True)
    status: Mapped[int | None]
    location: Mapped[str | None]
    body: Mapped[str | None] = mapped_column(Words())


class WorkerRow(Row):
    """A live worker; `seen_at` is set by the database's clock.

    Workers of one crew may train each other's legs; one without a crew trains its own.
    """

    __tablename__ = "workers"

    id: Mapped[str] = mapped_column(primary_key=True, sort_order=-2)
    device: Mapped[str | None]
    tag: Mapped[str]
    crew: Mapped[str | None]
    device_slot: Mapped[str | None]
    current: Mapped[str | None] = mapped_column(Words())
    started_at: Mapped[datetime]
    seen_at: Mapped[datetime]


class KeyRow(Row):
    """A key that lets its tenant in; of its secret only the hash is here."""

    __tablename__ = "keys"

    id: Mapped[str] = id_column()
    created_at: Mapped[datetime] = mapped_column(default=now)
    name: Mapped[str]
    scope: Mapped[str]
    secret_sha256: Mapped[str] = mapped_column(Words(64))
    expires_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]
