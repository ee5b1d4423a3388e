"""The one module that knows how SQL dialects differ.

Each construct below is an ordinary SQLAlchemy function; how it is spelled for an engine is registered beside it.
Default spellings are PostgreSQL's.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    Date,
    DateTime,
    Dialect,
    Float,
    Integer,
    SmallInteger,
    String,
    cast,
    func,
)
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

_US_PER_HOUR = 3_600_000_000
_US_PER_DAY = 24 * _US_PER_HOUR


class utc_day(FunctionElement[Any]):  # noqa: N801 - reads as the SQL function that it is
    """The UTC calendar day of an instant, as DATE, whatever the session's time zone."""

    type = Date()
    inherit_cache = True


@compiles(utc_day)
def _(element: utc_day, compiler: Any, **kw: Any) -> str:
    return f"CAST(({compiler.process(element.clauses, **kw)}) AT TIME ZONE 'UTC' AS DATE)"


@compiles(utc_day, "duckdb")
def _(element: utc_day, compiler: Any, **kw: Any) -> str:
    # Integer arithmetic: a cast of TIMESTAMPTZ goes through ICU and takes more than twice as long.
    instant = compiler.process(element.clauses, **kw)
    return f"(DATE '1970-01-01' + CAST(epoch_us({instant}) // {_US_PER_DAY} AS INTEGER))"


class utc_hour(FunctionElement[Any]):  # noqa: N801
    """The UTC hour of an instant, 0 to 23."""

    type = SmallInteger()
    inherit_cache = True


@compiles(utc_hour)
def _(element: utc_hour, compiler: Any, **kw: Any) -> str:
    return f"CAST(EXTRACT(HOUR FROM ({compiler.process(element.clauses, **kw)}) AT TIME ZONE 'UTC') AS SMALLINT)"


@compiles(utc_hour, "duckdb")
def _(element: utc_hour, compiler: Any, **kw: Any) -> str:
    instant = compiler.process(element.clauses, **kw)
    return f"CAST((epoch_us({instant}) // {_US_PER_HOUR}) % 24 AS SMALLINT)"


class text_number(FunctionElement[Any]):  # noqa: N801
    """A number of 64 bits for a text, the same for the same text in one statement; others may share it, rarely.

    It groups faster than the text. An engine's next version may number otherwise: it is never stored.
    """

    type = BigInteger()
    inherit_cache = True


@compiles(text_number)
def _(element: text_number, compiler: Any, **kw: Any) -> str:
    return f"hashtextextended({compiler.process(element.clauses, **kw)}, 0)"


@compiles(text_number, "duckdb")
def _(element: text_number, compiler: Any, **kw: Any) -> str:
    return f"hash({compiler.process(element.clauses, **kw)})"


class midnight(FunctionElement[Any]):  # noqa: N801
    """The instant at which a UTC day (DATE) begins."""

    type = DateTime(timezone=True)
    inherit_cache = True


@compiles(midnight)
def _(element: midnight, compiler: Any, **kw: Any) -> str:
    return f"(CAST({compiler.process(element.clauses, **kw)} AS TIMESTAMP) AT TIME ZONE 'UTC')"


@compiles(midnight, "duckdb")
def _(element: midnight, compiler: Any, **kw: Any) -> str:
    day = compiler.process(element.clauses, **kw)
    return f"make_timestamptz(CAST(({day}) - DATE '1970-01-01' AS BIGINT) * {_US_PER_DAY})"


class day_start(FunctionElement[Any]):  # noqa: N801
    """The instant at which the UTC day of an instant begins: ``midnight(utc_day(...))`` without the way over a DATE."""

    type = DateTime(timezone=True)
    inherit_cache = True


@compiles(day_start)
def _(element: day_start, compiler: Any, **kw: Any) -> str:
    return f"DATE_TRUNC('day', {compiler.process(element.clauses, **kw)}, 'UTC')"


