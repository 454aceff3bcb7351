"""Indexes for the filters of the list of profiles. No way down: go back with the backup."""

from alembic import op

revision = "20261124_indexes"
down_revision = "20261124_answers"

_NEWEST = ["created_at", "id"]


def upgrade() -> None:
    for name in ("loss", "task_name", "kind", "device_id", "metric"):
        columns = ["tenant", name, *_NEWEST]
        op.create_index(op.f(f"ix_profiles_{'_'.join(columns)}"), "profiles", columns)
    for name, columns in {
        "ix_profiles_classes": ["class_bucket", *_NEWEST, "n_classes"],
        "ix_profiles_task_loss": ["task_name", "loss", *_NEWEST],
        "ix_profiles_loss_metric": ["loss", "metric", *_NEWEST],
        "ix_profiles_kind_metric": ["kind", "metric", *_NEWEST],
    }.items():
        op.create_index(op.f(name), "profiles", ["tenant", *columns])
