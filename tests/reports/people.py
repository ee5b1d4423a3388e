"""Customers, some with names that would do harm if a page, a table or a query took them for its own."""

from __future__ import annotations

import math
from dataclasses import dataclass
from random import Random

HOSTILE = (
    '<script>document.title="owned"</script>',
    '"><img src=x onerror="document.title=\'owned\'">',
    "=cmd|'/C calc'!A0",
    "  +SUM(A1:A9)",
    "@import url(https://evil.example/x.css)",
    "\u202egnp.exe txet",
    "Line\nbreak\tand \x07 bell",
    "Ünïcode GmbH & Co. KG 🦊👩‍💻",
    "'; DROP TABLE runs; --",
    "{{ 7*7 }}{% raw %}",
    "</style></title><svg onload=alert(1)>",
    "A" + "very" * 40 + "LongNameWithoutAnySpace",
    "javascript:alert(1)",
    "شركة الاختبار",
    "-2+3 Ltd",
)
_FIRST = (
    "North",
    "Blue",
    "Harbour",
    "Silver",
    "Oak",
    "Lumen",
    "Cobalt",
    "Meridian",
    "Juniper",
    "Granite",
    "Willow",
    "Atlas",
)
_LAST = (
    "wind",
    " Analytics",
    " Labs",
    "field",
    " Robotics",
    " & Sons",
    " Health",
    " Freight",
    "gate",
    " Studio",
    " Media",
)
_KIND = (" Ltd", " GmbH", " Inc.", " SA", "", " BV")
_TIER_SHARE = (("free", 180), ("build", 120), ("scale", 45), ("enterprise", 15))


@dataclass
class Customer:
    id: str
    name: str
    tier: str
    accounts: list[str]
    level: float  # usual requests a day


def people() -> list[Customer]:
    random = Random(7)
    tiers = [tier for tier, count in _TIER_SHARE for _ in range(count)]
    customers = []
    for number, tier in enumerate(tiers):
        name = f"{random.choice(_FIRST)}{random.choice(_LAST)}{random.choice(_KIND)}"
        accounts = [f"a-{number:04d}-{n}" for n in range(1 + (number % 7 == 0) + (tier == "enterprise") * 3)]
        level = {"free": 20, "build": 400, "scale": 6000, "enterprise": 60_000}[tier] * math.exp(random.gauss(0, 0.7))
        customers.append(Customer(f"c-{number:04d}", name, tier, accounts, level))
    for number, name in enumerate(HOSTILE):
        customers[180 + number].name = name
    customers[303].name = '<b onmouseover="document.title=1">Quote "&" Co</b>'
    customers[203].name = "Northwind Ltd"
    customers[204].name = "Harbour Analytics GmbH"
    return customers
