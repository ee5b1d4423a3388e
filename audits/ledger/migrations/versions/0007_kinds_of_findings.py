"""Keep which kind of its rule's findings a finding is"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the kind; earlier findings have none."""
    op.add_column("findings", sa.Column("kind", sa.Text(), nullable=True))


def downgrade() -> None:
    """Undo it."""
    op.drop_column("findings", "kind")
