"""Keep the digest of every manifest that sealed a run's reports"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the table; reports that were sealed before are recorded when they are rendered again."""
    op.create_table(
        "manifests",
        sa.Column("run_id", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"]),
        sa.PrimaryKeyConstraint("run_id", "sha256"),
    )


def downgrade() -> None:
    """Undo it."""
    op.drop_table("manifests")
