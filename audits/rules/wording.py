"""Rules in words: the sentence about what was found, what a rule needs, a limit's value."""

from __future__ import annotations

import re
import string
from typing import Any

from audits.rules.base import MEMBER, Found, Parameter, Rule


class _Words(string.Formatter):
    """``str.format`` for summaries: a figure that a source does not record is named so instead of failing.

    ``{observed[days]:# day}`` is a whole number with its noun: 1 day, 2 days, 1,200 days. A noun whose plural is more
    than an s has both: ``# country|countries``.
    """

    def format_field(self, value: Any, format_spec: str) -> str:
        one, _, many = format_spec.removeprefix("#").strip().partition("|")
        if value is None:
            return f"(not recorded) {many or one + 's'}" if format_spec.startswith("#") else "(not recorded)"
        if format_spec.startswith("#"):
            return f"{value:,.0f} {one if value == 1 else many or one + 's'}"
        return super().format_field(value, format_spec) if not isinstance(value, str) else value


def summary_of(rule: Rule, found: Found) -> str:
    """The rule's sentence with this finding's figures."""
    sentence = rule.spec.summaries.get(found.discriminator, rule.spec.summary)
    said = _Words().format(sentence, observed=found.observed, limits=found.limits).strip()
    if found.agreeing:
        said += f" Raised to critical, because other signals on the same {found.subject_type} agree: "
        said += f"{'; '.join(found.agreeing)}."
    if found.explained:
        said += f" Held at {found.severity}, because {found.explained}."
    return said


def pattern_of(rule: Rule) -> str:
    """The rule's sentences with their figures named instead of filled in."""
    sentences = " ".join(one.strip() for one in (rule.spec.summary, *rule.spec.summaries.values()))
    return re.sub(r"\{\w+\[(\w+)\][^}]*\}", lambda match: f"[{match[1].replace('_', ' ')}]", sentences)


def needs_of(rule: Rule) -> str:
    """What must be recorded for the rule to be judged."""
    needs = rule.spec.needs
    parts = ["single requests" if needs.grain == "event" else "requests or buckets"] if needs.usage else []
    parts += ["linked groups"] if needs.groups else []
    parts += [f"table {name}" for name in needs.tables] + list(needs.columns)
    if rule.spec.baseline_days:
        parts.append(f"{rule.spec.baseline_days} days before the period")
    return ", ".join(parts) or "nothing beyond the accounts"


_EXPLAINED = {
    "open": "of a group that one network or payer holds in the open",
    "organisation": "of a group with one organisation's mail",
    "loose": "of a group of which few share a card, a device or a key",
}


def explained_of(rule: Rule) -> str:
    """The most that the rule says of a group whose link something harmless would explain, or nothing."""
    said = [f"{_EXPLAINED[reason]} at most {most}" for reason, most in rule.spec.explained.items()]
    if said and {"account", "group"} <= {*rule.spec.units}:
        said.append(f"of an account that does what such a group was found for at most {MEMBER}")
    whole = "; ".join(said)
    return f"{whole[:1].upper()}{whole[1:]}"


def calibration_of(parameter: Parameter) -> str:
    """How a calibration measures a limit, or why none may move it."""
    if parameter.fixed:
        return f"Not calibrated: {parameter.fixed[0].lower()}{parameter.fixed[1:]}"
    if (how := parameter.measured) is None:
        return ""
    which = "at most the 0.5th" if how.upper else "at least the 99.5th"
    return f"Calibrated to {which} percentile of benign {how.of}s."


def value_of(value: Any) -> str:
    """A limit for a reader: thousands apart, words in a row."""
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: ""}[value]
    if isinstance(value, int | float):
        return f"{value:,.10g}" if isinstance(value, float) else f"{value:,}"
    return ", ".join(value) if isinstance(value, tuple) else str(value)
