"""R17: one key in many hands: many networks, many providers and many kinds of client on the same days."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Select, and_, func, select

from audits.rollups.account_client_day import account_client_day
from audits.rules.base import Found
from audits.rules.scope import Scope
from audits.warehouse.tables import api_keys, usage_events


def violations(scope: Scope) -> Select[Any]:
    """Keys over the limits for networks, autonomous systems and agent families at once, on enough days."""
    u = scope.usage(account_client_day).c
    serverless = select(api_keys.c.api_key_hash).where(api_keys.c.serverless)
    d = (
        select(
            u.api_key_hash, u.account_id, u.tier, u.day,
            func.count(u.client_net_hash.distinct()).label("networks"),
            func.count(u.ip_asn.distinct()).label("asns"),
            func.count(u.user_agent_family.distinct()).label("agents"),
            func.max(u.limit_networks_min).label("limit_networks_min"),
            func.max(u.limit_asns_min).label("limit_asns_min"),
            func.max(u.limit_agents_min).label("limit_agents_min"),
            func.max(u.limit_days_min).label("limit_days_min"),
        )
        .where(u.api_key_hash.is_not(None), u.n_ok > 0, u.api_key_hash.not_in(serverless))
        .group_by(u.api_key_hash, u.account_id, u.tier, u.day)
        .subquery("key_days")
    ).c  # fmt: skip
    over = and_(d.networks >= d.limit_networks_min, d.asns >= d.limit_asns_min, d.agents >= d.limit_agents_min)
    limits = ("networks_min", "asns_min", "agents_min", "days_min")
    return (
        select(
            d.api_key_hash.label("subject_id"),
            d.account_id,
            d.account_id.label("discriminator"),
            d.tier,
            func.max(d.networks).label("observed_peak_networks_a_day"),
            func.max(d.asns).label("observed_peak_asns_a_day"),
            func.max(d.agents).label("observed_peak_agents_a_day"),
            func.count().filter(over).label("observed_days_over"),
            *(func.max(d[f"limit_{name}"]).label(f"limit_{name}") for name in limits),
        )
        .group_by(d.api_key_hash, d.account_id, d.tier)
        .having(func.count().filter(over) >= func.max(d.limit_days_min))
    )


def evidence(scope: Scope, found: Found) -> Select[Any]:
    """The key's successful requests with the network, provider and kind of client of each."""
    e = usage_events.c
    return scope.events_of(found.account_ids, e.api_key_hash == found.subject_id, e.status_code < 400).add_columns(
        e.client_net_hash, e.ip_asn, e.user_agent_family
    )
