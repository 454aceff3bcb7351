"""Stamps that say when profiles have changed. There is no way down: go back with the backup."""

import sqlalchemy as sa
from alembic import op

revision = "20261124_stamps"
down_revision = "20261124_indexes"


def upgrade() -> None:
    op.create_table(
        "evidence_stamps",
        sa.Column("tenant", sa.String(length=200), nullable=False),
        sa.Column("stamp", sa.String(length=32), nullable=False),
        sa.PrimaryKeyConstraint("tenant", name=op.f("pk_evidence_stamps")),
    )
