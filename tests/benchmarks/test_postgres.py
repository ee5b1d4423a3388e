"""PostgreSQL keeps up with DuckDB: no statement of an audit runs away where tables were just filled."""

import pytest

from audits.proving.world import Campaign, WorldSpec
from tests.benchmarks.postgres import compare, ordinary

SMALL = WorldSpec(
    seed=7, days=90, customers=260, volume=0.001, hostile_names=False,
    campaigns=(Campaign(kind="extraction", accounts=60, per_day=40, first_day=58, days=30),),
)  # fmt: skip


def test_a_small_world_takes_no_statement_long(postgres_url, tmp_path):
    """A nested loop over what was just filled took minutes here; the bounds are generous for a busy machine."""
    on_duckdb, on_postgres = compare(SMALL, tmp_path, postgres_url)
    assert on_postgres.seconds <= max(6 * on_duckdb.seconds, 30), (on_duckdb, on_postgres)
    assert on_postgres.slowest <= 10, on_postgres


@pytest.mark.slow
def test_a_world_of_ordinary_size(postgres_url, tmp_path):
    on_duckdb, on_postgres = compare(ordinary(), tmp_path, postgres_url)
    print(
        f"DuckDB {on_duckdb.seconds:.1f} s, PostgreSQL {on_postgres.seconds:.1f} s, slowest {on_postgres.slowest:.1f} s"
    )
    assert on_postgres.seconds <= 3 * on_duckdb.seconds, (on_duckdb, on_postgres)
    assert on_postgres.slowest < 10, on_postgres
