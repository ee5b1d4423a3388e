"""Findings as JSON lines: one line a finding, as ``finding.schema.json`` beside this file says.

ASCII only, so that no name can move a terminal's cursor or turn its text around. ``audits findings --format jsonl``
prints these very lines.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from functools import cache
from importlib.resources import files
from typing import Any

from audits.display import json_text


def line_of(finding: Mapping[str, Any]) -> str:
    """One finding as one line, without its end; keys in order of name."""
    return json_text(finding, sort_keys=True, allow_nan=False)


def lines(findings: Iterable[Mapping[str, Any]]) -> str:
    """All findings, a line each."""
    return "".join(f"{line_of(finding)}\n" for finding in findings)


@cache
def schema() -> dict[str, Any]:
    """The JSON Schema that every line follows."""
    content: dict[str, Any] = json.loads(files("reports.formats").joinpath("finding.schema.json").read_text("utf-8"))
    return content
