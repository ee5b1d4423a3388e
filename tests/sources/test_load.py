"""What holds for every source: the warehouse that is written, and what happens when it cannot be."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import psycopg
import pytest
from sqlalchemy.engine import make_url

from audits.errors import AuditsError, PartialError
from audits.features.hashing import Hasher
from audits.sources.load import LoadReport, load
from audits.sources.otel import Otel
from audits.sources.privacy import redacted, trouble
from tests.sources.reading import query

NOW = datetime(2026, 12, 1, 6, tzinfo=UTC)
FIXTURES = Path(__file__).parent / "fixtures"
SPANS = Otel([FIXTURES / "otel_genai_openai.jsonl"])


def test_a_new_file_gets_the_tables_that_no_audit_can_do_without_and_no_other(tmp_path: Path) -> None:
    url = f"duckdb:///{tmp_path / 'new.duckdb'}"
    load(SPANS, url, now=NOW)
    there = {row["t"] for row in query(url, "SELECT table_name AS t FROM information_schema.tables")}
    assert there == {"usage_events", "customers", "accounts", "account_tiers", "rejected_rows", "otel_spans"}


@pytest.mark.parametrize(
    ("url", "what"),
    [
        ("postgresql://nobody@127.0.0.1:1/usage", "The warehouse does not answer: .*refused"),
        ("sqlite:///usage.db", "only DuckDB files and PostgreSQL can be loaded"),
        ("usage.duckdb", "is not a database URL"),
        ("", "No warehouse is configured"),
    ],
)
def test_a_warehouse_that_cannot_be_written_is_named(url: str, what: str) -> None:
    with pytest.raises(AuditsError, match=what) as caught:
        load(SPANS, url, now=NOW)
    assert "AUDITS_WAREHOUSE_URL" in caught.value.where
    assert caught.value.fix


def test_a_file_that_is_no_duckdb_file_is_named_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "notes.duckdb"
    path.write_text("these are my notes\n" * 500)
    with pytest.raises(AuditsError, match=r"notes\.duckdb is not a DuckDB database"):
        load(SPANS, f"duckdb:///{path}", now=NOW)
    assert path.read_text().startswith("these are my notes")


def test_a_file_that_another_program_writes_is_named(tmp_path: Path) -> None:
    path = tmp_path / "usage.duckdb"
    hold = "import duckdb, sys; held = duckdb.connect(sys.argv[1]); print('held', flush=True); sys.stdin.read()"
    with subprocess.Popen([sys.executable, "-c", hold, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout
        other.stdout.readline()
        with pytest.raises(AuditsError, match=r"Another process is using the warehouse: .*lock") as caught:
            load(SPANS, f"duckdb:///{path}", now=NOW)
        other.communicate()
    assert "Wait for the other process to end" in caught.value.fix


def test_a_target_table_that_lacks_columns_is_named(tmp_path: Path) -> None:
    path = tmp_path / "usage.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.execute("CREATE TABLE usage_events (event_id VARCHAR, event_ts TIMESTAMPTZ)")
    with pytest.raises(AuditsError, match="The table usage_events lacks the columns source_system, ingested_ts"):
        load(SPANS, f"duckdb:///{path}", now=NOW)


def test_a_role_that_may_not_write_is_told_so(postgres_url: str) -> None:
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        load(SPANS, postgres_url, now=NOW)
        connection.execute("CREATE ROLE usage_reader LOGIN")
        try:
            connection.execute("GRANT SELECT ON ALL TABLES IN SCHEMA public TO usage_reader")
            reader = make_url(postgres_url).set(username="usage_reader").render_as_string(hide_password=False)
            with pytest.raises(AuditsError, match="A batch could not be written: permission denied"):
                load(SPANS, reader, now=NOW)
        finally:
            connection.execute("DROP OWNED BY usage_reader")
            connection.execute("DROP ROLE usage_reader")


def test_a_warehouse_that_goes_away_keeps_the_batches_before_and_the_next_load_goes_on(
    postgres_url: str, tmp_path: Path
) -> None:
    line = (FIXTURES / "otel_genai_openai.jsonl").read_text().splitlines()[0]
    many = tmp_path / "many.jsonl"
    with many.open("w") as lines:
        for number in range(2_500):  # 20,000 spans, 7 of 8 of them requests
            lines.write(line.replace('"spanId": "', f'"spanId": "{number:04x}') + "\n")
    source = Otel([many])

    def cut_after_the_first(report: LoadReport) -> None:
        if report.read == 10_000:
            with psycopg.connect(postgres_url, autocommit=True) as other:
                other.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                    "WHERE datname = current_database() AND pid <> pg_backend_pid()"
                )

    with pytest.raises(PartialError) as caught:
        load(source, postgres_url, now=NOW, tell=cut_after_the_first)
    assert "kept" in caught.value.fix
    assert query(postgres_url, "SELECT count(*) AS n FROM usage_events") == [{"n": 8_750}]
    report = load(source, postgres_url, now=NOW)
    assert (report.loaded, report.already_there) == (8_750, 8_750)


def test_equal_values_have_equal_digests_under_one_salt_only() -> None:
    one, other = Hasher("one"), Hasher("other")
    assert one.address("203.0.113.7") == Hasher("one").address("203.0.113.7") != other.address("203.0.113.7")
    assert "203" not in one.address("203.0.113.7")


@pytest.mark.parametrize(
    ("said", "address", "network"),
    [
        ("203.0.113.7", "203.0.113.7", "203.0.113.0/24"),
        ("203.0.113.7:5123", "203.0.113.7", "203.0.113.0/24"),
        (" 203.0.113.7, 10.0.0.1", "203.0.113.7", "203.0.113.0/24"),
        ("::ffff:203.0.113.7", "203.0.113.7", "203.0.113.0/24"),
        ("2001:DB8:12:34:0:0:0:7", "2001:db8:12:34::7", "2001:db8:12::/48"),
        ("[2001:db8:12:34::7]:443", "2001:db8:12:34::7", "2001:db8:12::/48"),
        ("999.1.1.1", "999.1.1.1", None),
        ("unknown", "unknown", None),
    ],
)
def test_one_client_has_one_digest_however_a_proxy_writes_it(said: str, address: str, network: str | None) -> None:
    hasher = Hasher("salt")
    assert hasher.address(said) == hasher.text(address)
    assert hasher.network(said) == (network and hasher.text(network))


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("sk-0123456789abcdef", "what looks like an API key"),
        ("Bearer sk-ant-api03-0123456789", "what looks like an API key"),
        ("alice@example.com", "what looks like an e-mail address"),
        ("2001:db8::7", "what looks like a network address"),
        ("please write a poem about it", "what looks like free text"),
        ("task-0123456789abcdefgh", None),  # "sk-" inside a word
        ("sk-short", None),
        ("9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08", "what looks like an API key"),
        ("x" * 512, None),
        ("x" * 513, "text of more than 512 characters, where an identifier belongs"),
        ("nul \x00", "characters that no database stores"),
    ],
)
def test_keys_and_prompts_are_recognised(text: str, found: str | None) -> None:
    assert trouble("model_served", text) == found


@pytest.mark.parametrize("name", ["Yahoo!", "BANK OF NEW YORK MELLON", "Bank of America Merrill Lynch", "株式会社三菱"])
def test_the_name_of_a_company_may_stand_for_a_customer(name: str) -> None:
    assert trouble("customer_id", name) is None


def test_a_digest_is_no_key_where_digests_belong() -> None:
    assert trouble("api_key_hash", "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08") is None


@pytest.mark.parametrize(
    ("value", "shape"),
    [
        ("sk-Live-42", "xx-xxxx-99"),
        ("5 März 2026", "9 xxxx 9999"),
        (12.5, "99.9"),
        ("a" * 50, "x" * 40 + "... (50 characters)"),
    ],
)
def test_a_redacted_value_keeps_its_shape_only(value: object, shape: str) -> None:
    assert redacted(value) == shape
