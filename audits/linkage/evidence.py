"""The candidate evidence as arrays: accounts, customers, values and the stars between them, by number."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, Select, String, cast, func, literal, select

from audits.linkage.kinds import KINDS
from audits.linkage.sightings import linked_accounts, shared_values, sightings
from audits.warehouse.dialects import seconds_between
from audits.warehouse.tables import Instant

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

KIND_NO = {kind.name: number for number, kind in enumerate(KINDS)}
PROVEN: Flags = np.array([kind.proven for kind in KINDS])
STRONG: Flags = np.array([kind.strong for kind in KINDS])
OWN: Flags = np.array([kind.own for kind in KINDS])
INDEPENDENT: Flags = np.array([[not (a.causes & b.causes) for b in KINDS] for a in KINDS])
_DIGITS = 16
_AT_ONCE = 5_000  # texts taken apart in one go: bounds memory, whatever the size of the answer


@dataclass(frozen=True, slots=True)
class Evidence:
    """Accounts 0..A-1 and values 0..V-1; ``value`` and ``account`` (both of length E) are the stars' rows."""

    account_ids: Sequence[str]
    customer: Ints  # A: number of the account's customer
    milieu: Ints  # C: number of the customer's country of sign-up and tier; of several accounts the first one's
    opened: Floats  # A: days since 1970, NaN where it is not known; likewise the next two
    banned: Floats
    began: Floats  # of use within the window, or of the account
    kind: Ints  # V: number of the value's kind
    digest: Sequence[str]  # of the values that the warehouse has; those found by comparison come after them
    value: Ints  # E
    account: Ints  # E

    @property
    def customers(self) -> int:
        """How many customers there are."""
        return int(self.customer.max(initial=-1)) + 1

    def kind_name(self, value: int) -> str:
        """The name of a value's kind."""
        return KINDS[self.kind[value]].name

    def digests(self) -> list[str]:
        """A digest for each value; one found by comparison is named after the first of its accounts."""
        found = list(self.digest)
        bounds = np.searchsorted(self.value, np.arange(len(found), len(self.kind) + 1))
        for value in range(len(found), len(self.kind)):
            star = self.account[bounds[value - len(self.digest)] : bounds[value - len(self.digest) + 1]]
            first = min((self.account_ids[account] for account in star), default="")
            text = f"{self.kind_name(value)}/{first}/{value - len(self.digest)}"
            found.append(hashlib.sha256(text.encode()).hexdigest()[:_DIGITS])
        return found

    def plus(self, kind: str, stars: Sequence[Ints]) -> Evidence:
        """This evidence and further stars of one kind, each given by its accounts."""
        first = len(self.kind)
        numbers = np.repeat(np.arange(first, first + len(stars)), [len(star) for star in stars])
        return replace(
            self,
            kind=np.concatenate([self.kind, np.full(len(stars), KIND_NO[kind], np.int64)]),
            value=np.concatenate([self.value, numbers.astype(np.int64)]),
            account=np.concatenate([self.account, *stars]),
        )

    def without(self, values: Ints) -> Evidence:
        """This evidence as if some values had never been seen."""
        kept = ~np.isin(self.value, values)
        return replace(self, value=self.value[kept], account=self.account[kept])


def stretches(sorted_numbers: Ints) -> Iterator[tuple[int, int]]:
    """(start, end) of each run of equal numbers."""
    if len(sorted_numbers):
        bounds = np.flatnonzero(np.r_[True, sorted_numbers[1:] != sorted_numbers[:-1], True])
        yield from pairwise(bounds.tolist())


def read_evidence(connection: Connection) -> Evidence:
    """Read what :func:`audits.linkage.sightings.prepare` made; numbers count from 1 there and from 0 here."""
    a = linked_accounts.c
    epoch = literal(datetime(1970, 1, 1, tzinfo=UTC), Instant)
    instants = (seconds_between(epoch, at) / 86400.0 for at in (a.opened_at, a.banned_at, a.began_at))
    columns = (a.account_id, a.customer_id, a.country, a.tier)
    people = connection.execute(select(*columns, *instants).order_by(a.account_no)).all()
    numbered: dict[str, int] = {}
    milieus: dict[tuple[str | None, str | None], int] = {}
    customer = np.array([numbered.setdefault(row.customer_id, len(numbered)) for row in people], np.int64)
    of_account = np.array([milieus.setdefault((row.country, row.tier), len(milieus)) for row in people], np.int64)
    milieu = np.zeros(len(numbered), np.int64)
    milieu[customer[::-1]] = of_account[::-1]
    opened, banned, began = (np.array([row[i] for row in people], np.float64) for i in (4, 5, 6))  # None becomes NaN
    v, s = shared_values.c, sightings.c
    digest = func.substr(func.md5(v.kind + "/" + v.value), 1, _DIGITS)
    values = connection.execute(select(v.kind, digest).order_by(v.value_no)).all()
    stars = (
        select(v.value_no - 1, func.aggregate_strings(cast(s.account_no - 1, String), " "))
        .select_from(shared_values.join(sightings, (s.kind == v.kind) & (s.value == v.value)))
        .group_by(v.value_no)
    )
    value, account = (numbers.astype(np.int64) for numbers in packed(connection, stars))
    order = np.lexsort((account, value))
    return Evidence(
        [row.account_id for row in people],
        customer,
        milieu,
        opened,
        banned,
        began,
        np.array([KIND_NO[kind] for kind, _ in values], np.int64),
        [digest for _, digest in values],
        value[order],
        account[order],
    )


def packed(connection: Connection, rows: Select[Any]) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """(number, each of its numbers) of rows (number, text of numbers): millions of pairs cross as few texts."""
    owners, members = [np.empty(0, np.int32)], [np.empty(0, np.int32)]
    for part in connection.execute(rows, execution_options={"yield_per": _AT_ONCE}).partitions(_AT_ONCE):
        texts = [text for _, text in part]
        lengths = [text.count(" ") + 1 for text in texts]
        owners.append(np.repeat(np.array([number for number, _ in part], np.int32), lengths))
        members.append(np.fromstring(" ".join(texts), np.int32, sep=" "))
    return np.concatenate(owners), np.concatenate(members)
