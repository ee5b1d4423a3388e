"""Hand-made accounts in a crowd of strangers, linked on a real warehouse, and everything that linkage wrote."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from sqlalchemy import select

from audits.linkage import LinkReport, link
from audits.linkage.tables import group_edges, group_members, linkage_against, linkage_groups, linkage_hubs
from audits.periods import Period
from audits.rollups import refresh
from audits.warehouse import warehouse
from tests.rows import LONG_AGO, Row, account, at, put, together

WEEK = Period.parse("2026-W41")  # 5 to 11 October
Rows = dict[str, list[Row]]


@dataclass(frozen=True)
class Linked:
    """What linkage wrote for a period."""

    report: LinkReport
    members: dict[str, frozenset[str]]  # group -> accounts
    edges: list[Mapping[str, Any]]
    hubs: list[Mapping[str, Any]]
    summaries: list[Mapping[str, Any]]
    against: list[Mapping[str, Any]]

    @property
    def groups(self) -> set[frozenset[str]]:
        """The partition, whatever the groups' names."""
        return set(self.members.values())

    @property
    def joining(self) -> set[str]:
        """Kinds of evidence that joined anybody."""
        return {edge["kind"] for edge in self.edges if edge["joins"]}

    def name_of(self, account_id: str) -> str:
        """The group that an account is in."""
        return next(name for name, accounts in self.members.items() if account_id in accounts)


def linked(url: str, *rows: Mapping[str, Sequence[Row]], period: Period = WEEK, since: date | None = None) -> Linked:
    """Put rows into the warehouse, roll them up and link; ``since`` is the period's first day unless said."""
    put(url, together(*rows))
    since = since or period.first_day
    with warehouse(url, write=True) as opened:
        refresh(opened, since, period.last_day)
        report = link(opened, period, since=since)
        tables = [
            (group_members, ("group_id", "account_id")),
            (group_edges, ("group_id", "kind", "value_digest", "account_id")),
            (linkage_hubs, ("kind", "value_digest")),
            (linkage_groups, ("group_id",)),
            (linkage_against, ("group_id", "kind")),
        ]
        with opened.begin() as connection:
            found = [
                [
                    dict(row)
                    for row in connection.execute(
                        select(table).where(table.c.period == period.id).order_by(*(table.c[name] for name in order))
                    ).mappings()
                ]
                for table, order in tables
            ]
    members: dict[str, set[str]] = {}
    for row in found[0]:
        members.setdefault(row["group_id"], set()).add(row["account_id"])
    return Linked(report, {name: frozenset(accounts) for name, accounts in members.items()}, *found[1:])


def strangers(n: int = 300) -> Rows:
    """Customers of whom nothing is known but that they exist: what makes a shared value rare."""
    return together(*(account(f"x{i}") for i in range(n)))


def paid(name: str, card: str) -> Rows:
    """An account's payment instrument."""
    return {"account_payments": [{"account_id": name, "instrument_hash": card, "valid_from": LONG_AGO}]}


def signed_up(name: str, minute: int = 0, **columns: Any) -> Rows:
    """An account that was opened on 1 September, so many minutes after ten o'clock, with its own sign-up values."""
    own = {
        "signup_ip_hash": f"ip-{name}", "signup_net_hash": f"net-{name}", "signup_device_hash": f"dev-{name}",
        "email_domain": f"{name}.example", "phone_hash": f"tel-{name}",
    }  # fmt: skip
    opened = at("2026-09-01T10:00") + timedelta(minutes=minute)
    return account(name, opened_at=opened, **(own | columns))
