"""``audits findings``, ``report`` and ``verify`` on a ledger alone: no warehouse is there."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from audits.cli import app


@pytest.fixture
def environment(filled: Path, tmp_path: Path) -> dict[str, str]:
    ledger = tmp_path / "ledger.sqlite"
    shutil.copy(filled, ledger)
    return {
        "AUDITS_WAREHOUSE_URL": f"duckdb:///{tmp_path / 'none.duckdb'}",
        "AUDITS_LEDGER_URL": f"sqlite:///{ledger}",
        "AUDITS_OUT": str(tmp_path / "out"),
    }


@pytest.mark.parametrize(("form", "file"), [("jsonl", "findings.jsonl"), ("csv", "findings.csv")])
def test_findings_prints_what_the_report_s_file_holds(
    environment: dict[str, str], rendered: Path, form: str, file: str
) -> None:
    result = CliRunner().invoke(app, ["findings", "-p", "2026-10", "-t", "build", "-f", form], env=environment)
    assert result.stdout_bytes == (rendered / "2026-10/r2/build" / file).read_bytes()


def test_a_report_rendered_again_verifies_and_is_the_same(environment: dict[str, str], rendered: Path) -> None:
    result = CliRunner().invoke(app, ["report", "-p", "2026-10"], env=environment)
    assert result.exit_code == 0, result.output
    folder = Path(environment["AUDITS_OUT"]) / "2026-10/r2"
    assert (folder / "manifest.json").read_bytes() == (rendered / "2026-10/r2/manifest.json").read_bytes()
    assert CliRunner().invoke(app, ["verify", str(folder)]).exit_code == 0


def test_verify_exits_1_and_names_what_changed(environment: dict[str, str], rendered: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(rendered / "2026-10/r1", tmp_path / "r1")
    (folder / "build/findings.csv").write_text("nothing\n")
    result = CliRunner().invoke(app, ["verify", str(folder)])
    assert result.exit_code == 1
    assert "build/findings.csv: changed" in result.output


def test_verify_of_a_period_or_of_all_reports_checks_every_revision(rendered: Path, tmp_path: Path, audits) -> None:
    out = tmp_path / "out"
    shutil.copytree(rendered / "2026-10", out / "2026-10")
    for folder in (out / "2026-10", out):
        code, said = audits("verify", str(folder))
        assert code == 0, said
        assert said.splitlines() == [
            *(f"✓ {out / '2026-10' / name}: every file is as it was sealed." for name in ("r1", "r2")),
            "A manifest altered together with its pages is detected only with --ledger.",
        ]
    (out / "2026-10/r2/manifest.json").unlink()
    code, said = audits("verify", str(out / "2026-10"))
    assert code == 1
    assert f"{out / '2026-10/r2'}: manifest.json: missing" in said
    assert f"✓ {out / '2026-10/r1'}" in said


@pytest.mark.parametrize("name", ["", "2026-11"])
def test_verify_of_a_folder_without_reports_says_what_to_name(tmp_path: Path, name: str, audits) -> None:
    code, said = audits("verify", str(tmp_path / name))
    what, where, fix = said.splitlines()
    assert code == 2
    assert what == f"Error {'There is no such folder.' if name else 'The folder has no revision of a report.'}"
    assert str(tmp_path / name) in where
    assert "audits-out/2026-10/r1" in fix


@pytest.mark.parametrize("columns", ["80", "120"])
@pytest.mark.parametrize(
    ("arguments", "heading"),
    [
        (("coverage", "--period", "2026-10"), "Tier Rule Planned Compliant Violating applicable evaluated Errored"),
        (("coverage", "--period", "2026-10", "--customer", "c-0203"), "Tier Rule Verdict Reason"),
        (("rules", "list"), "Rule Title Unit Severity Status Tiers"),
        (("rules", "show", "R13"), "Limit free build scale enterprise"),
        (("policy", "show", "--tier", "build", "--rule", "R01", "--at", "2026-10-31"), "Name Value In force Why"),
        (("source", "list"), "Source Reads Input, for example"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_a_table_fits_its_terminal(environment, audits, arguments: tuple[str, ...], heading: str, columns: str) -> None:
    code, said = audits(*arguments, **environment, COLUMNS=columns)
    assert code == 0, said
    assert heading in [" ".join(line.split()) for line in said.splitlines()]  # no word of it is cut or broken
    assert "…" not in said
    assert max(map(len, said.splitlines())) <= int(columns)


def test_a_rule_that_some_tiers_are_free_of_stands_on_one_line(audits) -> None:
    _, said = audits("rules", "list", COLUMNS="80")
    assert [line.split()[-2:] for line in said.splitlines() if line.startswith("R09")] == [["not", "free"]]
