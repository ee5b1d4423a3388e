"""CSV and Parquet files by a mapping."""

from __future__ import annotations

import gzip
import json
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from audits.errors import AuditsError, PartialError
from audits.features.hashing import Hasher
from audits.sources.file import File
from audits.sources.file_mapping import read_mapping
from audits.sources.load import LoadReport, load
from tests.sources.reading import query

NOW = datetime(2026, 12, 1, 6, tzinfo=UTC)
AZURE = Path(__file__).parents[3] / "shared" / "data" / "traffic" / "AzureLLMInferenceTrace_code.csv"

BASE = {
    "event_id": "id", "event_ts": "at", "account_id": "org", "input_tokens": "in", "output_tokens": "out",
    "operation": {"value": "chat"}, "model_requested": {"value": "m-1"}, "status_code": {"value": 200},
    "content_available": {"value": False},
}  # fmt: skip


def mapping(folder: Path, *, top: dict[str, Any] | None = None, without: str = "", **columns: Any) -> Path:
    """A mapping as a file, in YAML's JSON form."""
    wanted = {name: said for name, said in {**BASE, **columns}.items() if name != without}
    path = folder / "mapping.yaml"
    path.write_text(json.dumps({"system": "gateway", **(top or {}), "columns": wanted}, indent=1))
    return path


def csv_file(folder: Path, *rows: str, header: str = "id,at,org,in,out", name: str = "usage.csv") -> Path:
    path = folder / name
    path.write_text("\n".join([header, *rows]) + "\n")
    return path


def source(data: Path | list[Path], mapped: Path, salt: str | None = "pepper") -> File:
    return File(data if isinstance(data, list) else [data], read_mapping(mapped), Hasher(salt))


def loaded(data: Path | list[Path], mapped: Path, url: str) -> tuple[LoadReport, list[dict[str, Any]]]:
    report = load(source(data, mapped), url, now=NOW)
    return report, query(url, "SELECT * FROM usage_events ORDER BY event_id")


GOOD = "r1,2026-10-05T10:00:00Z,a,10,5"


def test_rows_become_events_once(tmp_path: Path, duckdb_warehouse: str) -> None:
    data = csv_file(tmp_path, GOOD, "r2,2026-10-05 12:30:00.123456+02:00,,7,0")
    for expected in ((2, 0), (0, 2)):
        report, rows = loaded(data, mapping(tmp_path), duckdb_warehouse)
        assert (report.loaded, report.already_there) == expected
    assert [row["event_id"] for row in rows] == ["gateway:r1", "gateway:r2"]
    assert rows[1]["event_ts"] == datetime(2026, 10, 5, 10, 30, 0, 123456, tzinfo=UTC)
    assert [row["account_id"] for row in rows] == ["a", "UNMAPPED"]
    assert rows[0]["ingested_ts"] == NOW
    assert (rows[0]["status_code"], rows[0]["content_available"], rows[0]["operation"]) == (200, False, "chat")
    assert report.unmapped == 1
    assert report.unknown_accounts == {"a": 1}
    assert {"api_key_hash", "client_ip_hash", "cached_input_tokens"} <= set(report.not_recorded)


def test_files_load_into_postgresql_too(tmp_path: Path, postgres_url: str) -> None:
    data = csv_file(tmp_path, GOOD, 'r2,2026-10-05T10:00:00Z,"with ""quotes"", commas",7,0', "r3,then,a,1,1")
    for expected in ((2, 0), (0, 2)):
        report, rows = loaded(data, mapping(tmp_path, cost_usd={"value": 0.25}), postgres_url)
        assert (report.loaded, report.already_there, report.n_rejected) == (*expected, 1)
    assert rows[1]["account_id"] == 'with "quotes", commas'
    assert rows[1]["cost_usd"] == Decimal("0.25")
    assert rows[1]["session_id"] is None
    assert len(query(postgres_url, "SELECT * FROM rejected_rows")) == 1


