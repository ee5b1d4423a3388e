"""A rule's sentence about what it found."""

from __future__ import annotations

import string
from typing import Any

from audits.rules.base import Found, Rule


class _Words(string.Formatter):
    """``str.format`` for summaries: a figure that a source does not record is named so instead of failing."""

    def format_field(self, value: Any, format_spec: str) -> str:
        if value is None:
            return "(not recorded)"
        return super().format_field(value, format_spec) if not isinstance(value, str) else value


def summary_of(rule: Rule, found: Found) -> str:
    """The rule's sentence with this finding's figures."""
    return _Words().format(rule.spec.summary, observed=found.observed, limits=found.limits).strip()
