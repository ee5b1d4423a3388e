"""Where the product and the reference disagree about a world, in words."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from audits.display import opaque_id
from audits.periods import Period
from audits.policy import Book
from tests.reference.answers import Found
from tests.reference.auditor import OF_EACH_CUSTOMER, RULES, Audited, audit
from tests.reference.facts import Facts
from tests.reference.product import Said
from tests.reference.validity import Row

Subject = tuple[str, str, str, str]
"""Rule, subject type, subject, tier."""


def disagreements(
    rows: Mapping[str, Sequence[Row]], book: Book, period: Period, said: Said, *, rules: Collection[str] = RULES
) -> list[str]:
    """Cells, findings, tiers, severities and figures in which the two differ; empty where they agree."""
    right = audit(Facts(rows, book, period, said.groups, said.days))
    notes = [f"note of an error: {note}" for note in said.notes if "error" in note.lower()]
    return [*notes, *_of_cells(said, right, rules), *_of_findings(said, right, rules)]


def _of_cells(said: Said, right: Audited, rules: Collection[str]) -> Iterable[str]:
    expected = {(customer, tier) for customer, tier, _ in right.cells}
    yield from (f"audited: {one} by the reference alone" for one in sorted(expected - said.audited))
    yield from (f"audited: {one} by the product alone" for one in sorted(said.audited - expected))
    for key, allowed in sorted(right.cells.items()):
        verdict = said.cells.get(key, "compliant")
        if key[2] in rules and key[:2] in said.audited and verdict not in allowed:
            wanted, why = " or ".join(sorted(allowed)), said.reasons.get(key, "")
            yield f"{key[2]} cell {key[:2]}: {verdict} ({why}), right: {wanted} ({right.reasons[key]})"


def _of_findings(said: Said, right: Audited, rules: Collection[str]) -> Iterable[str]:
    theirs: dict[Subject, list[Found]] = defaultdict(list)
    for one in said.findings:
        tier = one["tier"] if one["subject_type"] != "network" else ""
        key = one["rule_id"], one["subject_type"], one["subject_id"], tier
        found = Found(one["severity"], one["observed"])
        if one["rule_id"] not in OF_EACH_CUSTOMER or found not in theirs[key]:  # told alike of each customer
            theirs[key].append(found)
    grouped = {(f["rule_id"], a) for f in said.findings if f["subject_type"] == "group" for a in f["account_ids"]}
    ours = {(f.rule, f.subject_type, opaque_id(f.subject_type, f.subject), f.tier): f.found for f in right.findings}
    for key in sorted(theirs.keys() | ours.keys()):
        told_with_group = key[1] == "account" and (key[0], key[2]) in grouped and key not in theirs
        if key[0] not in rules or told_with_group or ours.get(key) == ():
            continue
        if differences := _differences(theirs.get(key, []), list(ours.get(key, ()))):
            yield f"{key[0]} finding {key[1:]}: {differences}"


def _differences(theirs: list[Found], ours: list[Found]) -> str:
    """How what was found of one subject differs; empty where each thing has its counterpart."""
    left = list(theirs)
    missing = []
    for one in ours:
        same = next((other for other in left if _agree(other, one)), None)
        if same is None:
            missing.append(one)
        else:
            left.remove(same)
    if not left and not missing:
        return ""
    if len(left) == len(missing) == 1 and left[0].severity == missing[0].severity:
        unlike = [name for name, value in missing[0].observed.items() if not _equal(left[0].observed.get(name), value)]
        left = [Found(left[0].severity, {name: left[0].observed.get(name) for name in unlike})]
        missing = [Found(missing[0].severity, {name: missing[0].observed[name] for name in unlike})]
    return f"{_told(left)}, right: {_told(missing)}"


def _agree(theirs: Found, ours: Found) -> bool:
    """Whether the severity and every figure that the reference gives are the same."""
    figures = ours.observed.items()
    return theirs.severity == ours.severity and all(_equal(theirs.observed.get(name), v) for name, v in figures)


def _equal(theirs: Any, ours: Any) -> bool:
    if isinstance(ours, int | float) and isinstance(theirs, int | float):
        return math.isclose(theirs, ours, rel_tol=1e-6, abs_tol=1e-6)  # figures are recorded in six digits
    return bool(theirs == ours)


def _told(found: list[Found]) -> str:
    return "; ".join(f"{one.severity} {one.observed}" for one in found) or "none"
