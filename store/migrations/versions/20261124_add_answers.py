"""Answers to requests with a key of their own. There is no way down: go back with the backup."""

import sqlalchemy as sa
from alembic import op

revision = "20261124_answers"
down_revision = "20261124_outcomes"


def upgrade() -> None:
    op.create_table(
        "answers",
        sa.Column("tenant", sa.String(length=200), nullable=False),
        sa.Column("key", sa.String(length=200), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("location", sa.String(length=200), nullable=True),
        sa.Column("body", sa.String(), nullable=True),
        sa.PrimaryKeyConstraint("tenant", "key", name=op.f("pk_answers")),
    )
    op.create_index(op.f("ix_answers_created_at"), "answers", ["created_at"])
    op.add_column("workers", sa.Column("device_slot", sa.String(length=200), nullable=True))
