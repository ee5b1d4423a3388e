"""The SQLite ledger: killed while it is made or migrated, begun by two at once, left half-made by an old version."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from audits.errors import AuditsError
from audits.ledger import open_ledger
from audits.ledger.migrate import alembic_config, known, stamped
from audits.ledger.seal import ledger_differences
from tests.kills.steps import count_steps, kill_at, spread

HISTORY = (
    "INSERT INTO policy_versions VALUES ('sha256:p', '{}')",
    "INSERT INTO runs VALUES (1, '2026-09', 'month', '2026-09-01', '2026-10-01', 1, '[\"free\"]', 'complete', "
    "'2026-10-05 00:00:00.000000', 'sha256:p', '{}', NULL, '{}', 'sha256:r', '[]', '[]')",
    "INSERT INTO quality_days VALUES (1, '2026-09-03', 'native', 'good', '[]')",
    "INSERT INTO evaluations VALUES (1, 'free', 'R01', '1', 'active', 2, 1, 1, 0, 0, 0, '')",
)


def url_of(path: Path) -> str:
    return f"sqlite:///{path}"


def open_it(path: Path) -> None:
    with open_ledger(url_of(path)) as ledger, ledger.session() as session:
        session.execute(text("SELECT count(*) FROM runs"))


def schema(path: Path) -> list[tuple[str, ...]]:
    with sqlite3.connect(path) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        return connection.execute("SELECT type, name, sql FROM sqlite_master ORDER BY 1, 2").fetchall()


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[str, ...]]:
    """The schema of a ledger that was made without trouble."""
    path = tmp_path_factory.mktemp("whole") / "ledger.sqlite"
    open_it(path)
    return schema(path)


@pytest.fixture(scope="module")
def with_history(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ledger at the second migration that holds a run, as an earlier version left it."""
    path = tmp_path_factory.mktemp("history") / "ledger.sqlite"
    at_migration(path, "0002", HISTORY)
    return path


def at_migration(path: Path, revision: str, rows: tuple[str, ...] = ()) -> None:
    from alembic import command  # noqa: PLC0415

    engine = create_engine(url_of(path))
    with engine.begin() as connection:
        command.upgrade(alembic_config(connection), revision)
        for statement in rows:
            connection.exec_driver_sql(statement)
    engine.dispose()


def kill_creation(folder: Path, whole: list[tuple[str, ...]], wanted: int) -> None:
    for number in spread(count_steps(lambda: open_it(folder / "counted" / "ledger.sqlite"), folder), wanted):
        path = folder / str(number) / "ledger.sqlite"
        kill_at(number, lambda path=path: open_it(path), folder)
        open_it(path)
        assert schema(path) == whole, number


def kill_migration(folder: Path, with_history: Path, whole: list[tuple[str, ...]], wanted: int) -> None:
    shutil.copy(with_history, folder / "counted.sqlite")
    tables = {row[1] for row in whole}
    for number in spread(count_steps(lambda: open_it(folder / "counted.sqlite"), folder), wanted):
        path = folder / f"{number}.sqlite"
        shutil.copy(with_history, path)
        kill_at(number, lambda path=path: open_it(path), folder)
        open_it(path)
        assert {row[1] for row in schema(path)} == tables, number
        with open_ledger(url_of(path)) as ledger, ledger.session() as session:
            assert session.scalar(text("SELECT count(*) FROM quality_days")) == 1
            assert session.scalar(text("SELECT period FROM runs")) == "2026-09"
            assert list(ledger_differences(session.connection())) == []


def test_a_kill_while_the_ledger_is_made_leaves_one_that_the_next_command_opens(tmp_path, whole):
    kill_creation(tmp_path, whole, 12)


def test_a_kill_while_a_ledger_with_history_is_migrated_loses_nothing(tmp_path, with_history, whole):
    kill_migration(tmp_path, with_history, whole, 8)


