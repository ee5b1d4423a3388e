"""The seal on what the ledger recorded: a digest of every table of a run, chained from run to run.

A run's digest covers its own row and the digest of its rows in every other table; the chain's covers it and the chain
of the run before. A row that is taken out, altered or added later no longer fits, and :func:`differences` says where.
The manifests of published reports carry the same digest: a ledger that was rewritten as a whole does not fit them.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import JSON, ColumnElement, Connection, Dialect, Table, and_, insert, or_, select, type_coerce, update
from sqlalchemy.orm import Session
from sqlalchemy.types import NullType, TypeEngine

from audits.errors import AuditsError
from audits.ledger.models import Base, FindingRow, PolicyVersion, RecordedManifest, RecordedPart, RuleVersion, Run

_RUNS, _PARTS = (model.__table__ for model in (Run, RecordedPart))
_FINDINGS: Any = FindingRow.__table__
_NOT_CONTENT = {"id", "recorded_digest", "chain_digest"}  # where a run stands in the ledger, and its seal
_NOT_RECORDED = {RecordedPart.__tablename__, RecordedManifest.__tablename__}  # written after the audit
_NAMED = 3  # findings that a message names


@dataclass(frozen=True, slots=True)
class Difference:
    """What a run's recorded content has become."""

    run: str  # such as 2026-10 r1
    what: str

    def __str__(self) -> str:
        return f"{self.run}: {self.what}"


def seal_run(connection: Connection, run_id: int) -> None:
    """Write the digests of a run that has just been recorded."""
    run = connection.execute(select(_RUNS).where(_RUNS.c.id == run_id)).mappings().one()
    parts = [{"run_id": run_id, "part": part, **_digest(connection, part, run)} for part in _part_names()]
    connection.execute(insert(RecordedPart), parts)
    recorded = _run_digest(connection, run_id)
    before = select(_RUNS.c.chain_digest).where(_RUNS.c.id < run_id).order_by(_RUNS.c.id.desc()).limit(1)
    chain = _link(connection.scalar(before) or "", recorded)
    connection.execute(update(Run).where(_RUNS.c.id == run_id).values(recorded_digest=recorded, chain_digest=chain))


def seal_all(connection: Connection) -> None:
    """Seal every run as it is: of a ledger that was written before there were seals."""
    for run_id in list(connection.scalars(select(_RUNS.c.id).order_by(_RUNS.c.id))):
        seal_run(connection, run_id)


def differences(connection: Connection, run_id: int, parts: Sequence[str] | None = None) -> Iterator[Difference]:
    """Where a run is not what was recorded, in all its tables or in some of them."""
    run = connection.execute(select(_RUNS).where(_RUNS.c.id == run_id)).mappings().one()
    name = f"{run['period']} r{run['revision']}"
    rows = connection.execute(select(_PARTS).where(_PARTS.c.run_id == run_id)).mappings()
    recorded = {row["part"]: row for row in rows}
    if run["recorded_digest"] != _run_digest(connection, run_id):
        yield Difference(name, "the run itself, or the list of what it recorded, is not as it was recorded")
    for part in _part_names() if parts is None else parts:
        was = recorded.get(part, {"n_rows": 0, "digest": "", "items": {}})
        now = _digest(connection, part, run)
        if now["n_rows"] == 0 and part not in recorded:
            continue  # a table that a later version of the service brought
        if (now["n_rows"], now["digest"]) != (was["n_rows"], was["digest"]):
            yield Difference(name, f"{part}: {_what_differs(was, now)}")


def ledger_differences(connection: Connection) -> Iterator[Difference]:
    """Where the ledger is not what was recorded, run by run, oldest first."""
    previous = ""
    for run in connection.execute(select(_RUNS).order_by(_RUNS.c.id)).mappings().all():
        if run["chain_digest"] != _link(previous, run["recorded_digest"]):
            yield Difference(
                f"{run['period']} r{run['revision']}",
                "does not follow the run before it: a run was taken out, put in or altered",
            )
        yield from differences(connection, run["id"])
        previous = run["chain_digest"]


def require_intact(session: Session, run: Run, parts: Sequence[str] | None = None) -> None:
    """Refuse to go on with a run that is not what was recorded; asked once for every session and run."""
    known: set[tuple[int, Any]] = session.info.setdefault("intact", set())
    wanted = (run.id, None if parts is None else tuple(parts))
    if known & {wanted, (run.id, None)}:
        return
    _refuse(session, differences(session.connection(), run.id, parts))
    known.add(wanted)


def require_findings(session: Session, run_id: int, finding_ids: Collection[str], parts: Sequence[str] = ()) -> None:
    """The same for some findings of a run and for the list of all its findings: what one customer is told of.

    ``parts`` names further tables that are checked as a whole.
    """
    connection = session.connection()
    _refuse(session, [*differences(connection, run_id, parts), *_finding_differences(connection, run_id, finding_ids)])


def _finding_differences(connection: Connection, run_id: int, finding_ids: Collection[str]) -> Iterator[Difference]:
    f, p = _FINDINGS.c, _PARTS.c
    was = connection.scalar(select(p["items"]).where(p.run_id == run_id, p.part == _FINDINGS.name)) or {}
    there = set(connection.scalars(select(f.finding_id).where(f.run_id == run_id)))
    rows = _stored(connection, _FINDINGS, and_(f.run_id == run_id, f.finding_id.in_(finding_ids)))
    now = {key: was.get(key, "") for key in there} | {row["finding_id"]: _short_digest(_text(row)) for row in rows}
    if now != was:
        run = connection.execute(select(_RUNS.c.period, _RUNS.c.revision).where(_RUNS.c.id == run_id)).one()
        what = _what_differs({"items": was, "n_rows": len(was)}, {"items": now, "n_rows": len(now)})
        yield Difference(f"{run.period} r{run.revision}", f"{_FINDINGS.name}: {what}")


