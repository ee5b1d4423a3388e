"""The query that turns a chunk of a file into contract columns, written from the mapping.

It runs on DuckDB in memory over the chunk's columns as ``c0``, ``c1``, ...; names and values out of the mapping reach
it as parameters only. It never fails on a value: what does not convert is named by the number of its check.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import REAL, BigInteger, Boolean, DateTime, Integer, Numeric, SmallInteger

from audits.sources.base import UNMAPPED
from audits.sources.file_mapping import Field, FileMapping
from audits.sources.privacy import LONGEST_TEXT, NOT_TEXT, RAW_KEY, RAW_KEY_PATTERN, TOO_LONG
from audits.warehouse.tables import usage_events

_ADDRESS = r"^\d{1,3}(\.\d{1,3}){3}(/\d+)?$|^[0-9A-Fa-f]*:[0-9A-Fa-f:]*:[0-9A-Fa-f:.]*(/\d+)?$"
_WHOLE = r"\s*[-+]?[0-9]+(\.0*)?\s*"  # a plain cast would round 12.7 and take 1e3
_UNIX = {"unix_s": 1_000_000, "unix_ms": 1_000, "unix_us": 1}  # microseconds in the unit


@dataclass(frozen=True, slots=True)
class Check:
    """What a value must be; ``field`` is where it comes from and ``reason`` what it holds instead."""

    field: Field
    reason: str


@dataclass(frozen=True, slots=True)
class Conversion:
    """``sql`` yields the contract columns, ``failed`` (0, or 1 + the index into ``checks``) and, where rows are told
    apart by their digest, ``row_hash``, a quick hash by which equal rows are found.
    """

    sql: str
    parameters: dict[str, Any]
    checks: tuple[Check, ...]


def conversion(mapping: FileMapping, names: Sequence[str]) -> Conversion:
    """The query for a file with the columns ``names``, in their order in the file."""
    texts: list[str] = []
    values: list[str] = []
    outputs = ["$system AS source_system"]
    failures: list[str] = []
    checks: list[Check] = []
    parameters: dict[str, Any] = {"system": mapping.system}
    for number, field in enumerate(mapping.fields):
        if field.column is None:
            parameters[f"p{number}"] = None if field.value is None else _as_text(field.value)
            texts.append(f"NULLIF($p{number}, '') AS t{number}")
        else:
            texts.append(f"NULLIF(CAST(c{names.index(field.column)} AS VARCHAR), '') AS t{number}")
        value, reasons = _value(field, f"t{number}", number, parameters)
        values.append(f"{value} AS v{number}")
        outputs.append(_output(field, number))
        if not usage_events.c[field.name].nullable and field.name not in {"account_id", "ingested_ts"}:
            reasons = [(f"t{number} IS NULL", "nothing, but is required"), *reasons]
        for condition, reason in reasons:
            checks.append(Check(field, reason))
            failures.append(f"WHEN {condition} THEN {len(checks)}")
    if all(field.name != "account_id" for field in mapping.fields):
        outputs.append(f"'{UNMAPPED}' AS account_id")
    if mapping.identifies_by_row:
        texts.append(f"{whole_row(len(names))} AS whole")
        outputs += ["$system || ':' || left(sha256(whole), 32) AS event_id", "hash(whole) AS row_hash"]
    checked = f"CASE {' '.join(failures)} ELSE 0 END AS failed" if failures else "0 AS failed"
    sql = (
        f"SELECT {', '.join(outputs)}, {checked} FROM "  # noqa: S608 - our own names; all that is foreign is bound
        f"(SELECT *, {', '.join(values)} FROM (SELECT {', '.join(texts)} FROM chunk))"
    )
    return Conversion(sql, parameters, tuple(checks))


def whole_row(columns: int) -> str:
    """The SQL of a text that two rows share only if they are equal in every column."""
    return f"concat_ws(chr(31), {', '.join(f'COALESCE(CAST(c{n} AS VARCHAR), chr(0))' for n in range(columns))})"


def _as_text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _output(field: Field, number: int) -> str:
    if field.name == "event_id":
        return f"$system || ':' || v{number} AS event_id"
    if field.name == "account_id":
        return f"COALESCE(v{number}, '{UNMAPPED}') AS account_id"
    return f"v{number} AS {field.name}"


def _value(field: Field, text: str, number: int, parameters: dict[str, Any]) -> tuple[str, list[tuple[str, str]]]:
    """The SQL of a value, NULL where it does not convert, and the conditions under which a row is set aside."""
    scale = "" if field.factor is None else f" * {field.factor!r}::DOUBLE"
    match usage_events.c[field.name].type:
        case Boolean():
            value, reason = f"TRY_CAST({text} AS BOOLEAN)", "no truth value"
        case SmallInteger() | BigInteger() | Integer() as whole:
            kind = {"SmallInteger": "SMALLINT", "BigInteger": "BIGINT"}.get(type(whole).__name__, "INTEGER")
            value = (
                f"TRY_CAST(round(TRY_CAST({text} AS DOUBLE){scale}) AS {kind})"
                if scale
                else f"CASE WHEN regexp_full_match({text}, '{_WHOLE}') THEN TRY_CAST({text} AS {kind}) END"
            )
            reason = "no whole number, or one out of range"
        case REAL():
            number_ = f"TRY_CAST({text} AS DOUBLE){scale}"
            value, reason = f"CASE WHEN isfinite({number_}) THEN TRY_CAST({number_} AS REAL) END", "no number"
        case Numeric():
            kind = "DOUBLE" if scale else "DECIMAL(18, 8)"
            value, reason = f"TRY_CAST(TRY_CAST({text} AS {kind}){scale} AS DECIMAL(18, 8))", "no amount"
        case DateTime():
            value, reason = _time(field, text, number, parameters)
        case _:
            return text, _text_trouble(field, text)
    return value, [(f"v{number} IS NULL AND {text} IS NOT NULL", reason)]


def _time(field: Field, text: str, number: int, parameters: dict[str, Any]) -> tuple[str, str]:
    if field.time == "iso":
        return f"TRY_CAST({text} AS TIMESTAMPTZ)", "no time in ISO 8601"
    if field.time in _UNIX:
        scaled = f"TRY_CAST({text} AS DOUBLE) * {_UNIX[field.time]}"
        return f"TRY(make_timestamptz(TRY_CAST({scaled} AS BIGINT)))", f"no time as {field.time}"
    parameters[f"f{number}"] = field.time
    return f"CAST(try_strptime({text}, $f{number}) AS TIMESTAMPTZ)", f"no time of the form {field.time}"


def _text_trouble(field: Field, text: str) -> list[tuple[str, str]]:
    pattern = RAW_KEY_PATTERN.replace("'", "''")
    found = [
        (f"length({text}) > {LONGEST_TEXT}", TOO_LONG),
        (f"regexp_matches({text}, '{pattern}')", RAW_KEY),
        (f"contains({text}, chr(0))", NOT_TEXT),
    ]
    if field.name.endswith("_hash") and field.hash is None:
        found.append((f"regexp_matches({text}, '{_ADDRESS}')", "a raw address"))
        found.append((f"contains({text}, '@')", "a raw e-mail address"))
    return found
