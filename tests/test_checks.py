"""The Makefile and .ci/run make the same checks, and the hooks at each commit are among them."""

from __future__ import annotations

import re
from pathlib import Path

from ruamel.yaml import YAML

ROOT = Path(__file__).parents[1]
MAKEFILE = (ROOT / "Makefile").read_text("utf-8")


def recipe(target: str) -> list[str]:
    """The commands that ``make TARGET`` runs, without their folder."""
    [(needed, commands)] = re.findall(rf"(?m)^{target}:([^#\n]*).*\n((?:\t.*\n)*)", MAKEFILE)
    own = [line.strip().removeprefix("$(BIN)/") for line in commands.splitlines()]
    return [command for other in needed.split() for command in recipe(other)] + own


def test_make_check_runs_what_ci_runs() -> None:
    steps = re.findall(r'(?m)^ *step "\$venv/bin/(\w[\w-]*)"(.*)$', (ROOT / ".ci" / "run").read_text("utf-8"))
    assert sorted(recipe("check")) == sorted(f"{tool}{rest}" for tool, rest in steps)


def test_make_setup_installs_what_ci_installs() -> None:
    [install] = [one for one in recipe("setup") if one.startswith("pip ")]
    assert f'"$venv/bin/pip" {install.removeprefix("pip ")}\n' in (ROOT / ".ci" / "run").read_text("utf-8")


def test_hooks_run_formatter_and_linter_on_what_is_committed() -> None:
    config = YAML(typ="safe", pure=True).load((ROOT / ".pre-commit-config.yaml").read_text("utf-8"))
    entries = [hook["entry"] for repo in config["repos"] for hook in repo["hooks"]]
    assert entries == [f".venv/bin/ruff {what} --force-exclude" for what in ("format", "check")]
