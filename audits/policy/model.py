"""The policy book as the audit asks it: what was in force for a rule, a tier and a day."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, timedelta
from typing import Any

from audits.policy.convert import clause_of, combination_of, exception_of, open_links_of, subscription_of
from audits.policy.entries import Entry, Key, entries
from audits.policy.errors import PolicyError
from audits.policy.limits import kept, limit_rows
from audits.policy.rows import (
    BookSettings,
    Clause,
    EntitlementRow,
    LimitRow,
    QualityLimit,
    StandingRule,
    Status,
    TerritoryRow,
    Tier,
)


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
        self._clauses = {clause.id: clause for clause in map(clause_of, self._of("clause"))}
        self._limits = limit_rows(self._of("rule"), self._of("limit"), self._rank)
        self.subscriptions = tuple(map(subscription_of, self._of("subscription")))
        self.exceptions = tuple(map(exception_of, self._of("exception")))

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
        self,
        rule_id: str,
        first_day: date,
        last_day: date,
        *,
        families: Sequence[str] = (),
        judged_from: date | None = None,
    ) -> tuple[LimitRow, ...]:
        """The rule's limits for every tier on the days first..last, both included: tier by rank, then by day.

        Rows are whole, not clipped to the days asked for, and a change of any limit begins a row. A tier without a
        row is one that the rule does not speak of. With ``families`` (the rule's clause families) the days on which
        the terms forbid none of them are left out: the rule is not applicable then, see :meth:`inapplicable`. Days
        before ``judged_from`` stay whatever the terms said then: a baseline is looked at, not judged.
        """
        rows = self._limits.get(rule_id, ())
        if families:
            rows = tuple(piece for row in rows for piece in self._where_forbidden(row, families, judged_from))
        return tuple(row for row in rows if row.from_day <= last_day and (row.to_day is None or row.to_day > first_day))

    # ---------------------------------------------------------------- terms

    def clauses(self, families: Iterable[str], day: date, last_day: date | None = None) -> tuple[Clause, ...]:
        """The clause versions that forbid something, of the active packs, in force on a day or on any of day..last_day.

        In order of family, pack and id.
        """
        return tuple(clause for clause in self._terms(families, day, last_day) if clause.effect == "forbidden")

    def clause(self, clause_id: str) -> Clause | None:
        """A clause version by its id, whether in force or not."""
        return self._clauses.get(clause_id)

    def permitted(self, family: str, day: date) -> bool:
        """Whether the terms in force on a day permit what the family is about: one clause permits, none forbids."""
        effects = {clause.effect for clause in self._terms((family,), day)}
        return effects == {"permitted"}

    def inapplicable(self, families: Sequence[str], day: date, last_day: date | None = None) -> str | None:
        """Why a rule of these families applies on no day of day..last_day, in words, or None where a clause forbids."""
        if self.clauses(families, day, last_day):
            return None
        if permits := self._terms(families, day, last_day):
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
            baseline_days=fields["baseline_days"],
            breaker_share=float(fields["breaker_share"]),
            breaker_findings_min=fields["breaker_findings_min"],
            standing={
                e.key[1]: StandingRule(e.fields["standing"], e.fields["quiet_days"])
                for e in self._of("standing")
                if e.holds(day)
            },
            quality=self.quality(day),
            combination=combination_of(self._on(("combination",), day)),
            open_links=open_links_of(self._on(("open_links",), day)),
        )

    def quality(self, day: date) -> dict[str, QualityLimit]:
        """The limits of the quality gate in force on a day, by name."""
        return {
            e.key[1]: QualityLimit(
                float(e.fields["limit"]),
                e.fields["severity"],
                _rules_left_out(e.fields),
                bool(e.fields.get("set_aside", False)),
            )
            for e in self._of("quality")
            if e.holds(day)
        }

    def in_force(self, first_day: date, last_day: date) -> dict[str, Any]:
        """All of the book that can decide about the days first..last, as plain data with days clipped to them.

        Two books with the same answer lead to the same verdicts: what begins later, another reason for the same
        limit, a pack that does not bind anybody, and who receives reports make no difference.
        """
        end = last_day + timedelta(days=1)
        bound = {pack for e in self._of("settings") if e.overlaps(first_day, last_day) for pack in e.fields["packs"]}
        held = [
            [list(e.key), max(e.from_day, first_day).isoformat(), min(e.to_day or end, end).isoformat(), dict(e.fields)]
            for kind, found in sorted(self._entries.items())
            if kind not in {"subscription", "exception"}
            for e in found
            if e.overlaps(first_day, last_day) and (kind != "clause" or e.key[1] in bound)
        ]
        return {"tiers": [tier.id for tier in self.tiers], "entries": _joined(held)}

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

    def _terms(self, families: Iterable[str], first: date, last: date | None = None) -> list[Clause]:
        """The clauses of the active packs on any day of first..last, each pack on its own days."""
        wanted, last = set(families), last or first
        if first == last:
            self._settings(first)  # says when the book begins
        found: dict[str, tuple[int, Clause]] = {}
        for setting in self._of("settings"):
            if setting.overlaps(first, last):
                a, b = max(first, setting.from_day), min(last, _last_day(setting, last))
                packs = setting.fields["packs"]
                for e in self._of("clause"):
                    if e.key[1] in packs and e.key[2] in wanted and e.overlaps(a, b):
                        found[e.fields["id"]] = packs.index(e.key[1]), self._clauses[e.fields["id"]]
        return [clause for _, clause in sorted(found.values(), key=lambda one: (one[1].family, one[0], one[1].id))]

    def _where_forbidden(self, row: LimitRow, families: Sequence[str], judged_from: date | None) -> list[LimitRow]:
        def holds(day: date) -> bool:
            before = judged_from is not None and day < judged_from
            return before or (self._on(("settings",), day) is not None and bool(self.clauses(families, day)))

        edges = [judged_from] if judged_from else []
        edges += [e.from_day for kind in ("settings", "clause") for e in self._of(kind)]
        edges += [e.to_day for kind in ("settings", "clause") for e in self._of(kind) if e.to_day]
        return kept(row, edges, holds)


def _rules_left_out(fields: Mapping[str, Any]) -> tuple[str, ...]:
    """The rules that a failed check leaves not evaluated; books recorded by earlier versions have the former name."""
    return tuple(fields["not_evaluated"] if "not_evaluated" in fields else fields["indeterminate"])


def _last_day(entry: Entry, otherwise: date) -> date:
    return entry.to_day - timedelta(days=1) if entry.to_day else otherwise


def all_entries(snapshot: Mapping[str, Any]) -> Iterable[Entry]:
    """Every dated entry of a book's snapshot."""
    for kind, content in snapshot.items():
        if kind == "own_rules":
            continue  # digests of the operator's own rules: no entries
        for data in content.values() if kind in {"clauses", "limits"} else (content,):
            yield from entries(kind, data)


def _joined(held: list[list[Any]]) -> list[list[Any]]:
    """Neighbouring days with the same fields as one, so that an entry that was only split is the same."""
    found: list[list[Any]] = []
    for key, first, end, fields in held:
        if found and found[-1][0] == key and found[-1][2] == first and found[-1][3] == fields:
            found[-1][2] = end
        else:
            found.append([key, first, end, fields])
    return found
