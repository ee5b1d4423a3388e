"""The same description gives the same rows in the same order, whatever ran in parallel."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path

import duckdb
import pytest

from audits.proving.world import Campaign, WorldSpec, build_world
from audits.proving.world.faults import FAULTS
from audits.proving.world.traffic import BLOCK

# more than one block of rows, so that the pipeline of blocks is part of what is tried
SPEC = WorldSpec(
    seed=4,
    days=40,
    start=date(2026, 9, 1),
    customers=120,
    volume=0.004,
    release_day=20,
    campaigns=(Campaign(kind="extraction", accounts=40, per_day=300, first_day=12, days=24),),
    faults=tuple(FAULTS),
)


def digests(path: Path) -> dict[str, tuple[int, str]]:
    """Of each table: its rows, and a digest of them that depends on their order."""
    with duckdb.connect(str(path), read_only=True) as con:
        con.execute("SET TimeZone = 'UTC'")
        names = [name for (name,) in con.execute("SELECT table_name FROM duckdb_tables() ORDER BY 1").fetchall()]
        return {
            name: con.execute(
                f"SELECT count(*), sum(hash(t) % 1000003 * (n % 1009 + 1))::VARCHAR "
                f"FROM (SELECT t, row_number() OVER () AS n FROM {name} t)"
            ).fetchall()[0]
            for name in names
        }


def test_the_same_spec_gives_the_same_rows_in_the_same_order(tmp_path: Path) -> None:
    one, other = (build_world(SPEC, tmp_path / f"{name}.duckdb") for name in ("one", "other"))
    assert one.tables["usage_events"] > BLOCK
    assert digests(one.path) == digests(other.path)
    assert one.labels.read_bytes() == other.labels.read_bytes()


@pytest.fixture
def small() -> WorldSpec:
    return replace(SPEC, campaigns=(), days=20, customers=25)


def test_another_seed_gives_another_world_and_a_file_is_replaced(tmp_path: Path, small: WorldSpec) -> None:
    path = tmp_path / "world.duckdb"
    build_world(small, path)
    first = digests(path)
    build_world(replace(small, seed=5), path)
    second = digests(path)
    assert all(first[name] != second[name] for name in ("usage_events", "accounts", "customers", "auth_events"))


def test_a_campaign_leaves_the_ordinary_accounts_as_they_were(tmp_path: Path, small: WorldSpec) -> None:
    def accounts(spec: WorldSpec) -> set[tuple[object, ...]]:
        path = tmp_path / "world.duckdb"
        build_world(spec, path)
        with duckdb.connect(str(path), read_only=True) as con:
            return set(con.execute("SELECT account_id, opened_at, signup_device_hash FROM accounts").fetchall())

    alone = accounts(small)
    with_campaign = accounts(replace(small, campaigns=(Campaign(kind="quiet", accounts=6, first_day=5),)))
    assert alone < with_campaign
    assert len(with_campaign - alone) == 6


def test_progress_is_told_and_ends_at_one(tmp_path: Path, small: WorldSpec) -> None:
    told: list[tuple[str, float]] = []
    build_world(small, tmp_path / "world.duckdb", lambda stage, share: told.append((stage, share)))
    shares = [share for _, share in told]
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
    assert {"customers", "requests", "bills"} <= {stage for stage, _ in told}
