"""The ledger: what was audited, with what result, and what people decided; the audit trail of the service.

In: the evaluations of a period. Out: runs with revisions, verdict counts, findings with stable ids. SQLite by default,
PostgreSQL by URL, the same tables on both, made and changed by Alembic. Nothing that was recorded is ever rewritten: a
period whose inputs changed gets revision n+1.
"""

from audits.ledger.engine import Ledger, is_there, open_ledger, read_ledger, require_place
from audits.ledger.models import Run

__all__ = ["Ledger", "Run", "is_there", "open_ledger", "read_ledger", "require_place"]