def _refuse(session: Session, differences_found: Iterable[Difference]) -> None:
    if found := list(differences_found):
        raise AuditsError(
            f"The ledger is not what was recorded: {'; '.join(map(str, found))}.",
            where=f"ledger {session.get_bind().engine.url.render_as_string(hide_password=True)}",
            fix="Nothing was shown or written from it. Restore the ledger from a copy; `audits verify --ledger` checks "
            "all of it.",
        )


def _tables() -> dict[str, Table]:
    return {
        table.name: table
        for table in Base.metadata.sorted_tables
        if "run_id" in table.c and table.name not in _NOT_RECORDED
    }


def _part_names() -> list[str]:
    return [*_tables(), PolicyVersion.__tablename__, RuleVersion.__tablename__]


def _rows(connection: Connection, part: str, run: Any) -> Iterator[dict[str, Any]]:
    if part == PolicyVersion.__tablename__:
        return _stored(connection, PolicyVersion.__table__, PolicyVersion.digest == run["policy_version"])
    if part == RuleVersion.__tablename__:
        used = [and_(RuleVersion.rule_id == rule, RuleVersion.version == one) for rule, one in run["rules"].items()]
        return _stored(connection, RuleVersion.__table__, or_(False, *used))
    table = _tables()[part]
    return _stored(connection, table, table.c.run_id == run["id"])


def _stored(connection: Connection, table: Any, condition: ColumnElement[bool]) -> Iterator[dict[str, Any]]:
    """Some rows of a table, each value as it is stored: SQLite takes any value into any column."""
    read = {column.name: _reader(column.type, connection.dialect) for column in table.c}
    raw = select(*(type_coerce(column, NullType()).label(column.name) for column in table.c)).where(condition)
    for row in connection.execute(raw).mappings():
        yield {name: None if value is None else read[name](value) for name, value in row.items()}


def _reader(kind: TypeEngine[Any], dialect: Dialect) -> Callable[[Any], Any]:
    """What a type makes of a stored value; the value itself where the type would have written another or none.

    JSON counts by its content, whatever its layout.
    """
    own = kind.dialect_impl(dialect)
    load, write = own.result_processor(dialect, None), own.bind_processor(dialect)

    def read(stored: Any) -> Any:
        try:
            value = load(stored) if load else stored
            exact = isinstance(own, JSON) or (write(value) if write else value) == stored
        except (TypeError, ValueError):
            return stored
        return value if exact else stored

    return read


def _digest(connection: Connection, part: str, run: Any) -> dict[str, Any]:
    """The columns of :class:`RecordedPart` as they would be written now."""
    texts, items = [], {}
    for row in _rows(connection, part, run):
        texts.append(text := _text(row))
        if part == _FINDINGS.name:
            items[row["finding_id"]] = _short_digest(text)
    digest = hashlib.sha256()
    for text in sorted(texts):
        digest.update(text.encode() + b"\n")
    return {"n_rows": len(texts), "digest": f"sha256:{digest.hexdigest()}", "items": items}


def _short_digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _run_digest(connection: Connection, run_id: int) -> str:
    (run,) = _stored(connection, _RUNS, _RUNS.c.id == run_id)
    parts = _stored(connection, _PARTS, _PARTS.c.run_id == run_id)
    own = _text({name: value for name, value in run.items() if name not in _NOT_CONTENT})
    content = "\n".join([own, *sorted(map(_text, parts))])
    return f"sha256:{hashlib.sha256(content.encode()).hexdigest()}"


def _link(previous: str, recorded: str) -> str:
    return f"sha256:{hashlib.sha256(f'{previous}|{recorded}'.encode()).hexdigest()}"


def _text(row: Any) -> str:
    """A row as canonical JSON. A column without a value is left out, so that a later version may add columns."""
    held = {name: value for name, value in row.items() if value is not None and name != "run_id"}
    return _CANONICAL.encode(held)


def _plain(value: Any) -> str:
    if isinstance(value, date):  # and instants, which are UTC on every engine
        return value.isoformat()
    if isinstance(value, bytes):  # SQLite keeps them in a column of text too
        return f"bytes {value.hex()}"
    raise TypeError(f"{type(value).__name__} cannot be recorded")


_CANONICAL = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=_plain)


def _what_differs(was: Any, now: Any) -> str:
    before, after = was["items"], now["items"]
    named = [
        (sorted(before.keys() - after.keys()), "missing"),
        (sorted(after.keys() - before.keys()), "added"),
        (sorted(key for key in before.keys() & after.keys() if before[key] != after[key]), "altered"),
    ]
    words = [f"{_listed(keys)} {word}" for keys, word in named if keys]
    if not words and was["n_rows"] != now["n_rows"]:
        words = [f"{now['n_rows']} rows instead of {was['n_rows']}"]
    return "; ".join(words) or "the content of its rows differs"


def _listed(keys: Sequence[str]) -> str:
    more = len(keys) - _NAMED
    return ", ".join(keys[:_NAMED]) + (f" and {more} more" if more > 0 else "")
