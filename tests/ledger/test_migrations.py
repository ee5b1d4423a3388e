"""A ledger with history is brought up to date without losing what it says."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa
from alembic import command

from audits.ledger import open_ledger
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
