"""Results that several statements of one rule read, computed once, as temporary tables of the audit's connection.

SQL computes a subquery wherever it is written, and a rule's question and its doubts are two statements over the same
rows. Evidence must run by itself on the source warehouse, so there the same relation is written out as a subquery.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import wraps
from typing import Any

from sqlalchemy import Connection, FromClause, Select, TableClause, column, table, text
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.dml import Insert

from audits.warehouse.dialects import analyze


def computed_once(rows: Callable[..., Select[Any]]) -> Callable[..., FromClause]:
    """Decorate a function of a scope (and of words) that selects what several statements of its rule read."""

    @wraps(rows)
    def once(scope: Any, *words: str) -> FromClause:
        name = "_".join((rows.__name__.strip("_"), *words)).replace(" ", "_")
        relation: FromClause = scope.computed_once(name, lambda: rows(scope, *words))
        return relation

    return once


@dataclass(slots=True)
class Intermediates:
    """The intermediate tables of one evaluation of one rule."""

    connection: Connection
    rule_id: str
    _tables: dict[str, TableClause] = field(default_factory=dict)

    def table(self, name: str, rows: Callable[[], Select[Any]]) -> FromClause:
        """The table of that name; what ``rows`` returns is selected into it when it is first asked for."""
        if name not in self._tables:
            selected = rows()
            made = table(
                f"{self.rule_id.lower()}_{name}", *(column(one.name, one.type) for one in selected.selected_columns)
            )
            self.connection.execute(text(f"DROP TABLE IF EXISTS {made.name}"))  # of an evaluation that failed
            self.connection.execute(_CreateTableAs(made).from_select([one.name for one in made.c], selected))
            analyze(self.connection, [made])
            self._tables[name] = made
        return self._tables[name].alias(name)  # another one each time, so that no subquery correlates to it by chance

    def drop(self) -> None:
        """Give the memory back."""
        for made in self._tables.values():
            self.connection.execute(text(f"DROP TABLE {made.name}"))
        self._tables.clear()


class _CreateTableAs(Insert):
    """``CREATE TEMPORARY TABLE ... AS SELECT``; unlike SQLAlchemy's own it binds values and is compiled once."""

    inherit_cache = True


@compiles(_CreateTableAs)
def _create_table_as(element: Any, compiler: Any, **kw: Any) -> str:
    name = compiler.preparer.format_table(element.table)
    return f"CREATE TEMPORARY TABLE {name} AS {compiler.process(element.select, **kw)}"
