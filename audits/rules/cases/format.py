"""Reading a ``cases.yaml``: every mistake is named with file, line and case."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError
from ruamel.yaml.nodes import MappingNode

from audits.errors import AuditsError
from audits.periods import Period
from audits.rules.engine.base import Severity, Unit
from audits.warehouse.tables import source_metadata

Kind = Literal[
    "hit", "miss", "boundary", "nulls", "empty", "wrong_tier", "tier_change", "limit_change", "not_evaluated",
    "not_applicable", "lookalike", "error",
]  # fmt: skip
KINDS: tuple[Kind, ...] = get_args(Kind)
REQUIRED_KINDS: tuple[Kind, ...] = ("hit", "miss", "boundary", "nulls", "empty", "wrong_tier", "tier_change")
"""A rule without one of these is not proved; of ``boundary`` there must be both sides."""

Row = dict[str, Any]


def instant(value: Any) -> datetime:
    """An instant of a case: ISO 8601, UTC where no zone is given; a day alone is its midnight."""
    if isinstance(value, str):
        value = datetime.fromisoformat(value)
    if isinstance(value, date) and not isinstance(value, datetime):
        value = datetime(value.year, value.month, value.day)  # noqa: DTZ001 - the zone follows
    if not isinstance(value, datetime):
        raise ValueError(f"{value!r} is no instant: write 2026-10-05 or 2026-10-05T10:00")
    return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)


class TierSpan(_Strict):
    """A tier of an account, from and until when; without ``to`` until the next one begins."""

    tier: str
    from_: Annotated[datetime, BeforeValidator(instant)] = Field(alias="from")
    to: Annotated[datetime | None, BeforeValidator(lambda v: v and instant(v))] = None


class Expected(_Strict):
    """A subject that must be found; what is None is not compared."""

    subject: str
    type: Unit | None = None
    tier: str | None = None
    severity: Severity | None = None
    one_operator: bool | None = None
    discriminator: str | None = None
    accounts: tuple[str, ...] | None = None
    customers: tuple[str, ...] | None = None
    observed: dict[str, Any] = {}
    limits: dict[str, Any] = {}
    summary: str | None = None  # part of the finding's sentence
    evidence: int | None = None  # rows that its evidence returns


class BookChanges(_Strict):
    """What a case changes in the policy book."""

    entitlements: list[Row] | None = None
    territories: list[Row] | None = None
    settings: Row = {}
    permitted: tuple[str, ...] = ()


def _spread(names: Any) -> Any:
    """``[a1..a3]`` as ``[a1, a2, a3]``."""
    return [one for name in names for one in spread(name)] if isinstance(names, list) else names


def _accounts(given: Any) -> Any:
    if isinstance(given, list):
        given = dict.fromkeys(given)
    if isinstance(given, dict):
        return {one: columns or {} for name, columns in given.items() for one in spread(str(name))}
    return given


def _period(value: Any) -> Any:
    return Period.parse(str(value)) if not isinstance(value, Period) else value


def _pieces(limits: Any) -> Any:
    """Each tier's limits as a list of dated pieces."""
    if not isinstance(limits, dict):
        return limits
    return {t: v if isinstance(v, list) or v is None else [v] for t, v in limits.items()}


def _listed(value: Any) -> Any:
    return {c: v if isinstance(v, list) else [v] for c, v in value.items()} if isinstance(value, dict) else value


# `json_schema_input_type` is what the file may hold; `audits.rules.schema` tells editors.
_Limits = Annotated[
    dict[str, list[Row] | None], BeforeValidator(_pieces, json_schema_input_type=dict[str, list[Row] | Row | None])
]
_Names = Annotated[tuple[str, ...], BeforeValidator(_spread, json_schema_input_type=list[str])]


class Case(_Strict):
    """One case, with its defaults filled in; ``line`` is where it stands in the file (from 1)."""

    name: str
    kind: Kind
    line: int = 0
    period: Annotated[Period, BeforeValidator(_period, json_schema_input_type=str)] = Period.parse("2026-10")
    tier: str = "build"
    limits: _Limits = {}
    limits_of: dict[str, _Limits] = {}  # other rules
    accounts: Annotated[dict[str, Row], BeforeValidator(_accounts)] = {"a1": {}}
    customers: Annotated[dict[str, list[Row]], BeforeValidator(_listed)] = {}
    rows: dict[str, list[Row]] = {}
    groups: dict[str, _Names] = {}
    links: dict[str, dict[str, _Names]] = {}  # group -> kind -> accounts
    doubts: dict[str, str] = {}
    blocked: tuple[date, ...] = ()  # days on which nothing was rolled up, of the source native
    set_aside: tuple[date, ...] = ()  # days of that source that the rule must not read
    incomplete: tuple[date, ...] = ()  # days of that source of which rows are missing
    book: BookChanges = BookChanges()
    find: tuple[Expected, ...] = ()
    verdicts: Annotated[
        dict[str, list[str]], BeforeValidator(_listed, json_schema_input_type=dict[str, list[str] | str])
    ] = {}
    error: str | None = None  # part of the message of a rule that must fail


