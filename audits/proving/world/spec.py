"""What a world is made of: a frozen description from which :func:`build_world` makes the same rows every time."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from audits.errors import AuditsError


@dataclass(frozen=True, slots=True, kw_only=True)
class Campaign:
    """One planted group. What is None is as the kind's record in :mod:`.campaigns` says.

    ``per_day`` counts requests a day and account, cover traffic included; ``share`` of them is extraction.
    ``cap`` bounds an account's day. ``first_day`` and ``days`` bound the activity, in days of the world.
    ``cards`` and ``devices`` are accounts per shared instrument and sign-up device (0: none is shared).
    ``front`` is what all members have in common in the open, as harmless groups do: payer, network or organisation;
    ``clock`` are the hours in which all of them work, evenly: day or all.
    """

    kind: str
    accounts: int = 64
    per_day: float | None = None
    cap: float | None = None
    share: float | None = None
    first_day: int | None = None
    days: int | None = None
    prompts: str | None = None  # fixed, five-fold, paraphrased, own
    cards: int | None = None
    devices: int | None = None
    addresses: str | None = None  # hosting, residential, vpn, mixed
    signup: str | None = None  # burst, slow
    sync: float | None = None  # 0..1, how much of the hourly profile the accounts have in common
    pivot: bool | None = None
    elicit: float | None = None  # share of requests that ask for hidden reasoning
    pools: int | None = None  # 2: the second takes over when the first is banned
    front: str | None = None  # payer, network, organisation
    clock: str | None = None  # day, all
    hands_over: bool | None = None  # what one account is refused goes to another at once
    unsupported: float | None = None  # share of accounts that work from an unsupported territory
    tiers: tuple[tuple[str, float], ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LookAlike:
    """One harmless party that resembles a campaign; ``accounts`` and ``per_day`` default to the kind's own."""

    kind: str
    accounts: int | None = None
    per_day: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Breach:
    """A single subject that breaks one rule; ``rule`` names the record in :mod:`.breaches`."""

    rule: str
    count: int = 1
    tier: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WorldSpec:
    """A world: ``customers`` benign customers over ``days`` days, and what is planted among them.

    ``volume`` scales the benign request rates of the tiers above free: 1 puts the tiers' heavy users near the
    default limits of rule R01 (some 1,000 requests a day and account); less makes a smaller file.
    ``release_day`` is the day of the frontier release.
    ``variation`` is the sigma of ln by which this world's kinds of work, tiers and coincidences differ from the
    records: worlds to evaluate on should not be those that defaults were tuned on.
    ``traced`` is the share of single-turn work whose requests carry a session id, each its own.
    ``conditions`` bend the whole world (see :mod:`.conditions`); ``faults`` are planted data faults.
    """

    seed: int = 1
    start: date = date(2026, 8, 3)
    days: int = 90
    customers: int = 400
    volume: float = 0.01
    variation: float = 0.0
    traced: float = 0.0
    release_day: int = 71
    campaigns: tuple[Campaign, ...] = ()
    lookalikes: tuple[LookAlike, ...] = ()
    breaches: tuple[Breach, ...] = ()
    faults: tuple[str, ...] = ()
    conditions: tuple[str, ...] = ()
    hostile_names: bool = True

    def __post_init__(self) -> None:
        if self.customers < 1 or self.days < 1 or self.volume <= 0:
            raise AuditsError(
                "A world needs at least one customer, one day and a positive volume.",
                where=f"WorldSpec(customers={self.customers}, days={self.days}, volume={self.volume})",
                fix="raise the value that is zero or negative.",
            )

    @property
    def begin(self) -> datetime:
        """The first instant of the world."""
        return datetime(self.start.year, self.start.month, self.start.day, tzinfo=UTC)

    @property
    def end(self) -> datetime:
        """The first instant after the world."""
        return self.begin + timedelta(days=self.days)


@dataclass(frozen=True, slots=True)
class WorldSummary:
    """What was written: the warehouse file, its labels, and the number of rows in each table."""

    path: Path
    labels: Path
    begin: datetime
    end: datetime
    tables: dict[str, int] = field(default_factory=dict)
    accounts: dict[str, int] = field(default_factory=dict)  # label kind -> accounts


def unknown(what: str, name: str, known: object) -> AuditsError:
    """The error for a name that no record has."""
    names = sorted(str(k) for k in known)  # type: ignore[attr-defined]
    return AuditsError(f"There is no {what} named {name!r}.", where="WorldSpec", fix=f"use one of {', '.join(names)}.")


DEMO = WorldSpec(
    seed=20261031,
    start=date(2026, 8, 3),
    days=90,
    customers=312,
    volume=0.006,
    release_day=71,
    campaigns=(
        Campaign(kind="extraction", accounts=64, per_day=268, cap=410, first_day=62, days=22, cards=8, pivot=True),
        Campaign(kind="elicitation", accounts=40, per_day=12, first_day=26, days=62, unsupported=0.2),
    ),
    lookalikes=(
        LookAlike(kind="nightly-evaluation"),
        LookAlike(kind="ci-fleet"),
        LookAlike(kind="university-class"),
        LookAlike(kind="agency-card"),
        LookAlike(kind="rag-backfill"),
        LookAlike(kind="agent-harness"),
    ),
    breaches=(
        Breach(rule="R01", tier="free"),
        Breach(rule="R01", tier="build"),
        Breach(rule="R02", tier="build", count=2),
        Breach(rule="R14", tier="build"),
        Breach(rule="R14-vpn", tier="free"),
        Breach(rule="R17", tier="build"),
        Breach(rule="R20", tier="free"),
        Breach(rule="R20-training", tier="scale"),
        Breach(rule="R23", tier="scale"),
        Breach(rule="R23-zero", tier="enterprise"),
        Breach(rule="R25", tier="scale"),
        Breach(rule="R25-low", tier="enterprise"),
        Breach(rule="R29", tier="scale"),
        Breach(rule="R29-candidate", tier="build"),
        Breach(rule="R29-unverified", tier="scale"),
    ),
    faults=(
        "duplicate-events",
        "missing-hour",
        "negative-tokens",
        "cached-above-input",
        "orphan-keys",
        "unknown-model",
        "late-rows",
        "future-events",
        "billing-drift",
    ),
)