@pytest.mark.parametrize(
    ("said", "text"),
    [
        ({"column": "at", "time": "%d/%m/%Y %H:%M:%S"}, "05/10/2026 12:00:00"),
        ({"column": "at", "time": "%d/%m/%Y %H:%M:%S %z"}, "05/10/2026 13:00:00 +0300"),
        ({"column": "at"}, "2026-10-05 12:00:00"),
        ({"column": "at"}, "2026-10-05T10:00:00Z"),
        ({"column": "at", "time": "unix_s"}, "1791194400"),
        ({"column": "at", "time": "unix_ms"}, "1791194400000"),
        ({"column": "at", "time": "unix_us"}, "1791194400000000"),
    ],
)
def test_times_in_every_form_are_the_same_instant(
    tmp_path: Path, duckdb_warehouse: str, said: dict[str, str], text: str
) -> None:
    data = csv_file(tmp_path, f"r1,{text},a,1,1")
    zone = {"time_zone": "Europe/Berlin"}
    _, rows = loaded(data, mapping(tmp_path, top=zone, event_ts=said), duckdb_warehouse)
    assert rows[0]["event_ts"] == datetime(2026, 10, 5, 10, tzinfo=UTC)


def test_a_unit_factor_multiplies_and_rounds(tmp_path: Path, duckdb_warehouse: str) -> None:
    data = csv_file(tmp_path, f"{GOOD},1.2341,12.5", header="id,at,org,in,out,seconds,cents")
    mapped = mapping(
        tmp_path, duration_ms={"column": "seconds", "factor": 1000}, cost_usd={"column": "cents", "factor": 0.01}
    )
    _, rows = loaded(data, mapped, duckdb_warehouse)
    assert (rows[0]["duration_ms"], rows[0]["cost_usd"]) == (1234, Decimal("0.125"))


def test_columns_can_be_digests_and_without_a_salt_are_refused(tmp_path: Path, duckdb_warehouse: str) -> None:
    data = csv_file(tmp_path, f'{GOOD},"203.0.113.9, 10.0.0.1",bob@example.com', header="id,at,org,in,out,ip,user")
    mapped = mapping(
        tmp_path,
        client_ip_hash={"column": "ip", "hash": "address"},
        client_net_hash={"column": "ip", "hash": "network"},
        end_user_hash={"column": "user", "hash": "text"},
    )
    with pytest.raises(AuditsError, match="salted digests"):
        load(source(data, mapped, salt=None), duckdb_warehouse, now=NOW)
    _, rows = loaded(data, mapped, duckdb_warehouse)
    hasher = Hasher("pepper")
    assert rows[0]["client_ip_hash"] == hasher.text("203.0.113.9")
    assert rows[0]["client_net_hash"] == hasher.text("203.0.113.0/24")
    assert rows[0]["end_user_hash"] == hasher.text("bob@example.com")


@pytest.mark.parametrize(
    ("row", "column", "reason"),
    [
        ("x,2026-10-05T10:00:00Z,a,12.7,5", "in", "no whole number, or one out of range"),
        ("x,2026-10-05T10:00:00Z,a,1e3,5", "in", "no whole number, or one out of range"),
        ("x,2026-10-05T10:00:00Z,a,99999999999999999999,5", "in", "no whole number, or one out of range"),
        ("x,2026-10-05T10:00:00Z,a,,5", "in", "nothing, but is required"),
        ("x,soon,a,1,5", "at", "no time in ISO 8601"),
        (",2026-10-05T10:00:00Z,a,1,5", "id", "nothing, but is required"),
        ("x,2026-10-05T10:00:00Z,sk-live-0123456789abcdef,1,5", "org", "what looks like an API key"),
        ("x,2026-10-05T10:00:00Z," + "word " * 200 + ",1,5", "org", "text of more than 512 characters"),
        ("x,2026-10-05T10:00:00Z,a,1", "line", "4 fields instead of 5"),
        ("x,2026-10-05T10:00:00Z,a,1,2,3", "line", "6 fields instead of 5"),
    ],
)
def test_a_row_that_does_not_fit_is_set_aside_by_its_place(
    tmp_path: Path, duckdb_warehouse: str, row: str, column: str, reason: str
) -> None:
    data = csv_file(tmp_path, GOOD, GOOD.replace("r1", "r2"), row, GOOD.replace("r1", "r3"))
    for _ in range(2):
        report, rows = loaded(data, mapping(tmp_path), duckdb_warehouse)
        assert (report.read, len(rows), report.n_rejected) == (4, 3, 1)
    aside = query(duckdb_warehouse, "SELECT * FROM rejected_rows")
    assert [(entry["position"], entry["column_name"]) for entry in aside] == [("usage.csv:4", column)]
    assert aside[0]["reason"].startswith(reason)
    for secret in ("sk-live", "word word"):
        assert secret not in json.dumps(aside, default=str)


