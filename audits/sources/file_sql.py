"""The query that turns a chunk of a file into contract columns, written from the mapping.

It runs on DuckDB in memory over the chunk's columns as ``c0``, ``c1``, ...; names and values out of the mapping reach
it as parameters only. It never fails on a value: what does not convert is named by the number of its check.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import REAL, BigInteger, Boolean, Date, DateTime, Integer, Numeric, SmallInteger
from sqlalchemy.types import TypeEngine

from audits.sources.base import UNMAPPED
from audits.sources.file_mapping import Field, FileMapping, as_text
from audits.sources.privacy import NOT_TEXT, TOO_LONG, looks_like
from audits.sources.times import EARLIEST, IMPOSSIBLE, LATEST
from audits.warehouse.raw_text import LONGEST_TEXT, form_of
from audits.warehouse.raw_text_sql import raw_in_duckdb

_WHOLE = r"\s*[-+]?[0-9]+(\.0*)?\s*"  # a plain cast would round 12.7 and take 1e3
_AMBIGUOUS = r"\s*[-+]?[1-9][0-9]{0,2}(\.[0-9]{3})+\s*"  # "1.000" is one where the dot is the decimal mark, else 1,000
_ISO = (
    r"^\s*(\d{4}[-/]\d{1,2}[-/]\d{1,2}(?:[T ]\d{1,2}:\d{2}(?::\d{2}(?:\.\d+)?)?)?)"
    r"\s*(Z|z|UTC|GMT|[-+](?:0\d|1[0-4])(?::?[0-5]\d)?|[A-Z][A-Za-z_]+(?:/[A-Za-z0-9_+-]+)+)?\s*$"
)
_UNIX = {"unix_s": 1_000_000, "unix_ms": 1_000, "unix_us": 1}  # microseconds in the unit


_Trouble = tuple[str, str | Sequence[tuple[str, str]]]
"""The condition under which a row is set aside, and the reason; or, where there are several, the conditions of each,
which are looked at only in rows that meet the first.
"""


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


def conversion(mapping: FileMapping, names: Sequence[str], numbers: Collection[str] = (), ids: str = "") -> Conversion:
    """The query for a file with the columns ``names``, in their order in the file; of these ``numbers`` are numbers by
    their type and not text. ``ids`` is what the ids of rows begin with that are known by their content.
    """
    texts: list[str] = []
    parts: list[str] = []
    values: list[str] = []
    usage = "source_system" in mapping.table.c
    outputs = ["$system AS source_system"] if usage else []
    failures: list[str] = []
    checks: list[Check] = []
    parameters: dict[str, Any] = {"system": mapping.system} if _names_system(mapping) else {}
    for number, field in enumerate(mapping.fields):
        if field.column is None:
            parameters[f"p{number}"] = None if field.value is None else as_text(field.value)
            raw = f"NULLIF($p{number}, '')"
        else:
            raw = f"NULLIF(CAST(c{names.index(field.column)} AS VARCHAR), '')"
        texts.append(f"{raw} AS r{number}")
        texts.append(f"{_meant(field, number, raw, parameters)} AS t{number}")
        own = mapping.table.c[field.name]
        if isinstance(own.type, DateTime) and field.time == "iso":
            parts.append(f"regexp_extract(t{number}, '{_ISO}', ['local', 'zone']) AS s{number}")
        value, reasons = _value(
            own.type, field, number, parameters, zone=mapping.time_zone, is_text=field.column not in numbers
        )
        values.append(f"{value} AS v{number}")
        outputs.append(_output(mapping, field, number))
        if mapping.table.name in _FACTS and isinstance(own.type, DateTime):
            reasons += [(f"v{number} < '{EARLIEST}' OR v{number} >= '{LATEST}'", IMPOSSIBLE)]
        if not own.nullable and field.name != "ingested_ts" and not (usage and field.name == "account_id"):
            reasons = [(f"t{number} IS NULL", "nothing, but is required"), *reasons]
        if field.values is not None:
            reasons = [
                (f"r{number} IS NOT NULL AND t{number} IS NULL", "a value that `values` does not list"),
                *reasons,
            ]
        failures += _cases(field, reasons, checks)
    if usage and all(field.name != "account_id" for field in mapping.fields):
        outputs.append(f"'{UNMAPPED}' AS account_id")
    if mapping.identifies_by_row:
        parameters["ids"] = ids
        texts.append(f"{whole_row(names)} AS whole")
        outputs += ["$ids || left(sha256(whole), 32) AS event_id", "hash(whole) AS row_hash"]
    checked = f"CASE {' '.join(failures)} ELSE 0 END AS failed" if failures else "0 AS failed"
    sql = (
        f"SELECT {', '.join(outputs)}, {checked} FROM "  # noqa: S608 - our own names; all that is foreign is bound
        f"(SELECT *, {', '.join(values)} FROM (SELECT {', '.join(['*', *parts])} "
        f"FROM (SELECT {', '.join(texts)} FROM chunk)))"
    )
    return Conversion(sql, parameters, tuple(checks))


def _cases(field: Field, reasons: Sequence[_Trouble], checks: list[Check]) -> list[str]:
    """The branches of a CASE that yields a check's number; the checks are appended to those before."""
    branches = []
    for condition, reason in reasons:
        if isinstance(reason, str):
            checks.append(Check(field, reason))
            branches.append(f"WHEN {condition} THEN {len(checks)}")
        else:
            branches.append(f"WHEN {condition} THEN CASE {' '.join(_cases(field, reason, checks))} ELSE 0 END")
    return branches


