"""Severity by agreement: what one rule infers from behaviour is high at most, what several infer alike is critical.

A rule looks in one way, and every way of looking has its harmless look-alikes. Only where findings of different signal
families meet on one subject is suspicion strong enough to recommend a suspension. Before anything agrees, what explains
the link of accounts that behave like different people lowers the findings of their group by one step; where a finding
shows that one operator runs them, nothing is lowered. Facts on record stay as they are.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace

from audits.policy import Combination
from audits.rules.engine.base import SEVERITIES, Found, Rule, Severity
from audits.rules.engine.evaluate import Evaluation
from audits.rules.engine.links import Explained

Subject = tuple[str, str]
NOTHING_EXPLAINED: Explained = {}
_MOST_ALONE: Severity = "high"


def combine(
    evaluations: Sequence[Evaluation],
    terms: Combination | None,
    published: Collection[str],
    links: Explained = NOTHING_EXPLAINED,
) -> list[Evaluation]:
    """The same evaluations with severities as agreement makes them, and what explains a group's link.

    Only ``published`` rules have a say: what is held back from readers must not move what they read. What takes part
    in an agreement becomes critical and names the others; a rule that says critical by itself says high instead.
    """
    operated = _operated(evaluations, published)
    links = {group: said for group, said in links.items() if group not in operated}
    evaluations = [_explained(evaluation, links) for evaluation in evaluations]
    voices = _voices(evaluations, terms, published) if terms else {}
    return [
        evaluation
        if evaluation.rule.spec.basis == "record"
        else replace(
            evaluation,
            found=tuple(
                _weighed(evaluation.rule, one, voices.get(_subject(one), {}), terms, evaluation.rule.id in published)
                for one in evaluation.found
            ),
        )
        for evaluation in evaluations
    ]


def _operated(evaluations: Iterable[Evaluation], published: Collection[str]) -> set[str]:
    """Groups of which a finding shows by itself that one operator runs the accounts: nothing of them is lowered."""
    return {
        one.subject_id
        for evaluation in evaluations
        if evaluation.rule.id in published
        for one in evaluation.found
        if one.subject_type == "group" and one.one_operator
    }


def _explained(evaluation: Evaluation, links: Explained) -> Evaluation:
    if not (least := evaluation.rule.spec.explained):
        return evaluation
    return replace(evaluation, found=tuple(_lowered(one, least, links) for one in evaluation.found))


def _lowered(one: Found, least: Severity, links: Explained) -> Found:
    """A group's finding one step lower, where something explains the link and the rule may be lowered so far."""
    said = links.get(one.subject_id, "") if one.subject_type == "group" else ""
    if not said or SEVERITIES.index(one.severity) <= SEVERITIES.index(least):
        return one
    return replace(one, severity=SEVERITIES[SEVERITIES.index(one.severity) - 1], explained=said)


def _voices(
    evaluations: Iterable[Evaluation], terms: Combination, published: Collection[str]
) -> dict[Subject, dict[str, dict[str, Rule]]]:
    """Subject -> counted signal family -> the rules of it that have a say, by id."""
    voices: dict[Subject, dict[str, dict[str, Rule]]] = defaultdict(lambda: defaultdict(dict))
    for evaluation in evaluations:
        rule = evaluation.rule
        if rule.spec.basis == "behaviour" and rule.id in published:
            for one in evaluation.found:
                if _has_say(one, terms):
                    voices[_subject(one)][terms.family(rule.spec.signal)][rule.id] = rule
    return voices


def _weighed(
    rule: Rule, one: Found, voices: Mapping[str, Mapping[str, Rule]], terms: Combination | None, published: bool
) -> Found:
    if terms and published and _has_say(one, terms) and len(voices) >= max(2, terms.families_min):
        own = terms.family(rule.spec.signal)
        others = {key: other for family, held in voices.items() if family != own for key, other in held.items()}
        agreeing = tuple(f"{key} {others[key].spec.title} ({others[key].spec.signal})" for key in sorted(others))
        return replace(one, severity="critical", agreeing=agreeing)
    return replace(one, severity=_MOST_ALONE) if one.severity == "critical" else one


def _has_say(one: Found, terms: Combination) -> bool:
    return SEVERITIES.index(one.severity) >= SEVERITIES.index(terms.severity_from)


def _subject(one: Found) -> Subject:
    """What a finding is about; a key speaks of its account."""
    if one.subject_type == "key" and len(one.account_ids) == 1:
        return "account", one.account_ids[0]
    return one.subject_type, one.subject_id
