"""The evidence of a linked group, as linkage leaves it to the ledger."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from audits.linkage.report import HeldBack, Hub, LinkReport
from audits.periods import Period
from tests.reports.people import HOSTILE


def linked(period: Period) -> LinkReport:
    """What linking came to: some of it could not be seen, some was shared too widely, some held back."""
    return LinkReport(
        period=period.id, as_of=period.end_day, changed=True, accounts=412, parties=340, groups=3, members=71,
        hubs=(Hub("client_network", "sha256:5f0e9a77c1d2e3f4", 96, 90), Hub("email_domain", HOSTILE[0], 41, 41)),
        held_back=(
            HeldBack(133, "system_prompt", "sha256:0b1c2d3e4f5a6b7c", 120, 2),
            HeldBack(44, "signup_network", "sha256:aa00bb11cc22dd33", 44, 0),
        ),
        without=("payment_instrument", "signup_device", "phone"),
    )  # fmt: skip


def dossier(period: Period, account_ids: tuple[str, ...]) -> dict[str, Any]:
    """What a group's accounts share: one prompt all of them, cards by eights, and what else they would not choose."""
    first = period.first_day
    members = [
        {
            "account_id": account if number else HOSTILE[0], "customer_id": f"c-{number:04d}" if number else HOSTILE[1],
            "tier": "build", "opened_at": f"{first - timedelta(days=60 - number // 3)}T09:30:00+00:00",
            "banned_at": f"{first + timedelta(days=9)}T00:00:00+00:00" if number % 9 == 0 else None, "closed_at": None,
            "first_used": (first - timedelta(days=number % 12)).isoformat(),
            "last_used": (period.last_day - timedelta(days=number % 3)).isoformat(),
            "requests": 9000 - 31 * number, "output_tokens": 2_250_000 - 7750 * number,
        }
        for number, account in enumerate(account_ids)
    ]  # fmt: skip

    def value(kind: str, digest: str, its: range, *, joins: bool = True, parties: int = 1) -> dict[str, Any]:
        return {
            "kind": kind, "digest": digest, "members": list(its), "customers": len(its), "parties": parties,
            "bits": 8.4, "joins": joins, "first_seen": f"{first}T00:00:00+00:00",
            "last_seen": f"{period.last_day}T23:59:59+00:00",
        }  # fmt: skip

    def kind(
        name: str, values: int, accounts: int, recorded: int | None, without: int, *, joins: bool = True
    ) -> dict[str, Any]:
        return {
            "kind": name, "values": values, "accounts": accounts, "joins": joins, "recorded": recorded,
            "sharing": accounts, "together_without": without,
        }  # fmt: skip

    many = len(members)
    values = [value("system_prompt", "5f0e9a", range(many)), value("prompt_template", HOSTILE[1], range(3, many))]
    values += [value("payment_instrument", f"card{n}", range(n, many, 8)) for n in range(8)]
    values += [value("signup_burst", "burst", range(0, many, 5), joins=False, parties=2)]
    return {
        "since": (first - timedelta(days=28)).isoformat(), "causes": ["instrument", "prompt"], "members": members,
        "kinds": [
            kind("system_prompt", 1, many, many, many), kind("prompt_template", 1, many - 3, many, many),
            kind("payment_instrument", 8, many, many, many), kind("signup_burst", 1, 13, 60, many, joins=False),
            kind("synchronised", 0, 0, None, many, joins=False), kind("signup_device", 0, 0, 60, many, joins=False),
        ],
        "values": values, "values_in_all": len(values),
    }  # fmt: skip
