"""Outcomes as profiles beside the measured ones; what is bad or discarded. There is no way down:
go back with the backup."""

import sqlalchemy as sa
from alembic import op

revision = "20261124_outcomes"
down_revision = "20261124_leases"


def upgrade() -> None:
    with op.batch_alter_table("profiles") as profiles:
        profiles.add_column(
            sa.Column("source", sa.String(length=200), nullable=False, server_default="calibration")
        )
        profiles.add_column(
            sa.Column("bad", sa.Boolean(), nullable=False, server_default=sa.false())
        )
        profiles.drop_constraint("uq_profiles_measured", type_="unique")
        profiles.create_unique_constraint(
            "uq_profiles_measured",
            ["tenant", "task_fingerprint", "device_id", "candidate_key", "source"],
        )
    op.create_table(
        "outcomes",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("tenant", sa.String(length=200), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("recommendation_id", sa.String(length=32), nullable=False),
        sa.Column("candidate_key", sa.String(length=64), nullable=False),
        sa.Column("profile_id", sa.String(length=32), nullable=False),
        sa.Column("body", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(
            ["recommendation_id"],
            ["recommendations.id"],
            name=op.f("fk_outcomes_recommendation_id"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outcomes")),
        sa.UniqueConstraint(
            "recommendation_id",
            "candidate_key",
            name=op.f("uq_outcomes_recommendation_id_candidate_key"),
        ),
    )
    op.create_table(
        "discards",
        sa.Column("task_fingerprint", sa.String(length=200), nullable=False),
        sa.Column("device_id", sa.String(length=200), nullable=False),
        sa.Column("candidate_key", sa.String(length=64), nullable=False),
        sa.Column("tenant", sa.String(length=200), nullable=False),
        sa.Column("discarded_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint(
            "task_fingerprint", "device_id", "candidate_key", "tenant", name=op.f("pk_discards")
        ),
    )
