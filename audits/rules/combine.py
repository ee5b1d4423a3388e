"""Severity by agreement: what one rule infers from behaviour is high at most, what several infer alike is critical.

A rule looks in one way, and every way of looking has its harmless look-alikes. Only where findings of different signal
families meet on one subject is suspicion strong enough to recommend a suspension. What would explain the link of a
group's accounts lowers what rests on that link, before anything agrees. Facts on record stay as they are.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace

from audits.policy import Combination
from audits.rules.base import MEMBER, SEVERITIES, Explanation, Found, Rule, Severity
from audits.rules.evaluate import Evaluation
from audits.rules.links import Explained

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


def _explained(evaluation: Evaluation, links: Explained) -> Evaluation:
    if not (most := evaluation.rule.spec.explained):
        return evaluation
    found = [_lowered(one, most, links) for one in evaluation.found]
    groups = [one for one in found if one.subject_type == "group" and one.explained]
    explained = {
        account: f"its linked group {group.subject_id} does the same: {group.explained}"
        for group in groups
        for account in group.account_ids
    }
    return replace(evaluation, found=tuple(_as_member(one, explained) for one in found))


def _lowered(one: Found, most: Mapping[Explanation, Severity], links: Explained) -> Found:
    reasons = links.get(one.subject_id, {}) if one.subject_type == "group" else {}
    telling = sorted((SEVERITIES.index(most[reason]), reason) for reason in reasons if reason in most)
    if not telling or SEVERITIES.index(one.severity) <= telling[0][0]:
        return one
    return replace(one, severity=SEVERITIES[telling[0][0]], explained=reasons[telling[0][1]])


def _as_member(one: Found, explained: Mapping[str, str]) -> Found:
    """An account of a group that the same rule found, and whose link something explains, does what the group does.

    A class that is set an exercise does it in each of its accounts. Who is over an account's own limit remains in
    question all the same.
    """
    if one.subject_type not in ("account", "key") or SEVERITIES.index(one.severity) <= SEVERITIES.index(MEMBER):
        return one
    reasons = [explained[account] for account in one.account_ids if account in explained]
    return replace(one, severity=MEMBER, explained=reasons[0]) if reasons else one


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
