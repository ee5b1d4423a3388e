"""The version lock: a rule's number stands for its very content, so that a finding names what made it.

``lock.yaml`` holds for every shipped rule the version and the digest of its files. A rule whose content differs from
what is locked under its version fails the tests; :func:`lock` writes the new digest down once the version is raised.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from ruamel.yaml import YAML

from audits.errors import AuditsError
from audits.rules.engine.base import Rule

LOCK_FILE = Path(__file__).with_name("lock.yaml")
_HEAD = "# Written by `audits rules lock`: for every rule the version and the digest of its files.\n"


@dataclass(frozen=True, slots=True, order=True)
class Drift:
    """A rule whose files are not what is locked. ``raised``: its version was, so it may be locked again."""

    rule_id: str
    what: str
    raised: bool


def drifts(rules: Mapping[str, Rule], file: Path = LOCK_FILE) -> list[Drift]:
    """Every difference between the rules and the lock, in order of id."""
    locked = _read(file)
    found = [Drift(rule_id, "is locked but there is no such rule", True) for rule_id in locked.keys() - rules.keys()]
    for rule_id, rule in rules.items():
        version, digest = locked.get(rule_id, (0, ""))
        if not version:
            found.append(Drift(rule_id, "is not locked yet", True))
        elif rule.spec.version > version:
            found.append(Drift(rule_id, f"was raised from version {version} to {rule.spec.version}", True))
        elif rule.spec.version < version:
            found.append(Drift(rule_id, f"went back from version {version} to {rule.spec.version}", False))
        elif rule.digest != digest:
            found.append(Drift(rule_id, f"was changed, and is still version {version}", False))
    return sorted(found)


def lock(
    rules: Mapping[str, Rule], *, only: Collection[str] = (), same_version: bool = False, file: Path = LOCK_FILE
) -> list[Drift]:
    """Write the digests of new and raised rules down, of all or of ``only`` some; returns what was locked anew.

    With ``same_version`` changed rules are locked under the version that they have: for wording and cases only, since
    an audit made before and one made after would carry the same version with another meaning. Without it any rule that
    was changed under its old version is refused, and nothing is written.
    """
    found = [drift for drift in drifts(rules, file) if not only or drift.rule_id in only]
    if not same_version and (refused := [drift for drift in found if not drift.raised]):
        raise AuditsError(
            "; ".join(f"{drift.rule_id} {drift.what}" for drift in refused) + ".",
            where=str(file),
            fix="Raise `version` in its rule.yaml and run `audits rules lock`; if only wording or cases changed and "
            "what the rule finds did not, run `audits rules lock --same-version`.",
        )
    locked = _read(file)
    for drift in found:
        locked.pop(drift.rule_id, None)
        if rule := rules.get(drift.rule_id):
            locked[drift.rule_id] = rule.spec.version, rule.digest
    if found:
        lines = [f'{key}: {{version: {v}, digest: "{digest}"}}\n' for key, (v, digest) in sorted(locked.items())]
        file.write_text(_HEAD + "".join(lines), "utf-8")
    return found


def _read(file: Path) -> dict[str, tuple[int, str]]:
    if not file.is_file():
        return {}
    content = YAML(typ="safe", pure=True).load(file.read_text("utf-8")) or {}
    return {rule_id: (entry["version"], entry["digest"]) for rule_id, entry in content.items()}
