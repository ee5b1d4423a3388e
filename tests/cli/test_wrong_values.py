"""A value that an option or setting cannot take is said in three lines, in our words and not in a library's."""

from __future__ import annotations

import errno
import sqlite3
import tempfile
from pathlib import Path

import pytest

LIBRARIES = ("Traceback", "Input should be", "unable to parse", "Invalid value for", "Got unexpected", "pydantic")


def three_lines(done: tuple[int, str], code: int = 2) -> tuple[str, str, str]:
    """What, where and fix of an error, each on its line."""
    ended, said = done
    assert ended == code, said
    assert not any(words in said for words in LIBRARIES), said
    what, where, fix = (line.strip() for line in said.strip().splitlines()[-3:])
    assert what.startswith("Error ")
    assert where.startswith("where ")
    assert fix.startswith("do ")
    return what.removeprefix("Error "), where.removeprefix("where ").strip(), fix.removeprefix("do ").strip()


@pytest.mark.parametrize(
    ("arguments", "option"),
    [
        (("policy", "calibrate", "--weeks"), "--weeks"),
        (("evaluate", "--seed"), "--seed"),
        (("report", "--period", "2026-10", "--revision"), "--revision"),
        (("source", "check", "file", "usage.csv", "--rows"), "--rows"),
    ],
)
@pytest.mark.parametrize("value", ["acht", "-1", "1.5", "", "99999999999999999999"])
def test_a_number_is_a_whole_number_in_digits(audits, arguments: tuple[str, ...], option: str, value: str) -> None:
    what, where, fix = three_lines(audits(*arguments, value))
    assert what.startswith(f"'{value}' is not a whole number from ")
    assert where == f"{option} {value}".strip()
    assert f"such as {option} " in fix


@pytest.mark.parametrize(
    ("arguments", "what", "where"),
    [
        (("policy", "calibrate", "--until", "x"), "'x' is not a day.", "--until x"),
        (("policy", "show", "--tier", "build", "--at", "x"), "'x' is not a time.", "--at x"),
        (("run", "--period"), "Option '--period' needs a value.", "audits run"),
        (("rules", "check", "--nope"), "There is no option --nope.", "audits rules check"),
        (("findings", "--perod", "x"), "There is no option --perod. Did you mean --period?", "audits findings"),
        (("coverage",), "Missing option: --period.", "audits coverage"),
        (("findings", "more", "-p", "2026-10"), "Too many arguments: more.", "audits findings"),
        (("polcy",), "There is no command 'polcy'. Did you mean 'policy'?", "audits"),
    ],
)
def test_what_is_wrong_with_a_command_line(audits, arguments: tuple[str, ...], what: str, where: str) -> None:
    assert three_lines(audits(*arguments))[:2] == (what, where)


FILES = ("usage.csv", "usage.json", "usage.parquet", "usage.sqlite")
DOCTOR = ("doctor",)
RUN = ("run", "--period", "2026-10", "--now", "2026-11-10")
RULES = ("rules", "check", "R29")
SOURCE = ("source", "check", "file", "u.csv", "--mapping", "m.yaml")


def _files(folder: Path) -> dict[str, Path]:
    made = {name: folder / name for name in FILES}
    made["usage.csv"].write_text("event_id,account\n1,acme\n")
    made["usage.json"].write_text('{"event_id": 1}\n')
    made["usage.parquet"].write_bytes(b"PAR1" + bytes(64) + b"PAR1")
    with sqlite3.connect(made["usage.sqlite"]) as connection:
        connection.execute("CREATE TABLE usage (event_id)")
    return made


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("arguments", [DOCTOR, RUN], ids=" ".join)
def test_a_warehouse_that_is_another_kind_of_file(audits, tmp_path: Path, name: str, arguments) -> None:
    file = _files(tmp_path)[name]
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    url = f"duckdb:///{file}"
    what, where, fix = three_lines(audits(*arguments, AUDITS_WAREHOUSE_URL=url, AUDITS_OUT=str(tmp_path / "out")))
    assert what == f"{name} is not a DuckDB database."
    assert where == f"setting AUDITS_WAREHOUSE_URL: {url}"
    assert "audits source list" in fix
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.ENOENT])
@pytest.mark.parametrize("arguments", [RULES, SOURCE], ids=" ".join)
def test_a_temporary_folder_that_cannot_be_used(audits, tmp_path: Path, monkeypatch, number: int, arguments) -> None:
    (tmp_path / "u.csv").write_text("ts,account\n2026-10-01T00:00:00Z,acme\n")
    (tmp_path / "m.yaml").write_text(
        "system: gateway\ncolumns:\n  event_ts: ts\n  account_id: account\n  operation: {value: chat}\n"
        "  model_requested: {value: m}\n  input_tokens: {value: 1}\n  output_tokens: {value: 1}\n"
        "  status_code: {value: 200}\n  content_available: {value: false}\n"
    )
    monkeypatch.chdir(tmp_path)

    def refuse(*_arguments: object, **_named: object) -> str:
        raise OSError(number, "No usable temporary directory found in ['/tmp']")

    monkeypatch.setattr(tempfile, "mkdtemp", refuse)
    what, where, fix = three_lines(audits(*arguments), code=1)
    assert what.startswith("Temporary files cannot be written: ")
    assert where.startswith("setting TMPDIR")
    assert "set TMPDIR to another folder" in fix
