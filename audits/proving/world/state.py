"""The world while it is being built: customers, accounts, networks and prompts, before any request is made.

Times are floats: days since the world's first instant, negative before it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any

import numpy as np

from audits.proving.world.catalogue import COUNTRIES, TIERS
from audits.proving.world.spec import WorldSpec
from audits.proving.world.workloads import Workload

NEVER = 9_999.0
VARYING_SHARES = ("cached", "repeat", "cot", "rubric", "benchmark", "rate_limited", "failing", "refusal", "flagged")
VARYING_LENGTHS = ("input", "output")
VARYING_COUNTS = ("systems", "templates", "topics", "end_users")


@dataclass(slots=True, eq=False)
class Customer:
    """A customer row; ``after`` holds columns that change in mid-world, with the day of the change."""

    id: str
    name: str
    country: str
    since: float
    manager: str | None = None
    parent_country: str | None = None
    parent_pct: float | None = None
    kyc: str | None = None
    kyc_at: float | None = None
    use: str | None = None
    ai_developer: bool | None = None
    zero_retention: bool = False  # agreed for all of its accounts
    after: tuple[float, dict[str, Any]] | None = None


@dataclass(slots=True, eq=False)
class Account:
    """An account with the facts that its requests and dimension rows are drawn from."""

    index: int
    id: str
    customer: Customer
    opened: float
    tiers: list[tuple[str, float]]  # (tier, from day), first one from ``opened``
    source: str = "native"
    path: str = "native"
    shows_address: bool = True
    shows_key: bool = True
    closed: float | None = None
    banned: float | None = None
    signup_address: int | None = None
    signup_country: str | None = None
    device: str | None = None
    domain: str | None = None
    disposable: bool | None = None
    phone: str | None = None
    programme: str | None = None
    zero_retention: bool | None = None
    stored: bool = True
    keep_days: int | None = 30
    overkept: tuple[float, float, int] | None = None  # from day, to day, days kept
    serverless: bool = False
    keys: list[Key] = field(default_factory=list)
    cards: list[tuple[str, str, str | None, float, float | None]] = field(default_factory=list)
    declines: float = 0.04
    chargeback: bool = False

    @property
    def tier(self) -> str:
        """The tier at the end of the world."""
        return self.tiers[-1][0]


@dataclass(slots=True, eq=False)
class Key:
    """An API key by its index in the world's list."""

    index: int
    hash: str
    account: Account
    created: float
    revoked: float | None = None


@dataclass(frozen=True, slots=True)
class Network:
    """A /24 or /48 with where it is and what kind of line it is."""

    hash: str
    country: str
    asn: int
    kind: str


@dataclass(slots=True)
class Label:
    """What an account really is; the audit never sees it."""

    kind: str  # benign, look-alike, campaign, breach
    name: str
    id: str
    role: str


