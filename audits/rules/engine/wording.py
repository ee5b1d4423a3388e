"""Rules in words: the sentence about what was found, what a rule needs, a limit's value."""

from __future__ import annotations

import re
import string
from typing import Any

from audits.rules.engine.base import Found, Parameter, Rule


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
    said = _Words().format(told(sentence, found), observed=found.observed, limits=found.limits).strip()
    if found.agreeing:
        said += f" Raised to critical, because other signals on the same {found.subject_type} agree: "
        said += f"{'; '.join(found.agreeing)}."
    if found.explained:
        said += f" Lowered to {found.severity}, because {found.explained}."
    return said


def told(sentence: str, found: Found) -> str:
    """A rule's sentence without its parts in [[double brackets]] of whose figures the finding has none."""

    def kept(part: re.Match[str]) -> str:
        figures = re.findall(r"\{(observed|limits)\[(\w+)\]", part[1])
        parts = {"observed": found.observed, "limits": found.limits}
        return part[1] if all(parts[which].get(name) is not None for which, name in figures) else ""

    return re.sub(r"\s+", " ", re.sub(r"\[\[(.*?)\]\]", kept, sentence, flags=re.DOTALL))


def pattern_of(rule: Rule) -> str:
    """The rule's sentences with their figures named instead of filled in."""
    sentences = " ".join(one.strip() for one in (rule.spec.summary, *rule.spec.summaries.values()))
    sentences = sentences.replace("[[", "").replace("]]", "")
    return re.sub(r"\{\w+\[(\w+)\][^}]*\}", lambda match: f"[{match[1].replace('_', ' ')}]", sentences)


def needs_of(rule: Rule) -> str:
    """What must be recorded for the rule to be evaluated."""
    needs = rule.spec.needs
    parts = ["single requests" if needs.grain == "event" else "requests or buckets"] if needs.usage else []
    parts += ["number of requests"] if needs.counts else []
    parts += ["linked groups"] if needs.groups else []
    parts += [f"table {name}" for name in needs.tables] + list(needs.columns)
    if rule.spec.baseline_days:
        parts.append(f"{rule.spec.baseline_days} days before the period")
    return ", ".join(parts) or "nothing beyond the accounts"


def explained_of(rule: Rule) -> str:
    """How far an explained link lowers a group's finding, or nothing."""
    if not (least := rule.spec.explained):
        return ""
    return (
        f"By one step, to no less than {least}, for a group with one payer, network or organisation in common whose "
        f"members behave like different people"
    )


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
