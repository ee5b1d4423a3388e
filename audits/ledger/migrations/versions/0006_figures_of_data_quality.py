"""Keep with a day's verdict the figures that were held against the limits"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the figures to the days; those of earlier runs have none."""
    op.add_column("quality_days", sa.Column("figures", sa.JSON(), nullable=True))


def downgrade() -> None:
    """Undo it."""
    op.drop_column("quality_days", "figures")
