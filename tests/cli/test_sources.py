"""`audits source` as a person and a script use it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from audits.cli.sources import EXAMPLE, KINDS, app
from audits.errors import AuditsError
from audits.sources.file_mapping import read_mapping
from tests.sources.reading import query

FIXTURES = Path(__file__).parents[1] / "sources" / "fixtures"
SPANS = str(FIXTURES / "otel_genai_openai.jsonl")


@pytest.fixture
def warehouse(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    url = f"duckdb:///{tmp_path / 'usage.duckdb'}"
    monkeypatch.setenv("AUDITS_WAREHOUSE_URL", url)
    monkeypatch.delenv("AUDITS_SALT", raising=False)
    return url


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, arguments)


def test_list_names_every_source_and_its_example_is_a_mapping(tmp_path: Path) -> None:
    said = run("list")
    assert said.exit_code == 0
    assert all(name in said.output for name in KINDS)
    (tmp_path / "example.yaml").write_text(EXAMPLE)
    assert read_mapping(tmp_path / "example.yaml").system == "my-gateway"
    assert [entry["source"] for entry in json.loads(run("list", "--format", "json").stdout)] == list(KINDS)


def test_load_says_what_it_did_what_is_missing_and_what_to_do_next(warehouse: str) -> None:
    said = run("load", "otel", SPANS, "--account-attribute", "tenant.id")
    assert said.exit_code == 0
    for expected in ("7 rows name no account", "acct-acme (7)", "Not recorded", "audits run --period 2026-11"):
        assert expected in said.output
    assert len(query(warehouse, "SELECT * FROM usage_events")) == 14


def test_load_can_be_read_by_a_script(warehouse: str) -> None:
    said = run("load", "otel", SPANS, "--format", "json", "--system", "edge", "--now", "2026-12-01")
    report = json.loads(said.stdout)
    assert (report["read"], report["loaded"], report["ignored"], report["unmapped"]) == (16, 14, 2, 14)
    assert report["first"].startswith("2026-11-24T03:52:48")
    assert query(
        warehouse, "SELECT DISTINCT source_system AS s, CAST(ingested_ts AS VARCHAR) AS t FROM usage_events"
    ) == [{"s": "edge", "t": "2026-12-01 00:00:00+00"}]


def test_rows_set_aside_make_the_exit_code_1_and_the_good_ones_are_in(warehouse: str, tmp_path: Path) -> None:
    spans = tmp_path / "spans.jsonl"
    spans.write_text(Path(SPANS).read_text() + "{broken\n")
    said = run("load", "otel", str(spans))
    assert said.exit_code == 1
    for expected in ("Set aside, in the table rejected_rows", "no JSON", "spans.jsonl:3"):
        assert expected in said.output
    assert len(query(warehouse, "SELECT * FROM usage_events")) == 14


def test_check_looks_and_writes_nothing(warehouse: str, tmp_path: Path) -> None:
    said = run("check", "otel", SPANS)
    assert said.exit_code == 0
    assert "Would load" in said.output
    assert list(tmp_path.iterdir()) == []


def test_files_are_loaded_by_their_mapping(warehouse: str, tmp_path: Path) -> None:
    (tmp_path / "map.yaml").write_text(EXAMPLE.replace("  client_ip_hash: {column: ip, hash: address}\n", ""))
    (tmp_path / "usage.csv").write_text(
        "started,org,prompt_tokens,completion_tokens,seconds,model\n05/10/2026 10:00:00,a,10,5,1.5,m\n"
    )
    said = run("load", "file", str(tmp_path / "usage.csv"), "--mapping", str(tmp_path / "map.yaml"))
    assert said.exit_code == 0, said.output
    assert query(warehouse, "SELECT account_id AS a, duration_ms AS d FROM usage_events") == [{"a": "a", "d": 1500}]


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (("load", "nowhere", "x"), "There is no source 'nowhere'"),
        (("load", "file", "usage.csv"), "A file needs a mapping"),
        (("load", "litellm", "postgresql://a", "postgresql://b"), "litellm takes one database"),
        (("load", "litellm", "postgresql://a", "--since", "lately"), "'lately' is not a time"),
        (("load", "otel", "absent.jsonl"), "There is no file absent.jsonl"),
        (("load", "otel", "spans.jsonl", "--since", "2026-10-01"), "--since means nothing to the source otel"),
        (("check", "file", "u.csv", "-m", "m.yaml", "--system", "x"), "--system means nothing to the source file"),
        (("load", "file", "u.csv", "-m", "m.yaml", "--trust-sessions"), "--trust-sessions means nothing to"),
        (("check", "openai", "u.json", "-m", "m.yaml"), "--mapping means nothing to the source openai"),
        (("load", "anthropic", "u.json", "--account-attribute", "a"), "--account-attribute means nothing to"),
        (("load", "litellm", "postgresql://a", "--since", ""), "'' is not a time"),
        (("load", "otel", "spans.jsonl", "--replace"), "--replace is for files of single requests only"),
    ],
)
def test_what_cannot_be_done_is_said(warehouse: str, arguments: tuple[str, ...], what: str) -> None:
    said = run(*arguments)
    assert isinstance(said.exception, AuditsError)
    assert what in str(said.exception)
    assert said.exception.exit_code == 2