def test_a_corrected_mapping_settles_what_it_rejected(tmp_path: Path, url: str) -> None:
    header = "id,at,org,in,out,status"
    data = csv_file(tmp_path, f"{GOOD},200", f"{GOOD.replace('r1', 'r2')},success", "r3,never,a,1,1,200", header=header)
    (tmp_path / "other").mkdir()
    namesake = csv_file(tmp_path / "other", f"{GOOD},200", f"{GOOD.replace('r1', 'r7')},failure", header=header)
    first = mapping(tmp_path, status_code={"column": "status"})
    for one, rejected in ((data, 2), (namesake, 1)):
        report, _ = loaded(one, first, url)
        assert (report.n_rejected, report.settled) == (rejected, 0)
    corrected = mapping(tmp_path, status_code={"column": "status", "values": {"200": 200, "success": 200}})
    report, rows = loaded(data, corrected, url)
    assert (report.settled, report.n_rejected) == (1, 1)
    assert [row["event_id"] for row in rows] == ["gateway:r1", "gateway:r2"]
    aside = query(url, "SELECT position, column_name AS c FROM rejected_rows ORDER BY position")
    assert [(entry["position"], entry["c"]) for entry in aside] == [("usage.csv:3", "status"), ("usage.csv:4", "at")]


def test_rows_of_one_id_that_say_other_things_are_counted(tmp_path: Path, url: str) -> None:
    other = GOOD.replace(",10,", ",999,")
    report, rows = loaded(csv_file(tmp_path, GOOD, GOOD, other, GOOD.replace("r1", "r2")), mapping(tmp_path), url)
    assert (report.loaded, report.already_there, report.conflicting) == (2, 2, 1)
    assert [row["input_tokens"] for row in rows] == [999, 10]


def test_a_bad_row_counts_once_however_often_it_is_exported(tmp_path: Path, duckdb_warehouse: str) -> None:
    bad = "r2,never,a,1,1"
    for name, rows in (("one.csv", (bad,)), ("two.csv", (GOOD, bad))):
        report, _ = loaded(csv_file(tmp_path, *rows, GOOD, name=name), mapping(tmp_path), duckdb_warehouse)
        assert (report.n_rejected, report.settled) == (1, 0)
    assert len(query(duckdb_warehouse, "SELECT * FROM rejected_rows")) == 1


@pytest.mark.parametrize("mark", [";", "\t", "|"])
def test_another_delimiter_is_named(tmp_path: Path, duckdb_warehouse: str, mark: str) -> None:
    data = csv_file(tmp_path, GOOD.replace(",", mark), header=mark.join(["id", "at", "org", "in", "out"]))
    with pytest.raises(AuditsError, match="The first line is divided by") as caught:
        loaded(data, mapping(tmp_path), duckdb_warehouse)
    assert f"`delimiter: {json.dumps(mark)}`" in str(caught.value)
    _report, rows = loaded(data, mapping(tmp_path, top={"delimiter": mark}), duckdb_warehouse)
    assert len(rows) == 1


