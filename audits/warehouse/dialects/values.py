"""Texts, numbers and digests in SQL."""

from __future__ import annotations

import re
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    ColumnElement,
    Date,
    DateTime,
    Float,
    Integer,
    Numeric,
    String,
    case,
    cast,
    func,
    literal,
)
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

from audits.warehouse.dialects.times import day_number, epoch_us

_DECIMALS = 8  # of sums of money, as the contract has them


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


class least_text(FunctionElement[Any]):  # noqa: N801
    """The first of several texts byte by byte, whatever collation the database has; NULL where there is none."""

    type = String()
    inherit_cache = True


@compiles(least_text)
def _(element: least_text, compiler: Any, **kw: Any) -> str:
    # Compared with other columns, it must have their collation again.
    return f'(MIN({compiler.process(element.clauses, **kw)} COLLATE "C") COLLATE "default")'


@compiles(least_text, "duckdb")
def _(element: least_text, compiler: Any, **kw: Any) -> str:
    return f"MIN({compiler.process(element.clauses, **kw)})"


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


class matches(FunctionElement[Any]):  # noqa: N801
    """Whether a regular expression is found in a text: ``matches(text, literal(pattern), literal(hint), ...)``.

    Any of the patterns; a hint is a short one, found wherever its pattern is, or ``""``. Patterns keep to what Python,
    RE2 and PostgreSQL read alike, with ``\\uXXXX`` for a character beyond ASCII.
    """

    type = Boolean()
    inherit_cache = False  # the patterns are written into the statement, so that an engine compiles them once


@compiles(matches)
def _(element: matches, compiler: Any, **kw: Any) -> str:
    # PostgreSQL builds its automaton anew for every text: a long pattern is worth a look beforehand.
    text, *patterns = element.clauses
    value = compiler.process(text, **kw)
    pairs = zip(patterns[1::2], patterns[::2], strict=True)
    found = ([f"{value} ~ {_written(compiler, one.value)}" for one in pair if one.value] for pair in pairs)
    return f"({' OR '.join(map(' AND '.join, found))})"


@compiles(matches, "duckdb")
def _(element: matches, compiler: Any, **kw: Any) -> str:
    text, *patterns = element.clauses
    pattern = re.sub(r"\\u([0-9a-f]{4})", r"\\x{\1}", "|".join(f"({one.value})" for one in patterns[::2]))
    return f"regexp_matches({compiler.process(text, **kw)}, {_written(compiler, pattern)})"


class one_of(FunctionElement[Any]):  # noqa: N801
    """Which of some words in small letters a text is, whatever its capitals and the space around it; NULL for none.

    ``one_of(text, literal(word), ...)``.
    """

    type = String()
    inherit_cache = False  # the words are written into the statement


@compiles(one_of)
def _(element: one_of, compiler: Any, **kw: Any) -> str:
    text, *words = element.clauses
    value, agreed = compiler.process(text, **kw), ", ".join(_written(compiler, one.value) for one in words)
    plain = f"lower(trim({value}))"
    # The first branch is the cheaper one, and almost always taken.
    return f"CASE WHEN {value} IN ({agreed}) THEN {value} WHEN {plain} IN ({agreed}) THEN {plain} END"


@compiles(one_of, "duckdb")
def _(element: one_of, compiler: Any, **kw: Any) -> str:
    # Functions, and no CASE: DuckDB calls them once for each word of a compressed column.
    text, *words = element.clauses
    agreed = ", ".join("{0}: {0}".format(_written(compiler, one.value)) for one in words)
    return f"map_extract_value(MAP {{{agreed}}}, lower(trim({compiler.process(text, **kw)})))"


def _written(compiler: Any, pattern: str) -> str:
    """A text as a literal that the driver hands on as it stands."""
    quoted = pattern.replace("'", "''")
    return "'" + (quoted.replace("%", "%%") if compiler.preparer._double_percents else quoted) + "'"


class md5_number(FunctionElement[Any]):  # noqa: N801
    """The first 60 bits of a text's MD5 as a number, the same on every engine: to notice change, not to protect."""

    type = BigInteger()
    inherit_cache = True


@compiles(md5_number)
def _(element: md5_number, compiler: Any, **kw: Any) -> str:
    return f"CAST(CAST('x' || SUBSTR(MD5({compiler.process(element.clauses, **kw)}), 1, 15) AS BIT(60)) AS BIGINT)"


@compiles(md5_number, "duckdb")
def _(element: md5_number, compiler: Any, **kw: Any) -> str:
    return f"CAST('0x' || SUBSTR(MD5({compiler.process(element.clauses, **kw)}), 1, 15) AS BIGINT)"


def row_digest(*columns: ColumnElement[Any]) -> ColumnElement[str]:
    """A text that differs when the selected rows do: their number and the sum of their digests.

    A sum, so that order does not matter and equal rows do not cancel out. The same rows give the same text on every
    engine: each value is spelled out by its type, see :func:`_spelled`.
    """
    row: ColumnElement[str] = literal("")
    for column in columns:
        row = row + _spelled(column)
    total = func.coalesce(func.sum(md5_number(row)), 0)
    return cast(func.count(), String) + literal(":") + cast(total, String)


def _spelled(column: ColumnElement[Any]) -> ColumnElement[str]:
    """A value as text that no neighbour can be mistaken for: numbers end in a comma, texts begin with their length."""
    kind = column.type
    number: ColumnElement[Any] = column
    if isinstance(kind, String):
        return func.coalesce(cast(func.length(column), String) + literal(":") + column, literal("-"))
    if isinstance(kind, Boolean):
        number = case((column, 1), else_=0)
        number = case((column.is_not(None), number))
    elif isinstance(kind, DateTime):
        finite = epoch_us(column)
        return func.coalesce(cast(finite, String), case((column.is_not(None), "endless"), else_="")) + literal(",")
    elif isinstance(kind, Date):
        number = day_number(column)
    elif isinstance(kind, Float):  # to the millionth; engines round halves in different ways, and floors alike
        number = cast(func.floor(cast(column, Float(53)) * 1e6 + 0.5), BigInteger)
    elif isinstance(kind, Numeric):
        number = cast(column, Numeric(38, _DECIMALS))
    return func.coalesce(cast(number, String), literal("")) + literal(",")
