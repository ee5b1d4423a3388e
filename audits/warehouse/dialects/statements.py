"""What statements and connections need that engines do in different ways."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, Dialect, TableClause


def analyze(connection: Connection, tables: Iterable[TableClause]) -> None:
    """Gather the planner's statistics on tables that were just filled.

    PostgreSQL has none on a temporary or freshly filled table until autovacuum comes by, which never happens inside a
    transaction; without them it takes a join of thousands of rows for one of a few. DuckDB keeps its own.
    """
    if connection.dialect.name == "postgresql":
        for table in tables:
            schemas = connection.get_execution_options().get("schema_translate_map", {})
            schema = schemas.get(table.schema, table.schema)
            name = connection.dialect.identifier_preparer.quote(table.name)
            connection.exec_driver_sql(f"ANALYZE {f'{schema}.{name}' if schema else name}")


@contextmanager
def contained(connection: Connection) -> Iterator[None]:
    """Statements whose failure leaves the transaction usable, with all that was done in it before.

    DuckDB has no SAVEPOINT and an error at run time aborts its transaction: there, what was done before is committed
    first, and a failure rolls back to that point.
    """
    if connection.dialect.name != "duckdb":
        with connection.begin_nested():
            yield
        return
    connection.exec_driver_sql("COMMIT")
    connection.exec_driver_sql("BEGIN TRANSACTION")
    try:
        yield
    except BaseException:
        connection.exec_driver_sql("ROLLBACK")
        connection.exec_driver_sql("BEGIN TRANSACTION")
        raise


def for_literals(dialect: Dialect) -> Dialect:
    """A copy of a connected dialect that writes literals for a person's SQL prompt, not for a driver.

    Drivers with %-style parameters double every per cent sign, and PostgreSQL's dialect doubles backslashes until a
    connection tells it otherwise; pasted into a prompt either would change the text that is compared.
    """
    copy = type(dialect)(paramstyle="named")  # type: ignore[call-arg]
    copy.default_schema_name = dialect.default_schema_name
    copy._backslash_escapes = False  # type: ignore[attr-defined]
    return copy
