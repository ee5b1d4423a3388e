"""Bytes that a CSV file's encoding does not have cost the rows that have them, and no others."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from audits.sources.load import load
from tests.sources.reading import query
from tests.sources.test_file import GOOD, NOW, csv_file, loaded, mapping, source

HEADER = b"id,at,org,in,out\n"
AT = b",2026-10-05T10:00:00Z,"


@pytest.mark.parametrize(
    ("encoding", "bad", "fits", "account"),
    [
        ("utf-8", b"caf\xe9", "café".encode(), "café"),
        ("utf-8", b"\xed\xa0\x80", "日本".encode(), "日本"),
        ("cp1252", b"caf\x81", b"caf\xe9", "café"),
        ("shift_jis", b"caf\x80", "日本".encode("shift_jis"), "日本"),
    ],
)
def test_a_bad_byte_costs_its_row_only(
    tmp_path: Path, duckdb_warehouse: str, encoding: str, bad: bytes, fits: bytes, account: str
) -> None:
    data = tmp_path / "usage.csv.gz"
    rows = [
        b"r1" + AT + fits + b",1,1",
        b"r2" + AT + bad + b",1,1",
        b"r3" + AT + bad + b",1,1,9",
        b"r4" + AT + b"a,1,1",
    ]
    data.write_bytes(gzip.compress(HEADER + b"\n".join(rows) + b"\n"))
    report, found = loaded(data, mapping(tmp_path, top={"encoding": encoding}), duckdb_warehouse)
    assert [(row["event_id"], row["account_id"]) for row in found] == [("gateway:r1", account), ("gateway:r4", "a")]
    assert report.rejected == {
        ("org", f"bytes that are not {encoding} (another `encoding` is said in the mapping)"): 1,
        ("line", "6 fields instead of 5"): 1,
    }
    aside = query(duckdb_warehouse, "SELECT position, redacted_value AS v FROM rejected_rows ORDER BY position")
    assert [(row["position"], row["v"]) for row in aside] == [("usage.csv.gz:3", None), ("usage.csv.gz:4", None)]


def test_the_right_encoding_lets_the_row_in_and_takes_its_reject_away(tmp_path: Path, duckdb_warehouse: str) -> None:
    data = tmp_path / "usage.csv"
    data.write_bytes(HEADER + GOOD.encode() + b"\nr2" + AT + b"caf\xe9,1,1\n")
    assert loaded(data, mapping(tmp_path), duckdb_warehouse)[0].n_rejected == 1
    report, found = loaded(data, mapping(tmp_path, top={"encoding": "latin-1"}), duckdb_warehouse)
    assert (report.settled, report.n_rejected, len(found)) == (1, 0, 2)
    assert query(duckdb_warehouse, "SELECT * FROM rejected_rows") == []


def test_a_bad_byte_far_down_a_large_file_costs_its_row_only(tmp_path: Path, duckdb_warehouse: str) -> None:
    data = csv_file(tmp_path, *(f"r{n},2026-10-05T10:00:00Z,{'é' * 40},{n},1" for n in range(200_000)))
    content = data.read_bytes()
    at = content.index(b"r150000,")
    data.write_bytes(content[:at] + content[at:].replace("é".encode(), b"\xe9", 1))
    report = load(source(data, mapping(tmp_path)), duckdb_warehouse, now=NOW)
    assert (report.read, report.loaded, report.n_rejected) == (200_000, 199_999, 1)
    assert query(duckdb_warehouse, "SELECT position AS p FROM rejected_rows") == [{"p": "usage.csv:150002"}]
