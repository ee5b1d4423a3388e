"""The beginning of a new rule: its files, with two cases that fail until its query is written."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from audits.errors import AuditsError
from audits.rules.engine.loading import CATALOGUE, rule_folders

_TEMPLATES = Path(__file__).parent
SCHEMAS = ("rule.schema.json", "cases.schema.json")
"""Beside the rules' folders: what a new rule's files name, so that editors help."""


def new_rule(name: str, under: Path, taken: Iterable[str], tiers: Iterable[str]) -> list[Path]:
    """Write the files of a new rule into a folder of its own; returns them.

    Under ``audits/rules/catalogue`` it is written in Python and takes the next R number, anywhere else in SQL with an X
    number. Where ``under`` lies in a policy book, the book gets the rule's limits, in shadow. ``taken`` are ids in use.
    """
    words = re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")
    if not words:
        raise AuditsError(
            f"{name!r} is not a name for a rule.", where="NAME", fix="Write a few words, such as weekend-use."
        )
    shipped = under.resolve() == CATALOGUE.resolve()
    rule_id = _next_id("R" if shipped else "X", {*taken, *_ids_in(under)})
    folder = under / f"{rule_id.lower()}_{words}"
    title = words.replace("_", " ").capitalize()
    limits = under.parent / "limits"
    files = {
        folder / "rule.yaml": "rule.yaml.j2",
        folder / ("rule.py" if shipped else "rule.sql"): "rule.py.j2" if shipped else "rule.sql.j2",
        folder / "cases.yaml": "cases.yaml.j2",
        **({limits / f"{rule_id}.yaml": "limits.yaml.j2"} if limits.is_dir() else {}),
    }
    templates = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        undefined=StrictUndefined,
        keep_trailing_newline=True,
        autoescape=False,  # noqa: S701 - YAML, SQL and Python, filled with an id, a title and tiers
    )
    folder.mkdir(parents=True)
    for schema in () if shipped else SCHEMAS:
        (under / schema).write_bytes((CATALOGUE / schema).read_bytes())
    for file, template in files.items():
        text = templates.get_template(template).render(id=rule_id, title=title, tiers=list(tiers))
        file.write_text(text, "utf-8")
    return list(files)


def _ids_in(under: Path) -> set[str]:
    return {folder.name.partition("_")[0].upper() for folder in rule_folders(under)}


def _next_id(letter: str, taken: set[str]) -> str:
    return next(name for number in range(1, 1000) if (name := f"{letter}{number:02d}") not in taken)
