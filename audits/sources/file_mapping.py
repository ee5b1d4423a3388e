"""The YAML that says which column of a file is which column of the contract, read with all its mistakes named at once.

    system: azure-trace            # what source_system says; event ids begin with it
    table: usage_events            # the contract's table that is filled (default); also customers, accounts, ...
    time_zone: UTC                 # of times that carry no offset (default UTC)
    encoding: utf-8                # of a CSV file (default), and its delimiter (default a comma)
    delimiter: ","
    header: false                  # a CSV file without a header line: columns are named by position, from 1
    decimal: ","                   # the marks in its numbers; where they are not said, a number such as 1.000 is set
    thousands: "."                 # aside, since it may be one or a thousand
    columns:                       # left: the contract's column; right: where it comes from
      event_ts: {column: TIMESTAMP}                  # ISO 8601, or time: "%d/%m/%Y %H:%M", unix_s, unix_ms, unix_us
      input_tokens: ContextTokens                    # short for {column: ContextTokens}
      output_tokens: 4                               # the fourth column of a file without a header
      duration_ms: {column: seconds, factor: 1000}   # multiplied, and rounded where a whole number is wanted
      status_code: {column: state, values: {success: 200, error: 500}}   # what the file says: what is meant
      end_user_hash: {column: user, hash: text}      # salted digest; of an address also hash: address or network
      operation: {value: chat}                       # the same in every row

``account_id`` of usage may be left out: its rows are UNMAPPED. ``event_id`` may be left out: the digest of the row is
the id, so the same row is loaded once whatever the file is called and in whatever order its columns stand, and equal
rows of one file are told apart by their number (:mod:`audits.sources.identity`). Loading again with a corrected mapping
replaces what the wrong one made.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import duckdb
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from sqlalchemy import Boolean, DateTime, Numeric, Table
from sqlalchemy.types import Integer

from audits.errors import AuditsError
from audits.sources.base import KEYS
from audits.warehouse.tables import source_metadata

_TOP = (
    "system", "table", "time_zone", "encoding", "delimiter", "header", "decimal", "thousands", "columns",
)  # fmt: skip
_TIMES = ("iso", "unix_s", "unix_ms", "unix_us")
_KEYS = ("column", "value", "time", "factor", "hash", "values", "decimal", "thousands")
TABLES = {table.name: table for table in source_metadata.sorted_tables if table.name in KEYS}
MARKS = (".", ",", "'", "\u2019", " ", "\u00a0", "\u202f", "_")
HASHES = ("text", "address", "network")
_OPTIONAL = {"event_id", "source_system", "ingested_ts"}


def required(table: Table) -> tuple[str, ...]:
    """The columns that a mapping to the table must name: usage may come without an account."""
    optional = _OPTIONAL | ({"account_id"} if "source_system" in table.c else set())
    return tuple(column.name for column in table.c if not column.nullable and column.name not in optional)


@dataclass(frozen=True, slots=True)
class Field:
    """Where one contract column comes from: a column of the file, or a constant where ``column`` is None."""

    name: str
    column: str | None
    value: Any = None
    time: str = "iso"  # iso, unix_s, unix_ms, unix_us or a strptime format
    factor: float | None = None
    hash: str | None = None
    values: Mapping[str, str] | None = None
    decimal: str | None = None  # None: a dot, and a number that it leaves open is set aside
    thousands: str | None = None
    line: int = 0


@dataclass(frozen=True, slots=True)
class FileMapping:
    """A file's columns as the contract's, and how the file is to be read."""

    path: Path
    system: str
    fields: tuple[Field, ...]
    time_zone: str = "UTC"
    encoding: str = "utf-8"
    delimiter: str = ","
    header: bool = True
    table: Table = TABLES["usage_events"]

    def where(self, field: Field) -> str:
        """The place of a field in the YAML, for messages."""
        return f"{self.path}:{field.line}"

    @property
    def identifies_by_row(self) -> bool:
        """Whether a row's own digest is its event id, because no column is."""
        return "event_id" in self.table.c and all(field.name != "event_id" for field in self.fields)

    @property
    def columns(self) -> tuple[str, ...]:
        """The file's columns that are read, each once."""
        return tuple(dict.fromkeys(field.column for field in self.fields if field.column is not None))


def read_mapping(path: Path) -> FileMapping:
    """Read a mapping; raises AuditsError with every mistake, each with its line and what is allowed."""
    document = _parse(path)
    problems = [
        f"line {_line(document, key)}: {key!r} is not known here{meant(key, _TOP)}"
        for key in document
        if key not in _TOP
    ]
    columns = document.get("columns")
    if not isinstance(columns, CommentedMap) or not columns:
        problems.append("`columns` is missing: it says, for each column of the contract, where it comes from")
        columns = CommentedMap()
    named = str(document.get("table", "usage_events"))
    if named not in TABLES:
        problems.append(f"`table`: {named!r} is no table of the contract{meant(named, tuple(TABLES))}")
    table = TABLES.get(named, TABLES["usage_events"])
    marks = _marks(document, "", problems)
    header = document.get("header", True)
    if not isinstance(header, bool):
        problems.append("`header` is true or false")
    fields = [_field(table, str(name), said, _line(columns, name), problems, marks) for name, said in columns.items()]
    missing = [name for name in required(table) if name not in columns]
    if columns and missing:
        problems.append(
            f"`columns` must also say where {', '.join(missing)} come{'s' if len(missing) == 1 else ''} from "
            "(a constant is written {value: ...})"
        )
    system = document.get("system")
    if not isinstance(system, str) or not system:
        problems.append("`system` is missing: a short name for this source")
    delimiter = str(document.get("delimiter", ","))
    if len(delimiter) != 1:
        problems.append("`delimiter` must be one character")
    if problems:
        raise AuditsError(
            f"The mapping has {len(problems)} mistake{'s' if len(problems) > 1 else ''}:\n  " + "\n  ".join(problems),
            where=str(path),
            fix="Correct the lines named; `audits source list` shows an example.",
        )
    return FileMapping(
        path, str(system), tuple(field for field in fields if field), str(document.get("time_zone", "UTC")),
        str(document.get("encoding", "utf-8")), delimiter, bool(header), table,
    )  # fmt: skip


