"""What is proposed: the law in force and another one, from a rule's changed limits or from the folder of a book."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from audits.errors import AuditsError, unknown
from audits.policy import Book, policy_diff
from audits.policy.edit import with_limit, with_rule_active
from audits.policy.kinds import KINDS, misfit
from audits.rules.engine.base import Rule
from audits.rules.engine.loading import load_law


@dataclass(frozen=True, slots=True)
class Law:
    """A policy book and the rules that it speaks of."""

    book: Book
    rules: Mapping[str, Rule]


@dataclass(frozen=True, slots=True)
class Proposal:
    """The law in force, the proposed one, and the rules that are asked under both."""

    present: Law
    proposed: Law
    asked: tuple[str, ...]
    changes: tuple[str, ...]  # what differs, in words


def propose_limits(policy: Path | None, rule_id: str, settings: Sequence[str] = ()) -> Proposal:
    """One rule with other limits: ``requests_a_day=400`` for every tier, ``build.requests_a_day=400`` for one.

    A rule that is a draft or in shadow is proposed as active; without settings that alone is what is tried.
    """
    book, rules = load_law(policy)
    rule = _rule(rule_id, rules)
    if not book.limits(rule.id, date.min, date.max):
        raise AuditsError(
            f"The policy book has no limits for {rule.id}, so that it is asked of nobody.",
            where=f"--rule {rule_id}",
            fix=f"Write limits/{rule.id}.yaml in your book (audits policy init DIR shows how).",
        )
    proposed = with_rule_active(book, rule.id)
    for (tier, name), value in _read(settings, rule, book).items():
        tiers = [tier] if tier else [one.id for one in book.tiers]
        proposed = with_limit(proposed, rule.id, name, dict.fromkeys(tiers, value))
    changes = tuple(policy_diff(book, proposed))
    if not changes:
        raise AuditsError(
            f"Nothing is proposed: {rule.id} is in force with these very limits.",
            where=f"--rule {rule_id}",
            fix=f"Add --set NAME=VALUE, where NAME is one of {', '.join(rule.spec.parameters)}.",
        )
    return Proposal(Law(book, rules), Law(proposed, rules), (rule.id,), changes)


def propose_book(policy: Path | None, folder: Path, rule_id: str | None = None) -> Proposal:
    """A whole other book, with its own rules; asked of every rule, or of one."""
    present, proposed = Law(*load_law(policy)), Law(*load_law(folder))
    every = {**present.rules, **proposed.rules}
    asked = (_rule(rule_id, every).id,) if rule_id else tuple(sorted(every))
    changes = policy_diff(present.book, proposed.book) + list(_other_rules(present.rules, proposed.rules))
    if not changes:
        raise AuditsError(
            "Nothing that is in force differs between the two books.",
            where=f"--policy {folder}",
            fix=f"Change the book in {folder} first; `audits policy diff` compares two books.",
        )
    return Proposal(present, proposed, asked, tuple(changes))


def _other_rules(before: Mapping[str, Rule], after: Mapping[str, Rule]) -> list[str]:
    """Operator's rules that only one of the books has, or that differ."""
    found = []
    for rule_id in sorted(before.keys() | after.keys()):
        a, b = before.get(rule_id), after.get(rule_id)
        if a is None or b is None:
            found.append(f"rule {rule_id} {'is new' if a is None else 'is no longer there'}")
        elif a.version != b.version:
            found.append(f"rule {rule_id} version {a.version} -> {b.version}")
    return found


def _rule(rule_id: str, rules: Mapping[str, Rule]) -> Rule:
    named = {known.upper(): rule for known, rule in rules.items()}
    if rule := named.get(rule_id.upper()):
        return rule
    raise unknown("rule", rule_id, list(rules), where=f"--rule {rule_id}", fix="See `audits rules list`.")


def _read(settings: Sequence[str], rule: Rule, book: Book) -> dict[tuple[str, str], Any]:
    """(tier or "", parameter) -> value; what is for all tiers first, so that a tier's own value holds over it."""
    found: dict[tuple[str, str], Any] = {}
    for setting in settings:
        left, equals, text = setting.partition("=")
        tier, _, name = left.strip().rpartition(".")
        where = f"--set {setting}"
        if not equals:
            raise AuditsError(f"{setting!r} sets nothing.", where=where, fix="Write NAME=VALUE or TIER.NAME=VALUE.")
        if name not in rule.spec.parameters:
            raise unknown(f"parameter of {rule.id} named", name, list(rule.spec.parameters), where=where)
        _require_tier(tier, rule, book, where)
        if (tier, name) in found:
            raise AuditsError(f"{left.strip()} is set twice.", where=where, fix="Give each limit one value.")
        found[tier, name] = _value(text, rule.spec.parameters[name].type, where)
    return dict(sorted(found.items()))


def _require_tier(tier: str, rule: Rule, book: Book, where: str) -> None:
    known = [one.id for one in book.tiers]
    if tier and tier not in known:
        raise unknown("tier", tier, known, where=where)
    spoken_of = {row.tier for row in book.limits(rule.id, date.min, date.max)}
    if tier and tier not in spoken_of:
        raise AuditsError(
            f"{rule.id} does not speak of tier {tier}.",
            where=where,
            fix=f"It speaks of: {', '.join(one for one in known if one in spoken_of)}.",
        )


def _value(text: str, kind: str, where: str) -> Any:
    try:
        value = YAML(typ="safe", pure=True).load(text)  # as in the book: 50_000, true, [a, b]
    except YAMLError:
        value = None
    if value is None or (wrong := misfit(value, kind)):
        said = f"{text!r} {wrong}" if value is not None else f"{text!r} is no value"
        raise AuditsError(f"{said}.", where=where, fix=f"Give {KINDS[kind].words}.")
    return tuple(value) if isinstance(value, list) else value
