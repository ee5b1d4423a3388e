"""A customer as its audits know it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from audits.ledger.customers import Audited, audited_in, customer_named, pieces_of
from audits.ledger.models import AuditedCustomer


@dataclass(frozen=True, slots=True)
class Person:
    """A customer as the newest audit has it, and in which runs and under which tiers it was audited."""

    customer_id: str
    name: str
    account_manager: str
    audited: tuple[Audited, ...]


def find(session: Session, who: str, audited: Sequence[Audited], *, where: str) -> Person:
    """The customer that ``who`` names in these audits (newest first); an error where there is none, or several."""
    customer_id = customer_named(session, who, audited, where=where)
    found: list[AuditedCustomer] = []
    for piece in pieces_of(audited):
        of_customer = select(AuditedCustomer).where(audited_in(piece), AuditedCustomer.customer_id == customer_id)
        found += session.scalars(of_customer)
    place = {audit: number for number, audit in enumerate(audited)}
    found.sort(key=lambda row: place[row.run_id, row.tier])
    newest = found[0]
    return Person(customer_id, newest.name, newest.account_manager, tuple((row.run_id, row.tier) for row in found))
