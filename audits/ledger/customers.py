"""Find a customer by its id, by the id of one of its accounts, or by its name or a part of it."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence

from sqlalchemy import ColumnElement, Text, and_, cast, func, select, tuple_
from sqlalchemy.orm import Session

from audits.display import visible
from audits.errors import AuditsError, unknown
from audits.ledger.foreign import kept_id
from audits.ledger.models import AuditedCustomer

AUDITS_AT_ONCE = 200  # in one query: a ledger of many years is read in pieces
_SHOWN = 10  # candidates for a part of a name

Audited = tuple[int, str]
"""A run and a tier that it audited."""


def customer_named(session: Session, who: str, audited: Sequence[Audited], *, where: str) -> str:
    """The id of the customer that ``who`` names in these audits (newest first).

    Newer audits decide before older ones, and of names the whole one before its parts. Raises AuditsError where several
    customers have it in their name, with the candidates, or where no customer has, with the one most likely meant.
    """
    who = kept_id(who.strip())
    if found := _by_id(session, who, audited):
        return found
    newest, ever = _names(session, audited)
    for names in (newest, ever) if who else ():
        for matches in (_same, _within):
            found_names = {customer: name for name, customer in names if matches(who, name)}
            if len(found_names) > 1:
                raise _several(who, found_names, where)
            if found_names:
                return next(iter(found_names))
    fix = "Every customer is in the reports by id and name."
    raise unknown("customer", who, _spellings(newest), where=where, fix=fix)


def audited_in(pieces: Collection[Audited]) -> ColumnElement[bool]:
    """Whether a customer was audited in one of these."""
    a = AuditedCustomer
    runs, tiers = ({piece[number] for piece in pieces} for number in (0, 1))  # by these the primary key answers
    return and_(a.run_id.in_(runs), a.tier.in_(tiers), tuple_(a.run_id, a.tier).in_(pieces))


def pieces_of(audited: Sequence[Audited]) -> Iterator[Sequence[Audited]]:
    """The audits in lists that one query takes."""
    for start in range(0, len(audited), AUDITS_AT_ONCE):
        yield audited[start : start + AUDITS_AT_ONCE]


def _spellings(names: Collection[tuple[str, str]]) -> list[str]:
    """What may have been meant: whole names, words of them, and ids."""
    whole = sorted({name for name, _ in names})
    words = sorted({word for name in whole for word in name.split()})
    return [*whole, *words, *sorted({customer for _, customer in names})]


def _same(who: str, name: str) -> bool:
    return name.casefold() == who.casefold()


def _within(who: str, name: str) -> bool:
    return who.casefold() in name.casefold()


def _by_id(session: Session, who: str, audited: Sequence[Audited]) -> str | None:
    a = AuditedCustomer
    if _newest(session, audited, a.customer_id == who):
        return who
    written = cast(a.accounts, Text).contains(json.dumps(who), autoescape=True)
    held = [row for row in _newest(session, audited, written) if who in row.accounts]
    return held[0].customer_id if held else None


def _newest(session: Session, audited: Sequence[Audited], condition: ColumnElement[bool]) -> list[AuditedCustomer]:
    """The rows of the newest audit that has any: older ones are read only where newer ones know nobody."""
    for piece in pieces_of(audited):
        place = {audit: number for number, audit in enumerate(piece)}
        rows = session.scalars(select(AuditedCustomer).where(audited_in(piece), condition)).all()
        if rows:
            newest = min(place[row.run_id, row.tier] for row in rows)
            return [row for row in rows if place[row.run_id, row.tier] == newest]
    return []


def _names(session: Session, audited: Sequence[Audited]) -> tuple[set[tuple[str, str]], set[tuple[str, str]]]:
    """(name, customer) as the newest run of each customer has it, and all that it ever had."""
    a, order = AuditedCustomer, {run_id: number for number, run_id in enumerate(dict.fromkeys(r for r, _ in audited))}
    newest: dict[str, tuple[int, str]] = {}
    ever: set[tuple[str, str]] = set()
    for piece in pieces_of(audited):
        rows = select(a.customer_id, a.name, func.max(a.run_id)).where(audited_in(piece))
        for customer, name, run_id in session.execute(rows.group_by(a.customer_id, a.name)):
            ever.add((name, customer))
            newest[customer] = min(newest.get(customer, (order[run_id], name)), (order[run_id], name))
    return {(name, customer) for customer, (_, name) in newest.items()}, ever


def _several(who: str, names: Mapping[str, str], where: str) -> AuditsError:
    """The candidates, an id and a name a line."""
    listed = sorted(names.items(), key=lambda one: (one[1].casefold(), one[0]))
    width = max(len(visible(customer)) for customer, _ in listed[:_SHOWN])
    lines = [f"{visible(customer):<{width}}  {visible(name)}" for customer, name in listed[:_SHOWN]]
    if len(listed) > _SHOWN:
        lines.append(f"and {len(listed) - _SHOWN:,} more")
    return AuditsError(
        f"{len(names):,} customers have {who!r} in their name.",
        where=where,
        fix="\n".join(("Give the id of one, or more of its name:", *lines)),
    )
