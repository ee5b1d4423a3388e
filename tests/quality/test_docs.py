"""Data Docs: two plain pages that read offline and come out the same each time."""

import re
from datetime import UTC, datetime

from audits.quality.docs import publish_data_docs
from audits.warehouse import warehouse
from tests.quality.data import DAY, change, judged, limits, requests, world
from tests.rows import put

HOSTILE = "<b onclick=alert(1)>&$number \"'"


def pages(url, folder):
    with warehouse(url) as opened:
        index = publish_data_docs(
            opened, DAY, DAY, lambda _day: limits(), folder, name="2026-10", at=datetime(2026, 11, 4, tzinfo=UTC)
        )
    assert index == folder / "index.html"
    return {file.name: file.read_bytes() for file in sorted(folder.iterdir())}


def test_the_same_figures_give_the_same_pages_and_none_calls_home(duckdb_warehouse, tmp_path):
    put(duckdb_warehouse, world(change(requests(), 2, output_tokens=-1)))
    judged(duckdb_warehouse)
    first = pages(duckdb_warehouse, tmp_path / "one")
    assert pages(duckdb_warehouse, tmp_path / "two") == first
    assert pages(duckdb_warehouse, tmp_path / "one") == first
    assert set(first) == {"index.html", "suite.html"}
    text = b"".join(first.values()).decode()
    assert not re.search(r"https?://|<script|<link|<img", text)
    assert "impossible_token_share" in text
    assert DAY.isoformat() in first["index.html"].decode()
    assert 'href="suite.html"' in first["index.html"].decode()


def test_a_hostile_name_of_a_source_is_no_markup(duckdb_warehouse, tmp_path):
    put(duckdb_warehouse, world(change(requests(source_system=HOSTILE), 2, output_tokens=-1)))
    assert judged(duckdb_warehouse)[0].source_system == HOSTILE
    text = pages(duckdb_warehouse, tmp_path / "docs")["index.html"].decode()
    assert "<b onclick" not in text
    assert "&lt;b onclick" in text
