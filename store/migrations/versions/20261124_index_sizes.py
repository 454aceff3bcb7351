"""Profiles by number of classes, by source and by mark. No way down: go back with the backup."""

from alembic import op

revision = "20261124_sizes"
down_revision = "20261124_stamps"

_NEWEST = ["created_at", "id"]


def upgrade() -> None:
    for name in ("tenant_created_at_id", "classes"):
        op.drop_index(op.f(f"ix_profiles_{name}"), "profiles")
    for name, columns in {
        "newest": [*_NEWEST, "n_classes"],
        "tenant_source_created_at_id": ["source", *_NEWEST],
        "tenant_bad_created_at_id": ["bad", *_NEWEST],
        "classes": ["n_classes", "id"],
    }.items():
        op.create_index(op.f(f"ix_profiles_{name}"), "profiles", ["tenant", *columns])