@compiles(day_start, "duckdb")
def _(element: day_start, compiler: Any, **kw: Any) -> str:
    return f"make_timestamptz(epoch_us({compiler.process(element.clauses, **kw)}) // {_US_PER_DAY} * {_US_PER_DAY})"


class day_number(FunctionElement[Any]):  # noqa: N801
    """Days since 1970-01-01, so that window frames can count days (``range_=(-6, 0)`` is a week)."""

    type = Integer()
    inherit_cache = True


@compiles(day_number)
def _(element: day_number, compiler: Any, **kw: Any) -> str:
    return f"CAST(({compiler.process(element.clauses, **kw)}) - DATE '1970-01-01' AS INTEGER)"


class seconds_between(FunctionElement[Any]):  # noqa: N801
    """Seconds from the first instant to the second, as a float."""

    type = Float()
    inherit_cache = True


@compiles(seconds_between)
def _(element: seconds_between, compiler: Any, **kw: Any) -> str:
    start, end = (compiler.process(clause, **kw) for clause in element.clauses)
    return f"CAST(EXTRACT(EPOCH FROM ({end}) - ({start})) AS DOUBLE PRECISION)"


@compiles(seconds_between, "duckdb")
def _(element: seconds_between, compiler: Any, **kw: Any) -> str:
    start, end = (compiler.process(clause, **kw) for clause in element.clauses)
    return f"((epoch_us({end}) - epoch_us({start})) / 1e6)"


class median(FunctionElement[Any]):  # noqa: N801
    """The interpolated median of a numeric column, NULLs left out."""

    type = Float()
    inherit_cache = True


@compiles(median)
def _(element: median, compiler: Any, **kw: Any) -> str:
    column = compiler.process(element.clauses, **kw)
    return f"percentile_cont(0.5) WITHIN GROUP (ORDER BY CAST({column} AS DOUBLE PRECISION))"


@compiles(median, "duckdb")
def _(element: median, compiler: Any, **kw: Any) -> str:
    return f"median(CAST({compiler.process(element.clauses, **kw)} AS DOUBLE))"


def ratio(part: ColumnElement[Any], whole: ColumnElement[Any]) -> ColumnElement[float]:
    """``part / whole`` as a float on every engine; NULL where ``whole`` is zero."""
    return cast(part, Float(53)) / func.nullif(cast(whole, Float(53)), 0.0)


class byte_length(FunctionElement[Any]):  # noqa: N801
    """The length of a text in bytes of UTF-8."""

    type = Integer()
    inherit_cache = True


@compiles(byte_length)
def _(element: byte_length, compiler: Any, **kw: Any) -> str:
    return f"octet_length({compiler.process(element.clauses, **kw)})"


@compiles(byte_length, "duckdb")
def _(element: byte_length, compiler: Any, **kw: Any) -> str:
    return f"strlen({compiler.process(element.clauses, **kw)})"


class row_digest(FunctionElement[Any]):  # noqa: N801
    """A number, as text, that changes when any row of the selected columns does: the sum of the rows' MD5 halves.

    A sum, so that order does not matter and equal rows do not cancel out. It is compared with itself only, on one
    engine, to notice change; it protects nothing.
    """

    type = String()
    inherit_cache = True


@compiles(row_digest)
def _(element: row_digest, compiler: Any, **kw: Any) -> str:
    row = compiler.process(element.clauses, **kw)
    number = f"CAST(CAST('x' || SUBSTR(MD5(CAST(ROW({row}) AS TEXT)), 1, 15) AS BIT(60)) AS BIGINT)"
    return f"CAST(COALESCE(SUM({number}), 0) AS TEXT)"


@compiles(row_digest, "duckdb")
def _(element: row_digest, compiler: Any, **kw: Any) -> str:
    row = compiler.process(element.clauses, **kw)
    return f"CAST(COALESCE(SUM(md5_number_lower(CAST(ROW({row}) AS VARCHAR))), 0) AS VARCHAR)"


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
