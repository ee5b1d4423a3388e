"""One request that several spans tell: in one file or in several, in any order."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest

from audits.sources.load import load
from audits.sources.otel import Otel
from tests.sources.reading import query
from tests.sources.test_otel_conventions import CHAT, NOW, loaded, span, write

AGENT = {**CHAT, "gen_ai.operation.name": "invoke_agent"}
BLANK = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "m"}
EMBED = {"gen_ai.operation.name": "embeddings", "gen_ai.request.model": "e", "gen_ai.usage.input_tokens": 3}
FAILED = {**BLANK, "error.type": "429"}


@pytest.fixture(params=["duckdb_warehouse", "postgres_url"])
def warehouse_url(request: pytest.FixtureRequest) -> str:
    url: str = request.getfixturevalue(request.param)
    return url


def kept(rows: list[dict[str, Any]]) -> list[int]:
    return [int(row["event_id"].rpartition("-")[2], 16) for row in rows]


NESTED = (
    span(1, AGENT), span(2, CHAT, inside=1), span(3, {"http.request.method": "POST"}, inside=2),
    span(4, CHAT, inside=3),
)  # fmt: skip
"""An agent, a framework's chat in it, an HTTP call, and the provider's chat."""


def test_the_inner_span_is_the_request_whatever_lies_between(tmp_path: Path, warehouse_url: str) -> None:
    for _ in range(2):
        report, rows = loaded(tmp_path, warehouse_url, *NESTED)
        assert kept(rows) == [4]
        assert (report.read, report.ignored, report.n_rejected, report.replaced) == (4, 3, 0, 0)
    assert (report.loaded, report.already_there) == (0, 1)


@pytest.mark.parametrize("order", list(itertools.permutations(range(4))))
def test_spans_may_come_in_any_order_and_one_file_at_a_time(
    tmp_path: Path, duckdb_warehouse: str, order: tuple[int, ...]
) -> None:
    for number in order:
        load(Otel([write(tmp_path / f"{number}.jsonl", NESTED[number])]), duckdb_warehouse, now=NOW)
    assert kept(query(duckdb_warehouse, "SELECT * FROM usage_events")) == [4]


def test_an_outer_span_of_an_earlier_load_is_withdrawn_and_counted(tmp_path: Path, warehouse_url: str) -> None:
    report, rows = loaded(tmp_path, warehouse_url, span(1, CHAT))
    assert (report.loaded, kept(rows)) == (1, [1])
    later = load(
        Otel([write(tmp_path / "later.jsonl", span(2, CHAT, inside=1))]), warehouse_url, now=NOW.replace(hour=7)
    )
    assert (later.loaded, later.replaced) == (1, 1)
    assert kept(query(warehouse_url, "SELECT * FROM usage_events")) == [2]


@pytest.mark.parametrize(
    ("spans", "expected", "rejected"),
    [
        ((span(1, CHAT), span(2, CHAT, inside=1), span(3, CHAT, inside=1)), [2, 3], 0),  # two steps of one call
        ((span(1, CHAT), span(2, EMBED, inside=1)), [1, 2], 0),  # a gateway's look into its cache is another request
        ((span(1, CHAT), span(2, {**CHAT, "gen_ai.operation.name": "text_completion"}, inside=1)), [2], 0),
        ((span(1, CHAT), span(2, FAILED, inside=1)), [1, 2], 0),  # what succeeded is told by no failure
        ((span(1, CHAT), span(2, FAILED, inside=1), span(3, CHAT, inside=1)), [2, 3], 0),  # tried again
        ((span(1, FAILED), span(2, FAILED, inside=1)), [2], 0),
        ((span(1, BLANK), span(2, CHAT, inside=1)), [2], 0),  # the framework's span has no usage
        ((span(1, CHAT), span(2, BLANK, inside=1)), [1], 0),  # the provider's has none: a stream
        ((span(1, BLANK), span(2, BLANK, inside=1)), [], 2),  # nobody knows the usage
        ((span(1, AGENT), span(2, CHAT, inside=1)), [2], 0),
        ((span(1, AGENT), span(2, {}, inside=1)), [], 1),  # the agent's requests are not in the export
        ((span(1, CHAT), span(2, AGENT, inside=1)), [1], 1),  # a request tells nothing of an agent inside it
        ((span(1, CHAT, parentSpanId="0" * 16), span(2, CHAT)), [1, 2], 0),
        ((span(1, CHAT, inside=2), span(2, {}, inside=1)), [1], 0),  # spans that claim to lie in each other
    ],
)
def test_which_spans_are_requests(
    tmp_path: Path, duckdb_warehouse: str, spans: tuple[dict[str, Any], ...], expected: list[int], rejected: int
) -> None:
    for _ in range(2):
        report, rows = loaded(tmp_path, duckdb_warehouse, *spans)
        assert (kept(rows), report.n_rejected) == (expected, rejected)


def test_the_same_span_ids_in_two_traces_are_two_things(tmp_path: Path, duckdb_warehouse: str) -> None:
    other = {**span(1, CHAT), "traceId": "e" * 32}
    _, rows = loaded(tmp_path, duckdb_warehouse, other, span(2, CHAT, inside=1))
    assert len(rows) == 2
