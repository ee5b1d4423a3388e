"""The ledger's first tables"""

import sqlalchemy as sa
from alembic import op

import audits.ledger.models

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """The ledger's first tables"""

    op.create_table(
        "decisions",
        sa.Column("number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("finding_id", sa.String(length=40), nullable=False),
        sa.Column("decided_as", sa.String(length=20), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("who", sa.Text(), nullable=False),
        sa.Column("decided_at", audits.ledger.models.UtcDateTime(timezone=True), nullable=False),
        sa.Column("until", sa.Date(), nullable=True),
        sa.Column("previous_digest", sa.String(length=80), nullable=False),
        sa.Column("digest", sa.String(length=80), nullable=False),
        sa.PrimaryKeyConstraint("number"),
    )
    with op.batch_alter_table("decisions", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_decisions_finding_id"), ["finding_id"], unique=False)

    op.create_table(
        "policy_versions",
        sa.Column("digest", sa.String(length=80), nullable=False),
        sa.Column("content", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("digest"),
    )
    op.create_table(
        "rule_versions",
        sa.Column("rule_id", sa.String(length=40), nullable=False),
        sa.Column("version", sa.String(length=40), nullable=False),
        sa.Column("content", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("rule_id", "version"),
    )
    op.create_table(
        "runs",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("period", sa.String(length=12), nullable=False),
        sa.Column("kind", sa.String(length=12), nullable=False),
        sa.Column("first_day", sa.Date(), nullable=False),
        sa.Column("end_day", sa.Date(), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("tiers", sa.JSON(), nullable=False),
        sa.Column("status", sa.String(length=12), nullable=False),
        sa.Column("audited_at", audits.ledger.models.UtcDateTime(timezone=True), nullable=False),
        sa.Column("policy_version", sa.String(length=80), nullable=False),
        sa.Column("rules", sa.JSON(), nullable=False),
        sa.Column("watermark", audits.ledger.models.UtcDateTime(timezone=True), nullable=True),
        sa.Column("inputs", sa.JSON(), nullable=False),
        sa.Column("results_digest", sa.String(length=80), nullable=False),
        sa.Column("causes", sa.JSON(), nullable=False),
        sa.Column("notes", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(
            ["policy_version"],
            ["policy_versions.digest"],
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("period", "revision"),
    )
    with op.batch_alter_table("runs", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_runs_period"), ["period"], unique=False)

    op.create_table(
        "audited_customers",
        sa.Column("run_id", sa.BigInteger(), nullable=False),
        sa.Column("tier", sa.String(length=80), nullable=False),
        sa.Column("customer_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("account_manager", sa.Text(), nullable=False),
        sa.Column("accounts", sa.JSON(), nullable=False),
        sa.Column("figures", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(
            ["run_id"],
            ["runs.id"],
        ),
        sa.PrimaryKeyConstraint("run_id", "tier", "customer_id"),
    )
    op.create_table(
        "cell_groups",
        sa.Column("run_id", sa.BigInteger(), nullable=False),
        sa.Column("tier", sa.String(length=80), nullable=False),
        sa.Column("rule_id", sa.String(length=40), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("verdict", sa.String(length=16), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("customers", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(
            ["run_id"],
            ["runs.id"],
        ),
        sa.PrimaryKeyConstraint("run_id", "tier", "rule_id", "number"),
    )
    op.create_table(
        "evaluations",
        sa.Column("run_id", sa.BigInteger(), nullable=False),
        sa.Column("tier", sa.String(length=80), nullable=False),
        sa.Column("rule_id", sa.String(length=40), nullable=False),
        sa.Column("version", sa.String(length=40), nullable=False),
        sa.Column("status", sa.String(length=12), nullable=False),
        sa.Column("planned", sa.BigInteger(), nullable=False),
        sa.Column("compliant", sa.BigInteger(), nullable=False),
        sa.Column("violating", sa.BigInteger(), nullable=False),
        sa.Column("not_applicable", sa.BigInteger(), nullable=False),
        sa.Column("indeterminate", sa.BigInteger(), nullable=False),
        sa.Column("errored", sa.BigInteger(), nullable=False),
        sa.Column("error", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["run_id"],
            ["runs.id"],
        ),
        sa.PrimaryKeyConstraint("run_id", "tier", "rule_id"),
    )
    op.create_table(
        "finding_subjects",
        sa.Column("run_id", sa.BigInteger(), nullable=False),
        sa.Column("finding_id", sa.String(length=40), nullable=False),
        sa.Column("customer_id", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["run_id"],
            ["runs.id"],
        ),
        sa.PrimaryKeyConstraint("run_id", "finding_id", "customer_id"),
    )
    with op.batch_alter_table("finding_subjects", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_finding_subjects_customer_id"), ["customer_id"], unique=False)

    op.create_table(
        "findings",
        sa.Column("run_id", sa.BigInteger(), nullable=False),
        sa.Column("finding_id", sa.String(length=40), nullable=False),
        sa.Column("rule_id", sa.String(length=40), nullable=False),
        sa.Column("rule_version", sa.String(length=40), nullable=False),
        sa.Column("subject_type", sa.String(length=12), nullable=False),
        sa.Column("subject_id", sa.Text(), nullable=False),
        sa.Column("account_ids", sa.JSON(), nullable=False),
        sa.Column("customer_ids", sa.JSON(), nullable=False),
        sa.Column("tier", sa.String(length=80), nullable=False),
        sa.Column("severity", sa.String(length=12), nullable=False),
        sa.Column("published", sa.Boolean(), nullable=False),
        sa.Column("clauses", sa.JSON(), nullable=False),
        sa.Column("summary", sa.Text(), nullable=False),
        sa.Column("observed", sa.JSON(), nullable=False),
        sa.Column("limits", sa.JSON(), nullable=False),
        sa.Column("evidence_sql", sa.Text(), nullable=False),
        sa.Column("first_seen", audits.ledger.models.UtcDateTime(timezone=True), nullable=False),
        sa.Column("chart", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(
            ["run_id"],
            ["runs.id"],
        ),
        sa.PrimaryKeyConstraint("run_id", "finding_id"),
    )
    with op.batch_alter_table("findings", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_findings_finding_id"), ["finding_id"], unique=False)

    op.create_table(
        "quality_days",
        sa.Column("run_id", sa.BigInteger(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("source_system", sa.String(length=200), nullable=False),
        sa.Column("verdict", sa.String(length=12), nullable=False),
        sa.Column("reasons", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(
            ["run_id"],
            ["runs.id"],
        ),
        sa.PrimaryKeyConstraint("run_id", "day", "source_system"),
    )
    op.create_table(
        "tier_figures",
        sa.Column("run_id", sa.BigInteger(), nullable=False),
        sa.Column("tier", sa.String(length=80), nullable=False),
        sa.Column("figures", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(
            ["run_id"],
            ["runs.id"],
        ),
        sa.PrimaryKeyConstraint("run_id", "tier"),
    )


def downgrade() -> None:
    """Undo it."""

    op.drop_table("tier_figures")
    op.drop_table("quality_days")
    with op.batch_alter_table("findings", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_findings_finding_id"))

    op.drop_table("findings")
    with op.batch_alter_table("finding_subjects", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_finding_subjects_customer_id"))

    op.drop_table("finding_subjects")
    op.drop_table("evaluations")
    op.drop_table("cell_groups")
    op.drop_table("audited_customers")
    with op.batch_alter_table("runs", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_runs_period"))

    op.drop_table("runs")
    op.drop_table("rule_versions")
    op.drop_table("policy_versions")
    with op.batch_alter_table("decisions", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_decisions_finding_id"))

    op.drop_table("decisions")
