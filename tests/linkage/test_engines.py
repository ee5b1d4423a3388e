"""DuckDB and PostgreSQL give the same groups and the same evidence, row for row."""

from sqlalchemy import select

from audits.linkage import link
from audits.linkage.tables import group_edges, group_members, linkage_against, linkage_groups, linkage_hubs
from audits.rollups import refresh
from audits.warehouse import warehouse
from tests.linkage.measure import SINCE, WEEK, write
from tests.linkage.people import Crowd, rows_of
from tests.linkage.planted import Campaign, campaign, university_class
from tests.rows import put

PLANTED = (
    Campaign(name="batches", accounts=24, cards=4, prompts=1, per_day=5, burst=True),
    Campaign(name="scheduler", accounts=18, cards=3, sync=0.8, per_day=9),
    Campaign(name="pools", accounts=16, prompts=1, pools=2, per_day=6),
)


def written(url: str) -> dict[str, list[tuple]]:
    """Everything that linkage writes, in order of the keys."""
    with warehouse(url, write=True) as opened:
        refresh(opened, SINCE, WEEK.last_day)
        report = link(opened, WEEK, since=SINCE)
        with opened.begin() as connection:
            rows = {
                table.name: [
                    tuple(row) for row in connection.execute(select(table).order_by(*table.primary_key.columns))
                ]
                for table in (group_members, linkage_groups, group_edges, linkage_against, linkage_hubs)
            }
    return rows | {"report": [report]}


def test_both_engines_write_the_same_rows(tmp_path, postgres_url):
    crowd = Crowd(31)
    people = crowd.benign(120, harness=0.15)
    for someone in people:
        someone.rate = someone.rate / 4
    for one in PLANTED:
        people += campaign(crowd, one)
    people += university_class(crowd, "class", 12)
    tables = rows_of(people)
    ours = written(write(tmp_path / "world.duckdb", tables))
    put(
        postgres_url,
        {name: frame.astype(object).where(frame.notna(), None).to_dict("records") for name, frame in tables.items()},
    )
    theirs = written(postgres_url)
    assert {row[3] for row in ours["group_members"]} >= {one.id for one in people if one.label == "scheduler"}
    for name, rows in ours.items():
        assert sorted(rows, key=str) == sorted(theirs[name], key=str), name
