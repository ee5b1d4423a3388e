"""The warehouse: the contract's tables (read-only), the audit's own schema beside them, and the engines of both.

In: a URL. Out: a :class:`~audits.warehouse.engines.Warehouse`, on which the same SQLAlchemy Core statements run
whatever the engine. Only :mod:`audits.warehouse.dialects` knows how engines differ.
"""

from audits.warehouse.engines import Warehouse, open_warehouse, warehouse

__all__ = ["Warehouse", "open_warehouse", "warehouse"]
