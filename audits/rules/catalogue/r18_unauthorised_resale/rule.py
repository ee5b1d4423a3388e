"""R18: several signs at once that an account serves people who are not its own.

Resale and distillation are separate matters; a resale proxy serves mostly ordinary developers. What is used while a
customer's contract permits resale shows nothing of that customer; of an account with several customers each is judged
by its own contract and country. A sign that is not there, and would be if all that is not recorded counted for it, is
open: where the open ones would make enough, the account is not evaluated.
"""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, case, exists, func, literal, select

from audits.periods import utc_midnight
from audits.rollups.account_day import account_day
from audits.rules.catalogue.r18_unauthorised_resale.signs import KEY, judged, signs
from audits.rules.engine.base import Found
from audits.rules.engine.customers import told_apart
from audits.rules.engine.population import account_owners
from audits.rules.engine.scope import Scope
from audits.rules.engine.worst import worst
from audits.warehouse.dimensions import contracts_in_force
from audits.warehouse.tables import usage_events
from audits.warehouse.validity import holds

SIGNS = {
    "no_end_users": "many sessions and no end-user ids",
    "languages": "many languages and topics",
    "system_prompts": "many system prompts",
    "foreign": "users abroad",
    "no_clause": "no contract that permits resale",
}
FIGURES = {
    "sessions_a_day": "no_end_users", "languages": "languages", "system_prompts": "system_prompts",
    "foreign_share": "foreign",
}  # fmt: skip
"""Figure -> the sign that it shows."""
LIMITS_OF = {
    "no_end_user_share_min": "no_end_users", "sessions_a_day_min": "no_end_users", "languages_min": "languages",
    "topic_entropy_quantile": "languages", "system_prompts_min": "system_prompts", "foreign_share_min": "foreign",
}  # fmt: skip
"""Limit -> the sign that it makes."""
A_DAY = timedelta(days=1)


def violations(scope: Scope) -> Select[Any]:
    """Accounts and customers with enough of the five signs, and what shows these signs; of the others nothing is told.

    Where a limit changes inside the period, each part is held against its own; the one with most signs is shown.
    """
    signed = signs(scope)
    s = signed.c
    order = (s.signs.desc(), s.n.desc(), *(s[name] for name in KEY))
    w = worst(signed, ("account_id", "customer_id", "tier"), order, s.signs >= s.limit_signs_min)
    return select(
        w.account_id.label("subject_id"),
        w.customer_id,
        w.tier,
        told_apart(w.account_id, w.customer_id).label("discriminator"),
        w.signs.label("observed_signs"),
        func.concat_ws(", ", *(case((w[f"has_{sign}"], words)) for sign, words in SIGNS.items())).label(
            "observed_which"
        ),
        w.first_day.label("observed_first_day"),
        w.last_day.label("observed_last_day"),
        *(_if_there(w, sign, w[figure]).label(f"observed_{figure}") for figure, sign in FIGURES.items()),
        w.limit_signs_min,
        *(_if_there(w, sign, w[f"limit_{name}"]).label(f"limit_{name}") for name, sign in LIMITS_OF.items()),
    )


def unevaluable(scope: Scope) -> Select[Any]:
    """Accounts and customers with too few signs, and with enough if the open ones were there."""
    s = signs(scope).c
    reason = literal("not recorded: what would tell enough of the signs of resale").label("reason")
    doubtful = and_(s.signs < s.limit_signs_min, s.signs + s.open >= s.limit_signs_min)
    return select(s.account_id, s.customer_id, s.tier, reason).where(doubtful).distinct()


def inapplicable(scope: Scope) -> Select[Any]:
    """Accounts that were used only while the customer's contract permitted resale."""
    used, j, o = scope.usage(account_day).c, judged(scope, account_day).c, account_owners.c
    reason = literal("resale is permitted by contract").label("reason")
    forbidden = exists(select(j.account_id).where(j.account_id == o.account_id, j.customer_id == o.customer_id))
    return select(o.account_id, o.customer_id, reason).where(o.account_id.in_(select(used.account_id)), ~forbidden)


def evidence(scope: Scope, found: Found) -> Select[Any]:
    """The account's requests of those days while no contract permitted resale, with what shows the signs."""
    e, c = usage_events.c, contracts_in_force().c
    whose = c.customer_id.in_(found.customer_ids)
    permitted = exists(select(c.customer_id).where(whose, c.resale_permitted, holds(c, e.event_ts)))
    first, last = (date.fromisoformat(str(found.observed[f"{end}_day"])) for end in ("first", "last"))
    days = and_(e.event_ts >= literal(utc_midnight(first)), e.event_ts < literal(utc_midnight(last + A_DAY)))
    requests = scope.events_of(found.account_ids, scope.in_tier(found), scope.under_limits(found), days, ~permitted)
    return requests.add_columns(
        e.end_user_hash, e.session_id, e.lang, e.topic_id, e.system_prompt_hash, e.ip_country, e.ip_type
    )


def _if_there(row: Any, sign: str, value: ColumnElement[Any]) -> ColumnElement[Any]:
    return case((row[f"has_{sign}"], value))