def whole_row(names: Sequence[str]) -> str:
    """The SQL of a text that two rows share only if they are equal in every column, in whatever order these stand."""
    in_order = sorted(range(len(names)), key=names.__getitem__)
    return f"concat_ws(chr(31), {', '.join(f'COALESCE(CAST(c{n} AS VARCHAR), chr(0))' for n in in_order)})"


def _names_system(mapping: FileMapping) -> bool:
    return bool({"source_system", "auth_event_id"} & set(mapping.table.c.keys()))


def _meant(field: Field, number: int, raw: str, parameters: dict[str, Any]) -> str:
    """The text that is meant by what the file says: by the mapping's table of values, or the same."""
    if field.values is None:
        return raw
    cases = []
    for place, (said, meaning) in enumerate(field.values.items()):
        parameters[f"k{number}_{place}"], parameters[f"m{number}_{place}"] = said, meaning
        cases.append(f"WHEN trim(COALESCE({raw}, '')) = $k{number}_{place} THEN NULLIF($m{number}_{place}, '')")
    return f"CASE {' '.join(cases)} END"


def _output(mapping: FileMapping, field: Field, number: int) -> str:
    if field.name in {"event_id", "auth_event_id"}:
        return f"$system || ':' || v{number} AS {field.name}"
    if field.name == "account_id" and "source_system" in mapping.table.c:
        return f"COALESCE(v{number}, '{UNMAPPED}') AS account_id"
    return f"v{number} AS {field.name}"


def _value(
    declared: TypeEngine[Any], field: Field, number: int, parameters: dict[str, Any], *, zone: str, is_text: bool
) -> tuple[str, list[_Trouble]]:
    """The SQL of a value, NULL where it does not convert, and the conditions under which a row is set aside."""
    scale = "" if field.factor is None else f" * {field.factor!r}::DOUBLE"
    said, text = f"t{number}", f"t{number}"
    open_to: list[_Trouble] = []
    if isinstance(declared, Numeric | Integer) and is_text:
        text = _plain_number(field, said)
        if field.decimal is None:
            open_to = [(f"regexp_full_match({said}, '{_AMBIGUOUS}')", _OPEN)]
    match declared:
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
            exact = f"DECIMAL({declared.precision or 18}, {declared.scale or 0})"
            value, reason = f"TRY_CAST(TRY_CAST({text} AS {kind}){scale} AS {exact})", "no amount"
        case Date():
            value, reason = f"TRY_CAST({text} AS DATE)", "no date in ISO 8601"
        case DateTime():
            value, reason = _time(field, text, number, parameters, zone)
        case _:
            return text, _text_trouble(field, text)
    return value, [*open_to, (f"v{number} IS NULL AND {said} IS NOT NULL", reason)]


