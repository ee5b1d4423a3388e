"""Keep with a run what linking its accounts came to"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the report to runs; earlier ones have none."""
    op.add_column("runs", sa.Column("linkage", sa.JSON(), nullable=True))


def downgrade() -> None:
    """Undo it."""
    op.drop_column("runs", "linkage")
