"""Instants and days in SQL, in UTC whatever the session's time zone."""

from __future__ import annotations

from typing import Any

from sqlalchemy import BigInteger, Date, DateTime, Float, Integer, SmallInteger
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


class epoch_us(FunctionElement[Any]):  # noqa: N801
    """Microseconds from 1970 to an instant; NULL for an instant without an end such as ``infinity``."""

    type = BigInteger()
    inherit_cache = True


@compiles(epoch_us)
def _(element: epoch_us, compiler: Any, **kw: Any) -> str:
    instant = compiler.process(element.clauses, **kw)
    return f"CASE WHEN ISFINITE({instant}) THEN CAST(EXTRACT(EPOCH FROM {instant}) * 1000000 AS BIGINT) END"


@compiles(epoch_us, "duckdb")
def _(element: epoch_us, compiler: Any, **kw: Any) -> str:
    instant = compiler.process(element.clauses, **kw)
    return f"CASE WHEN ISFINITE({instant}) THEN EPOCH_US({instant}) END"
