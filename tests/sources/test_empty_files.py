"""A file without a row loads nothing, is named, and is no failure, whatever loads it."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from audits.cli.sources import app
from tests.sources.reading import query
from tests.sources.test_file import GOOD, csv_file, mapping


def parquet(path: Path) -> bytes:
    text = pa.array([], pa.string())
    pq.write_table(pa.table(dict.fromkeys(("id", "at", "org", "in", "out"), text)), path)
    return path.read_bytes()


@pytest.mark.parametrize("kind", ["file", "otel", "openai", "anthropic"])
@pytest.mark.parametrize("content", ["nothing", "white space", "packed", "no rows"])
@pytest.mark.parametrize("command", ["check", "load"])
def test_an_empty_file_is_named_and_no_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, content: str, command: str
) -> None:
    url = f"duckdb:///{tmp_path / 'usage.duckdb'}"
    monkeypatch.setenv("AUDITS_WAREHOUSE_URL", url)
    no_rows = {"file": b"id,at,org,in,out\n", "otel": b'{"resourceSpans": []}\n'}.get(kind, b'{"data": []}\n')
    data = tmp_path / ("empty.csv" if kind == "file" else "empty.jsonl")
    data.write_bytes({"nothing": b"", "white space": b" \n\n", "no rows": no_rows}.get(content, b""))
    if content == "packed":
        data = data.with_name(f"{data.name}.gz")
        data.write_bytes(gzip.compress(b""))
    options = ["--mapping", str(mapping(tmp_path, without="event_id"))] if kind == "file" else []
    said = CliRunner().invoke(app, [command, kind, str(data), *options], env={"COLUMNS": "200"})
    assert said.exit_code == 0, said.output
    named = content != "no rows" or kind == "file"
    assert (f"No rows in {data.name}" if named else "The source has no rows") in said.output
    if command == "load":
        assert query(url, "SELECT * FROM usage_events") == query(url, "SELECT * FROM rejected_rows") == []


@pytest.mark.parametrize("content", ["nothing", "no rows"])
def test_an_empty_file_among_others_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str) -> None:
    monkeypatch.setenv("AUDITS_WAREHOUSE_URL", f"duckdb:///{tmp_path / 'usage.duckdb'}")
    empty = tmp_path / "empty.parquet"
    empty.write_bytes(b"" if content == "nothing" else parquet(tmp_path / "made.parquet"))
    files = [str(empty), str(csv_file(tmp_path, GOOD))]
    said = CliRunner().invoke(app, ["load", "file", *files, "-m", str(mapping(tmp_path)), "--format", "json"])
    assert said.exit_code == 0, said.output
    report = json.loads(said.stdout)
    assert (report["loaded"], report["empty"]) == (1, ["empty.parquet"])
