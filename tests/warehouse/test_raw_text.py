"""One detector for keys, addresses and prompts: in Python and in SQL of both engines."""

import hashlib

from sqlalchemy import String, literal, select, union_all

from audits.warehouse import warehouse
from audits.warehouse.raw_text import Kind, form_of, kind_of, text_columns
from audits.warehouse.raw_text_sql import find_raw_text, is_raw, kind_in
from audits.warehouse.tables import auth_events, source_metadata, usage_events
from tests.rows import at, event, put
from tests.warehouse.raw_text_cases import CASES


def test_what_is_found_in_single_values():
    wrong = [
        (column, value, found, kind_of(value, form_of(column)))
        for column, value, found in CASES
        if kind_of(value, form_of(column)) != found
    ]
    assert wrong == []


def test_both_engines_find_the_same(url):
    put(url, {})
    forms = sorted({form_of(column) for column, _, _ in CASES})
    with warehouse(url, write=True) as opened, opened.begin() as connection:
        for form in forms:
            values = list(dict.fromkeys(value for column, value, _ in CASES if form_of(column) is form))
            given = union_all(*(select(literal(value, String).label("value")) for value in values)).subquery("given")
            found = connection.execute(select(given.c.value, kind_in(given.c.value, form), is_raw(given.c.value, form)))
            got = {value: (kind, raw) for value, kind, raw in found}
            want = {value: (kind_of(value, form), kind_of(value, form) is not None) for value in values}
            assert {v: got[v] for v in values if got[v] != want[v]} == {}, form


def test_every_text_column_of_every_table_is_looked_into(url):
    for table in source_metadata.sorted_tables:
        for column in text_columns(table):
            assert kind_of("sk-proj-AbCdEfGhIjKlMnOpQrStUv", form_of(column)) is Kind.key
            assert isinstance(table.c[column].type, String)


def test_rows_are_counted_by_column_and_kind_and_no_value_is_named(url):
    rows = [event(i, "a", "2026-10-14T10:00") for i in range(6)]
    rows[0]["model_served"] = rows[1]["model_served"] = "alice@example.com"
    rows[2]["model_served"] = "gsk_Ab3dEf7hIj1lMn5pQr9t"
    rows[3]["session_id"] = "203.0.113.9"
    signin = {"auth_event_id": "s-1", "event_ts": at("2026-10-14"), "ingested_ts": at("2026-10-14"), "outcome": "ok",
              "client_net_hash": "203.0.113.0/24", "api_key_hash": "sk-live-1"}  # fmt: skip
    put(url, {"usage_events": rows, "auth_events": [signin]})
    with warehouse(url, write=True) as opened, opened.begin() as connection:
        found = find_raw_text(connection, usage_events) + find_raw_text(connection, auth_events)
        assert find_raw_text(connection, usage_events, where=usage_events.c.account_id == "b") == ()
    assert list(map(str, found)) == [
        "1 row holds what looks like a network address in usage_events.session_id",
        "1 row holds what looks like an API key in usage_events.model_served",
        "2 rows hold what looks like an e-mail address in usage_events.model_served",
        "1 row holds what looks like an API key in auth_events.api_key_hash",
        "1 row holds what looks like a network address in auth_events.client_net_hash",
    ]


CARDS = [f"4{number:014}" for number in range(123456789, 123456789 + 400)]
"""Without their check digits."""


def luhn(digits: str) -> str:
    """The digits with their check digit."""
    doubled = [int(d) * (2 - place % 2) for place, d in enumerate(reversed(digits))]
    return f"{digits}{-sum(d - 9 * (d > 9) for d in doubled) % 10}"


def kinds_found(url, column, values):
    """How many rows of a column of usage events hold what."""
    rows = [event(number, "a", "2026-10-14T10:00", **{column: value}) for number, value in enumerate(values)]
    put(url, {"usage_events": rows})
    with warehouse(url) as opened, opened.begin() as connection:
        return {one.kind: one.rows for one in find_raw_text(connection, usage_events) if one.column == column}


def test_cards_are_found_where_digests_belong(url):
    cards = [luhn(card) for card in CARDS[:40]]
    digests = [f"{number:064x}" for number in range(40)]
    assert kinds_found(url, "session_id", [*cards, luhn("37828224631000"), *digests]) == {Kind.card: 41}


def test_plain_numbers_and_short_digests_are_no_cards(url):
    counted = [str(4_000_000_000_000_000 + number) for number in range(400)]
    assert kinds_found(url, "session_id", counted) == {}
    short = [hashlib.sha256(str(number).encode()).hexdigest()[:16] for number in range(50)]
    assert kinds_found(url, "end_user_hash", [*short, luhn(CARDS[0])]) == {}  # one digest in some thousands is alike
