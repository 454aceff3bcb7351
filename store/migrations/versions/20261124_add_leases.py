"""Legs leased by trainers elsewhere. There is no way down: go back with the backup."""

import sqlalchemy as sa
from alembic import op

revision = "20261124_leases"
down_revision = "20261124_uploads"


def upgrade() -> None:
    op.create_table(
        "leases",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("tenant", sa.String(length=200), nullable=False),
        sa.Column("calibration_id", sa.String(length=32), nullable=False),
        sa.Column("trial_id", sa.String(length=32), nullable=False),
        sa.Column("leg_id", sa.String(length=32), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("ask_key", sa.String(length=200), nullable=True),
        sa.Column("trainer", sa.String(length=200), nullable=True),
        sa.Column("is_whole", sa.Boolean(), nullable=False),
        sa.Column("lease_seconds", sa.Double[float](), nullable=False),
        sa.Column("leased_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("deadline", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("is_lost", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(
            ["calibration_id"], ["calibrations.id"], name=op.f("fk_leases_calibration_id")
        ),
        sa.ForeignKeyConstraint(["leg_id"], ["legs.id"], name=op.f("fk_leases_leg_id")),
        sa.ForeignKeyConstraint(["trial_id"], ["trials.id"], name=op.f("fk_leases_trial_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_leases")),
        sa.UniqueConstraint(
            "calibration_id", "ask_key", name=op.f("uq_leases_calibration_id_ask_key")
        ),
    )
    op.create_index(op.f("ix_leases_trial_id"), "leases", ["trial_id"])
