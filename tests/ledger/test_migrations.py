"""A ledger with history is brought up to date without losing what it says."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic import command

from audits.errors import AuditsError
from audits.ledger import open_ledger, read_ledger
from audits.ledger.migrate import alembic_config
from audits.ledger.models import CellGroup, EvaluationRow
from tests.kills.test_ledger import HISTORY


def test_cells_without_an_answer_keep_their_counter_and_reason(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'ledger.sqlite'}"
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        config = alembic_config()
        config.attributes["connection"] = connection
        command.upgrade(config, "0002")
        tables = sa.MetaData()
        tables.reflect(connection)
        for statement in HISTORY[:2]:  # the run that the cells are of
            connection.exec_driver_sql(statement)
        connection.execute(
            tables.tables["evaluations"].insert().values(
                run_id=1, tier="build", rule_id="R01", version="1+0", status="active", planned=5, compliant=2,
                violating=0, not_applicable=0, indeterminate=3, errored=0, error="",
            )
        )  # fmt: skip
        connection.execute(
            tables.tables["cell_groups"].insert().values(
                run_id=1, tier="build", rule_id="R01", number=0, verdict="indeterminate", reason="an hour is missing",
                customers=["c1", "c2", "c3"],
            )
        )  # fmt: skip
    engine.dispose()
    with open_ledger(url) as books, books.session() as session:
        assert session.scalars(sa.select(EvaluationRow.not_evaluated)).all() == [3]
        kept = session.execute(sa.select(CellGroup.verdict, CellGroup.reason)).one()
        assert tuple(kept) == ("not_evaluated", "an hour is missing")


FOREIGN = {
    "a table of another name": ("CREATE TABLE orders (id INTEGER)",),
    "an empty table with a name of ours": ("CREATE TABLE runs (id INTEGER, name TEXT)",),
    "another program's migrations": (
        "CREATE TABLE alembic_version (version_num TEXT)", "INSERT INTO alembic_version VALUES ('0008')",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", FOREIGN)
def test_a_database_of_something_else_is_refused_and_left_as_it_is(tmp_path: Path, name: str) -> None:
    file = tmp_path / "app.db"
    with sqlite3.connect(file) as connection:
        for statement in FOREIGN[name]:
            connection.execute(statement)
    before = file.read_bytes()
    for opening in (open_ledger, read_ledger):
        with pytest.raises(AuditsError, match="The database is not a ledger") as caught, opening(f"sqlite:///{file}"):
            pass
        assert str(file) in caught.value.where
        assert caught.value.fix.startswith("Nothing was changed.")
    assert file.read_bytes() == before


@pytest.mark.postgres
def test_a_foreign_postgresql_database_is_refused_and_a_warehouse_is_not(postgres_url: str) -> None:
    engine = sa.create_engine(postgres_url)
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE usage_events (event_id TEXT)")
        connection.exec_driver_sql("CREATE TABLE orders (id INTEGER)")
    with pytest.raises(AuditsError, match="it has orders among its tables"), open_ledger(postgres_url):
        pass
    with engine.begin() as connection:
        connection.exec_driver_sql("DROP TABLE orders")
    with open_ledger(postgres_url) as books, books.session() as session:
        assert session.scalars(sa.text("SELECT count(*) FROM runs")).all() == [0]
    engine.dispose()
