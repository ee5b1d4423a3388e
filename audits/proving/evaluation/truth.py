"""What really was in a world, as its labels and its usage say it; the audit never sees any of it."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import duckdb

from audits.periods import Period


@dataclass(frozen=True, slots=True)
class PlantedCampaign:
    """A planted group: all of its accounts, those at work in the audited month, and how strong it was then."""

    id: str
    world: str
    kind: str
    rules: tuple[str, ...]
    members: frozenset[str]
    at_work: frozenset[str]
    requests_a_day: float  # of all members, cover traffic included, on the days of the month that they worked
    share: float  # of these requests, what is extraction
    first_day: int  # of the month, 1 for what began before it
    facts: Mapping[str, Any]  # how it disguises itself


@dataclass(frozen=True, slots=True)
class PlantedBreach:
    """One account, key, customer or network that breaks a rule."""

    id: str
    world: str
    kind: str
    rule: str
    account: str
    customer: str
    network: str = ""  # whose sign-ins they are, where these name no account


@dataclass(frozen=True, slots=True)
class Party:
    """A harmless look-alike with its accounts at work in the month."""

    id: str
    world: str
    kind: str
    accounts: frozenset[str]


@dataclass(frozen=True, slots=True)
class Truth:
    """All that is known of one world or of several together; every id carries its world's name."""

    campaigns: tuple[PlantedCampaign, ...]
    breaches: tuple[PlantedBreach, ...]
    parties: tuple[Party, ...]
    benign: frozenset[str]  # ordinary accounts at work in the month
    customer_of: Mapping[str, str]

    @property
    def harmless(self) -> frozenset[str]:
        """Ordinary accounts and look-alikes: none of them should be hit."""
        return self.benign.union(*(party.accounts for party in self.parties))


def read_truth(world: str, warehouse: Path, labels: Path, period: Period) -> Truth:
    """The labels of a built world, and from its usage who was at work in the period."""
    known = json.loads(labels.read_text("utf-8"))
    usage, customers = _usage(warehouse, period)
    begin = (period.first_day - _start(known)).days

    def ids(accounts: Iterable[str]) -> frozenset[str]:
        return frozenset(f"{world}/{account}" for account in accounts)

    campaigns = []
    for one in known["campaigns"]:
        busy = [account for account in one["accounts"] if account in usage]
        by_day: dict[int, int] = defaultdict(int)
        for account in busy:
            for day, n in usage[account].items():
                by_day[day] += n
        facts = {
            name: one[name] for name in ("prompts", "addresses", "signup", "cards", "pivot", "pools", "hands_over")
        }
        campaigns.append(
            PlantedCampaign(
                id=f"{world}/{one['id']}",
                world=world,
                kind=one["kind"],
                rules=tuple(one["rules"]),
                members=ids(one["accounts"]),
                at_work=ids(busy),
                requests_a_day=round(sum(by_day.values()) / max(len(by_day), 1), 1),
                share=float(one["share"] or 1.0),
                first_day=max(1, int(one["first_day"]) - begin + 1),
                facts={"per_day": one["per_day"], **facts},
            )
        )
    return Truth(
        campaigns=tuple(c for c in campaigns if c.at_work),
        breaches=tuple(
            PlantedBreach(
                f"{world}/{b['id']}",
                world,
                b["kind"],
                b["rule"],
                f"{world}/{b['account']}",
                f"{world}/{b['customer']}",
                f"{world}/{b['network']}" if "network" in b else "",
            )
            for b in known["breaches"]
        ),
        parties=tuple(
            Party(f"{world}/{p['id']}", world, p["kind"], ids(a for a in p["accounts"] if a in usage))
            for p in known["lookalikes"]
        ),
        benign=ids(a for a, label in known["accounts"].items() if label["kind"] == "benign" and a in usage),
        customer_of={f"{world}/{account}": f"{world}/{customer}" for account, customer in customers.items()},
    )


def joined(truths: Iterable[Truth]) -> Truth:
    """Several worlds as one."""
    all_of = list(truths)
    return Truth(
        campaigns=tuple(c for one in all_of for c in one.campaigns),
        breaches=tuple(b for one in all_of for b in one.breaches),
        parties=tuple(p for one in all_of for p in one.parties),
        benign=frozenset().union(*(one.benign for one in all_of)),
        customer_of={account: customer for one in all_of for account, customer in one.customer_of.items()},
    )


def _start(known: Mapping[str, Any]) -> date:
    return date.fromisoformat(known["spec"]["start"])


def _usage(warehouse: Path, period: Period) -> tuple[dict[str, dict[int, int]], dict[str, str]]:
    """account -> day of the period -> requests (at least one for a bucket), and account -> customer."""
    with duckdb.connect(str(warehouse), read_only=True) as con:
        con.execute("SET TimeZone = 'UTC'")
        con.execute("SET enable_progress_bar = false")
        rows = con.execute(
            """
            SELECT account_id, day(moment)::INTEGER, sum(n)::BIGINT FROM (
                SELECT account_id, event_ts AS moment, 1 AS n FROM usage_events
                UNION ALL SELECT account_id, bucket_start, coalesce(n_requests, 1) FROM usage_buckets)
            WHERE moment >= ? AND moment < ? GROUP BY 1, 2 ORDER BY 1, 2
            """,
            [period.start, period.end],
        ).fetchall()
        owners = con.execute("SELECT account_id, min(customer_id) FROM accounts GROUP BY 1 ORDER BY 1").fetchall()
    usage: dict[str, dict[int, int]] = defaultdict(dict)
    for account, day, n in rows:
        usage[account][day] = n
    return dict(usage), dict(owners)
