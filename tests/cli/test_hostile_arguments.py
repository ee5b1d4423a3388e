"""Whatever stands on a command line, what is printed of it cannot turn text around, colour it or move the cursor."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from audits.cli import app, main

HOSTILE = "x\u202ey\x1b[31mz\x9b1m\u2066"
MARKS = set("\u202e\x1b\x9b\u2066")
WORKING = {"demo", "evaluate"}  # which begin hours of work with any name of a folder


def _commands(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    if not hasattr(command, "commands"):
        yield path, command
        return
    for name, inner in command.commands.items():
        yield from _commands(inner, (*path, name))


def _arguments(command: Any, hostile: Any) -> list[str]:
    """One parameter, and those that the command cannot do without, given the hostile text."""
    options, places = [], []
    for parameter in command.params:
        if parameter is hostile or parameter.required:
            if parameter.param_type_name == "argument":
                places.append(HOSTILE)
            else:
                options += [parameter.opts[0], HOSTILE]
    return [*options, "--", *places] if places else options


def _calls() -> Iterator[Any]:
    for path, command in _commands(get_command(app)):
        if path[0] in WORKING:
            continue
        for parameter in command.params:
            if not getattr(parameter, "is_flag", False):
                yield pytest.param([*path, *_arguments(command, parameter)], id=" ".join((*path, parameter.name)))


@pytest.mark.parametrize("arguments", [*_calls(), ["findings", f"--{HOSTILE}"], [HOSTILE], ["policy", HOSTILE]])
def test_nothing_foreign_reaches_the_terminal(
    arguments: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AUDITS_LEDGER_URL", f"sqlite:///{tmp_path / 'ledger.sqlite'}")
    monkeypatch.delenv("AUDITS_WAREHOUSE_URL", raising=False)
    monkeypatch.setattr(sys, "argv", ["audits", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    printed = "".join(capsys.readouterr())
    assert not MARKS & set(printed), printed
    assert ended.value.code in {None, 0, 1, 2}
    assert not printed.startswith("Traceback")
