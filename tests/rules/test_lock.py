"""A rule's version stands for its content: changed files under an old version are refused."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from audits.errors import AuditsError
from audits.rules.engine.base import Rule
from audits.rules.engine.loading import CATALOGUE, content_digest, load_rule, load_rules
from audits.rules.lock import Drift, drifts, lock

R01 = load_rule(CATALOGUE / "r01_extraction_volume")


def test_shipped_rules_are_what_is_locked() -> None:
    found = drifts(load_rules())
    assert not found, (
        "; ".join(f"{drift.rule_id} {drift.what}" for drift in found)
        + ". Raise `version` in its rule.yaml and run: audits rules lock"
        + " (--same-version if only wording or cases changed)"
    )


def at(version: int, digest: str) -> Rule:
    return replace(R01, spec=R01.spec.model_copy(update={"version": version}), digest=digest)


def test_new_and_raised_rules_are_locked(tmp_path: Path) -> None:
    file = tmp_path / "lock.yaml"
    assert lock({"R01": at(1, "aa")}, file=file) == [Drift("R01", "is not locked yet", raised=True)]
    assert drifts({"R01": at(1, "aa")}, file) == []
    [raised] = lock({"R01": at(2, "bb")}, file=file)
    assert raised.what == "was raised from version 1 to 2"
    assert drifts({"R01": at(2, "bb")}, file) == []


def test_rule_changed_under_its_version_is_refused_with_the_command(tmp_path: Path) -> None:
    file = tmp_path / "lock.yaml"
    lock({"R01": at(1, "aa")}, file=file)
    before = file.read_text()
    with pytest.raises(AuditsError, match="R01 was changed, and is still version 1") as refused:
        lock({"R01": at(1, "bb")}, file=file)
    assert "audits rules lock" in refused.value.fix
    assert file.read_text() == before


def test_wording_may_be_locked_under_the_same_version(tmp_path: Path) -> None:
    file = tmp_path / "lock.yaml"
    lock({"R01": at(1, "aa")}, file=file)
    lock({"R01": at(1, "bb")}, same_version=True, file=file)
    assert drifts({"R01": at(1, "bb")}, file) == []


def test_rule_that_is_gone_leaves_the_lock(tmp_path: Path) -> None:
    file = tmp_path / "lock.yaml"
    lock({"R01": at(1, "aa"), "R02": at(1, "cc")}, file=file)
    [gone] = lock({"R01": at(1, "aa")}, file=file)
    assert gone == Drift("R02", "is locked but there is no such rule", raised=True)


def test_digest_sees_every_file_and_no_line_endings(tmp_path: Path) -> None:
    folder = Path(shutil.copytree(R01.folder, tmp_path / "rule"))
    assert content_digest(folder) == R01.digest
    cases = folder / "cases.yaml"
    cases.write_bytes(cases.read_bytes().replace(b"\n", b"\r\n"))
    assert content_digest(folder) == R01.digest
    for name in ("rule.yaml", "rule.py", "cases.yaml"):
        (folder / name).write_bytes((folder / name).read_bytes() + b"# more\n")
        assert content_digest(folder) != R01.digest
        shutil.copy(R01.folder / name, folder / name)
    (folder / "part_of_it.py").write_text("DAYS = 7\n")
    assert content_digest(folder) != R01.digest


def test_one_rule_may_be_locked_alone(tmp_path: Path) -> None:
    file = tmp_path / "lock.yaml"
    rules = {"R01": at(1, "aa"), "R02": at(1, "cc")}
    lock(rules, only=["R02"], file=file)
    assert drifts(rules, file) == [Drift("R01", "is not locked yet", raised=True)]
