"""Seals on what was recorded, and no limit on the length of foreign text"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_BOUNDED = {
    "policy_versions": ("digest",),
    "rule_versions": ("rule_id", "version"),
    "runs": ("policy_version", "results_digest"),
    "tier_figures": ("tier",),
    "audited_customers": ("tier",),
    "quality_days": ("source_system",),
    "evaluations": ("tier", "rule_id", "version"),
    "cell_groups": ("tier", "rule_id"),
    "findings": ("finding_id", "rule_id", "rule_version", "tier"),
    "finding_subjects": ("finding_id",),
    "decisions": ("finding_id", "previous_digest", "digest"),
}


def upgrade() -> None:
    """Add the digests and what they are made of; the seals themselves are written once all tables are up to date."""
    if op.get_bind().dialect.name == "postgresql":  # SQLite holds no text to a length
        for table, columns in _BOUNDED.items():
            for column in columns:
                op.alter_column(table, column, type_=sa.Text())
    for name in ("recorded_digest", "chain_digest"):
        op.add_column("runs", sa.Column(name, sa.Text(), nullable=False, server_default=""))
    op.create_table(
        "run_inputs",
        sa.Column("run_id", sa.BigInteger(), nullable=False),
        sa.Column("part", sa.Text(), nullable=False),
        sa.Column("items", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"]),
        sa.PrimaryKeyConstraint("run_id", "part"),
    )
    op.create_table(
        "recorded_parts",
        sa.Column("run_id", sa.BigInteger(), nullable=False),
        sa.Column("part", sa.Text(), nullable=False),
        sa.Column("n_rows", sa.BigInteger(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("items", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"]),
        sa.PrimaryKeyConstraint("run_id", "part"),
    )


def downgrade() -> None:
    """Undo it; text stays unbounded."""
    op.drop_table("recorded_parts")
    op.drop_table("run_inputs")
    with op.batch_alter_table("runs") as runs:
        runs.drop_column("chain_digest")
        runs.drop_column("recorded_digest")
