"""What a calibration said while it ran. There is no way down: go back with the backup."""

import sqlalchemy as sa
from alembic import op

revision = "20261124_events"
down_revision = "20261124_keys"


def upgrade() -> None:
    with op.batch_alter_table("calibrations") as calibrations:
        calibrations.add_column(
            sa.Column("n_events", sa.Integer(), nullable=False, server_default="0")
        )
        calibrations.add_column(sa.Column("leader_key", sa.String(), nullable=True))
    op.create_table(
        "events",
        sa.Column("calibration_id", sa.String(length=32), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("tenant", sa.String(length=200), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("key", sa.String(length=200), nullable=True),
        sa.Column("body", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(
            ["calibration_id"], ["calibrations.id"], name=op.f("fk_events_calibration_id")
        ),
        sa.PrimaryKeyConstraint("calibration_id", "number", name=op.f("pk_events")),
        sa.UniqueConstraint("calibration_id", "key", name=op.f("uq_events_calibration_id_key")),
    )
