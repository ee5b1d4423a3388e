"""Files that were lost, doubled or shifted in silence: marks in numbers, zones, overlaps, corrections, no header."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from audits.errors import AuditsError
from audits.sources.file_mapping import read_mapping
from audits.sources.load import load
from tests.sources.reading import query
from tests.sources.test_file import GOOD, NOW, csv_file, loaded, mapping, source

NAMELESS = {"input_tokens": 3, "output_tokens": 4, "event_ts": 1, "account_id": 2}


@pytest.fixture(params=["duckdb_warehouse", "postgres_url"])
def warehouse_url(request: pytest.FixtureRequest) -> str:
    url: str = request.getfixturevalue(request.param)
    return url


def rows_of(*texts: str) -> list[str]:
    return [f"r{number},2026-10-05T10:00:00Z,a,{text},5" for number, text in enumerate(texts)]


@pytest.mark.parametrize(
    ("marks", "text", "expected"),
    [
        ({}, "850", 850),
        ({}, "3.", 3),
        ({}, "7.0", 7),
        ({}, "1.000", None),
        ({}, "12.000", None),
        ({}, "1.000.000", None),
        ({}, "1,000", None),
        ({"decimal": "."}, "1.000", 1),
        ({"thousands": "."}, "1.000", 1_000),
        ({"thousands": "."}, "1.000.000,0", 1_000_000),
        ({"thousands": "."}, "1.00", None),
        ({"decimal": ","}, "1,0", 1),
        ({"decimal": ","}, "1.000", None),
        ({"thousands": ","}, "12,345.0", 12_345),
        ({"thousands": " "}, "12 345", 12_345),
        ({"thousands": "'"}, "12'345", 12_345),
        ({"thousands": "\u202f"}, "12\u202f345", 12_345),
    ],
)
def test_a_number_is_read_by_the_marks_that_are_said_or_set_aside(
    tmp_path: Path, duckdb_warehouse: str, marks: dict[str, str], text: str, expected: int | None
) -> None:
    data = csv_file(tmp_path, *rows_of(f'"{text}"', "40"))
    report, rows = loaded(data, mapping(tmp_path, top=marks), duckdb_warehouse)
    assert [row["input_tokens"] for row in rows] == ([40] if expected is None else [expected, 40])
    assert report.n_rejected == (expected is None)


def test_amounts_are_read_by_their_marks_too(tmp_path: Path, duckdb_warehouse: str) -> None:
    header = "id,at,org,in,out,cost"
    rows = [f'{row},"{cost}"' for row, cost in zip(rows_of("1", "2", "3"), ("0.125", "1.234", "2.5e-1"), strict=True)]
    data = csv_file(tmp_path, *rows, header=header)
    report, _ = loaded(data, mapping(tmp_path, cost_usd="cost"), duckdb_warehouse)
    assert report.n_rejected == 1
    said = {"column": "cost", "decimal": "."}
    assert loaded(data, mapping(tmp_path, cost_usd=said), duckdb_warehouse)[0].n_rejected == 0
    german = csv_file(tmp_path, *(row.replace("r", "g") for row in rows_of("1")), header="id,at,org,in,out")
    german.write_text('id,at,org,in,out,cost\ng1,2026-10-05T10:00:00Z,a,1,5,"1.234,5"\n')
    loaded(german, mapping(tmp_path, cost_usd={"column": "cost", "thousands": "."}), duckdb_warehouse)
    costs = query(duckdb_warehouse, "SELECT cost_usd FROM usage_events ORDER BY cost_usd")
    assert [float(row["cost_usd"]) for row in costs] == [0.125, 0.25, 1.234, 1234.5]


def test_numbers_of_a_parquet_file_are_numbers(tmp_path: Path, duckdb_warehouse: str) -> None:
    from decimal import Decimal  # noqa: PLC0415

    columns = {"id": ["r1"], "at": ["2026-10-05T10:00:00Z"], "org": ["a"], "out": [5],
               "in": pa.array([Decimal("1.000")], pa.decimal128(10, 3))}  # fmt: skip
    pq.write_table(pa.table(columns), tmp_path / "usage.parquet")
    _, rows = loaded(tmp_path / "usage.parquet", mapping(tmp_path), duckdb_warehouse)
    assert rows[0]["input_tokens"] == 1


def test_a_zone_that_a_row_names_is_its_own(tmp_path: Path, duckdb_warehouse: str) -> None:
    times = {
        "2026-10-05 10:00": 8, "2026-10-05 10:00:00 America/New_York": 14, "2026-10-05T10:00:00.5": 8,
        "2026-10-05 10:00:00+0900": 1, "2026-10-05 10:00:00": 8, "2026-10-05 10:00:00 -03:30": 13,
        "2026-10-05 10:00:01": 8, "2026-10-05 10:00:00 UTC": 10, "2026-10-05": 22, "2026/10/05 10:00:02": 8,
        "2026-10-05 10:00:00 EST": None, "2026-10-05 10:00:00 Mars/Olympus": None, "2026-13-05 10:00:00": None,
    }  # fmt: skip
    data = csv_file(tmp_path, *(f"{number:02},{time},a,1,1" for number, time in enumerate(times)))
    report, rows = loaded(data, mapping(tmp_path, top={"time_zone": "Europe/Berlin"}), duckdb_warehouse)
    assert [row["event_ts"].astimezone(UTC).hour for row in rows] == [
        hour for hour in times.values() if hour is not None
    ]
    assert report.rejected == {("at", "no time in ISO 8601"): 3}


@pytest.mark.parametrize(
    ("time", "text"),
    [
        ("unix_s", "1791194400000"), ("unix_ms", "1791194400"), ("unix_us", "1791194400000"),
        ("unix_s", "1791194400000000000"), ("unix_ms", "-1"), ("iso", "1026-10-05T10:00:00Z"),
    ],
)  # fmt: skip
def test_times_in_another_unit_are_refused_and_nothing_is_loaded(
    tmp_path: Path, duckdb_warehouse: str, time: str, text: str
) -> None:
    data = csv_file(tmp_path, f"r1,{text},a,1,1", f"r2,{text},a,1,1")
    with pytest.raises(AuditsError, match=r"No row fits: 'at' holds (no|a) time"):
        loaded(data, mapping(tmp_path, event_ts={"column": "at", "time": time}), duckdb_warehouse)
    assert query(duckdb_warehouse, "SELECT * FROM usage_events") == []


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
@pytest.mark.parametrize("together", [True, False])
def test_files_that_overlap_are_one_table_in_any_order(
    tmp_path: Path, duckdb_warehouse: str, order: tuple[int, int], together: bool
) -> None:
    row = "2026-10-05T10:00:00Z,a,10,5"
    first = csv_file(tmp_path, row, row, row.replace("10,5", "20,5"), header="at,org,in,out", name="a.csv")
    month = csv_file(tmp_path, row, row, row.replace("10,5", "30,5"), header="at,org,in,out", name="b.csv")
    files = [(first, month)[number] for number in order]
    mapped = mapping(tmp_path, without="event_id")
    for data in [files] if together else [[files[0]], [files[1]]]:
        load(source(data, mapped), duckdb_warehouse, now=NOW)
    tokens = query(duckdb_warehouse, "SELECT input_tokens AS n FROM usage_events ORDER BY n")
    assert [entry["n"] for entry in tokens] == [10, 10, 20, 30]


@pytest.mark.parametrize("without", ["event_id", ""])
def test_a_corrected_mapping_replaces_what_the_wrong_one_made(tmp_path: Path, warehouse_url: str, without: str) -> None:
    data = csv_file(tmp_path, GOOD, GOOD.replace("r1", "r2").replace("10,5", "30,7"))
    wrong = mapping(tmp_path, without=without, top={"time_zone": "UTC"}, input_tokens="out", output_tokens="in")
    loaded(data, wrong, warehouse_url)
    right = mapping(tmp_path, without=without)
    report = load(source(data, right), warehouse_url, now=NOW.replace(hour=9))
    assert (report.loaded, report.replaced, report.already_there) == (2, 2, 0)
    rows = query(warehouse_url, "SELECT * FROM usage_events ORDER BY input_tokens")
    assert [(row["input_tokens"], row["output_tokens"], row["ingested_ts"].hour) for row in rows] == [
        (10, 5, 9), (30, 7, 9),
    ]  # fmt: skip
    again = load(source(data, right), warehouse_url, now=NOW.replace(hour=11))
    assert (again.loaded, again.replaced, again.already_there) == (0, 0, 2)


def test_a_correction_that_moves_rows_in_time_or_empties_a_column_replaces_only_these(
    tmp_path: Path, warehouse_url: str
) -> None:
    kept, moved = "r1,2026-10-05T10:00:00Z,a,1,5,2", "r2,2026-10-05T11:00:00Z,a,2,5,"
    emptied = "r3,2026-10-05T12:00:00Z,a,3,5,7"
    mapped, header = mapping(tmp_path, cached_input_tokens="cached"), "id,at,org,in,out,cached"
    loaded(csv_file(tmp_path, kept, moved, emptied, header=header), mapped, warehouse_url)
    corrected = [kept, moved.replace("2026-10-05", "2025-01-31"), emptied.removesuffix("7"), kept.replace("r1", "r4")]
    report, rows = loaded(csv_file(tmp_path, *corrected, header=header), mapped, warehouse_url)
    assert (report.loaded, report.replaced, report.already_there) == (3, 2, 1)
    assert [row["cached_input_tokens"] for row in rows] == [2, None, None, 2]
    assert [(row["event_ts"].year, row["event_ts"].hour) for row in rows] == [
        (2026, 10), (2025, 11), (2026, 12), (2026, 10),
    ]  # fmt: skip
    report, rows = loaded(csv_file(tmp_path, kept, header=header), mapping(tmp_path), warehouse_url)
    assert (report.loaded, report.replaced, rows[0]["cached_input_tokens"], len(rows)) == (1, 1, None, 4)


def test_a_row_that_the_corrected_mapping_sets_aside_is_removed(tmp_path: Path, duckdb_warehouse: str) -> None:
    data = csv_file(tmp_path, *rows_of("1.000", "40"))
    wrong = mapping(tmp_path, without="event_id", top={"decimal": "."})
    assert len(loaded(data, wrong, duckdb_warehouse)[1]) == 2
    report, rows = loaded(data, mapping(tmp_path, without="event_id"), duckdb_warehouse)
    assert ([row["input_tokens"] for row in rows], report.replaced, report.n_rejected) == ([40], 1, 1)


def test_a_file_without_a_header_is_read_by_position(tmp_path: Path, duckdb_warehouse: str) -> None:
    data = tmp_path / "usage.csv"
    data.write_text("2026-10-05T10:00:00Z,a,10,5\n2026-10-05T10:00:01Z,a,never,6\n")
    mapped = mapping(tmp_path, without="event_id", top={"header": False}, **NAMELESS)
    report, rows = loaded(data, mapped, duckdb_warehouse)
    assert [(row["input_tokens"], row["output_tokens"]) for row in rows] == [(10, 5)]
    assert [aside.position for aside in report.examples.values()] == ["usage.csv:2"]
    beyond = mapping(tmp_path, without="event_id", top={"header": False}, **{**NAMELESS, "output_tokens": 9})
    with pytest.raises(AuditsError, match="4 columns and no header, so none is '9'"):
        loaded(data, beyond, duckdb_warehouse)


@pytest.mark.parametrize("first", ["Please summarise this memo,orga@example.com,sk-abcdefghijklmnop1234,7", "org1,at1"])
def test_the_content_of_a_file_without_a_header_is_never_printed(
    tmp_path: Path, duckdb_warehouse: str, first: str
) -> None:
    data = tmp_path / "usage.csv"
    data.write_text(f"{first}\n{first}\n")
    with pytest.raises(AuditsError, match="header: false") as caught:
        loaded(data, mapping(tmp_path), duckdb_warehouse)
    for cell in first.split(","):
        assert len(cell) == 1 or cell not in str(caught.value)


def test_a_table_of_values_says_what_a_file_s_words_mean(tmp_path: Path, duckdb_warehouse: str) -> None:
    rows = [
        f"{row},{said}"
        for row, said in zip(rows_of("1", "2", "3", "4"), ("success", "limited", "odd", ""), strict=True)
    ]
    data = csv_file(tmp_path, *rows, header="id,at,org,in,out,state")
    said = {"column": "state", "values": {"success": 200, "limited": 429}}
    report, events = loaded(data, mapping(tmp_path, status_code=said), duckdb_warehouse)
    assert [event["status_code"] for event in events] == [200, 429]
    assert report.rejected == {
        ("state", "a value that `values` does not list"): 1, ("state", "nothing, but is required"): 1,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("top", "what"),
    [
        ({"decimal": ";"}, "`decimal` is one character"),
        ({"decimal": ".", "thousands": "."}, "the same mark"),
        ({"header": "no"}, "`header` is true or false"),
        ({"table": "acounts"}, "'acounts' is no table of the contract; did you mean 'accounts'"),
    ],
)
def test_mistakes_in_the_new_settings_are_named(tmp_path: Path, top: dict[str, Any], what: str) -> None:
    with pytest.raises(AuditsError, match=what):
        read_mapping(mapping(tmp_path, top=top))


DIMENSIONS: dict[str, tuple[str, dict[str, Any], str]] = {
    "customers": (
        "key;company;since\nc1;Ämter & Co;2026-01-01\nc2;Two;2026-02-01\n",
        {"customer_id": "key", "name": "company", "valid_from": "since"},
        "SELECT customer_id, name FROM customers ORDER BY customer_id",
    ),
    "accounts": (
        "org;owner;opened\na1;c1;2026-01-01\na2;c2;2026-02-01T10:00:00Z\n",
        {"account_id": "org", "customer_id": "owner", "opened_at": "opened"},
        "SELECT account_id, customer_id FROM accounts ORDER BY account_id",
    ),
    "account_tiers": (
        "org;plan\na1;gold\na2;free\n",
        {"account_id": "org", "tier": {"column": "plan", "values": {"gold": "scale", "free": "free"}},
         "valid_from": {"value": "2026-01-01"}},
        "SELECT account_id, tier FROM account_tiers ORDER BY account_id",
    ),
    "billed_usage": (
        "org;day;i;o;usd\na1;2026-10-05;1.000;5;1,25\na2;2026-10-06;7;0;0\n",
        {"account_id": "org", "usage_day": "day", "input_tokens": "i", "output_tokens": "o", "cost_usd": "usd"},
        "SELECT account_id, input_tokens FROM billed_usage ORDER BY account_id",
    ),
}  # fmt: skip


@pytest.mark.parametrize("table", DIMENSIONS)
def test_other_tables_load_by_a_mapping_and_a_later_load_replaces(
    tmp_path: Path, warehouse_url: str, table: str
) -> None:
    text, columns, sql = DIMENSIONS[table]
    data, mapped = tmp_path / "rows.csv", tmp_path / "rows.yaml"
    data.write_text(text)
    mapped.write_text(
        json.dumps({"system": "crm", "table": table, "delimiter": ";", "thousands": ".", "columns": columns})
    )
    for expected in ((2, 0), (0, 2)):
        report = load(source(data, mapped), warehouse_url, now=NOW)
        assert (report.table, report.loaded, report.already_there, report.n_rejected) == (table, *expected, 0)
    assert len(query(warehouse_url, sql)) == 2
    key = {"customers": "Two", "accounts": "a2;c2", "account_tiers": "a2;free", "billed_usage": "7;0;0"}[table]
    new = {"customers": "Three", "accounts": "a2;c2", "account_tiers": "a2;gold", "billed_usage": "8;0;0"}[table]
    data.write_text(text.replace(key, new))
    changed = load(source(data, mapped), warehouse_url, now=datetime(2026, 12, 2, tzinfo=UTC))
    assert changed.loaded == changed.replaced == (0 if key == new else 1)
    assert len(query(warehouse_url, sql)) == 2
