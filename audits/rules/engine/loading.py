"""Finding the rules: every folder of the catalogue, and the operator's own; there is no list to edit."""

from __future__ import annotations

import hashlib
import importlib
from functools import cache
from pathlib import Path

from pydantic import ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from audits.errors import AuditsError
from audits.policy import Book, load_book
from audits.rules.engine.base import Rule, RuleSpec
from audits.rules.engine.operator_rule import functions_from, read_query

CATALOGUE = Path(__file__).parents[1] / "catalogue"
_FIRST = ("rule.yaml", "rule.py", "rule.sql")
CASES = "cases.yaml"


def load_rules(policy: Path | None = None) -> dict[str, Rule]:
    """The shipped rules and those of the policy book's folder, by id and in order of it."""
    rules = dict(_shipped())
    for folder in operator_folders(policy):
        rule = load_rule(folder)
        if before := rules.get(rule.id):
            raise AuditsError(
                f"Two rules have the id {rule.id}.",
                where=f"{before.folder / 'rule.yaml'} and {folder / 'rule.yaml'}",
                fix="Give your own another id, such as X01.",
            )
        rules[rule.id] = rule
    return {rule_id: rules[rule_id] for rule_id in sorted(rules)}


@cache
def _shipped() -> dict[str, Rule]:
    rules = [load_rule(folder) for folder in rule_folders()]
    return {rule.id: rule for rule in sorted(rules, key=lambda rule: rule.id)}


def load_law(policy: Path | None = None) -> tuple[Book, dict[str, Rule]]:
    """The policy book, its limits held against the rules that it speaks of, and those rules."""
    rules = load_rules(policy)
    parameters = {key: {name: one.type for name, one in rule.spec.parameters.items()} for key, rule in rules.items()}
    own = {rule_id: rule.digest for rule_id, rule in rules.items() if rule_id not in _shipped()}
    return load_book(policy, parameters, own), rules


def rule_folders(under: Path = CATALOGUE) -> list[Path]:
    """The folders of the shipped rules, or of those under another folder."""
    return sorted(path.parent for path in under.glob("*/rule.yaml"))


def operator_folders(policy: Path | None) -> list[Path]:
    """The folders of the operator's own rules: ``rules/`` of the policy book and its ``rule_folders``."""
    if policy is None:
        return []
    named = _named_folders(policy / "book.yaml")
    for folder in named:
        if not (policy / folder).is_dir():
            raise AuditsError(
                f"There is no folder {folder}.",
                where=f"{policy / 'book.yaml'}, rule_folders",
                fix="Name folders from the policy book's own, or take the line out.",
            )
    return [rule for folder in dict.fromkeys(["rules", *named]) for rule in rule_folders(policy / folder)]


def _named_folders(book: Path) -> list[str]:
    # Before the book is validated: its limits can only be held against rules that are known.
    try:
        content = YAML(typ="safe", pure=True).load(book.read_text("utf-8"))
    except (OSError, YAMLError, ValueError, LookupError, RecursionError):
        return []  # load_book says what is wrong with the file
    folders = content.get("rule_folders") if isinstance(content, dict) else None
    return [str(folder) for folder in folders] if isinstance(folders, list) else []


def load_rule(folder: Path) -> Rule:
    """One rule from its folder: in Python if it is shipped, in SQL alone if it is an operator's."""
    spec = read_spec(folder / "rule.yaml")
    if (folder / "rule.sql").is_file():
        return Rule(
            spec=spec, folder=folder, digest=content_digest(folder), **functions_from(read_query(folder, spec), spec)
        )
    if folder.parent.resolve() != CATALOGUE.resolve():
        raise AuditsError(
            f"The rule {spec.id} has no query.", where=str(folder), fix="Write rule.sql beside rule.yaml: one SELECT."
        )
    if silent := [name for name, one in spec.parameters.items() if not (one.measured or one.fixed)]:
        raise AuditsError(
            f"{spec.id} does not say of {', '.join(silent)} whether a calibration may move it.",
            where=str(folder / "rule.yaml"),
            fix="Write `measured: {by: ...}` with the observed figure that the limit is held against, or `fixed:` with "
            "the reason why what customers usually do says nothing about it.",
        )
    module = importlib.import_module(f"audits.rules.catalogue.{folder.name}.rule")
    return Rule(
        spec=spec,
        folder=folder,
        digest=content_digest(folder),
        violations=module.violations,
        evidence=module.evidence,
        unevaluable=getattr(module, "unevaluable", None),
        inapplicable=getattr(module, "inapplicable", None),
    )


def read_spec(file: Path) -> RuleSpec:
    """Read and validate a ``rule.yaml``."""
    try:
        return RuleSpec.model_validate(YAML(typ="safe", pure=True).load(file.read_text("utf-8")))
    except OSError as error:
        raise AuditsError(
            "There is no rule here.", where=str(file), fix="Name a folder with a rule.yaml, or an id such as R01."
        ) from error
    except YAMLError as error:
        raise AuditsError(f"Invalid YAML: {error}", where=str(file)) from error
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        raise AuditsError(f"The description of a rule does not fit: {problems}", where=str(file)) from error


def rule_files(folder: Path) -> list[Path]:
    """The files that say what a rule finds: its description and query, and whatever else they read; no cases."""
    first = [folder / name for name in _FIRST]
    others = (file for pattern in ("*.py", "*.csv") for file in sorted(folder.glob(pattern)) if file not in first)
    return [file for file in (*first, *others) if file.is_file()]


def content_digest(folder: Path) -> str:
    """SHA-256 over the rule's files, by name and content."""
    digest = hashlib.sha256()
    for file in (*rule_files(folder), folder / CASES):
        if file.is_file():
            content = file.read_bytes().replace(b"\r\n", b"\n")
            digest.update(f"{file.name}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()
