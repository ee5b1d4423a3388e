"""A made-up population that knows nothing of each other, and the rows of the contract that it leaves.

On purpose unlike the product's proving ground: what holds on one generator only does not hold. Everyone has a country,
hours of their own and heavy-tailed volume; mail providers, access networks, VPN exits, a popular agent's prompt and
now and then a card or a device are shared by strangers.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

START = datetime(2026, 9, 7, tzinfo=UTC)  # 28 days before the week 2026-W41
DAYS = 35
HOURS = np.arange(DAYS * 24)
WEEKEND = HOURS // 24 % 7 > 4
COUNTRIES = {"US": 30, "DE": 12, "IN": 10, "GB": 9, "FR": 8, "JP": 6, "BR": 6, "KR": 4, "PL": 4, "AU": 3, "SG": 3}
EAST = dict(zip(COUNTRIES, (-6, 2, 5, 1, 2, 9, -3, 9, 2, 10, 8), strict=True))
NEW_MODEL_HOUR = 20 * 24 + 16  # of release, on day 20
Hourly = NDArray[np.float64]
Prompt = tuple[str | None, str | None]  # system prompt, template


@dataclass
class Someone:
    """One account: its row, what it pays with, and how it uses the service."""

    row: dict[str, Any]
    cards: list[str]
    rate: Hourly  # expected requests
    prompts: list[Prompt]  # the most used first
    networks: list[str]
    tokens: tuple[float, float]  # median input and output of a request
    tier: str = "build"
    pivot: float = np.inf  # hour from which the new model is asked for
    label: str = ""  # "" for nobody in particular
    evenly: bool = False  # a day's requests come at even intervals from midnight on, not by chance

    @property
    def id(self) -> str:
        return str(self.row["account_id"])


class Crowd:
    """Makes people; the same seed makes the same."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.tools: list[Prompt] = [(f"sys-tool{i}", f"tpl-tool{i}") for i in range(12)]

    def name(self) -> str:
        return f"{self.rng.integers(1 << 48):012x}"

    def benign(self, n: int, *, harness: float = 0.2) -> list[Someone]:
        """``n`` customers who have nothing to do with each other, some with further accounts."""
        people: list[Someone] = []
        for _ in range(n):
            people.append(one := self.someone())
            if self.rng.random() < harness:
                one.prompts.insert(0, ("sys-harness", "tpl-harness"))
            for _ in range(int(self.rng.choice((0, 0, 0, 0, 0, 0, 1, 1, 2)))):
                people.append(other := self.someone())
                other.row |= {key: one.row[key] for key in ("customer_id", "signup_country", "email_domain")}
                other.cards = one.cards
        drawn = self.rng.permutation(len(people))
        for i in range(0, n // 50, 2):  # a couple's card
            people[drawn[i]].cards = people[drawn[i + 1]].cards
        for i in range(n // 50, n // 20, 2):  # a second-hand device
            people[drawn[i]].row["signup_device_hash"] = people[drawn[i + 1]].row["signup_device_hash"]
        return people

    def someone(self, label: str = "", *, opened: datetime | None = None) -> Someone:
        """Somebody in particular, alike to nobody."""
        rng, me = self.rng, self.name()
        country = self.country()
        opened = opened or START - timedelta(days=float(rng.uniform(-20, 600)))
        access = self.access(country)
        provider = int(access.rpartition("-")[2]) % 3  # of access, and of mail for some of its customers
        domain = (f"{me}.example", f"mail{rng.integers(3)}.example", f"post{provider}.{country}.example")
        networks = [f"net-{me}" if rng.random() < 0.5 else self.access(country), access]
        if rng.random() < 0.06:
            networks.insert(int(rng.integers(2)), f"net-vpn{rng.integers(4)}")
        prompts: list[Prompt] = [(f"sys-{me}", f"tpl-{me}-{i}") for i in range(3)]
        if rng.random() < 0.3:
            prompts.insert(int(rng.integers(3)), self.tools[int(len(self.tools) * rng.random() ** 2)])
        row = {
            "account_id": f"a-{me}", "customer_id": f"c-{me}", "opened_at": opened, "signup_country": country,
            "signup_ip_hash": f"ip-{me}", "signup_net_hash": access if rng.random() < 0.9 else networks[0],
            "signup_device_hash": f"dev-{me}", "email_domain": rng.choice(domain, p=(0.35, 0.45, 0.2)),
            "email_disposable": bool(rng.random() < 0.02), "phone_hash": f"tel-{me}" if rng.random() < 0.7 else None,
        }  # fmt: skip
        return Someone(
            row, [f"card-{me}"] if rng.random() < 0.8 else [],
            self.office(EAST[country], float(np.exp(rng.normal(1.2, 1.0))), opened), prompts, networks,
            (float(np.exp(rng.normal(6, 1.0))), float(np.exp(rng.normal(5, 0.9)))),
            str(rng.choice(["free", "build", "scale"], p=[0.5, 0.4, 0.1])), label=label,
        )  # fmt: skip

    def country(self) -> str:
        weights = np.array(list(COUNTRIES.values()), float)
        return str(self.rng.choice(list(COUNTRIES), p=weights / weights.sum()))

    def access(self, country: str) -> str:
        """A network of homes or mobiles: a few are everybody's, most are few people's."""
        return f"net-{country}-{int(10 * COUNTRIES[country] * self.rng.random() ** 2)}"

    def office(self, east: int, daily: float, opened: datetime = START) -> Hourly:
        """Expected requests an hour of someone who comes and goes: about ``daily`` on a day of work."""
        rng = self.rng
        away = ((HOURS + east) % 24 - rng.normal(14, 2.5) + 12) % 24 - 12
        bell = np.exp(-0.5 * (away / rng.uniform(2.5, 5.5)) ** 2)
        day = (HOURS + east + 24) // 24
        at_work = (rng.random(DAYS + 3) < rng.uniform(0.4, 0.95)) * np.exp(rng.normal(0, 0.6, DAYS + 3))
        rate = bell / bell[:24].sum() * at_work[day] * np.where(WEEKEND, rng.uniform(0, 0.6), 1.0)
        return since(opened, rate * np.exp(rng.normal(0, 0.5, len(HOURS))) * daily)


def since(opened: datetime, rate: Hourly) -> Hourly:
    """The rate from the first whole hour after the opening on."""
    return np.where((opened - START).total_seconds() / 3600 < HOURS, rate, 0.0)


def rows_of(people: Iterable[Someone], seed: int = 0) -> dict[str, pd.DataFrame]:
    """What the people leave in the contract's tables."""
    people, rng = list(people), np.random.default_rng(seed)
    long_ago = datetime(2024, 1, 1, tzinfo=UTC)
    customers = sorted({one.row["customer_id"] for one in people})
    known = {"kyc_status": "verified", "valid_from": long_ago}
    return {
        "customers": pd.DataFrame([{"customer_id": c, "name": c, **known} for c in customers]),
        "accounts": pd.DataFrame([one.row for one in people]),
        "account_tiers": pd.DataFrame(
            [{"account_id": one.id, "tier": one.tier, "valid_from": long_ago} for one in people]
        ),
        "api_keys": pd.DataFrame(
            [
                {"api_key_hash": f"k-{one.id}", "account_id": one.id, "created_at": one.row["opened_at"]}
                for one in people
            ]
        ),
        "account_payments": pd.DataFrame(
            [
                {"account_id": one.id, "instrument_hash": card, "valid_from": one.row["opened_at"]}
                for one in people for card in one.cards
            ],
            columns=["account_id", "instrument_hash", "valid_from"],
        ),
        "models": pd.DataFrame(
            [
                {"model": name, "family": "m", "frontier": True, "released_at": at, "context_window": 200_000}
                for name, at in (("m-1", long_ago), ("m-2", START + timedelta(hours=NEW_MODEL_HOUR)))
            ]
        ),
        "usage_events": _events(people, rng),
    }  # fmt: skip


def _evenly(rate: Hourly) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Requests by hour, each day's at even intervals from midnight on."""
    days = rate.reshape(-1, 24).sum(axis=1).round().astype(int)
    return np.concatenate([np.bincount(np.arange(n) * 24 // max(n, 1), minlength=24) for n in days])


def _events(people: list[Someone], rng: np.random.Generator) -> pd.DataFrame:
    parts = []
    for one in people:
        counts = _evenly(one.rate) if one.evenly else rng.poisson(one.rate)
        hour = np.repeat(HOURS, counts) + rng.random(counts.sum())
        prompt = np.minimum(rng.geometric(0.6, len(hour)) - 1, len(one.prompts) - 1)
        network = np.minimum(rng.geometric(0.6, len(hour)) - 1, len(one.networks) - 1)
        systems, templates = (np.array([pair[i] for pair in one.prompts], object) for i in (0, 1))
        parts.append(
            {
                "account_id": np.full(len(hour), one.id, object), "hour": np.sort(hour),
                "api_key_hash": np.full(len(hour), f"k-{one.id}", object),
                "system_prompt_hash": systems[prompt], "prompt_template_hash": templates[prompt],
                "client_net_hash": np.array(one.networks, object)[network],
                "input_tokens": (one.tokens[0] * np.exp(rng.normal(0, 0.5, len(hour)))).astype(np.int64),
                "output_tokens": (one.tokens[1] * np.exp(rng.normal(0, 0.5, len(hour)))).astype(np.int64),
                "model_requested": np.where(hour > one.pivot, "m-2", "m-1").astype(object),
            }
        )  # fmt: skip
    frame = pd.DataFrame({name: np.concatenate([part[name] for part in parts]) for name in parts[0]})
    frame["event_ts"] = START + pd.to_timedelta((frame.pop("hour") * 3_600_000).astype(np.int64), unit="ms")
    frame["ingested_ts"] = frame["event_ts"]
    frame["event_id"] = [f"native:{i}" for i in range(len(frame))]
    frame["model_served"] = frame["model_requested"]
    return frame.assign(source_system="native", operation="chat", status_code=200, content_available=True)
