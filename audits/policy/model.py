"""The policy book as the audit asks it: what was in force for a rule, a tier and a day."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from itertools import groupby
from typing import Any

from audits.policy.entries import Entry, Key, entries
from audits.policy.errors import PolicyError
from audits.policy.rows import (
    BookSettings,
    Clause,
    EntitlementRow,
    LimitRow,
    PolicyException,
    QualityLimit,
    StandingRule,
    Status,
    Subscription,
    TerritoryRow,
    Tier,
    Value,
)
from audits.policy.timeline import FOREVER, cuts, open_end, span


class Book:
    """A whole, valid policy book. Days are UTC; spans are half-open; what is not named is said at each question.

    It is made from its snapshot alone, so that the book of an old run can be asked and compared like today's.
    """

    def __init__(self, snapshot: Mapping[str, Any]) -> None:
        self._snapshot = dict(snapshot)
        text = json.dumps(self._snapshot, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
        self.digest = f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"
        self.title: str = snapshot["book"]["title"]
        self.rule_folders: tuple[str, ...] = tuple(snapshot["book"].get("rule_folders", ()))
        self.tiers = tuple(Tier(row["id"], row["title"]) for row in snapshot["tiers"]["tiers"])
        self._rank = {tier.id: rank for rank, tier in enumerate(self.tiers)}
        self._entries: dict[str, list[Entry]] = {}
        for entry in sorted(all_entries(snapshot), key=lambda e: (e.key, e.from_day)):
            self._entries.setdefault(entry.key[0], []).append(entry)
        self._clauses = {clause.id: clause for clause in map(_clause, self._of("clause"))}
        self._limits = self._limit_rows()
        self.subscriptions = tuple(map(_subscription, self._of("subscription")))
        self.exceptions = tuple(map(_exception, self._of("exception")))

    def __repr__(self) -> str:
        return f"<Book {self.title!r} {self.digest[:19]}>"

    def snapshot(self) -> dict[str, Any]:
        """The whole book as plain JSON data; ``Book(book.snapshot())`` is the same book."""
        copy: dict[str, Any] = json.loads(json.dumps(self._snapshot))
        return copy

    @property
    def rules(self) -> tuple[str, ...]:
        """Every rule that the book names, in order of id."""
        return tuple(sorted({entry.key[1] for entry in self._of("rule")}))

    def rank(self, tier: str) -> int:
        """The tier's rank, 0 the lowest; -1 for a tier that the book does not have."""
        return self._rank.get(tier, -1)

    # ---------------------------------------------------------------- rules and limits

    def rule_status(self, rule_id: str, day: date) -> Status:
        """The rule's status on a day; a rule that the book does not put in force is retired."""
        entry = self._on(("rule", rule_id), day)
        status: Status = entry.fields["status"] if entry else "retired"
        return status

    def breaker_share(self, rule_id: str, day: date) -> float:
        """Share of the population from which the rule's findings are held back until a person releases them."""
        entry = self._on(("rule", rule_id), day)
        own = entry.fields.get("breaker_share") if entry else None
        return float(own if own is not None else self._settings(day).fields["breaker_share"])

    def limits(
        self, rule_id: str, first_day: date, last_day: date, *, families: Sequence[str] = ()
    ) -> tuple[LimitRow, ...]:
        """The rule's limits for every tier on the days first..last, both included: tier by rank, then by day.

        Rows are whole, not clipped to the days asked for, and a change of any limit begins a row. A tier without a
        row is one that the rule does not speak of. With ``families`` (the rule's clause families) the days on which
        the terms forbid none of them are left out: the rule is then not applicable, see :meth:`inapplicable`.
        """
        rows = self._limits.get(rule_id, ())
        if families:
            rows = tuple(piece for row in rows for piece in self._where_forbidden(row, families))
        return tuple(row for row in rows if row.from_day <= last_day and (row.to_day is None or row.to_day > first_day))

    # ---------------------------------------------------------------- terms

    def clauses(self, families: Iterable[str], day: date) -> tuple[Clause, ...]:
        """The clause versions in force on a day that forbid something, of the active packs, in order of family."""
        return tuple(clause for clause in self._terms(families, day) if clause.effect == "forbidden")

    def clause(self, clause_id: str) -> Clause | None:
        """A clause version by its id, whether in force or not."""
        return self._clauses.get(clause_id)

    def permitted(self, family: str, day: date) -> bool:
        """Whether the terms in force on a day permit what the family is about: one clause permits, none forbids."""
        effects = {clause.effect for clause in self._terms((family,), day)}
        return effects == {"permitted"}

    def inapplicable(self, families: Sequence[str], day: date) -> str | None:
        """Why a rule of these families does not apply on a day, in words, or None where a clause forbids."""
        if self.clauses(families, day):
            return None
        permits = [clause for clause in self._terms(families, day) if clause.effect == "permitted"]
        if permits:
            named = "; ".join(f"{clause.document} {clause.section}" for clause in permits)
            return f"permitted by the terms in force ({named})"
        return f"no clause in force on {', '.join(families)}"

    # ---------------------------------------------------------------- tables

    def entitlements(self, first_day: date, last_day: date) -> tuple[EntitlementRow, ...]:
        """What tiers may and may not use on the days first..last; what no row names is allowed."""
        return tuple(
            EntitlementRow(e.key[1], e.key[2], e.key[3], e.fields["allowed"], e.from_day, e.to_day)  # type: ignore[arg-type]
            for e in self._of("entitlement")
            if e.overlaps(first_day, last_day)
        )

    def territories(self, first_day: date, last_day: date) -> tuple[TerritoryRow, ...]:
        """Countries' status on the days first..last, for a warehouse without such a table."""
        return tuple(
            TerritoryRow(e.key[1], e.fields["status"], e.from_day, e.to_day)
            for e in self._of("territory")
            if e.overlaps(first_day, last_day)
        )

    # ---------------------------------------------------------------- settings

    def settings(self, day: date) -> BookSettings:
        """The settings on a day; raises :class:`PolicyError` for a day before the book begins."""
        fields = self._settings(day).fields
        return BookSettings(
            packs=tuple(fields["packs"]),
            grace_days=fields["grace_days"],
            evaluable_share=float(fields["evaluable_share"]),
            baseline_days=fields["baseline_days"],
            breaker_share=float(fields["breaker_share"]),
            breaker_findings_min=fields["breaker_findings_min"],
            standing={
                e.key[1]: StandingRule(e.fields["standing"], e.fields["quiet_days"])
                for e in self._of("standing")
                if e.holds(day)
            },
            quality=self.quality(day),
        )

    def quality(self, day: date) -> dict[str, QualityLimit]:
        """The limits of the quality gate in force on a day, by name."""
        return {
            e.key[1]: QualityLimit(float(e.fields["limit"]), e.fields["severity"], tuple(e.fields["indeterminate"]))
            for e in self._of("quality")
            if e.holds(day)
        }

    # ---------------------------------------------------------------- inside

    def _of(self, kind: str) -> list[Entry]:
        return self._entries.get(kind, [])

    def _on(self, key: Key, day: date) -> Entry | None:
        return next((e for e in self._of(key[0]) if e.key == key and e.holds(day)), None)

    def _settings(self, day: date) -> Entry:
        entry = self._on(("settings",), day)
        if entry is None:
            begins = min(e.from_day for e in self._of("settings"))
            raise PolicyError(
                f"The policy book says nothing of {day}: it begins on {begins}.",
                where=f"policy book {self.title!r}, book.yaml, settings",
                fix="Set an earlier effective_from, or audit later periods.",
            )
        return entry

    def _terms(self, families: Iterable[str], day: date) -> list[Clause]:
        packs, wanted = self._settings(day).fields["packs"], set(families)
        in_force = (
            e.fields["id"] for e in self._of("clause") if e.key[1] in packs and e.key[2] in wanted and e.holds(day)
        )
        return sorted(
            (self._clauses[clause] for clause in in_force), key=lambda c: (c.family, packs.index(c.pack), c.id)
        )

    def _limit_rows(self) -> dict[str, tuple[LimitRow, ...]]:
        in_force: dict[str, list[Entry]] = {}
        for entry in self._of("rule"):
            if entry.fields["status"] != "retired":
                in_force.setdefault(entry.key[1], []).append(entry)
        found: dict[str, list[LimitRow]] = {rule: [] for rule in in_force}
        # The entries are in order of their keys, so those of a rule and tier stand together.
        for (rule, tier), group in groupby(self._of("limit"), key=lambda entry: entry.key[1:3]):
            limits = list(group)
            names = {entry.key[3] for entry in limits}
            judged = [entry for entry in in_force.get(rule, ()) if tier in entry.fields["tiers"]]
            for first, last in cuts(span(e.from_day, e.to_day) for e in (*limits, *judged)):
                values = {e.key[3]: _value(e.fields["value"]) for e in limits if e.holds(first)}
                if values.keys() == names and any(e.holds(first) for e in judged):
                    _append(found[rule], LimitRow(tier, first, open_end(last), dict(sorted(values.items()))))
        return {
            rule: tuple(sorted(rows, key=lambda row: (self.rank(row.tier), row.from_day)))
            for rule, rows in found.items()
        }

    def _where_forbidden(self, row: LimitRow, families: Sequence[str]) -> list[LimitRow]:
        edges = [span(e.from_day, e.to_day) for kind in ("settings", "clause") for e in self._of(kind)]
        whole = span(row.from_day, row.to_day)
        inside = [tuple(min(max(edge, whole[0]), whole[1]) for edge in one) for one in edges]
        pieces: list[LimitRow] = []
        for first, last in cuts([whole, *((a, b) for a, b in inside)]):
            if self._on(("settings",), first) and self.clauses(families, first):
                _append(pieces, LimitRow(row.tier, first, open_end(last), row.values))
        return pieces


