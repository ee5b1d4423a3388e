"""The policy book that a case is judged under: the shipped one with the case's own limits and tables over it."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from functools import lru_cache
from typing import Any

from audits.policy import Book
from audits.rules.cases.format import Case, Row, instant
from audits.rules.engine.base import Rule

_SINCE = "2000-01-01"
_WHY = "a case"


def book_of(case: Case, rule: Rule, shipped: Book) -> Book:
    """The book for one case. Raises ValueError where a limit is neither in the case nor in the shipped book."""
    snapshot = shipped.snapshot()
    own = rule.spec.parameters.keys()
    snapshot["limits"][rule.id] = _limits(rule.id, case.limits, own, case, shipped)
    for other, limits in case.limits_of.items():
        held = shipped.limits(other, case.period.first_day, case.period.last_day)
        if not held:
            raise ValueError(f"limits_of: the policy book has no limits for {other}")
        snapshot["limits"][other] = _limits(other, limits, held[0].values.keys(), case, shipped)
    if case.book.entitlements is not None:
        snapshot["tiers"]["entitlements"] = [_dated(row) for row in case.book.entitlements]
    if case.book.territories is not None:
        snapshot["territories"] = {"territories": [_dated(row) for row in case.book.territories]}
    for settings in snapshot["book"]["settings"]:
        settings.update(case.book.settings)
        settings["packs"] = [*settings["packs"], "case"] if case.book.permitted else settings["packs"]
    if case.book.permitted:
        _permit(snapshot["clauses"], case.book.permitted)
    return _book(json.dumps(snapshot))


@lru_cache(maxsize=32)
def _book(snapshot: str) -> Book:
    """The book of a snapshot as text: many cases of a rule have the same law, and a book takes longer than its text."""
    return Book(json.loads(snapshot))


def _dated(row: Row) -> Row:
    row = {"effective_from": _SINCE, "why": _WHY} | row
    return row | {key: instant(row[key]).date().isoformat() for key in _EFFECTIVE if row.get(key)}


_EFFECTIVE = ("effective_from", "effective_to")


def _limits(
    rule_id: str, limits: Mapping[str, list[Row] | None], parameters: Collection[str], case: Case, shipped: Book
) -> dict[str, Any]:
    """A rule's file of limits: each tier's of the shipped book on the period's last day, changed by the case."""
    day = case.period.last_day
    base: dict[str, dict[str, Any]] = {row.tier: dict(row.values) for row in shipped.limits(rule_id, day, day)}
    given = dict(limits)
    everywhere = given.pop("all", None) or []
    spoken_of = base.keys() or ({tier.id for tier in shipped.tiers} if everywhere else set())
    everywhere = everywhere or [{}]
    tiers = [tier.id for tier in shipped.tiers if tier.id in spoken_of or given.get(tier.id) is not None]
    tiers = [tier for tier in tiers if not (tier in given and given[tier] is None)]
    if unknown := given.keys() - {tier.id for tier in shipped.tiers}:
        raise ValueError(f"limits: there is no tier {min(unknown)!r}")
    rows = []
    for tier in tiers:
        for piece in given.get(tier) or everywhere:
            dates = {"effective_from": piece.get("from", _SINCE), "effective_to": piece.get("to")}
            values = base.get(tier, {}) | everywhere[0] | piece
            values = {name: value for name, value in values.items() if name not in ("from", "to")}
            rows += [
                _limit(tier, name, value, dates) for name, value in _checked(values, tier, rule_id, parameters).items()
            ]
    _end_where_the_next_begins(rows)
    return {
        "rule": rule_id,
        "title": rule_id,
        "in_force": [_dated({"status": "active", "tiers": tiers})],
        "limits": rows,
    }


def _checked(values: Mapping[str, Any], tier: str, rule_id: str, parameters: Collection[str]) -> Mapping[str, Any]:
    if unknown := values.keys() - set(parameters):
        raise ValueError(f"limits: {rule_id} has no parameter {min(unknown)!r}, only {', '.join(parameters)}")
    if missing := set(parameters) - values.keys():
        raise ValueError(f"limits: neither the case nor the policy book gives {min(missing)!r} for tier {tier}")
    return values


def _limit(tier: str, name: str, value: Any, dates: Row) -> Row:
    return _dated({"limit": name, "tiers": {tier: value}, **{k: v for k, v in dates.items() if v}})


def _end_where_the_next_begins(rows: list[Row]) -> None:
    """A piece without an end holds until the next one of the same limit and tier begins."""
    for row in rows:
        later = [
            other["effective_from"]
            for other in rows
            if (other["limit"], other["tiers"].keys()) == (row["limit"], row["tiers"].keys())
            and other["effective_from"] > row["effective_from"]
        ]
        if later and "effective_to" not in row:
            row["effective_to"] = min(later)


def _permit(packs: dict[str, Any], families: tuple[str, ...]) -> None:
    """Terms under which the families are permitted: nothing forbids them, one clause allows each."""
    for pack in packs.values():
        pack["clauses"] = [clause for clause in pack["clauses"] if clause["family"] not in families]
    packs["case"] = {
        "pack": "case",
        "title": "The case's own terms",
        "clauses": [
            _dated(
                {
                    "id": f"case-{family}", "family": family, "effect": "permitted", "document": "Case", "section": "1",
                    "text": "Permitted.",
                }
            )
            for family in families
        ],
    }  # fmt: skip