def test_a_file_that_is_cut_short_is_named(tmp_path: Path, duckdb_warehouse: str) -> None:
    whole = gzip.compress(csv_file(tmp_path, *(GOOD.replace("r1", f"r{n}") for n in range(2_000))).read_bytes())
    cut = tmp_path / "cut.csv.gz"
    cut.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(AuditsError, match="cut short or damaged") as caught:
        loaded(cut, mapping(tmp_path), duckdb_warehouse)
    assert str(cut) in str(caught.value)


@pytest.mark.parametrize("said", [{"time": "%Q"}, {"time": "%"}, {"time": "soon"}])
def test_a_form_of_a_time_that_means_nothing_is_a_mistake(tmp_path: Path, said: dict[str, str]) -> None:
    with pytest.raises(AuditsError, match="`time` is iso, unix_s"):
        read_mapping(mapping(tmp_path, event_ts={"column": "at", **said}))


@pytest.mark.parametrize("factor", [True, -1, 0, float("inf"), float("nan")])
def test_a_factor_is_a_number_above_zero(tmp_path: Path, factor: float) -> None:
    path = mapping(tmp_path)
    path.write_text(path.read_text().replace('"in"', f'{{"column": "in", "factor": {str(factor).lower()}}}'))
    path.write_text(path.read_text().replace(": inf", ": .inf").replace(": nan", ": .nan"))
    with pytest.raises(AuditsError, match="`factor` is a number above zero"):
        read_mapping(path)


def test_positions_count_the_records_that_were_skipped_before(tmp_path: Path, duckdb_warehouse: str) -> None:
    data = csv_file(tmp_path, "too,short", GOOD, "also,short", "r2,never,a,1,1", "again,short", "r3,never,a,1,1")
    loaded(data, mapping(tmp_path), duckdb_warehouse)
    aside = query(duckdb_warehouse, "SELECT position, column_name AS c FROM rejected_rows ORDER BY position")
    assert [(entry["position"], entry["c"]) for entry in aside] == [
        ("usage.csv:2", "line"), ("usage.csv:4", "line"), ("usage.csv:5", "at"), ("usage.csv:6", "line"),
        ("usage.csv:7", "at"),
    ]  # fmt: skip


def test_raw_addresses_and_names_are_no_digests(tmp_path: Path, duckdb_warehouse: str) -> None:
    header = "id,at,org,in,out,ip,user"
    data = csv_file(
        tmp_path, f"{GOOD},0a1b2c,77aa", f"{GOOD.replace('r1', 'r2')},203.0.113.9,77aa",
        f"{GOOD.replace('r1', 'r3')},2001:db8::1,77aa", f"{GOOD.replace('r1', 'r4')},0a1b2c,bob@example.com",
        header=header,
    )  # fmt: skip
    report, rows = loaded(data, mapping(tmp_path, client_ip_hash="ip", end_user_hash="user"), duckdb_warehouse)
    assert [row["event_id"] for row in rows] == ["gateway:r1"]
    assert report.rejected == {
        ("ip", "what looks like a network address"): 2,
        ("user", "what looks like an e-mail address"): 1,
    }


def test_a_quote_that_is_never_closed_loses_no_row_in_silence(tmp_path: Path, duckdb_warehouse: str) -> None:
    data = csv_file(tmp_path, GOOD, 'r2,2026-10-05T10:00:00Z,a,1,"1', GOOD.replace("r1", "r3"))
    report, rows = loaded(data, mapping(tmp_path), duckdb_warehouse)
    assert len(rows) == 1
    assert next(iter(report.rejected))[1].startswith("a line break in the file's last record")


def test_without_an_id_equal_rows_are_told_apart_and_still_load_once(tmp_path: Path, duckdb_warehouse: str) -> None:
    row = "2026-10-05T10:00:00Z,a,10,5"
    data = csv_file(tmp_path, row, row, "2026-10-05T10:00:01Z,a,10,5", row, header="at,org,in,out")
    mapped = mapping(tmp_path, without="event_id")
    report, rows = loaded(data, mapped, duckdb_warehouse)
    assert report.loaded == len({row["event_id"] for row in rows}) == 4
    renamed = data.rename(tmp_path / "renamed.csv")
    with renamed.open("a") as more:
        more.write(row + "\n")
    report, rows = loaded(renamed, mapped, duckdb_warehouse)
    assert (report.loaded, report.already_there, len(rows)) == (1, 4, 5)


