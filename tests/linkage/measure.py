"""Linking a made-up population on a real warehouse, and how well the groups agree with what was planted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import duckdb
import pandas as pd
import pyarrow as pa
from sqlalchemy import create_engine, select

from audits.linkage import LinkReport, link
from audits.linkage.tables import group_members, linkage_groups
from audits.periods import Period
from audits.rollups import refresh
from audits.warehouse import warehouse
from audits.warehouse.tables import SOURCE_SCHEMA, source_metadata
from tests.linkage.people import Someone, rows_of

WEEK = Period.parse("2026-W41")
SINCE = WEEK.first_day - timedelta(days=28)


@dataclass(frozen=True)
class Linked:
    """The groups of a population, and who was planted in it."""

    report: LinkReport
    groups: dict[str, set[str]]
    label: dict[str, str]
    kinds: dict[str, str]  # of each group's evidence

    def pairwise(self, planted: Iterable[str]) -> tuple[float, float]:
        """Precision over pairs that touch a planted campaign, and recall over the campaigns' own pairs."""
        campaigns = set(planted)
        shown = right = 0
        for members in self.groups.values():
            inside = Counter(self.label[account] for account in members)
            of_campaigns = sum(n for name, n in inside.items() if name in campaigns)
            others = len(members) - of_campaigns
            shown += of_campaigns * (of_campaigns - 1) // 2 + of_campaigns * others
            right += sum(n * (n - 1) // 2 for name, n in inside.items() if name in campaigns)
        sizes = Counter(self.label.values())
        there = sum(sizes[name] * (sizes[name] - 1) // 2 for name in campaigns)
        return (right / shown if shown else 1.0), (right / there if there else 1.0)

    def found(self, name: str) -> tuple[float, float]:
        """Of the group with most of a planted party: the party's share in it, and its share of the group."""
        size = sum(label == name for label in self.label.values())
        best = max(self.groups.values(), key=lambda g: sum(self.label[a] == name for a in g), default=set[str]())
        inside = sum(self.label[account] == name for account in best)
        return inside / size, inside / max(len(best), 1)

    def strangers(self) -> list[Counter[str]]:
        """Groups with people who were planted in nothing, by what their members are."""
        made = [Counter(self.label[account] for account in members) for members in self.groups.values()]
        return [inside for inside in made if inside[""]]


def linked(folder: Path, people: Iterable[Someone]) -> Linked:
    """Write the people's rows, roll them up and link them."""
    people = list(people)
    url = write(folder / "world.duckdb", rows_of(people))
    with warehouse(url, write=True) as opened:
        refresh(opened, SINCE, WEEK.last_day)
        report = link(opened, WEEK, since=SINCE)
        groups: dict[str, set[str]] = {}
        with opened.begin() as connection:
            for row in connection.execute(select(group_members.c.group_id, group_members.c.account_id)):
                groups.setdefault(row.group_id, set()).add(row.account_id)
            kinds = {row.group_id: row.kinds for row in connection.execute(select(linkage_groups))}
    return Linked(report, groups, {one.id: one.label for one in people}, kinds)


def write(file: Path, tables: Mapping[str, pd.DataFrame]) -> str:
    """A DuckDB file with every table of the contract, some of them filled."""
    url = f"duckdb:///{file}"
    engine = create_engine(url).execution_options(schema_translate_map={SOURCE_SCHEMA: None})
    source_metadata.create_all(engine)
    engine.dispose()
    with duckdb.connect(str(file)) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        for name, frame in tables.items():
            connection.register("rows", pa.Table.from_pandas(frame, preserve_index=False))
            connection.execute(f"INSERT INTO {name} BY NAME SELECT * FROM rows")
            connection.unregister("rows")
    return url
