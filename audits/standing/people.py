"""Find a customer by its id, by the id of one of its accounts, or by its name or a part of it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Text, cast, func, select
from sqlalchemy.orm import Session

from audits.errors import AuditsError
from audits.ledger.foreign import kept_id
from audits.ledger.models import AuditedCustomer

_AT_ONCE = 200  # runs in one query: a ledger of many years is asked in pieces


@dataclass(frozen=True, slots=True)
class Person:
    """A customer as the newest audit has it, and in which runs and under which tiers it was audited."""

    customer_id: str
    name: str
    account_manager: str
    audited: tuple[tuple[int, str], ...]  # (run id, tier)


def find(session: Session, who: str, run_ids: Sequence[int], tiers: Sequence[str]) -> Person | None:
    """The customer that ``who`` names in these runs (newest first), or None."""
    customer_id = _customer(session, kept_id(who), run_ids)
    if customer_id is None:
        return None
    found: list[AuditedCustomer] = []
    for start in range(0, len(run_ids), _AT_ONCE):
        found += session.scalars(
            select(AuditedCustomer).where(
                AuditedCustomer.run_id.in_(run_ids[start : start + _AT_ONCE]),
                AuditedCustomer.tier.in_(tiers),  # so that the primary key answers, not a scan
                AuditedCustomer.customer_id == customer_id,
            )
        )
    if not found:
        return None
    place = {run_id: number for number, run_id in enumerate(run_ids)}
    found.sort(key=lambda row: (place[row.run_id], row.tier))
    newest = found[0]
    return Person(customer_id, newest.name, newest.account_manager, tuple((row.run_id, row.tier) for row in found))


def _customer(session: Session, who: str, run_ids: Sequence[int]) -> str | None:
    a = AuditedCustomer
    if found := _where(session, run_ids, a.customer_id == who):
        return found[0].customer_id
    written = cast(a.accounts, Text).contains(json.dumps(who), autoescape=True)
    if held := [row for row in _where(session, run_ids, written) if who in row.accounts]:
        return held[0].customer_id
    for matches in (func.lower(a.name) == who.lower(), func.lower(a.name).contains(who.lower(), autoescape=True)):
        named = {row.customer_id: row.name for row in _where(session, run_ids, matches)}
        if len(named) > 1:
            shown = [f"{customer_id} ({named[customer_id]})" for customer_id in sorted(named)[:8]]
            raise AuditsError(
                f"{len(named)} customers have this in their name.",
                where=f"customer {who!r}",
                fix=f"Give the id of one: {', '.join(shown)}{', ...' if len(named) > len(shown) else ''}.",
            )
        if named:
            return next(iter(named))
    return None


def _where(session: Session, run_ids: Sequence[int], condition: ColumnElement[bool]) -> list[AuditedCustomer]:
    """The rows of the newest run that has any: older runs are asked only where newer ones know nobody."""
    for start in range(0, len(run_ids), _AT_ONCE):
        piece = run_ids[start : start + _AT_ONCE]
        place = {run_id: number for number, run_id in enumerate(piece)}
        rows = session.scalars(select(AuditedCustomer).where(AuditedCustomer.run_id.in_(piece), condition)).all()
        if rows:
            newest = min(place[row.run_id] for row in rows)
            return [row for row in rows if place[row.run_id] == newest]
    return []