def test_parquet_is_read_by_its_types(tmp_path: Path, duckdb_warehouse: str) -> None:
    columns = {
        "id": ["r1", "r2"], "at": pa.array([1_791_194_400, 1_791_198_000], pa.timestamp("s")),
        "org": ["a", None], "in": pa.array([10, 20], pa.int32()), "out": pa.array([5.0, 6.0]),
        "flag": [True, None], "score": pa.array([0.5, None], pa.float32()),
    }  # fmt: skip
    pq.write_table(pa.table(columns), tmp_path / "usage.parquet")
    mapped = mapping(tmp_path, moderation_flagged="flag", cot_elicit_score="score")
    report, rows = loaded(tmp_path / "usage.parquet", mapped, duckdb_warehouse)
    assert report.loaded == 2
    told = [(r["event_ts"].hour, r["input_tokens"], r["output_tokens"], r["moderation_flagged"]) for r in rows]
    assert told == [(10, 10, 5, True), (11, 20, 6, None)]
    assert [row["cot_elicit_score"] for row in rows] == [0.5, None]
    assert loaded(tmp_path / "usage.parquet", mapped, duckdb_warehouse)[0].already_there == 2


def test_hostile_column_names_are_names_only(tmp_path: Path, duckdb_warehouse: str) -> None:
    names = ['in"; DROP TABLE usage_events; --', "IN", "in", "<script>"]
    data = tmp_path / "usage.csv"
    quoted = ",".join('"' + name.replace('"', '""') + '"' for name in ["id", "at", *names])
    data.write_text(f"{quoted}\nr1,2026-10-05T10:00:00Z,1,2,3,4\n")
    mapped = mapping(tmp_path, input_tokens={"column": names[0]}, output_tokens={"column": "IN"}, account_id="<script>")
    _, rows = loaded(data, mapped, duckdb_warehouse)
    assert (rows[0]["input_tokens"], rows[0]["output_tokens"], rows[0]["account_id"]) == (1, 2, "4")


