"""What is in force when: the SQL says the same as going through the rows one by one, on both engines."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, MetaData, Subquery, case, create_engine, delete, insert, select
from sqlalchemy.engine import make_url

from audits.warehouse.tables import account_tiers
from audits.warehouse.validity import in_force

TIERS = ("free", "build", "scale")
HOURS = 12  # so few that boundaries often meet
Row = tuple[str, str, int, int | None]  # account, tier, hours from and to; None: still so

table = account_tiers.to_metadata(MetaData(), schema=None, name="tiers_under_test")
each_time = settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(params=["duckdb", "postgresql"], scope="module")
def connection(request: pytest.FixtureRequest) -> Iterator[Connection]:
    url = "duckdb:///:memory:"
    if request.param == "postgresql":
        url = make_url(f"{request.getfixturevalue('postgres_server')}/postgres").set(drivername="postgresql+psycopg")
    engine = create_engine(url)
    with engine.connect() as connection:
        table.create(connection)
        yield connection
        connection.rollback()
    engine.dispose()


rows = st.lists(
    st.tuples(
        st.sampled_from(["a", "b"]),
        st.sampled_from(TIERS),
        st.integers(0, HOURS),
        st.one_of(st.none(), st.integers(0, HOURS)),
    ),
    max_size=8,
)


def hour(number: int) -> datetime:
    return datetime(2026, 10, 1, tzinfo=UTC) + timedelta(hours=number)


def unsplit(rows: Sequence[Row]) -> list[Row]:
    """The rows, each with its begin moved back to where the row that it continues began."""
    done: list[Row] = []
    for account, tier, start, end in sorted(rows, key=lambda row: row[2]):
        if end is not None and end <= start:
            continue
        begins = [other[2] for other in done if (other[0], other[1], other[3]) == (account, tier, start)] or [start]
        done += [(account, tier, begin, end) for begin in begins]
    return done


def tier_as_of(rows: Sequence[Row], account: str, at: int) -> str | None:
    """Of the account's rows that are open at an hour, the one that began last; of several, the highest tier."""
    is_open = [row for row in rows if row[0] == account and row[2] <= at and (row[3] is None or at < row[3])]
    return max(is_open, key=lambda row: (row[2], TIERS.index(row[1])))[1] if is_open else None


def resolved() -> Subquery:
    rank = case({tier: -number for number, tier in enumerate(TIERS)}, value=table.c.tier)
    return in_force(table, ["account_id"], ["tier"], precedence=[rank], name="resolved")


def intervals(connection: Connection, rows: Sequence[Row]) -> list[tuple[str, str, datetime, datetime]]:
    connection.execute(delete(table))
    if rows:
        ends = (None if row[3] is None else hour(row[3]) for row in rows)
        values = [
            {"account_id": row[0], "tier": row[1], "valid_from": hour(row[2]), "valid_to": end}
            for row, end in zip(rows, ends, strict=True)
        ]
        connection.execute(insert(table), values)
    r = resolved().c
    found = connection.execute(
        select(r.account_id, r.tier, r.valid_from, r.valid_to).order_by(r.account_id, r.valid_from)
    )
    return [(one[0], one[1], one[2].astimezone(UTC), one[3].astimezone(UTC)) for one in found]


@each_time
@given(rows)
def test_sql_says_what_going_through_the_rows_says(connection: Connection, rows: list[Row]) -> None:
    found, rows = intervals(connection, rows), unsplit(rows)
    for account in ("a", "b"):
        for at in range(-1, HOURS + 2):
            holding = [tier for who, tier, start, end in found if who == account and start <= hour(at) < end]
            expected = tier_as_of(rows, account, at)
            assert holding == ([] if expected is None else [expected])


@each_time
@given(rows, st.data())
def test_intervals_that_meet_are_one(connection: Connection, rows: list[Row], data: st.DataObject) -> None:
    """Split into two adjacent rows, a validity interval says the same, whatever overlaps it: nothing began anew."""
    account, tier = "a", data.draw(st.sampled_from(TIERS))
    start = data.draw(st.integers(0, HOURS))
    at = data.draw(st.integers(start + 1, HOURS + 1))
    end = data.draw(st.one_of(st.none(), st.integers(at + 1, HOURS + 2)))
    # Where another row of the tier meets the split, nobody can say which of the two was split.
    others = [row for row in rows if row[:2] != (account, tier)]
    whole, split = [(account, tier, start, end)], [(account, tier, start, at), (account, tier, at, end)]
    assert intervals(connection, others + split) == intervals(connection, others + whole)


def test_an_open_ended_row_is_in_force_again_after_what_began_later(connection: Connection) -> None:
    trial = [("a", "build", 0, None), ("a", "scale", 4, 6)]
    assert [(tier, start) for _, tier, start, _ in intervals(connection, trial)] == [
        ("build", hour(0)), ("scale", hour(4)), ("build", hour(6)),
    ]  # fmt: skip


def test_rows_without_length_or_reversed_are_never_in_force(connection: Connection) -> None:
    assert intervals(connection, [("a", "build", 4, 4), ("a", "scale", 6, 2)]) == []