def spread(name: str) -> Iterator[str]:
    """``a1..a3`` as a1, a2, a3; any other name as itself."""
    first, dots, last = name.partition("..")
    stem = first.rstrip("0123456789")
    if not dots:
        yield name
        return
    if not (last.startswith(stem) and last[len(stem) :].isdigit() and first[len(stem) :].isdigit()):
        raise ValueError(f"{name!r} is no span of names: write a1..a9")
    for number in range(int(first[len(stem) :]), int(last[len(stem) :]) + 1):
        yield f"{stem}{number}"


def read_cases(file: Path) -> tuple[Case, ...]:
    """All cases of a file, in order; raises AuditsError with the place of the first mistake."""
    try:
        content, lines = _parsed(file.read_text("utf-8"))
    except OSError as error:
        raise AuditsError(
            "The rule has no cases.", where=str(file), fix="Write cases.yaml beside rule.yaml."
        ) from error
    except YAMLError as error:
        raise AuditsError(f"Invalid YAML: {error}", where=str(file)) from error
    if not isinstance(content, dict) or not isinstance(content.get("cases"), list) or not content["cases"]:
        raise AuditsError("The file has no list of cases.", where=str(file), fix="Begin it with `cases:`.")
    if unknown := content.keys() - {"defaults", "cases"}:
        raise AuditsError(f"{min(unknown)!r} means nothing here.", where=str(file), fix="Use `defaults` and `cases`.")
    cases = []
    for raw, line in zip(content["cases"], lines, strict=True):
        place = f"{file}:{line}"
        if not isinstance(raw, dict):
            raise AuditsError(f"{raw!r} is no case.", where=place, fix="A case begins with `name:` and `kind:`.")
        cases.append(_case(raw, content.get("defaults") or {}, line, place))
    names = [case.name for case in cases]
    if twice := [name for name in names if names.count(name) > 1]:
        raise AuditsError(f"Two cases are named {twice[0]!r}.", where=str(file), fix="Give each its own name.")
    return tuple(cases)


BY_CASE = {"period", "tier", "limits", "limits_of"}
"""What `defaults` may say of every case."""

_BY_ROW = {"source_system", "rows"}


def _case(raw: Mapping[str, Any], defaults: Mapping[str, Any], line: int, place: str) -> Case:
    where = f"{place}, case {raw.get('name', '?')!r}"
    try:
        if unknown := defaults.keys() - BY_CASE - _BY_ROW:
            raise ValueError(f"{min(unknown)!r} is no default: {', '.join(sorted(BY_CASE | _BY_ROW))} are")
        rows = {table: list(many or []) for table, many in (raw.get("rows") or {}).items()}
        for table, many in rows.items():
            rows[table] = [_with_defaults(table, row, defaults) for row in many]
        merged = {key: defaults[key] for key in BY_CASE if key in defaults} | dict(raw)
        merged["limits"] = dict(defaults.get("limits") or {}) | dict(raw.get("limits") or {})
        case = Case.model_validate(merged | {"rows": rows, "line": line})
        _check_names(case)
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        raise AuditsError(f"The case does not fit: {problems}", where=where) from error
    except (ValueError, TypeError) as error:
        raise AuditsError(f"The case does not fit: {error}", where=where) from error
    return case


def _with_defaults(table: str, row: Row, defaults: Mapping[str, Any]) -> Row:
    own = dict((defaults.get("rows") or {}).get(table) or {})
    if "source_system" in defaults and table in ("usage_events", "usage_buckets"):
        own.setdefault("source_system", defaults["source_system"])
    return own | dict(row)


OF_ACCOUNT = {"tier", "tiers", "customer"}
"""Keys of an account beside the columns of ``accounts``."""

SHORT = {"at", "times", "every", "days"}
"""Keys of a row beside the columns of its table."""


def _check_names(case: Case) -> None:
    """Every table and column that the case names is one of the contract's."""
    tables = {table.name: set(table.c.keys()) for table in source_metadata.tables.values()}
    for name, rows in case.rows.items():
        if name not in tables:
            raise ValueError(f"there is no table {name!r} in the contract: {', '.join(sorted(tables))}")
        for row in rows:
            if unknown := row.keys() - tables[name] - SHORT:
                raise ValueError(f"{name} has no column {min(unknown)!r}")
    for account, columns in case.accounts.items():
        if unknown := columns.keys() - tables["accounts"] - OF_ACCOUNT:
            raise ValueError(f"account {account}: accounts has no column {min(unknown)!r}")
    for customer, versions in case.customers.items():
        for columns in versions:
            if unknown := columns.keys() - tables["customers"]:
                raise ValueError(f"customer {customer}: customers has no column {min(unknown)!r}")
    if case.kind in ("hit", "tier_change") and not (case.find or case.error):
        raise ValueError(f"a case of kind {case.kind} must find something")
    if case.kind in ("miss", "empty", "lookalike") and case.find:
        raise ValueError(f"a case of kind {case.kind} finds nothing")


def _parsed(text: str) -> tuple[Any, list[int]]:
    """What the file says, and the line of each case, from 1."""
    yaml = YAML(typ="safe", pure=True)
    top = yaml.compose(text)
    if top is None:
        return {}, []
    lines = [
        one.start_mark.line + 1
        for key, node in (top.value if isinstance(top, MappingNode) else [])
        if key.value == "cases" and isinstance(node.value, list)
        for one in node.value
    ]
    return yaml.constructor.construct_document(top), lines  # the tree that stands: reading a long file takes seconds
