"""`audits features` on files as an operator has them."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from click.testing import Result
from typer.testing import CliRunner

from audits.cli import app
from audits.errors import AuditsError
from audits.features import Extractor
from audits.features.hashing import Hasher
from audits.warehouse.staging import arrow_type
from audits.warehouse.tables import usage_events
from tests.features.data import shared

CHAT = {
    "model": "m",
    "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Why is the sky blue?"}],
}
LINES: list[Any] = [
    CHAT,
    {"custom_id": "req-1", "method": "POST", "url": "/v1/chat/completions", "body": CHAT},
    {"custom_id": "Jane Doe's request", "params": {"system": [{"type": "text", "text": "Be brief."}],
     "messages": [{"role": "user", "content": [{"type": "text", "text": "Why is the sky blue?"}]}]}},
    {"instructions": "Be brief.", "input": "Why is the sky blue?", "ip": "2.125.160.217",
     "key": "sk-0123456789abcdef0123"},
    {"contents": [{"role": "user", "parts": [{"text": "Why is the sky blue?"}]}],
     "systemInstruction": {"parts": [{"text": "Be brief."}]}},
    {"model": "m", "messages": []},
]  # fmt: skip


@pytest.fixture(autouse=True)
def salted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUDITS_SALT", "pepper")
    for name in ("AUDITS_GEO", "AUDITS_TOPICS"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "requests.jsonl"
    path.write_bytes(
        b"\n".join(json.dumps(line).encode() for line in LINES) + b'\n{"messages": [{"sky\n[1]\n\xff\xfe\n\n'
    )
    return path


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["features", *map(str, arguments)])


def test_every_form_of_one_request_has_the_same_features_and_bad_lines_are_counted(file: Path) -> None:
    said = run(file, "--id", "custom_id", "--key", "key", "--address", "ip")
    assert said.exit_code == 1
    rows = [json.loads(line) for line in said.stdout.splitlines()]
    assert [row.pop("position") for row in rows] == [f"requests.jsonl:{n}" for n in range(1, 7)]
    hasher, expected = Hasher("pepper"), Extractor("pepper").of_text("Why is the sky blue?", "Be brief.").recorded()
    assert rows == [
        expected,
        {"id": "req-1", **expected},
        expected,  # an id that is a text is not kept
        {"api_key_hash": hasher.text("sk-0123456789abcdef0123"), "client_ip_hash": hasher.address("2.125.160.217"),
         "client_net_hash": hasher.network("2.125.160.0"), **expected},
        expected,
        {},
    ]  # fmt: skip
    for told in (
        "6 requests, 1 of them without a prompt",
        "2 lines: no JSON, first at requests.jsonl:7",
        "no JSON object",
    ):
        assert told in said.stderr
    for secret in ("sky", "Jane", "brief", "2.125", "sk-"):
        assert secret not in said.stdout


def test_parquet_has_the_contract_s_types_and_the_same_rows(file: Path, tmp_path: Path) -> None:
    out, lines = tmp_path / "features.parquet", tmp_path / "features.jsonl"
    assert run(file, "--out", out).exit_code == 1
    assert run(file, "--out", lines).exit_code == 1
    table = pq.read_table(out)
    for name in ("prompt_simhash", "cot_elicit_score", "topic_id", "lang"):
        assert table.schema.field(name).type == arrow_type(usage_events.c[name].type)
    kept = [{k: v for k, v in row.items() if v is not None} for row in table.to_pylist()]
    assert kept == [json.loads(line) for line in lines.read_text().splitlines()]
    assert b"sky" not in out.read_bytes()


def test_addresses_are_placed_and_files_may_be_packed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUDITS_GEO", str(shared("geo")))
    packed = tmp_path / "requests.jsonl.gz"
    packed.write_bytes(gzip.compress(json.dumps(LINES[3]).encode()))
    said = run(packed, "--address", "ip")
    assert said.exit_code == 0
    assert json.loads(said.stdout)["ip_country"] == "GB"


def test_an_operator_s_topics_and_known_items_are_used(tmp_path: Path) -> None:
    (tmp_path / "topics.yaml").write_text("topics: [{id: 900, name: weather, words: [sky, cloud*]}]")
    (tmp_path / "known.txt").write_text("Why is the sky blue?\n")
    (tmp_path / "in.jsonl").write_text(json.dumps({"prompt": "Why is the SKY blue?"}))
    said = run(tmp_path / "in.jsonl", "--topics", tmp_path / "topics.yaml", "--known", tmp_path / "known.txt")
    row = json.loads(said.stdout)
    assert (row["topic_id"], row["benchmark_score"]) == (900, 1.0)


@pytest.mark.parametrize(
    ("topics", "what"),
    [
        ("topics: [{id: 0, words: [a]}]", "whole number from 1 on"),
        ("topics: [{id: 1, words: [a]}, {id: 1, words: [b]}]", "Two topics have the id 1"),
        ("topics: [{id: 1}]", "list of texts"),
        ("topics: [algebra]", "This is no topic"),
        ("themes: []", "cannot be read"),
        ("{", "cannot be read"),
    ],
)
def test_what_is_wrong_with_a_list_of_topics_is_said(tmp_path: Path, file: Path, topics: str, what: str) -> None:
    (tmp_path / "topics.yaml").write_text(topics)
    said = run(file, "--topics", tmp_path / "topics.yaml")
    assert isinstance(said.exception, AuditsError)
    assert what in said.exception.what
    assert "topics.yaml" in said.exception.where


def test_without_a_salt_or_with_another_ending_nothing_is_written(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "neither .jsonl nor .parquet" in str(run(file, "--out", tmp_path / "features.csv").exception)
    monkeypatch.delenv("AUDITS_SALT")
    said = run(file, "--out", tmp_path / "features.jsonl")
    assert isinstance(said.exception, AuditsError)
    assert "AUDITS_SALT" in said.exception.where
    assert not (tmp_path / "features.jsonl").exists()
