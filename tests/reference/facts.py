"""What counts in a world, one row at a time: requests once, blocked days left out, and what was in force when."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from audits.periods import Period
from audits.policy import Book
from tests.reference.validity import Row, in_force, instants_of_change, rows_in_force
from tests.reference.vocabulary import UNKNOWN, understood

UNASSIGNED = "unassigned"
USERS = ("accounts", "usage_events", "usage_buckets")
LINKING = {
    "account_payments": ("instrument_hash",),
    "accounts": ("signup_device_hash", "signup_net_hash", "phone_hash"),
}


def midnight(day: date) -> datetime:
    return datetime.combine(day, time.min, tzinfo=UTC)


def day_of(at: datetime) -> date:
    return at.astimezone(UTC).date()


def may_be_in(event: Row, bucket: Row) -> bool:
    """Whether a bucket may count a request, which was served, as far as it is broken down and the key is known."""
    start, end, at = bucket["bucket_start"], bucket["bucket_end"], event["event_ts"]
    key, model = bucket.get("api_key_hash"), bucket.get("model")
    return (
        start <= at < end
        and event["status_code"] < 400
        and (key is None or event["api_key_hash"] in (None, key))
        and (model is None or model in (event["model_requested"], event["model_served"]))
    )


def lasts(bucket: Row) -> bool:
    """Whether a bucket reaches beyond the day on which it begins."""
    return bucket["bucket_end"] > midnight(day_of(bucket["bucket_start"]) + timedelta(days=1))


def is_inside(bucket: Row, other: Row) -> bool:
    """Whether a larger bucket of the same source may count what this one counts."""

    def size(one: Row) -> tuple[int, int, datetime]:
        return one["input_tokens"] + one["output_tokens"], one["n_requests"] or -1, one["bucket_start"]

    return (
        bucket["source_system"] == other["source_system"]
        and bucket["account_id"] == other["account_id"]
        and day_of(bucket["bucket_start"]) == day_of(other["bucket_start"])
        and lasts(bucket) == lasts(other)
        and bucket["bucket_start"] < other["bucket_end"]
        and other["bucket_start"] < bucket["bucket_end"]
        and all(None in (bucket.get(n), other.get(n)) or bucket[n] == other[n] for n in ("api_key_hash", "model"))
        and size(other) > size(bucket)
    )


@dataclass(frozen=True)
class DayState:
    """What the quality gate said of a day of a source."""

    day: date
    source: str
    verdict: str  # good, degraded, blocked
    rules: frozenset[str]  # not evaluated on that day
    accounts: frozenset[str]  # whom alone a degradation concerns; empty: everyone whom the source serves


class Facts:
    """A world as the rules see it. Groups and the state of each day are given; everything else is read from rows."""

    def __init__(
        self,
        rows: Mapping[str, Sequence[Row]],
        book: Book,
        period: Period,
        groups: Mapping[str, frozenset[str]],
        days: Sequence[DayState],
    ) -> None:
        self.rows = defaultdict(list, {t: [understood(t, row) for row in many] for t, many in rows.items()})
        self.book, self.period, self.groups, self.days = book, period, groups, days
        self.start, self.end = midnight(period.first_day), midnight(period.end_day)
        self.ranks = {tier.id: rank for rank, tier in enumerate(book.tiers)}
        self.blocked = {(one.day, one.source) for one in days if one.verdict == "blocked"}
        self.group_of = {account: group for group, members in groups.items() for account in members}
        self._account_rows = self._by("accounts", "account_id")
        self._tier_rows = self._by("account_tiers", "account_id")
        self._customer_rows = self._by("customers", "customer_id")
        self._contract_rows = self._by("contracts", "customer_id")
        self._territory_rows = self._by("territories", "country")
        self.models = {row["model"]: row for row in self.rows["models"]}
        self.events = self._countable_events()
        self.events_by_account = self._grouped(self.events)
        self.distinct_buckets = self._grouped(self._each_bucket_once())
        self.buckets = self._countable_buckets()
        self.buckets_by_account = self._grouped(self.buckets)
        self.accounts_seen = sorted({row["account_id"] for t in USERS for row in self.rows[t]})
        self._only = ""
        self._of_one: dict[str, Facts] = {}
        self._limits: dict[Any, Any] = {}
        self._served: dict[tuple[str, str], set[date]] = {}

    # ------------------------------------------------------------ usage

    def _countable_events(self) -> list[Row]:
        """Each event id once, the copy that arrived first; no negative counts; nothing of a blocked day and source."""
        kept: dict[str, Row] = {}
        for row in sorted(self.rows["usage_events"], key=lambda r: (r["ingested_ts"], r["event_ts"])):
            possible = row["input_tokens"] >= 0 and row["output_tokens"] >= 0
            if possible and (day_of(row["event_ts"]), row["source_system"]) not in self.blocked:
                kept.setdefault(row["event_id"], row)
        return sorted(kept.values(), key=lambda r: (r["event_ts"], r["event_id"]))

    def _each_bucket_once(self) -> list[Row]:
        """Buckets of days that are not blocked, each once, whichever source delivered it, and from when it counts."""
        kept: dict[Any, Row] = {}
        for row in self.rows["usage_buckets"]:
            if (day_of(row["bucket_start"]), row["source_system"]) not in self.blocked:
                content = {n: str(value) for n, value in row.items() if n not in {"ingested_ts", "source_system"}}
                kept.setdefault(tuple(sorted(content.items())), row | {"from": self._begins(row)})
        return list(kept.values())

    def _countable_buckets(self) -> list[Row]:
        """What buckets count beyond the requests that may be in them, each bucket once.

        Without a number of requests where a bucket reaches into another day. On the day on which its account is opened
        a bucket begins with it.
        """
        kept = [row for rows in self.distinct_buckets.values() for row in rows]
        kept = [row for row in kept if not any(is_inside(row, other) for other in kept)]
        of_one_time: defaultdict[Any, list[Row]] = defaultdict(list)
        for row in kept:
            one = row | {"belongs": not lasts(row) and row["n_requests"] is not None}
            time = (row["bucket_start"], row["bucket_end"])
            of_one_time[row["account_id"], row["source_system"], *time, one["belongs"]].append(one)
        return [row for rows in of_one_time.values() for row in self._beyond_requests(rows)]

    def _begins(self, bucket: Row) -> datetime:
        """When a bucket begins: not before its account is opened on that day."""
        of_account = [row for row in self.rows["accounts"] if row["account_id"] == bucket["account_id"]]
        opened = min((row["opened_at"] for row in of_account), default=None)
        start: datetime = bucket["bucket_start"]
        if opened and start < opened < bucket["bucket_end"] and day_of(start) == day_of(opened):
            return opened
        return start

    def _beyond_requests(self, buckets: list[Row]) -> list[Row]:
        """What the buckets of one source and time count beyond all requests that may be in them."""
        of_account = self.events_by_account[buckets[0]["account_id"]]
        among = [[event for event in of_account if may_be_in(event, bucket)] for bucket in buckets]
        distinct = list({event["event_id"]: event for events in among for event in events}.values())
        unsure = any(
            event["api_key_hash"] is None and bucket.get("api_key_hash") is not None
            for bucket, events in zip(buckets, among, strict=True)
            for event in events
        )

        def beyond(count: Callable[[Row], int], requests: Callable[[list[Row]], int]) -> int:
            each = (max(count(bucket) - requests(events), 0) for bucket, events in zip(buckets, among, strict=True))
            return max(sum(each), sum(map(count, buckets)) - requests(distinct))

        n = beyond(lambda bucket: bucket["n_requests"] or 0, len)
        tokens = {
            name: beyond(lambda bucket, name=name: bucket[name], lambda rows, name=name: sum(e[name] for e in rows))  # type: ignore[misc]
            for name in ("input_tokens", "output_tokens")
        }
        if distinct and not (n > 0 or any(tokens.values()) or unsure):
            return []
        told = n if buckets[0]["belongs"] and not unsure else None
        return [buckets[0] | tokens | {"n_requests": told, "bucket_start": buckets[0]["from"]}]

    def events_of(self, account: str, tier: str, since: datetime | None = None) -> list[Row]:
        """The account's requests in the period (or since another instant) at times when it was of the tier.

        Those of a degraded day count: what they break is broken, and what they do not break is not evaluated.
        """
        return [
            row
            for row in self.events_by_account[account]
            if (since or self.start) <= row["event_ts"] < self.end and self.tier_at(account, row["event_ts"]) == tier
        ]

    def buckets_of(self, account: str, tier: str, since: datetime | None = None) -> list[Row]:
        """The account's buckets, likewise, by the day on which they begin; each counts in a tier in which it lies."""
        return [
            row
            for row in self.buckets_by_account[account]
            if (since or self.start) <= row["bucket_start"] < self.end
            and self.tiers_during(account, row["bucket_start"], row["bucket_end"]) == {tier}
        ]

    def tiers_during(self, account: str, start: datetime, end: datetime) -> set[str]:
        """Every tier, or none, that an account had in [start, end)."""
        return {self.tier_at(account, at) for at in self.tier_changes(account, start, end)}

    def tier_changes(self, account: str, start: datetime, end: datetime) -> list[datetime]:
        """The start, and the instants from which on an account may have another tier, in [start, end)."""
        return instants_of_change(self._tier_rows[account], start, end)

    def missing_days(self, rule: str, account: str, tier: str, since: datetime | None = None) -> list[str]:
        """Why days of this account's own use under a tier were not evaluated: blocked, or degraded for the rule."""
        return [
            "blocked data" if one.verdict == "blocked" else "degraded data"
            for one in self._gaps(rule, account, since or self.start)
            if self.had_tier_on(account, tier, one.day) and one.day in self._days_of(account, one.source)
        ]

    def may_miss(self, rule: str, account: str, since: datetime | None = None) -> bool:
        """Whether a source that serves the account had a gap, on whatever day: caution is then right as well."""
        return bool(self._gaps(rule, account, since or self.start - timedelta(days=35)))

    def _gaps(self, rule: str, account: str, since: datetime) -> list[DayState]:
        return [
            one
            for one in self.days
            if since <= midnight(one.day) < self.end
            and (one.verdict == "blocked" or rule in one.rules)
            and (not one.accounts or account in one.accounts)
            and self._days_of(account, one.source)
        ]

    def _days_of(self, account: str, source: str) -> set[date]:
        """The days on which a source delivered rows of an account, evaluated or not."""
        if (account, source) not in self._served:
            self._served[account, source] = {
                day_of(row[column])
                for table, column in (("usage_events", "event_ts"), ("usage_buckets", "bucket_start"))
                for row in self.rows[table]
                if row["account_id"] == account and row["source_system"] == source
            }
        return self._served[account, source]

    # ------------------------------------------------------------ dimensions

    def customers_of(self, account: str) -> list[str]:
        """Each customer that the account is on record for; the account's own id stands in where there is none."""
        held = {row["customer_id"] for row in self._account_rows[account]}
        return [self._only] if self._only in held else sorted(held) or [account]

    def of_one(self, customer: str) -> Facts:
        """The same world, with the accounts of a customer as if they were nobody else's."""
        if customer not in self._of_one:
            self._of_one[customer] = copy(self)
            self._of_one[customer]._only = customer
        return self._of_one[customer]

    def account_row(self, account: str) -> Row | None:
        return next(iter(self._account_rows[account]), None)

    def tier_at(self, account: str, at: datetime) -> str:
        """The tier in force; of two that begin together, the higher."""
        row = in_force(self._tier_rows[account], at, lambda r: self.ranks.get(r["tier"], -1))
        return row["tier"] if row else UNASSIGNED

    def tiers_in_period(self, account: str) -> set[str]:
        held = rows_in_force(self._tier_rows[account], self.start, self.end, lambda r: self.ranks.get(r["tier"], -1))
        return {row["tier"] for _, row in held}

    def had_tier_on(self, account: str, tier: str, day: date) -> bool:
        start, end = midnight(day), midnight(day + timedelta(days=1))
        held = rows_in_force(self._tier_rows[account], start, end, lambda r: self.ranks.get(r["tier"], -1))
        return tier in {row["tier"] for _, row in held} or (tier == UNASSIGNED and not held)

    def customer_rows(self, customer: str) -> list[Row]:
        """The customer's rows in force at some time in the period."""
        return [row for _, row in rows_in_force(self._customer_rows[customer], self.start, self.end)]

    def contract_at(self, customer: str, at: datetime) -> Row | None:
        return in_force(self._contract_rows[customer], at)

    def contracts_during(self, customer: str, start: datetime, end: datetime) -> list[Row]:
        """What contracts, or none, a customer had in [start, end): each that says something else once."""
        held = [self.contract_at(customer, at) for at in instants_of_change(self._contract_rows[customer], start, end)]
        said = [{name: value for name, value in (row or {}).items() if not name.startswith("valid_")} for row in held]
        return [one for number, one in enumerate(said) if one not in said[:number]]

    def contracts_in_period(self, customer: str) -> list[Row]:
        return [row for _, row in rows_in_force(self._contract_rows[customer], self.start, self.end)]

    def is_supported(self, country: str, at: datetime) -> bool | None:
        """Whether the service is offered in a country; a country that the table does not name is supported.

        None where the table's word says neither.
        """
        row = in_force(self._territory_rows[country.upper()], at, lambda r: r["status"] != "supported")
        if row is not None and row["status"] == UNKNOWN:
            return None
        return row is None or row["status"] == "supported"

    # ------------------------------------------------------------ law

    def limits(self, rule: str, tier: str, day: date) -> dict[str, Any] | None:
        """The rule's limits for a tier on a day, or None where the rule does not speak of the tier."""
        key = rule, tier, day
        if key not in self._limits:
            rows = [row for row in self.book.limits(rule, day, day) if row.tier == tier]
            self._limits[key] = dict(rows[0].values) if rows else None
        return self._limits[key]

    def applies(self, rule: str, account: str, tier: str) -> bool:
        """Whether the rule speaks of the tier on a day of the period on which the account has it."""
        return any(
            self.had_tier_on(account, tier, day) and self.limits(rule, tier, day) is not None
            for day in self.period.days
        )

    # ------------------------------------------------------------ inside

    def _by(self, table: str, column: str) -> defaultdict[str, list[Row]]:
        found: defaultdict[str, list[Row]] = defaultdict(list)
        for row in self.rows[table]:
            found[row[column]].append(row)
        return found

    @staticmethod
    def _grouped(rows: Sequence[Row]) -> defaultdict[str, list[Row]]:
        found: defaultdict[str, list[Row]] = defaultdict(list)
        for row in rows:
            found[row["account_id"]].append(row)
        return found

    @staticmethod
    def customer_at(rows: Sequence[Row], at: datetime) -> Row | None:
        """Of a customer's rows, the one in force at an instant."""
        return in_force(rows, at)