def meant(word: object, known: tuple[str, ...]) -> str:
    """ ", did you mean ...?" where a known word is close, else what is known."""
    close = get_close_matches(str(word), known, 1, 0.6)
    return f"; did you mean {close[0]!r}?" if close else f"; known are {', '.join(known)}"


def _parse(path: Path) -> Mapping[Any, Any]:
    try:
        document = YAML().load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise AuditsError(f"The mapping cannot be read: {error}", where=str(path), fix="Check the path.") from error
    except MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise AuditsError(
            f"The mapping is not YAML: {error.problem}", where=f"{path}:{line}", fix="Correct it."
        ) from error
    except (RecursionError, ValueError, TypeError, YAMLError):
        raise AuditsError("The mapping is not YAML.", where=str(path), fix="`audits source list` shows one.") from None
    if not isinstance(document, CommentedMap):
        raise AuditsError("The mapping is empty.", where=str(path), fix="`audits source list` shows an example.")
    return document


def _is_factor(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < math.inf


def _wrong_time(declared: Any, form: str) -> str:
    """What is wrong with a column's form of a time; empty where nothing is."""
    if not isinstance(declared, DateTime):
        return "`time` belongs to a time only"
    try:
        with duckdb.connect() as engine:
            engine.execute("SELECT try_strptime('', $1)", [form])
    except duckdb.Error:
        form = ""
    return "" if form in _TIMES or "%" in form else f"`time` is {', '.join(_TIMES)}, or a form like %d/%m/%Y %H:%M"


def _field(
    table: Table, name: str, said: Any, line: int, problems: list[str], marks: tuple[str | None, str | None]
) -> Field | None:
    def problem(text: str) -> None:
        problems.append(f"line {line}: {name}: {text}")

    known = tuple(table.c.keys())
    if name not in known:
        of = "the contract" if table.name == "usage_events" else table.name
        problems.append(f"line {line}: {name!r} is not a column of {of}{meant(name, known)}")
        return None
    if name == "source_system":
        problem("is what `system` says; leave it out here")
    if isinstance(said, str) or (isinstance(said, int) and not isinstance(said, bool)):
        said = {"column": said}
    if not isinstance(said, Mapping):
        problem("name a column of the file, or write {value: ...}")
        return None
    for key in said:
        if key not in _KEYS:
            problem(f"{key!r} is not known here{meant(key, _KEYS)}")
    if ("column" in said) == ("value" in said):
        problem("exactly one of `column` and `value` is wanted")
        return None
    declared = table.c[name].type
    if "time" in said and (wrong := _wrong_time(declared, str(said["time"]))):
        problem(wrong)
    factor = said.get("factor")
    if factor is not None and not (isinstance(declared, Numeric | Integer) and _is_factor(factor)):
        problem("`factor` is a number above zero, and belongs to a number only")
    if said.get("hash", "text") not in HASHES or ("hash" in said and not name.endswith("_hash")):
        problem(f"`hash` is one of {', '.join(HASHES)}, and belongs to a column that ends in _hash")
    value = said.get("value")
    if isinstance(declared, Boolean) and value is not None and not isinstance(value, bool):
        problem("the value of a truth column is true or false")
    values = said.get("values")
    if values is not None and (not isinstance(values, Mapping) or not values or "value" in said):
        problem("`values` is a table, such as {success: 200, error: 500}, and belongs to a column")
        values = None
    own = (
        [] if "decimal" not in said and "thousands" not in said else [_marks(said, f"line {line}: {name}: ", problems)]
    )
    decimal, thousands = own[0] if own else marks
    return Field(
        name, None if "value" in said else str(said["column"]), value, str(said.get("time", "iso")),
        None if factor is None else float(factor), said.get("hash"),
        None if values is None else {as_text(key): as_text(meaning) for key, meaning in values.items()},
        decimal, thousands, line,
    )  # fmt: skip


def as_text(value: object) -> str:
    """A value of the YAML as a file would hold it."""
    return "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def _marks(said: Mapping[Any, Any], where: str, problems: list[str]) -> tuple[str | None, str | None]:
    """The decimal and the thousands mark that are said; a thousands mark alone leaves the other for the decimals."""
    decimal, thousands = said.get("decimal"), said.get("thousands")
    for name, mark in (("decimal", decimal), ("thousands", thousands)):
        if mark is not None and mark not in (MARKS[:2] if name == "decimal" else MARKS):
            problems.append(f"{where}`{name}` is one character, such as {'. or ,' if name == 'decimal' else chr(46)!r}")
            return None, None
    if decimal is None and thousands is not None:
        decimal = "," if thousands == "." else "."
    if decimal is not None and decimal == thousands:
        problems.append(f"{where}`decimal` and `thousands` are the same mark")
        return None, None
    return decimal, thousands


def _line(mapping: Any, key: object) -> int:
    line: int = mapping.lc.key(key)[0]
    return line + 1