_ZONES = "(SELECT name FROM pg_timezone_names())"
_FACTS = ("usage_events", "usage_buckets", "auth_events", "payment_events")
_OPEN = "a number that is one or a thousand, by what its mark means (say `decimal` or `thousands` in the mapping)"


def _plain_number(field: Field, text: str) -> str:
    """The number with a decimal point and without thousands marks; NULL where its marks do not stand as they should."""
    if field.decimal is None or (field.decimal == "." and field.thousands is None):
        return text
    decimal = "\\" + field.decimal
    whole = r"\d+"
    if field.thousands is not None:
        mark = (
            "''" if field.thousands == "'" else "\\" + field.thousands if field.thousands in ".," else field.thousands
        )
        whole = rf"(\d+|\d{{1,3}}({mark}\d{{3}})+)"
    without = (
        text if field.thousands is None else f"replace({text}, '{field.thousands.replace(chr(39), chr(39) * 2)}', '')"
    )
    pattern = rf"\s*[-+]?{whole}({decimal}\d*)?([eE][-+]?\d+)?\s*"
    return f"CASE WHEN regexp_full_match({text}, '{pattern}') THEN replace({without}, '{field.decimal}', '.') END"


def _time(field: Field, text: str, number: int, parameters: dict[str, Any], of_mapping: str) -> tuple[str, str]:
    """Each row's own zone or offset, else the mapping's: DuckDB's cast keeps the zone that the row before it named."""
    if field.time == "iso":
        parameters["zone"] = of_mapping
        local, zone = f"TRY_CAST(s{number}.local AS TIMESTAMP)", f"s{number}.zone"
        digits = f"replace({zone}, ':', '')"
        minutes = (
            f"(TRY_CAST({digits}[1:3] AS INTEGER) * 60 + TRY_CAST({digits}[1] || '0' || {digits}[4:5] AS INTEGER))"
        )
        return (
            f"CASE WHEN {zone} = '' THEN timezone($zone, {local}) "
            f"WHEN {zone} IN ('Z', 'z', 'UTC', 'GMT') THEN timezone('UTC', {local}) "
            f"WHEN {zone}[1] IN ('+', '-') THEN timezone('UTC', {local} - to_minutes({minutes})) "
            f"WHEN {zone} IN {_ZONES} THEN timezone({zone}, {local}) END",
            "no time in ISO 8601",
        )
    if field.time in _UNIX:
        scaled = f"TRY_CAST({text} AS DOUBLE) * {_UNIX[field.time]}"
        made = f"TRY(make_timestamptz(TRY_CAST({scaled} AS BIGINT)))"
        return (
            f"CASE WHEN {made} >= '{EARLIEST}' AND {made} < '{LATEST}' THEN {made} END",
            f"no time as {field.time}",
        )
    parameters[f"f{number}"] = field.time
    if "%z" in field.time or "%Z" in field.time:
        return f"CAST(try_strptime({text}, $f{number}) AS TIMESTAMPTZ)", f"no time of the form {field.time}"
    parameters["zone"] = of_mapping
    return f"timezone($zone, try_strptime({text}, $f{number}))", f"no time of the form {field.time}"


def _text_trouble(field: Field, text: str) -> list[_Trouble]:
    found: list[_Trouble] = [(f"length({text}) > {LONGEST_TEXT}", TOO_LONG), (f"contains({text}, chr(0))", NOT_TEXT)]
    if field.hash is None:  # what is hashed may be raw
        raw, kinds = raw_in_duckdb(text, form_of(field.name))
        found.append((raw, [(condition, looks_like(kind)) for kind, condition in kinds]))
    return found
