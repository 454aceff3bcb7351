"""Legs offered to idle workers, and who may take them. No way down: go back with the backup."""

import sqlalchemy as sa
from alembic import op

revision = "20261130_offers"
down_revision = "20261124_sizes"


def upgrade() -> None:
    op.add_column("workers", sa.Column("crew", sa.String(length=200), nullable=True))
    op.create_table(
        "offers",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("tenant", sa.String(length=200), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("calibration_id", sa.String(length=32), nullable=False),
        sa.Column("crew", sa.String(length=200), nullable=False),
        sa.Column("prepared", sa.JSON(), nullable=False),
        sa.Column("leg", sa.JSON(), nullable=False),
        sa.Column("why", sa.String(), nullable=False),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("worker", sa.String(length=200), nullable=True),
        sa.Column("leg_id", sa.String(length=32), nullable=True),
        sa.ForeignKeyConstraint(
            ["calibration_id"], ["calibrations.id"], name=op.f("fk_offers_calibration_id")
        ),
        sa.ForeignKeyConstraint(["leg_id"], ["legs.id"], name=op.f("fk_offers_leg_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_offers")),
    )