def all_entries(snapshot: Mapping[str, Any]) -> Iterable[Entry]:
    """Every dated entry of a book's snapshot."""
    for kind, content in snapshot.items():
        for data in content.values() if kind in {"clauses", "limits"} else (content,):
            yield from entries(kind, data)


def _append(rows: list[LimitRow], row: LimitRow) -> None:
    """Add a row, or lengthen the last one where nothing but the day changes."""
    last = rows[-1] if rows else None
    if last and last.tier == row.tier and last.to_day == row.from_day and last.values == row.values:
        rows[-1] = LimitRow(row.tier, last.from_day, row.to_day, row.values)
    else:
        rows.append(row)


def _value(value: Any) -> Value:
    plain: Value = tuple(value) if isinstance(value, list) else value
    return plain


def _clause(entry: Entry) -> Clause:
    f = entry.fields
    return Clause(
        id=f["id"],
        family=f["family"],
        effect=f["effect"],
        pack=entry.key[1],
        document=f["document"],
        section=f["section"],
        text=f["text"],
        url=f.get("url"),
        examples=tuple(f.get("examples", ())),
        supersedes=f.get("supersedes"),
        effective_from=entry.from_day,
        effective_to=entry.to_day,
    )


def _subscription(entry: Entry) -> Subscription:
    f = entry.fields
    return Subscription(
        f["id"], f["audience"], f["channel"], tuple(f["to"]), tuple(f["tiers"]), tuple(f["periods"]),
        tuple(f["formats"]), f.get("severity_from"), entry.from_day, entry.to_day,
    )  # fmt: skip


def _exception(entry: Entry) -> PolicyException:
    f = entry.fields
    return PolicyException(
        f["id"], tuple(f["rules"]), f["subject_type"], f["subject_id"], f["owner"], entry.why,
        entry.from_day, entry.to_day or FOREVER,
    )  # fmt: skip
