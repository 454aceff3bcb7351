"""The first tables: devices, calibrations with trials and legs, profiles, answers, workers."""

import sqlalchemy as sa
from alembic import op

revision = "20261124"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "devices",
        sa.Column("id", sa.String(length=200), nullable=False),
        sa.Column("tenant", sa.String(length=200), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("kind", sa.String(length=200), nullable=False),
        sa.Column("n_threads", sa.Integer(), nullable=False),
        sa.Column("memory_bytes", sa.BigInteger(), nullable=False),
        sa.Column("software", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_devices")),
    )
    op.create_table(
        "recommendations",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("tenant", sa.String(length=200), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("task_name", sa.String(), nullable=False),
        sa.Column("loss", sa.String(length=200), nullable=False),
        sa.Column("verdict", sa.String(length=200), nullable=False),
        sa.Column("evidence_level", sa.String(length=200), nullable=False),
        sa.Column("calibration_id", sa.String(length=32), nullable=True),
        sa.Column("device_id", sa.String(length=200), nullable=True),
        sa.Column("body", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_recommendations")),
    )
    op.create_index(
        op.f("ix_recommendations_tenant_created_at_id"),
        "recommendations",
        ["tenant", "created_at", "id"],
    )

    op.create_table(
        "workers",
        sa.Column("id", sa.String(length=200), nullable=False),
        sa.Column("tenant", sa.String(length=200), nullable=False),
        sa.Column("device", sa.String(length=200), nullable=True),
        sa.Column("tag", sa.String(length=200), nullable=False),
        sa.Column("current", sa.String(), nullable=True),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_workers")),
    )
    op.create_table(
        "calibrations",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("tenant", sa.String(length=200), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("status", sa.String(length=200), nullable=False),
        sa.Column("task", sa.JSON(), nullable=False),
        sa.Column("task_fingerprint", sa.String(length=200), nullable=True),
        sa.Column("device_id", sa.String(length=200), nullable=True),
        sa.Column("device_tag", sa.String(length=200), nullable=False),
        sa.Column("budget_seconds", sa.Double[float](), nullable=False),
        sa.Column("spent_seconds", sa.Double[float](), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("cancel_requested", sa.Boolean(), nullable=False),
        sa.Column("recommendation_id", sa.String(length=32), nullable=True),
        sa.Column("error", sa.String(), nullable=True),
        sa.ForeignKeyConstraint(
            ["device_id"], ["devices.id"], name=op.f("fk_calibrations_device_id")
        ),
        sa.ForeignKeyConstraint(
            ["recommendation_id"],
            ["recommendations.id"],
            name=op.f("fk_calibrations_recommendation_id"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_calibrations")),
    )
    op.create_index(
        op.f("ix_calibrations_tenant_created_at_id"), "calibrations", ["tenant", "created_at", "id"]
    )
    op.create_index(
        op.f("ix_calibrations_tenant_task_fingerprint_device_id"),
        "calibrations",
        ["tenant", "task_fingerprint", "device_id"],
    )

    op.create_table(
        "probes",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("tenant", sa.String(length=200), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("calibration_id", sa.String(length=32), nullable=False),
        sa.Column("loss", sa.String(length=200), nullable=False),
        sa.Column("settings", sa.JSON(), nullable=False),
        sa.Column("outcome", sa.String(length=200), nullable=False),
        sa.Column("batch_size", sa.Integer(), nullable=False),
        sa.Column("step_seconds_low", sa.Double[float](), nullable=True),
        sa.Column("step_seconds_mean", sa.Double[float](), nullable=True),
        sa.Column("step_seconds_high", sa.Double[float](), nullable=True),
        sa.Column("evaluation_seconds", sa.Double[float](), nullable=True),
        sa.Column("peak_bytes", sa.BigInteger(), nullable=True),
        sa.Column("detail", sa.String(), nullable=True),
        sa.ForeignKeyConstraint(
            ["calibration_id"], ["calibrations.id"], name=op.f("fk_probes_calibration_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_probes")),
    )
    op.create_index(op.f("ix_probes_calibration_id"), "probes", ["calibration_id"])

    op.create_table(
        "profiles",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("tenant", sa.String(length=200), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("shared", sa.Boolean(), nullable=False),
        sa.Column("calibration_id", sa.String(length=32), nullable=True),
        sa.Column("task_name", sa.String(), nullable=False),
        sa.Column("task_fingerprint", sa.String(length=200), nullable=False),
        sa.Column("kind", sa.String(length=200), nullable=False),
        sa.Column("metric", sa.String(length=200), nullable=False),
        sa.Column("class_bucket", sa.Integer(), nullable=False),
        sa.Column("n_classes", sa.BigInteger(), nullable=False),
        sa.Column("n_rows", sa.BigInteger(), nullable=False),
        sa.Column("n_examples", sa.BigInteger(), nullable=False),
        sa.Column("targets_per_example", sa.Double[float](), nullable=False),
        sa.Column("class_gini", sa.Double[float](), nullable=False),
        sa.Column("embedding_dim", sa.Integer(), nullable=False),
        sa.Column("batch_size", sa.Integer(), nullable=False),
        sa.Column("device_id", sa.String(length=200), nullable=False),
        sa.Column("loss", sa.String(length=200), nullable=False),
        sa.Column("settings", sa.JSON(), nullable=False),
        sa.Column("candidate_key", sa.String(length=64), nullable=False),
        sa.Column("n_seeds", sa.Integer(), nullable=False),
        sa.Column("outcome", sa.String(length=200), nullable=False),
        sa.Column("step_seconds_low", sa.Double[float](), nullable=True),
        sa.Column("step_seconds_mean", sa.Double[float](), nullable=True),
        sa.Column("step_seconds_high", sa.Double[float](), nullable=True),
        sa.Column("peak_bytes", sa.BigInteger(), nullable=True),
        sa.Column("final_examples", sa.BigInteger(), nullable=False),
        sa.Column("final_value", sa.Double[float](), nullable=True),
        sa.ForeignKeyConstraint(
            ["calibration_id"], ["calibrations.id"], name=op.f("fk_profiles_calibration_id")
        ),
        sa.ForeignKeyConstraint(["device_id"], ["devices.id"], name=op.f("fk_profiles_device_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_profiles")),
        sa.UniqueConstraint(
            "tenant", "task_fingerprint", "device_id", "candidate_key", name="uq_profiles_measured"
        ),
    )
    op.create_index(
        op.f("ix_profiles_own"),
        "profiles",
        ["tenant", "kind", "metric", "class_bucket", "created_at"],
    )
    op.create_index(
        op.f("ix_profiles_shared"),
        "profiles",
        ["shared", "kind", "metric", "class_bucket", "created_at"],
    )
    op.create_index(
        op.f("ix_profiles_tenant_created_at_id"), "profiles", ["tenant", "created_at", "id"]
    )

    op.create_table(
        "trials",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("tenant", sa.String(length=200), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("calibration_id", sa.String(length=32), nullable=False),
        sa.Column("key", sa.String(length=200), nullable=False),
        sa.Column("loss", sa.String(length=200), nullable=False),
        sa.Column("settings", sa.JSON(), nullable=False),
        sa.Column("seed", sa.BigInteger(), nullable=False),
        sa.Column("status", sa.String(length=200), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("legs_told", sa.Integer(), nullable=False),
        sa.Column("examples", sa.BigInteger(), nullable=False),
        sa.Column("train_seconds", sa.Double[float](), nullable=False),
        sa.Column("best_value", sa.Double[float](), nullable=True),
        sa.Column("outcome", sa.String(length=200), nullable=True),
        sa.ForeignKeyConstraint(
            ["calibration_id"], ["calibrations.id"], name=op.f("fk_trials_calibration_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_trials")),
        sa.UniqueConstraint("calibration_id", "key", name=op.f("uq_trials_calibration_id_key")),
    )
    op.create_index(
        op.f("ix_trials_tenant_created_at_id"), "trials", ["tenant", "created_at", "id"]
    )

    op.create_table(
        "legs",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("tenant", sa.String(length=200), nullable=False),
        sa.Column("trial_id", sa.String(length=32), nullable=False),
        sa.Column("status", sa.String(length=200), nullable=False),
        sa.Column("from_examples", sa.BigInteger(), nullable=False),
        sa.Column("until_examples", sa.BigInteger(), nullable=False),
        sa.Column("checkpoints", sa.JSON(), nullable=False),
        sa.Column("leased_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("told_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("told_order", sa.Integer(), nullable=True),
        sa.Column("outcome", sa.String(length=200), nullable=True),
        sa.Column("examples", sa.BigInteger(), nullable=True),
        sa.Column("train_seconds", sa.Double[float](), nullable=True),
        sa.Column("wall_seconds", sa.Double[float](), nullable=True),
        sa.Column("peak_bytes", sa.BigInteger(), nullable=True),
        sa.Column("detail", sa.String(), nullable=True),
        sa.ForeignKeyConstraint(["trial_id"], ["trials.id"], name=op.f("fk_legs_trial_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_legs")),
        sa.UniqueConstraint(
            "trial_id",
            "from_examples",
            "until_examples",
            name=op.f("uq_legs_trial_id_from_examples_until_examples"),
        ),
    )
    op.create_table(
        "profile_points",
        sa.Column("profile_id", sa.String(length=32), nullable=False),
        sa.Column("examples", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("tenant", sa.String(length=200), nullable=False),
        sa.Column("value", sa.Double[float](), nullable=False),
        sa.ForeignKeyConstraint(
            ["profile_id"],
            ["profiles.id"],
            name=op.f("fk_profile_points_profile_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("profile_id", "examples", name=op.f("pk_profile_points")),
    )
    op.create_table(
        "measurements",
        sa.Column("leg_id", sa.String(length=32), nullable=False),
        sa.Column("examples", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("tenant", sa.String(length=200), nullable=False),
        sa.Column("seconds", sa.Double[float](), nullable=False),
        sa.Column("value", sa.Double[float](), nullable=True),
        sa.Column("train_loss", sa.Double[float](), nullable=True),
        sa.ForeignKeyConstraint(["leg_id"], ["legs.id"], name=op.f("fk_measurements_leg_id")),
        sa.PrimaryKeyConstraint("leg_id", "examples", name=op.f("pk_measurements")),
    )
