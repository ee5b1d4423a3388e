"""When the use was that a rejected row tells of is kept, where it can be read."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from audits.sources.buckets import Buckets, openai_row
from audits.sources.load import load
from audits.sources.otel import Otel
from tests.rows import run_sql
from tests.sources import test_otel
from tests.sources.reading import query
from tests.sources.test_buckets import DAY, completions, openai_page, write
from tests.sources.test_file import GOOD, NOW, csv_file, loaded, mapping
from tests.sources.test_litellm import insert, recorded, spend_logs  # noqa: F401 - a fixture
from tests.sources.test_litellm import source as litellm


def times(url: str) -> dict[str, datetime | None]:
    """The time of each reject, by the last part of its place."""
    rows = query(url, "SELECT position, occurred_at FROM rejected_rows")
    utc = {row["position"].split(":")[-1]: row["occurred_at"] for row in rows}
    return {place: at and at.astimezone(UTC) for place, at in utc.items()}


def test_of_rows_of_a_file(tmp_path: Path, url: str) -> None:
    rows = (
        "r2,2026-10-05T23:30:00-02:00,a,1.5,1",  # one token and a half
        "r3,never,a,1,1",
        "r4,1970-01-20T10:00:00Z,a,1.5,1",
        "r5,2026-10-05T10:00:00Z,a",
    )
    loaded(csv_file(tmp_path, GOOD, *rows), mapping(tmp_path), url)
    assert times(url) == {"3": datetime(2026, 10, 6, 1, 30, tzinfo=UTC), "4": None, "5": None, "6": None}


def test_of_spans(tmp_path: Path, duckdb_warehouse: str) -> None:
    bad = [
        test_otel.span(gen_ai__request__model="please write " * 100),
        test_otel.span(gen_ai__usage__input_tokens=None),
        {**test_otel.span(), "startTimeUnixNano": "soon"},
    ]
    load(Otel([test_otel.write(tmp_path / "a.jsonl", *bad)]), duckdb_warehouse, now=NOW)
    at = datetime(2026, 11, 24, 5, 12, 48, 208207, tzinfo=UTC)
    found = times(duckdb_warehouse)
    assert {place: one and one.date() for place, one in found.items()} == {
        "1 span 1": at.date(), "1 span 2": at.date(), "1 span 3": None,
    }  # fmt: skip
    assert {one.microsecond for one in found.values() if one} == {at.microsecond}


def test_of_buckets_of_a_day_and_not_of_longer_ones(tmp_path: Path, duckdb_warehouse: str) -> None:
    long = openai_page({"amount": 3})
    long["data"][0]["end_time"] += 86_400
    path = write(
        tmp_path / "a.json", openai_page({"amount": 3}), openai_page(completions(input_tokens=2**70)), long, {"no": 1}
    )
    load(Buckets([path], openai_row, "openai"), duckdb_warehouse, now=NOW)
    day = datetime.fromtimestamp(DAY, UTC)
    assert times(duckdb_warehouse) == {"1 bucket 1": day, "2 bucket 1": day, "3 bucket 1": None, "4": None}


def test_of_spend_logs(spend_logs: str, duckdb_warehouse: str) -> None:  # noqa: F811
    base = {**recorded()[0], "startTime": "2026-10-05 10:00:00", "spend": 1e12}
    insert(spend_logs, [{**base, "request_id": "rich"}, {**base, "request_id": "endless", "startTime": "infinity"}])
    load(litellm(spend_logs), duckdb_warehouse, now=NOW)
    assert times(duckdb_warehouse) == {"rich": datetime(2026, 10, 5, 10, tzinfo=UTC), "endless": None}


def test_a_reject_from_before_times_were_kept_has_its_time_when_it_is_loaded_again(tmp_path: Path, url: str) -> None:
    files = csv_file(tmp_path, GOOD, "r2,2026-10-05T10:00:00Z,a,1.5,1", "r3,never,a,1,1"), mapping(tmp_path)
    loaded(*files, url)
    arrived = query(url, "SELECT loaded_at FROM rejected_rows WHERE occurred_at IS NULL")
    run_sql(url, "ALTER TABLE rejected_rows DROP COLUMN occurred_at")
    for _ in range(2):
        loaded(*files, url)
        assert times(url) == {"3": datetime(2026, 10, 5, 10, tzinfo=UTC), "4": None}
    assert query(url, "SELECT loaded_at FROM rejected_rows WHERE occurred_at IS NULL") == arrived
