"""A row that was rejected and is corrected in its source takes its reject away; nothing else does."""

from __future__ import annotations

import json
from pathlib import Path

import duckdb
import psycopg
import pytest

from audits.sources.load import load
from tests.sources.reading import query
from tests.sources.test_file import GOOD, NOW, csv_file, loaded, mapping, source
from tests.sources.test_litellm import recorded, spend_logs  # noqa: F401 - a fixture
from tests.sources.test_litellm import source as litellm
from tests.sources.test_otel_conventions import CHAT, span
from tests.sources.test_otel_conventions import loaded as otel_loaded

AT = "2026-10-05T10:00:00Z,a,10,5"


def left(url: str) -> list[str]:
    return [row["position"] for row in query(url, "SELECT position FROM rejected_rows ORDER BY position")]


def nameless(*rows: str) -> list[str]:
    return [row.partition(",")[2] for row in rows]


BAD = ["r2,never,a,1,1", "r2,2026-10-05T10:00:00Z,a", "r2,2026-10-05T10:00:00Z,a,1.000,1"]


@pytest.mark.parametrize("bad", BAD)
@pytest.mark.parametrize("ids", [True, False])
def test_a_row_that_is_corrected_in_the_file_takes_its_reject_away(
    tmp_path: Path, url: str, bad: str, ids: bool
) -> None:
    rows = [GOOD, bad, bad.replace("r2", "r3"), GOOD.replace("r1", "r4")]
    corrected = [GOOD, f"r2,{AT}", f"r3,{AT}", GOOD.replace("r1", "r4")]
    header, mapped = "id,at,org,in,out", mapping(tmp_path)
    if not ids:
        rows, corrected = nameless(*rows), nameless(*corrected)
        rows[2] = rows[2].replace(",a", ",b")
        header, mapped = "at,org,in,out", mapping(tmp_path, without="event_id")
    assert loaded(csv_file(tmp_path, *rows, header=header), mapped, url)[0].n_rejected == 2
    report, found = loaded(csv_file(tmp_path, *corrected, header=header), mapped, url)
    assert (report.settled, report.n_rejected, left(url), len(found)) == (2, 0, [], 4)


def test_a_corrected_row_is_known_by_its_id_wherever_it_stands(tmp_path: Path, url: str) -> None:
    loaded(csv_file(tmp_path, GOOD, BAD[0], "r3,never,a,1,1"), mapping(tmp_path), url)
    report, _ = loaded(csv_file(tmp_path, f"r2,{AT}", name="later.csv"), mapping(tmp_path), url)
    assert (report.settled, left(url)) == (1, ["usage.csv:4"])
    # Rejected for another reason: it is one reject, the new one.
    loaded(csv_file(tmp_path, GOOD, "r3,2026-10-05T10:00:00Z,a,x,1", name="third.csv"), mapping(tmp_path), url)
    assert left(url) == ["third.csv:3"]


def test_the_place_settles_nothing_where_the_id_is_known(tmp_path: Path, url: str) -> None:
    loaded(csv_file(tmp_path, GOOD, "r2,never,a,1,1"), mapping(tmp_path), url)
    report, _ = loaded(csv_file(tmp_path, GOOD, f"r3,{AT}"), mapping(tmp_path), url)
    assert (report.settled, left(url)) == (0, ["usage.csv:3"])


def test_another_file_of_the_name_takes_nothing_away(tmp_path: Path, url: str) -> None:
    mapped, header = mapping(tmp_path, without="event_id"), "at,org,in,out"
    loaded(csv_file(tmp_path, AT, "never,a,1,1", "too,short", header=header), mapped, url)
    next_day = [AT.replace("10-05", "10-06"), AT.replace("10-05", "10-06"), AT.replace("10-05", "10-07")]
    report, _ = loaded(csv_file(tmp_path, *next_day, header=header), mapped, url)
    assert (report.settled, left(url)) == (0, ["usage.csv:3", "usage.csv:4"])


def test_what_one_table_rejects_another_one_does_not_settle(tmp_path: Path, url: str) -> None:
    data = csv_file(tmp_path, "a1,C1,2026-01-01", "a2,C2,soon", header="account,customer,opened")
    fits = tmp_path / "customers.yaml"
    fits.write_text(json.dumps({"system": "crm", "table": "customers", "columns": {
        "customer_id": "customer", "name": "customer", "valid_from": {"value": "2026-01-01"}}}))  # fmt: skip
    rejects = tmp_path / "accounts.yaml"
    rejects.write_text(json.dumps({"system": "crm", "table": "accounts", "columns": {
        "account_id": "account", "customer_id": "customer", "opened_at": "opened"}}))  # fmt: skip
    for one in (rejects, fits, rejects, fits):
        load(source(data, one), url, now=NOW)
        assert left(url) == ["usage.csv:3"]
    csv_file(tmp_path, "a1,C1,2026-01-01", "a2,C2,2026-02-01", header="account,customer,opened")
    assert load(source(data, rejects), url, now=NOW).settled == 1
    assert left(url) == []


def test_a_span_that_is_corrected_takes_its_reject_away(tmp_path: Path, url: str) -> None:
    broken = {**CHAT, "gen_ai.usage.input_tokens": "many"}
    no_usage = {name: said for name, said in CHAT.items() if "usage" not in name}
    report, _ = otel_loaded(tmp_path, url, span(1, broken), span(2, no_usage), span(3, broken))
    assert (report.n_rejected, len(left(url))) == (3, 3)
    report, rows = otel_loaded(tmp_path, url, span(1, CHAT), span(2, no_usage), span(3, {"http.request.method": "GET"}))
    assert (report.settled, report.n_rejected, len(left(url)), len(rows)) == (2, 1, 1, 1)
    report, _ = otel_loaded(tmp_path, url, span(2, no_usage), span(4, CHAT, inside=2))  # another span tells it now
    assert (report.settled, left(url)) == (1, [])


def test_a_spend_log_that_is_corrected_takes_its_reject_away(spend_logs: str, tmp_path: Path) -> None:  # noqa: F811
    warehouse = f"duckdb:///{tmp_path / 'usage.duckdb'}"
    request = recorded()[0]["request_id"]
    with psycopg.connect(spend_logs, autocommit=True) as proxy:
        told = proxy.execute('SELECT status FROM "LiteLLM_SpendLogs" WHERE request_id = %s', [request]).fetchone()
        proxy.execute("UPDATE \"LiteLLM_SpendLogs\" SET status = 'lost' WHERE request_id = %s", [request])
        first = load(litellm(spend_logs), warehouse, now=NOW)
        assert request in left(warehouse)
        proxy.execute('UPDATE "LiteLLM_SpendLogs" SET status = %s WHERE request_id = %s', [*(told or ()), request])
    report = load(litellm(spend_logs), warehouse, now=NOW)
    assert (report.settled, report.n_rejected) == (1, first.n_rejected - 1)
    assert request not in left(warehouse)


def test_a_table_of_rejects_from_before_gets_the_columns_that_it_lacks(tmp_path: Path) -> None:
    path = tmp_path / "usage.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.execute(
            "CREATE TABLE rejected_rows (source_system VARCHAR, position VARCHAR, reason VARCHAR, column_name VARCHAR, "
            "redacted_value VARCHAR, row_digest VARCHAR, loaded_at TIMESTAMPTZ)"
        )
    report, _ = loaded(csv_file(tmp_path, GOOD, BAD[0]), mapping(tmp_path), f"duckdb:///{path}")
    assert report.n_rejected == len(left(f"duckdb:///{path}")) == 1