class World:
    """Everything decided so far; builders add to it through the methods, in a fixed order."""

    def __init__(self, spec: WorldSpec) -> None:
        self.spec = spec
        self.customers: list[Customer] = []
        self.accounts: list[Account] = []
        self.keys: list[Key] = []
        self.networks: list[Network] = []
        self.addresses: list[tuple[int, str]] = []  # (network, hash)
        self.streams: list[Any] = []
        self.labels: dict[str, Label] = {}
        self.sanctions: list[tuple[str, str, str | None, str, float]] = []
        self.contract_factor: dict[str, float] = {}  # customer -> the busiest month over the commitment
        self.resale: set[str] = set()
        self.no_resale: set[str] = set()
        self.probes: list[dict[str, Any]] = []  # failing sign-ins from one network
        self.schedules: list[np.ndarray] = []  # shared hourly weights, (days + 2, 24) in UTC
        self.planted: dict[str, list[dict[str, Any]]] = {"campaigns": [], "lookalikes": [], "breaches": []}
        self._networks: dict[tuple[str, str, int], int] = {}
        self._addresses: dict[tuple[int, int], int] = {}
        self._prompts = 0
        self._factors = self.random("variation")
        self._variants: dict[str, dict[str, float]] = {}
        self.levels = {tier: self.factor() for tier in TIERS}
        self._offices: dict[str, int] = {}
        # what circulates: framework defaults, shared prompt collections, course material; used by two or by thousands
        self.public_systems = self.prompts(max(6, spec.customers // 12))
        self.public_templates = self.prompts(max(20, spec.customers // 4))
        self._ids: set[str] = set()

    def random(self, name: str) -> Random:
        """A generator of its own for each part, so that one part's draws never shift another's."""
        return Random(f"{self.spec.seed}/{name}")  # noqa: S311 - a simulation

    def numpy(self, name: str) -> np.random.Generator:
        """As :meth:`random`, for arrays."""
        digest = hashlib.sha256(f"{self.spec.seed}/{name}".encode()).digest()
        return np.random.default_rng(np.frombuffer(digest, np.uint32).tolist())

    def factor(self) -> float:
        """A factor by which this world differs from the records: 1 where the spec asks for no variation."""
        return self._factors.lognormvariate(0, self.spec.variation)

    def variant(self, work: Workload) -> Workload:
        """A kind of work as it is done in this world: records of one name vary by the same factors."""
        if not self.spec.variation:
            return work
        names = (*VARYING_SHARES, *VARYING_COUNTS, *VARYING_LENGTHS, "noise", "gap_s")
        if work.name not in self._variants:
            self._variants[work.name] = {name: self.factor() for name in names}
        by = self._variants[work.name]
        changes: dict[str, Any] = {name: min(0.95, getattr(work, name) * by[name]) for name in VARYING_SHARES}
        changes |= {n: max(1, round(getattr(work, n) * by[n])) for n in VARYING_COUNTS if getattr(work, n) > 1}
        changes |= {n: (getattr(work, n)[0] * by[n], getattr(work, n)[1]) for n in VARYING_LENGTHS}
        return replace(work, noise=work.noise * by["noise"], gap_s=work.gap_s * by["gap_s"], **changes)

    def digest(self, *parts: object) -> str:
        """A salted hash as a gateway would store it: 16 hex digits."""
        text = "/".join(map(str, (self.spec.seed, *parts)))
        return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()

    def fresh_id(self, prefix: str, rng: Random) -> str:
        """An opaque identifier that nobody has yet."""
        while (name := f"{prefix}_{rng.getrandbits(36):09x}") in self._ids:
            pass
        self._ids.add(name)
        return name

    def add_customer(self, rng: Random, **facts: Any) -> Customer:
        """Register a customer under a fresh id."""
        customer = Customer(id=self.fresh_id("cus", rng), **facts)
        self.customers.append(customer)
        return customer

    def add_account(self, rng: Random, customer: Customer, label: Label, **facts: Any) -> Account:
        """Register an account under a fresh id with its label and its first key."""
        account = Account(index=len(self.accounts), id=self.fresh_id("acc", rng), customer=customer, **facts)
        self.accounts.append(account)
        self.labels[account.id] = label
        self.add_key(rng, account, account.opened)
        return account

    def add_key(self, rng: Random, account: Account, created: float, revoked: float | None = None) -> Key:
        """Give an account one more key."""
        key = Key(len(self.keys), f"{rng.getrandbits(64):016x}", account, created, revoked)
        self.keys.append(key)
        account.keys.append(key)
        return key

    def network(self, country: str, kind: str, number: int) -> int:
        """The ``number``-th network of a kind in a country: one index for the same three, always."""
        index = self._networks.get((country, kind, number))
        if index is None:
            index = self._networks[country, kind, number] = len(self.networks)
            asn = _asn(country, kind, number)
            self.networks.append(Network(self.digest("net", country, kind, number), country, asn, kind))
        return index

    def address(self, network: int, host: int) -> int:
        """The ``host``-th address of a network."""
        index = self._addresses.get((network, host))
        if index is None:
            index = self._addresses[network, host] = len(self.addresses)
            self.addresses.append((network, self.digest("ip", self.networks[network].hash, host)))
        return index

    def any_address(self, rng: Random, country: str, kind: str, spread: int | None = None) -> int:
        """An address drawn from all of a kind in a country; the bigger the kind's pool, the rarer a meeting."""
        networks, hosts = _POOLS[kind]
        network = self.network(country, kind, rng.randrange(spread or networks))
        return self.address(network, rng.randrange(hosts))

    def office(self, rng: Random, customer: Customer) -> int:
        """The network of a customer's office; one in sixteen sits in a shared one."""
        if customer.id not in self._offices:
            number = rng.randrange(30) if rng.random() < 0.06 else 100_000 + len(self._offices)
            self._offices[customer.id] = self.network(customer.country, "corporate", number)
        return self._offices[customer.id]

    def prompts(self, n: int) -> range:
        """``n`` prompt or template ids that nobody else uses."""
        self._prompts += n
        return range(self._prompts - n, self._prompts)

    def add_schedule(self, weights: np.ndarray) -> int:
        """Register shared hourly weights; streams that name it move together."""
        self.schedules.append(weights)
        return len(self.schedules) - 1


# networks per country and kind, addresses per network: mobile and VPN exits are few, so strangers meet there
_POOLS = {
    "residential": (4_000, 200),
    "mobile": (60, 24),
    "corporate": (20_000, 12),
    "hosting": (900, 120),
    "vpn": (24, 16),
    "tor": (6, 8),
}


def _asn(country: str, kind: str, number: int) -> int:
    """An autonomous system: a handful of access providers a country, global hosters and VPN providers."""
    base = sorted(COUNTRIES).index(country) * 100
    if kind == "residential":
        return 30_000 + base + number % 7
    if kind == "mobile":
        return 30_000 + base + 20 + number % 3
    if kind == "corporate":
        return 30_000 + base + 40 + number % 40
    if kind == "hosting":
        return 14_000 + number % 12
    return 51_000 + number % 6


def choose(rng: Random, weighted: Sequence[tuple[Any, float]]) -> Any:
    """One item of ``(item, weight)`` pairs."""
    return rng.choices([item for item, _ in weighted], [weight for _, weight in weighted])[0]