@pytest.mark.slow
def test_a_kill_at_any_statement_of_any_migration(tmp_path, with_history, whole):
    (tmp_path / "made").mkdir()
    kill_creation(tmp_path / "made", whole, 1_000)
    kill_migration(tmp_path, with_history, whole, 1_000)


def test_two_first_commands_at_once_both_succeed(tmp_path, whole):
    code = "import sys; from audits.ledger import open_ledger\nwith open_ledger(sys.argv[1]) as books: print('open')"
    url = url_of(tmp_path / "ledger.sqlite")
    both = [
        subprocess.Popen([sys.executable, "-c", code, url], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        for _ in range(3)
    ]
    assert [process.communicate()[0] for process in both] == ["open\n"] * 3
    assert schema(tmp_path / "ledger.sqlite") == whole


def left_half_made(path: Path, tables: int) -> None:
    """A file as a killed first run of an old version left it: some tables of the first migration and no version."""
    at_migration(path.with_name("model.sqlite"), "0001")
    with sqlite3.connect(path.with_name("model.sqlite")) as model, sqlite3.connect(path) as half:
        statements = model.execute("SELECT sql FROM sqlite_master WHERE type = 'table' AND sql IS NOT NULL").fetchall()
        for (statement,) in statements[:tables]:
            half.execute(statement)


@pytest.mark.parametrize("tables", [1, 4, 9])
def test_a_ledger_that_an_old_version_left_half_made_is_made_whole(tmp_path, whole, tables):
    path = tmp_path / "ledger.sqlite"
    left_half_made(path, tables)
    open_it(path)
    assert schema(path) == whole


def test_a_migration_that_an_old_version_left_half_done_is_finished(tmp_path, with_history, whole):
    path = tmp_path / "ledger.sqlite"
    shutil.copy(with_history, path)
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '0001'")  # its table is there, its stamp is not
    open_it(path)
    assert {row[1] for row in schema(path)} == {row[1] for row in whole}


def test_a_table_with_rows_that_no_version_made_is_refused_and_left_alone(tmp_path):
    path = tmp_path / "ledger.sqlite"
    left_half_made(path, 9)
    with sqlite3.connect(path) as connection:
        connection.execute("INSERT INTO policy_versions VALUES ('sha256:p', '{}')")
    before = path.read_bytes()
    with pytest.raises(AuditsError, match="policy_versions with 1 rows") as caught:
        open_it(path)
    assert str(path) in caught.value.where
    assert "Nothing was changed" in caught.value.fix
    assert path.read_bytes() == before


def test_a_full_disk_while_the_ledger_is_made_says_so_and_the_next_command_makes_it(tmp_path, whole, monkeypatch):
    path = tmp_path / "ledger.sqlite"
    from audits.ledger import engine  # noqa: PLC0415

    careful = engine._careful_sqlite

    def small_disk(connection: sqlite3.Connection, record: object) -> None:
        careful(connection, record)
        connection.execute("PRAGMA max_page_count = 5")

    monkeypatch.setattr(engine, "_careful_sqlite", small_disk)
    with pytest.raises(AuditsError, match="disk that holds the ledger is full"):
        open_it(path)
    monkeypatch.undo()
    open_it(path)
    assert schema(path) == whole


@pytest.mark.parametrize(
    ("content", "says"), [(b"not a database at all" * 60, "not an SQLite database"), (None, "cannot be opened")]
)
def test_a_damaged_ledger_is_named(tmp_path, content, says):
    path = tmp_path / "ledger.sqlite"
    if content is None:
        path.mkdir()
    else:
        path.write_bytes(content)
    with pytest.raises(AuditsError, match=says) as caught:
        open_it(path)
    assert "AUDITS_LEDGER_URL" in caught.value.where


def test_every_migration_is_known_and_the_newest_is_stamped(tmp_path):
    open_it(tmp_path / "ledger.sqlite")
    engine = create_engine(url_of(tmp_path / "ledger.sqlite"))
    with engine.connect() as connection:
        assert stamped(connection) == known()[-1]
    engine.dispose()
