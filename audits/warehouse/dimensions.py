"""The dimensions with validity, each as its rows in force: what is said of whom, from when until when.

All are made by :func:`audits.warehouse.validity.in_force`, on the contract's tables alone, so that verdicts and
evidence read the same. ``valid_to`` is exclusive and never NULL. Attributes without validity in the contract
(``accounts``) hold as they stand.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Select, Subquery, case, func, or_, select

from audits.warehouse.tables import account_payments, account_tiers, api_keys, contracts, customers, territories
from audits.warehouse.validity import coalesced, in_force
from audits.warehouse.vocabulary import words_of

_TERRITORIES = {"sanctioned": 0, "unsupported": 1, "supported": 3}
_NO_STATUS = 2
_CUSTOMER = (
    "name", "account_manager", "country", "parent_country", "parent_ownership_pct", "kyc_status", "kyc_verified_at",
    "declared_use", "is_ai_developer",
)  # fmt: skip
_COMMITMENT = ("commit_tokens", "commit_usd")
_CONTRACT = (*_COMMITMENT, "retention_days_max", "resale_permitted")


def tiers_in_force(tiers: Sequence[str], of: Iterable[str] | Select[Any] | None = None) -> Subquery:
    """``account_id``, ``tier``: an account has one tier at a time; of two that begin together, the higher one.

    ``tiers`` are the book's, the lowest first; a tier that it does not know gives way to one that it knows. ``of``
    names or selects the accounts, if not all are asked for.
    """
    t = account_tiers.c
    precedence = [case({tier: -rank for rank, tier in enumerate(tiers)}, value=t.tier, else_=1)] if tiers else []
    return in_force(
        account_tiers, ["account_id"], ["tier"], precedence=precedence, where=_among(t.account_id, of),
        name="tier_in_force",
    )  # fmt: skip


def territories_in_force() -> Subquery:
    """``country``, ``status``: of two that begin together, the one under which the service is not offered.

    A status of which nobody knows what it means, NULL, is less than one that says so.
    """
    told = select(*words_of(territories)).subquery("told_of_territories")
    precedence = [case(_TERRITORIES, value=told.c.status, else_=_NO_STATUS)]
    return in_force(told, ["country"], ["status"], precedence=precedence, name="territory_in_force")


def customers_in_force(of: Iterable[str] | None = None) -> Subquery:
    """``customer_id`` and everything on record of the customer, one record at a time."""
    records = select(*words_of(customers)).subquery("told_of_customers")
    among = _among(records.c.customer_id, of)
    return in_force(records, ["customer_id"], _CUSTOMER, where=among, name="customer_in_force")


def contracts_in_force() -> Subquery:
    """``customer_id`` and the terms of the contract in force: a customer has one at a time, whatever their ids.

    Of two that begin together, the one in the customer's favour. A commitment to zero is none: NULL.
    """
    c = contracts.c
    commitments = {name: func.nullif(c[name], 0).label(name) for name in ("commit_tokens", "commit_usd")}
    rows = select(*(commitments.get(column.name, column) for column in c)).subquery("terms")
    r = rows.c
    permits = case((r.resale_permitted, 0), else_=1)
    precedence = [r.retention_days_max, -r.commit_tokens, -r.commit_usd, permits]
    return in_force(
        rows, ["customer_id"], _CONTRACT, precedence=precedence, name="contract_in_force"
    )  # fmt: skip


def commitments_in_force() -> Subquery:
    """``customer_id``, ``commit_tokens``, ``commit_usd``: what a customer is committed to, in whatever other terms.

    Where contracts follow one another without changing it, it is one commitment.
    """
    contract = contracts_in_force()
    committed = or_(contract.c.commit_tokens.is_not(None), contract.c.commit_usd.is_not(None))
    rows = select(contract).where(committed).subquery("committing")
    return coalesced(rows, ["customer_id"], _COMMITMENT).subquery("commitment_in_force")


def instruments_in_force(of: Iterable[str] | None = None) -> Subquery:
    """``account_id``, ``instrument_hash``, ``instrument_type``, ``bin_country``.

    An account may have several means of payment at once, so each is a key of its own: one does not end another.
    """
    held = select(*words_of(account_payments)).subquery("told_of_payments")
    return in_force(
        held, ["account_id", "instrument_hash"], ["instrument_type", "bin_country"],
        where=_among(held.c.account_id, of), name="instrument_in_force",
    )  # fmt: skip


def serverless_in_force() -> Subquery:
    """``api_key_hash``: when the registration in force declared a key to run on changing addresses.

    A key that is registered again belongs to the new registration alone. Of two that begin together, the one that
    does not declare it: it excuses nothing.
    """
    declared = select(api_keys.c.api_key_hash).where(api_keys.c.serverless)
    r = in_force(
        api_keys, ["api_key_hash"], ["serverless"], precedence=[case((api_keys.c.serverless, 1), else_=0)],
        begins="created_at", ends="revoked_at", where=[api_keys.c.api_key_hash.in_(declared)],
        name="registration_in_force",
    ).c  # fmt: skip
    return select(r.api_key_hash, r.valid_from, r.valid_to).where(r.serverless).subquery("serverless_in_force")


def _among(column: ColumnElement[Any], of: Iterable[str] | Select[Any] | None) -> list[ColumnElement[bool]]:
    if of is None:
        return []
    return [column.in_(of if isinstance(of, Select) else sorted(of))]