def test_many_blocks_arrive_whole_and_compressed_files_too(tmp_path: Path, duckdb_warehouse: str) -> None:
    lines = [f"r{i},2026-10-05T10:00:00Z,account-{i % 7},{i},1,{'x' * 200}" for i in range(120_000)]
    text = "id,at,org,in,out,filler\n" + "\n".join(lines) + "\n"
    data = tmp_path / "usage.csv.gz"
    data.write_bytes(gzip.compress(text.encode(), 1))
    heard: list[int] = []
    load(source(data, mapping(tmp_path)), duckdb_warehouse, now=NOW, tell=lambda report: heard.append(report.read))
    assert len(heard) > 2
    total = query(duckdb_warehouse, "SELECT count(*) AS n, sum(input_tokens) AS tokens FROM usage_events")
    assert total == [{"n": 120_000, "tokens": 120_000 * 119_999 // 2}]


def test_a_mapping_s_mistakes_are_all_named_with_their_lines(tmp_path: Path) -> None:
    path = tmp_path / "mapping.yaml"
    path.write_text(
        "systm: gateway\n"
        "columns:\n"
        "  event_tz: at\n"
        "  account_id: {colunm: org}\n"
        "  input_tokens: {column: in, value: 3}\n"
        "  output_tokens: {column: out, time: iso}\n"
        "  operation: {column: kind, factor: 2}\n"
        "  session_id: {column: s, hash: text}\n"
        "  client_ip_hash: {column: ip, hash: md5}\n"
        "  content_available: {value: sometimes}\n"
    )
    with pytest.raises(AuditsError) as caught:
        read_mapping(path)
    said = str(caught.value)
    for expected in (
        "line 1: 'systm' is not known here; did you mean 'system'?",
        "line 3: 'event_tz' is not a column of the contract; did you mean 'event_ts'?",
        "line 4: account_id: 'colunm' is not known here; did you mean 'column'?",
        "line 5: input_tokens: exactly one of `column` and `value` is wanted",
        "line 6: output_tokens: `time` belongs to a time only",
        "line 7: operation: `factor` is a number above zero, and belongs to a number only",
        "line 8: session_id: `hash` is one of text, address, network, and belongs to a column that ends in _hash",
        "line 9: client_ip_hash: `hash` is one of",
        "line 10: content_available: the value of a truth column is true or false",
        "`columns` must also say where event_ts, model_requested, status_code come from",
        "`system` is missing",
    ):
        assert expected in said


@pytest.mark.parametrize(
    ("text", "what"),
    [("", "The mapping is empty"), ("columns: [", "The mapping is not YAML"), ("- a\n", "The mapping is empty")],
)
def test_a_mapping_that_is_none_is_named(tmp_path: Path, text: str, what: str) -> None:
    (tmp_path / "mapping.yaml").write_text(text)
    with pytest.raises(AuditsError, match=what):
        read_mapping(tmp_path / "mapping.yaml")


def test_a_mapping_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(AuditsError, match="The mapping cannot be read"):
        read_mapping(tmp_path / "mapping.yaml")


def test_a_column_that_the_file_lacks_is_named_with_what_was_meant(tmp_path: Path, duckdb_warehouse: str) -> None:
    data = csv_file(tmp_path, GOOD, header="id,at,orgs,in,out")
    with pytest.raises(AuditsError, match="no column 'org'; did you mean 'orgs'") as caught:
        loaded(data, mapping(tmp_path), duckdb_warehouse)
    assert "mapping.yaml:6 (account_id)" in caught.value.where
    twice = csv_file(tmp_path, f"{GOOD},1", header="id,at,org,in,out,in")
    with pytest.raises(AuditsError, match="several columns 'in'"):
        loaded(twice, mapping(tmp_path), duckdb_warehouse)


def test_a_time_format_that_fits_no_row_stops_the_load_and_shows_the_form(
    tmp_path: Path, duckdb_warehouse: str
) -> None:
    data = csv_file(tmp_path, "r1,5 Oct 2026 10:00,a,1,1", "r2,6 Oct 2026 10:00,a,1,1")
    with pytest.raises(AuditsError, match="No row fits: 'at' holds no time in ISO 8601") as caught:
        loaded(data, mapping(tmp_path), duckdb_warehouse)
    assert "'9 xxx 9999 99:99'" in caught.value.fix
    assert query(duckdb_warehouse, "SELECT * FROM usage_events") == []


@pytest.mark.parametrize(
    ("name", "content", "what"),
    [
        ("usage.csv", b"\n" + f"id,at,org,in,out\n{GOOD}\n".encode(), "The file's first line is empty"),
        ("usage.csv", b"id,at,org,in,out\n" + b"r1,x,\xe9,1,1\n" * 9, "The file cannot be read as utf-8"),
        ("usage.csv", b"caf\xe9\n", "The file cannot be read as utf-8"),
        ("usage.parquet", b"id,at\n", "The file cannot be read"),
    ],
)
def test_a_file_that_is_not_what_it_says_is_named(
    tmp_path: Path, duckdb_warehouse: str, name: str, content: bytes, what: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(AuditsError, match=what) as caught:
        loaded(tmp_path / name, mapping(tmp_path), duckdb_warehouse)
    assert caught.value.fix


def test_another_encoding_and_delimiter_can_be_said(tmp_path: Path, duckdb_warehouse: str) -> None:
    data = tmp_path / "usage.csv"
    data.write_bytes("id;at;org;in;out\nr1;2026-10-05T10:00:00Z;café;1;1\n".encode("latin-1"))
    mapped = mapping(tmp_path, top={"encoding": "latin-1", "delimiter": ";"})
    assert loaded(data, mapped, duckdb_warehouse)[1][0]["account_id"] == "café"


def test_a_file_or_a_zone_that_is_not_there_is_named(tmp_path: Path, duckdb_warehouse: str) -> None:
    with pytest.raises(AuditsError, match="There is no file"):
        loaded(tmp_path / "absent.csv", mapping(tmp_path), duckdb_warehouse)
    data = csv_file(tmp_path, GOOD)
    with pytest.raises(AuditsError, match="no time zone 'Mars/Olympus'"):
        loaded(data, mapping(tmp_path, top={"time_zone": "Mars/Olympus"}), duckdb_warehouse)


def test_what_a_broken_load_brought_is_kept_and_the_next_goes_on(tmp_path: Path, duckdb_warehouse: str) -> None:
    good, later = csv_file(tmp_path, GOOD, name="good.csv"), tmp_path / "later.csv"
    with pytest.raises(PartialError, match=r"There is no file .*later\.csv") as caught:
        loaded([good, later], mapping(tmp_path), duckdb_warehouse)
    assert "The 1 rows loaded before are kept" in caught.value.fix
    csv_file(tmp_path, GOOD.replace("r1", "r2"), name="later.csv")
    report, rows = loaded([good, later], mapping(tmp_path), duckdb_warehouse)
    assert (report.loaded, report.already_there, len(rows)) == (1, 1, 2)


@pytest.mark.skipif(not AZURE.is_file(), reason=f"the real trace is not at {AZURE}")
def test_a_real_trace_without_accounts_loads_as_unmapped(tmp_path: Path, duckdb_warehouse: str) -> None:
    path = tmp_path / "azure.yaml"
    path.write_text(
        "system: azure-trace\n"
        "columns:\n"
        "  event_ts: TIMESTAMP\n"
        "  input_tokens: ContextTokens\n"
        "  output_tokens: GeneratedTokens\n"
        "  operation: {value: completion}\n"
        "  model_requested: {value: code}\n"
        "  status_code: {value: 200}\n"
        "  content_available: {value: false}\n"
    )
    report = load(source(AZURE, path), duckdb_warehouse, now=NOW)
    assert (report.read, report.loaded, report.unmapped, report.n_rejected) == (8_819, 8_819, 8_819, 0)
    assert report.first == datetime(2023, 11, 16, 18, 17, 3, 979960, tzinfo=UTC)
    sums = query(duckdb_warehouse, "SELECT sum(input_tokens) AS i, sum(output_tokens) AS o FROM usage_events")
    lines = [line.split(",") for line in AZURE.read_text().splitlines()[1:]]
    assert sums == [{"i": sum(int(line[1]) for line in lines), "o": sum(int(line[2]) for line in lines)}]
    assert load(source(AZURE, path), duckdb_warehouse, now=NOW).already_there == 8_819


def test_a_file_without_a_header_is_refused_and_no_cell_is_printed(tmp_path: Path, duckdb_warehouse: str) -> None:
    cells = ["alice.example@example.com", "sk-proj-AbCdEfGhIjKlMnOpQrStUv", "Please summarise the memo", "orgs"]
    line = ",".join(["r1", "2026-10-05T10:00:00Z", *cells])
    (tmp_path / "usage.csv").write_text(f"{line}\n{line}\n")
    with pytest.raises(AuditsError, match="The file has no column") as caught:
        load(source(tmp_path / "usage.csv", mapping(tmp_path)), duckdb_warehouse, now=NOW)
    assert [cell for cell in cells if cell in str(caught.value)] == []


def test_what_a_library_says_of_a_row_is_not_printed(tmp_path: Path, duckdb_warehouse: str) -> None:
    (tmp_path / "usage.parquet").write_bytes(b"PAR1 alice.example@example.com PAR1")
    (tmp_path / "usage.csv").write_bytes(b"id,at,org,in,out\nalice@example.com,caf\xe9,a,1,1\n")
    for name in ("usage.parquet", "usage.csv"):
        with pytest.raises(AuditsError, match="The file cannot be read as") as caught:
            load(source(tmp_path / name, mapping(tmp_path)), duckdb_warehouse, now=NOW)
        assert "alice" not in str(caught.value)
