"""Families of column types: two types of one family read alike for the audit, however an engine spells them.

A timestamp without time zone is a family of its own, because reading it as UTC would be a guess.
"""

from __future__ import annotations

import re
from typing import Any, Literal

from sqlalchemy import Boolean, Date, DateTime, Float, Integer, Numeric

Family = Literal["text", "integer", "number", "instant", "date", "boolean"]

SPELLING: dict[Family, str] = {
    "text": "VARCHAR",
    "integer": "BIGINT",
    "number": "DECIMAL(18, 8)",
    "instant": "TIMESTAMP WITH TIME ZONE",
    "date": "DATE",
    "boolean": "BOOLEAN",
}
"""How a family is written where a column of it is asked for; DuckDB and PostgreSQL both take it."""

_NAMES: dict[Family, frozenset[str]] = {
    "text": frozenset({"varchar", "character varying", "text", "string", "character", "char", "bpchar"}),
    "integer": frozenset(
        {
            *("bigint", "integer", "smallint", "tinyint", "hugeint"),
            *("ubigint", "uinteger", "usmallint", "utinyint", "uhugeint"),
        }
    ),
    "number": frozenset({"numeric", "decimal", "real", "float", "double", "double precision"}),
    "instant": frozenset({"timestamp with time zone", "timestamptz"}),
    "date": frozenset({"date"}),
    "boolean": frozenset({"boolean"}),
}


def family_named(spelling: str) -> str:
    """The family of a type as a database spells it, or the bare name of a type that belongs to none.

    >>> family_named("timestamp(3) without time zone"), family_named("NUMERIC(20,0)"), family_named("uuid")
    ('timestamp without time zone', 'integer', 'uuid')
    """
    bare = re.sub(r"\s*\([^)]*\)", "", spelling).strip().lower()
    if bare in {"numeric", "decimal"} and re.search(r"\(\s*\d+\s*(,\s*0\s*)?\)", spelling):
        return "integer"
    for family, names in _NAMES.items():
        if bare in names:
            return family
    return "timestamp without time zone" if bare.startswith("timestamp") else bare


def family_of(declared: Any) -> Family:
    """The family of a column type of the contract."""
    match declared:
        case DateTime():
            return "instant"
        case Date():
            return "date"
        case Boolean():
            return "boolean"
        case Integer():
            return "integer"
        case Numeric() | Float():
            return "number"
        case _:
            return "text"


def reads_as(found: str, wanted: Family) -> bool:
    """Whether a column of the family ``found`` can stand where ``wanted`` is asked for."""
    return found == wanted or (found == "integer" and wanted == "number")
