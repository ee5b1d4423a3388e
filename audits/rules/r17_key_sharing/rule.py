"""R17: one key in many hands: many networks, many providers and many kinds of client on the same days."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Select, func, literal, or_, select

from audits.rollups.account_client_day import account_client_day
from audits.rules.base import Found
from audits.rules.listed import listed, on_listed_days
from audits.rules.scope import Scope
from audits.warehouse.tables import api_keys, usage_events

LIMITS = ("networks_min", "asns_min", "agents_min", "days_min")


def violations(scope: Scope) -> Select[Any]:
    """Keys over the limits for networks, autonomous systems and agent families at once, on enough days.

    Each day is held against the limits of that day. A key on two accounts is judged on each by itself.
    """
    u = scope.usage(account_client_day).c
    limits = tuple(u[f"limit_{name}"] for name in LIMITS)
    day = (u.api_key_hash, u.account_id, u.tier, u.day, *limits)
    networks = func.count(u.client_net_hash.distinct())
    asns = func.count(u.ip_asn.distinct())
    agents = func.count(u.user_agent_family.distinct())
    d = (
        select(*day, networks.label("networks"), asns.label("asns"), agents.label("agents"))
        .where(u.api_key_hash.is_not(None), u.api_key_hash.not_in(_declared()), u.n_ok > 0)
        .group_by(*day)
        .having(networks >= u.limit_networks_min, asns >= u.limit_asns_min, agents >= u.limit_agents_min)
        .subquery("days_over")
    ).c
    return (
        select(
            d.api_key_hash.label("subject_id"),
            d.account_id,
            d.account_id.label("discriminator"),
            d.tier,
            func.max(d.networks).label("observed_peak_networks_a_day"),
            func.max(d.asns).label("observed_peak_asns_a_day"),
            func.max(d.agents).label("observed_peak_agents_a_day"),
            func.count().label("observed_days_over"),
            listed(d.day).label("observed_on_days"),
            *(func.min(d[f"limit_{name}"]).label(f"limit_{name}") for name in LIMITS),
        )
        .group_by(d.api_key_hash, d.account_id, d.tier)
        .having(func.count() >= func.min(d.limit_days_min))
    )


def inapplicable(scope: Scope) -> Select[Any]:
    """Accounts that used no other keys than those declared to run on changing addresses."""
    u = scope.usage(account_client_day).c
    undeclared = func.count().filter(or_(u.api_key_hash.is_(None), u.api_key_hash.not_in(_declared())))
    reason = literal("every key used is declared serverless").label("reason")
    return select(u.account_id, reason).group_by(u.account_id).having(undeclared == 0)


def evidence(scope: Scope, found: Found) -> Select[Any]:
    """The key's successful requests on the days over, with the network, provider and kind of client of each."""
    e = usage_events.c
    of_key = (e.api_key_hash == found.subject_id, e.status_code < 400, scope.in_tier(found), on_listed_days(found))
    return scope.events_of(found.account_ids, *of_key).add_columns(e.client_net_hash, e.ip_asn, e.user_agent_family)


def _declared() -> Select[Any]:
    """Keys declared serverless; one of which nothing is recorded is not declared."""
    return select(api_keys.c.api_key_hash).where(api_keys.c.serverless)
