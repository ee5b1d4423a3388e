"""Playing cases side by side: what is costly is a stage and a rule's statements on it, not the rows of other cases.

Cases of one rule that agree in period, law, days and the tables that have rows share a stage. Whatever identifies
somebody or something is made a case's own by a mark in front, of one width, so that every order stays; what comes out
is told apart by the marks and freed of them. A rule that holds its subjects against the population (``compares`` of its
description) plays each case alone. So does a case that comes out otherwise than it says: what counts then is what it
comes to alone. The digest of an identifier is one of the mark, too: a case that names it is played alone in the end.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import fields, is_dataclass, replace
from functools import cache, reduce
from typing import Any

from sqlalchemy import String

from audits.errors import AuditsError
from audits.policy import Book
from audits.rules.cases.compare import differences
from audits.rules.cases.format import Case, Row
from audits.rules.cases.run import Outcome, Setting, run_setting, setting_of
from audits.rules.cases.stage import Stage
from audits.rules.engine.base import Rule
from audits.warehouse.tables import source_metadata

_NOBODY_S = ("models", "territories")  # tables about the world, which cases on one stage have in common


def run_cases(rule: Rule, cases: Sequence[Case], stage: Stage, shipped: Book) -> list[Outcome | AuditsError]:
    """What each case comes to, in order; an error where the case itself is unsound."""
    outcomes: dict[int, Outcome | AuditsError] = {}
    settings: dict[int, Setting] = {}
    for place, case in enumerate(cases):
        try:
            settings[place] = setting_of(rule, case, shipped)
        except AuditsError as error:
            outcomes[place] = error
    for company in companies(rule, settings):
        together = _together(rule, company, stage)
        for place, setting in company.items():
            outcome = together.get(place)
            outcomes[place] = (
                outcome if outcome and not differences(setting.case, outcome) else run_setting(rule, setting, stage)
            )
    return [outcomes[place] for place in range(len(cases))]


def companies(rule: Rule, settings: Mapping[int, Setting]) -> Iterable[Mapping[int, Setting]]:
    """The settings by number, in companies that can stand on one stage."""
    found: dict[Hashable, dict[int, Setting]] = {}
    for place, setting in settings.items():
        alone = rule.spec.compares == "population" or setting.case.error is not None
        found.setdefault(place if alone else _in_common(setting), {})[place] = setting
    return found.values()


def joined(company: Mapping[int, Setting]) -> Setting:
    """A company as one setting, in which everything that identifies has its case's mark."""
    settings = [_marked(setting, mark_of(place)) for place, setting in company.items()]
    rows: dict[str, list[Row]] = {
        name: [row for setting in settings for row in setting.rows[name]] for name in settings[0].rows
    }
    for name in _NOBODY_S:  # as all of them give it, or what was filled in for one or another
        given = name in settings[0].case.rows
        rows[name] = settings[0].rows[name] if given else list({str(row): row for row in rows[name]}.values())
    together = {
        name: reduce(lambda one, other: one | other, (getattr(setting.case, name) for setting in settings))
        for name in ("groups", "links", "doubts")
    }
    return replace(settings[0], case=settings[0].case.model_copy(update=together), rows=rows)


def split(company: Iterable[int], outcome: Outcome) -> dict[int, Outcome]:
    """What each of a company came to, freed of its mark; nothing where that cannot be told."""
    if outcome.error:
        return {}
    parts = {}
    for place in company:
        mark = mark_of(place)
        own = [n for n, (one, _) in enumerate(outcome.found) if one.subject_id.startswith(mark)]
        part = Outcome(
            found=tuple(outcome.found[n] for n in own),
            cells=tuple(cell for cell in outcome.cells if cell.customer_id.startswith(mark)),
            error="",
            bad_evidence=tuple(problem for problem in outcome.bad_evidence if mark in problem),
            evidence=tuple(outcome.evidence[n] for n in own),
        )
        parts[place] = _freed(part, mark)
    told = sum(len(part.found) + len(part.cells) for part in parts.values())
    return parts if told == len(outcome.found) + len(outcome.cells) else {}


def mark_of(place: int) -> str:
    """What stands before the identifiers of a case on a stage that it shares."""
    return f"case{place:04}-"


def _together(rule: Rule, company: Mapping[int, Setting], stage: Stage) -> dict[int, Outcome]:
    """What each of a company came to side by side, as far as there is a company and it can be told apart."""
    return split(company, run_setting(rule, joined(company), stage)) if len(company) > 1 else {}


def _in_common(setting: Setting) -> Hashable:
    """What cases on one stage agree in."""
    case, rows = setting.case, setting.rows
    recorded = frozenset(name for name, many in rows.items() if many)
    world = {name: rows[name] for name in _NOBODY_S if name in case.rows}
    return (
        case.period.id, setting.book.digest, case.blocked, case.set_aside, case.incomplete, recorded, str(world)
    )  # fmt: skip


def _marked(setting: Setting, mark: str) -> Setting:
    def own(names: Iterable[str]) -> tuple[str, ...]:
        return tuple(mark + name for name in names)

    case = setting.case
    marked = {
        "groups": {mark + group: own(accounts) for group, accounts in case.groups.items()},
        "links": {
            mark + group: {kind: own(accounts) for kind, accounts in kinds.items()}
            for group, kinds in case.links.items()
        },
        "doubts": {mark + account: reason for account, reason in case.doubts.items()},
    }
    rows = {name: _marked_rows(name, many, mark) for name, many in setting.rows.items()}
    return replace(setting, case=case.model_copy(update=marked), rows=rows)


def _marked_rows(table: str, rows: list[Row], mark: str) -> list[Row]:
    names = _identifiers(table)
    return [row | {name: mark + row[name] for name in names if row[name] is not None} for row in rows]


@cache
def _identifiers(table: str) -> tuple[str, ...]:
    """The columns of a contract table that name somebody or something."""
    columns = next(one for one in source_metadata.sorted_tables if one.name == table).c
    return tuple(
        column.name
        for column in columns
        if isinstance(column.type, String) and column.name.endswith(("_id", "_hash", "email_domain"))
    )


def _freed(value: Any, mark: str) -> Any:
    """A value without the mark in any of its texts."""
    if isinstance(value, str):
        return value.replace(mark, "")
    if isinstance(value, Mapping):
        return {name: _freed(one, mark) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_freed(one, mark) for one in value)
    if is_dataclass(value) and not isinstance(value, type):
        return replace(value, **{one.name: _freed(getattr(value, one.name), mark) for one in fields(value)})
    return value
