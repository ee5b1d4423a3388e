"""Settings that cannot be right are refused in three lines, before anything is made."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

DAY = ("run", "--period", "2026-10-05", "--now", "2026-11-10")


def refused(audits, tmp_path: Path, *arguments: str, **environment: str) -> list[str]:
    """The three lines of a refusal that makes nothing."""
    before = set(tmp_path.rglob("*"))
    code, said = audits(*arguments, **environment)
    lines = said.split("Error ")[-1].splitlines()
    assert (code, len(lines)) == (2, 3), said
    assert set(tmp_path.rglob("*")) == before
    return lines


@pytest.mark.parametrize(
    ("url", "what"),
    [
        ("duckdb:///x", "A ledger cannot be kept in duckdb."),
        ("oracle://u:s3cret@h/d", "A ledger cannot be kept in oracle."),
        ("mysql://u:s3cret@h/d", "A ledger cannot be kept in mysql."),
        ("strange+driver://h/d", "A ledger cannot be kept in strange."),
        ("sqlite://", "The ledger's URL names no file."),
        ("postgresql://u:s3@cret@127.0.0.1:1/d", "The ledger's URL is not a database URL."),
        ("postgresql://u:s3@x/cret@h/d", "The ledger's URL is not a database URL."),
        ("postgresql://u:s3@x?cret@h/d", "The ledger's URL is not a database URL."),
    ],
)
def test_a_ledger_of_another_kind_is_refused_and_no_part_of_a_password_is_shown(audits, tmp_path, url, what):
    said = refused(audits, tmp_path, "standing", "acme", AUDITS_LEDGER_URL=url)
    assert said[0] == what
    assert "AUDITS_LEDGER_URL" in said[1]
    assert "s3" not in "".join(said)
    assert "cret" not in "".join(said)


@pytest.mark.parametrize("url", ["oracle://h/d", "strange+driver://h/d", "duckdb://", "postgresql://u:s3@x/cret@h/d"])
def test_a_warehouse_of_another_kind_is_refused(audits, tmp_path, url):
    said = refused(audits, tmp_path, "doctor", AUDITS_WAREHOUSE_URL=url)
    assert "AUDITS_WAREHOUSE_URL" in said[1]
    assert "cret" not in "".join(said)


def test_a_driver_of_another_name_is_replaced_by_ours(audits, tmp_path):
    said = refused(audits, tmp_path, "standing", "acme", AUDITS_LEDGER_URL=f"sqlite+aiosqlite:///{tmp_path / 'no'}")
    assert said[0] == "There is no ledger here."


def test_an_unknown_variable_is_refused_with_the_one_that_was_meant(audits, tmp_path):
    for command in (("policy", "schema"), DAY):
        said = refused(audits, tmp_path, *command, AUDITS_WAREHOUS_URL="duckdb:///usage.duckdb")
        assert said[0] == "There is no setting 'AUDITS_WAREHOUS_URL'."
        assert "Did you mean AUDITS_WAREHOUSE_URL?" in said[2]


def test_a_ledger_in_a_folder_that_does_not_exist_is_refused_before_any_work(audits, tmp_path, duckdb_warehouse):
    said = refused(
        audits, tmp_path, *DAY, AUDITS_WAREHOUSE_URL=duckdb_warehouse, AUDITS_OUT=str(tmp_path / "out"),
        AUDITS_LEDGER_URL=f"sqlite:///{tmp_path / 'no' / 'ledger.sqlite'}",
    )  # fmt: skip
    assert said[0] == f"There is no folder {tmp_path / 'no'} for the ledger."


@pytest.mark.parametrize("below", ["", "below"])
def test_an_output_folder_that_is_a_file_is_refused_before_any_work(audits, tmp_path, duckdb_warehouse, below):
    (tmp_path / "file").touch()
    out = str(tmp_path / "file" / below)
    for command in (DAY, ("findings", "--period", "2026-10"), ("verify", "--ledger"), ("doctor",)):
        said = refused(audits, tmp_path, *command, AUDITS_WAREHOUSE_URL=duckdb_warehouse, AUDITS_OUT=out)
        assert said[0] == f"{tmp_path / 'file'} is a file, where the folder of the reports is to be."
        assert said[1].split() == ["where", "setting", "AUDITS_OUT:", out]
    assert "--out" in refused(audits, tmp_path, "demo", "--out", out)[1]


def test_a_ledger_that_cannot_be_reached_is_refused_before_any_work(audits, tmp_path, duckdb_warehouse):
    said = refused(
        audits, tmp_path, *DAY, AUDITS_WAREHOUSE_URL=duckdb_warehouse, AUDITS_OUT=str(tmp_path / "out"),
        AUDITS_LEDGER_URL="postgresql://nobody@127.0.0.1:1/ledger",
    )  # fmt: skip
    assert said[0] == "The ledger does not answer."
    assert "AUDITS_LEDGER_URL" in said[1]


def test_rollups_at_an_impossible_place_are_refused(audits, tmp_path, duckdb_warehouse):
    foreign = tmp_path / "app.duckdb"
    with duckdb.connect(str(foreign)) as connection:
        connection.execute("CREATE TABLE orders (id INTEGER)")
    places = {
        str(tmp_path): f"The rollups file {tmp_path} is a folder.",
        str(tmp_path / "no" / "r.duckdb"): f"There is no folder {tmp_path / 'no'} for the rollups file.",
        duckdb_warehouse.removeprefix("duckdb:///"): "is the warehouse itself.",
        str(foreign): f"The DuckDB file {foreign} is not a rollups file: it has the table orders.",
    }
    before = foreign.read_bytes()
    for place, what in places.items():
        said = refused(
            audits, tmp_path, *DAY, AUDITS_WAREHOUSE_URL=duckdb_warehouse, AUDITS_OUT=str(tmp_path / "out"),
            AUDITS_ROLLUPS_URL=f"duckdb:///{place}",
        )  # fmt: skip
        assert what in said[0]
        assert "AUDITS_ROLLUPS_URL" in said[1]
    assert foreign.read_bytes() == before


def test_a_first_ledger_is_announced(audits, tmp_path, duckdb_warehouse):
    where = {"AUDITS_WAREHOUSE_URL": duckdb_warehouse, "AUDITS_OUT": str(tmp_path / "out")}
    words = "There was no ledger yet; a new one was begun"
    assert words in audits(*DAY, **where)[1]
    assert words not in audits(*DAY, **where)[1]
