"""Files that were exported again with other columns or corrected ids: nothing counts twice unnoticed."""

from __future__ import annotations

from pathlib import Path

import pytest

from audits.errors import AuditsError
from audits.sources.load import load
from tests.sources.reading import query
from tests.sources.test_file import GOOD, NOW, csv_file, loaded, mapping, source

ROW = "2026-10-05T10:00:00Z,a,10,5"
LATER = "2026-10-05T11:00:00Z,b,20,7"


def test_columns_that_move_change_no_row(tmp_path: Path, url: str) -> None:
    mapped = mapping(tmp_path, without="event_id")
    loaded(csv_file(tmp_path, ROW, ROW, LATER, header="at,org,in,out"), mapped, url)
    moved = csv_file(
        tmp_path, *["5,2026-10-05T10:00:00Z,10,a"] * 2, "7,2026-10-05T11:00:00Z,20,b", header="out,at,in,org"
    )
    report, rows = loaded(moved, mapped, url)
    assert (report.loaded, report.already_there, report.beside, len(rows)) == (0, 3, 0, 3)


@pytest.mark.parametrize(
    ("header", "rows"),
    [
        ("at,org,in,out,region", [f"{ROW},eu", f"{ROW},eu", f"{LATER},eu"]),  # gained
        ("at,org,in,out", [ROW, ROW, LATER]),  # lost
        ("id,at,org,in,out", [f"r1,{ROW}", f"r2,{ROW}", f"r3,{LATER}"]),  # ids from now on
    ],
)
def test_a_file_with_other_columns_is_refused_and_replaces_where_asked(
    tmp_path: Path, url: str, header: str, rows: list[str]
) -> None:
    nameless, before = mapping(tmp_path, without="event_id"), "at,org,in,out"
    texts = [ROW, ROW, LATER]
    if header == before:
        before, texts = "at,org,in,out,region", [f"{text},eu" for text in texts]
    loaded(csv_file(tmp_path, *texts, header=before), nameless, url)
    mapped = mapping(tmp_path) if header.startswith("id") else nameless
    again = csv_file(tmp_path, *rows, header=header)
    with pytest.raises(AuditsError, match="3 rows of gateway from 2026-10-05 to 2026-10-05 were loaded") as caught:
        loaded(again, mapped, url)
    assert caught.value.where
    assert "--replace" in caught.value.fix
    assert len(query(url, "SELECT * FROM usage_events")) == 3
    report = load(source(again, mapped), url, now=NOW, replace=True)
    tokens = query(url, "SELECT input_tokens AS n FROM usage_events ORDER BY n")
    assert ([row["n"] for row in tokens], report.loaded, report.removed) == ([10, 10, 20], 3, 3)
    load(source(again, mapped), url, now=NOW)  # no longer refused


def test_other_columns_at_another_time_or_of_another_source_are_no_repetition(
    tmp_path: Path, duckdb_warehouse: str
) -> None:
    mapped = mapping(tmp_path, without="event_id")
    loaded(csv_file(tmp_path, ROW, LATER, header="at,org,in,out"), mapped, duckdb_warehouse)
    next_day = csv_file(tmp_path, f"{ROW.replace('10-05', '10-06')},eu", header="at,org,in,out,region")
    assert loaded(next_day, mapped, duckdb_warehouse)[0].loaded == 1
    other = mapping(tmp_path, without="event_id", top={"system": "gateway_2"})
    same_day = csv_file(tmp_path, f"{ROW},eu", header="at,org,in,out,region")
    assert len(loaded(same_day, other, duckdb_warehouse)[1]) == 4


def test_corrected_ids_are_noticed_and_replaced_where_asked(tmp_path: Path, url: str) -> None:
    apart = "r9,2026-10-07T10:00:00Z,a,1,1"
    loaded(csv_file(tmp_path, GOOD, f"r2,{LATER}", apart), mapping(tmp_path), url)
    corrected = csv_file(tmp_path, GOOD, f"r2b,{LATER}")
    report, rows = loaded(corrected, mapping(tmp_path), url)
    assert (report.loaded, report.beside, len(rows)) == (1, 1, 4)
    report = load(source(corrected, mapping(tmp_path)), url, now=NOW, replace=True)
    ids = query(url, "SELECT event_id AS id FROM usage_events ORDER BY id")
    assert [row["id"] for row in ids] == ["gateway:r1", "gateway:r2b", "gateway:r9"]
    assert (report.loaded, report.removed, report.already_there) == (0, 1, 2)
    longer = csv_file(tmp_path, GOOD, f"r2b,{LATER}", f"r3,{LATER}")
    assert loaded(longer, mapping(tmp_path), url)[0].beside == 0


def test_a_replacing_load_that_breaks_off_changes_nothing(tmp_path: Path, duckdb_warehouse: str) -> None:
    loaded(csv_file(tmp_path, GOOD, f"r2,{LATER}"), mapping(tmp_path), duckdb_warehouse)
    files = [csv_file(tmp_path, f"r5,{ROW}", f"r6,{LATER}"), tmp_path / "not-there.csv"]
    with pytest.raises(AuditsError, match="There is no file"):
        load(source(files, mapping(tmp_path)), duckdb_warehouse, now=NOW, replace=True)
    assert len(query(duckdb_warehouse, "SELECT * FROM usage_events")) == 2
