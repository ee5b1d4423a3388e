"""The rule catalogue as pages for a compliance reader: an index, one page a rule, and how to write a rule."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from audits.errors import AuditsError
from audits.policy import Book, policy_show
from audits.rules.cases import read_cases
from audits.rules.engine.base import Rule
from audits.rules.engine.operator_rule import RELATIONS, columns_of
from audits.rules.engine.operator_sql import BINDS, function_names
from audits.rules.engine.wording import calibration_of, explained_of, needs_of, pattern_of, value_of

MARKS = {"low": "○", "medium": "▲", "high": "■", "critical": "◆"}


def write_pages(folder: Path, rules: Mapping[str, Rule], book: Book, day: date) -> list[Path]:
    """Write the catalogue as it stands on a day under a policy book; the same inputs give the same bytes."""
    templates = Environment(
        loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    shared = {"book": book, "day": day, "rules": list(rules.values()), "marks": MARKS, "value_of": value_of}
    style = (Path(__file__).parent / "style.css").read_text("utf-8")
    folder.mkdir(parents=True, exist_ok=True)
    pages: dict[str, tuple[str, dict[str, Any]]] = {
        "index.html": ("index.html.j2", {}),
        "writing.html": (
            "writing.html.j2",
            {
                "relations": {name: (what, columns_of(name)) for name, what in RELATIONS.items()},
                "binds": BINDS,
                "functions": function_names(),
            },
        ),
        **{f"{rule.id}.html": ("rule.html.j2", _of_rule(rule, book, day)) for rule in rules.values()},
    }
    files = []
    for name, (template, content) in pages.items():
        text = templates.get_template(template).render(**shared, **content, style=style)
        (folder / name).write_text(text, "utf-8")
        files.append(folder / name)
    return files


def _of_rule(rule: Rule, book: Book, day: date) -> dict[str, Any]:
    limits = book.limits(rule.id, day, day)
    reasons = {}
    if limits:
        reasons = {row.name: row.why for row in policy_show(book, day, limits[0].tier, rule.id)}
    query = next(file for file in (rule.folder / "rule.sql", rule.folder / "rule.py") if file.is_file())
    return {
        "rule": rule,
        "status": book.rule_status(rule.id, day),
        "explained": explained_of(rule),
        "limits": limits,
        "reasons": reasons,
        "calibrated": {name: calibration_of(one) for name, one in rule.spec.parameters.items()},
        "clauses": book.clauses(rule.spec.families, day),
        "needs": needs_of(rule),
        "sentence": pattern_of(rule),
        "query": query.read_text("utf-8"),
        "query_name": query.name,
        "cases": _cases(rule),
    }


def _cases(rule: Rule) -> list[tuple[str, str, str]]:
    """(kind, name, what is found) of each case; a rule whose cases cannot be read shows none."""
    try:
        cases = read_cases(rule.folder / "cases.yaml")
    except AuditsError:
        return []
    return [(case.kind.replace("_", " "), case.name, _found(case)) for case in cases]


def _found(case: Any) -> str:
    if case.find:
        return ", ".join(dict.fromkeys(f"{one.subject}{f' in {one.tier}' if one.tier else ''}" for one in case.find))
    verdicts = {verdict[0] for verdict in case.verdicts.values()} - {"compliant", "violating"}
    return f"nothing: {', '.join(sorted(verdicts)).replace('_', ' ')}" if verdicts else "nothing"
