"""Call cells without an answer not evaluated"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_cells = sa.table("cell_groups", sa.column("verdict", sa.Text()))


def upgrade() -> None:
    """Rename the verdict and its counter."""
    op.alter_column("evaluations", "indeterminate", new_column_name="not_evaluated")
    op.execute(_cells.update().where(_cells.c.verdict == "indeterminate").values(verdict="not_evaluated"))


def downgrade() -> None:
    """Undo it."""
    op.execute(_cells.update().where(_cells.c.verdict == "not_evaluated").values(verdict="indeterminate"))
    op.alter_column("evaluations", "not_evaluated", new_column_name="indeterminate")
