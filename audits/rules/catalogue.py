"""Finding the rules: every folder under ``audits/rules`` with a ``rule.yaml``; there is no list to edit."""

from __future__ import annotations

import hashlib
import importlib
from functools import cache
from pathlib import Path

from pydantic import ValidationError
from ruamel.yaml import YAML

from audits.errors import AuditsError
from audits.rules.base import Rule, RuleSpec

HERE = Path(__file__).parent
CONTENT = ("rule.yaml", "rule.py", "cases.yaml")


@cache
def load_rules() -> dict[str, Rule]:
    """The shipped rules by id, in order of id."""
    rules = [load_rule(folder) for folder in rule_folders()]
    return {rule.id: rule for rule in sorted(rules, key=lambda rule: rule.id)}


def rule_folders() -> list[Path]:
    """The folders of the shipped rules."""
    return sorted(path.parent for path in HERE.glob("*/rule.yaml"))


def load_rule(folder: Path) -> Rule:
    """One shipped rule from its folder."""
    spec = read_spec(folder / "rule.yaml")
    module = importlib.import_module(f"audits.rules.{folder.name}.rule")
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
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        raise AuditsError(f"The description of a rule does not fit: {problems}", where=str(file)) from error


def content_digest(folder: Path) -> str:
    """SHA-256 over the rule's files, by name and content."""
    digest = hashlib.sha256()
    for name in CONTENT:
        file = folder / name
        if file.is_file():
            content = file.read_bytes().replace(b"\r\n", b"\n")
            digest.update(f"{name}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()
