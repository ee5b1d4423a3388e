"""Dossiers of linked groups"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Dossiers of linked groups"""

    op.create_table(
        "group_dossiers",
        sa.Column("run_id", sa.BigInteger(), nullable=False),
        sa.Column("group_id", sa.Text(), nullable=False),
        sa.Column("content", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(
            ["run_id"],
            ["runs.id"],
        ),
        sa.PrimaryKeyConstraint("run_id", "group_id"),
    )


def downgrade() -> None:
    """Undo it."""

    op.drop_table("group_dossiers")
