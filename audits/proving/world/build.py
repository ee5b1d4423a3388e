"""From a description to a file: the stages of a world, in order."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import duckdb

from audits.proving.world.breaches import add_breaches
from audits.proving.world.conditions import bend
from audits.proving.world.consequences import load_consequences
from audits.proving.world.dimensions import load_dimensions
from audits.proving.world.faults import spoil
from audits.proving.world.lookalikes import add_lookalikes
from audits.proving.world.planting import add_campaigns
from audits.proving.world.population import add_population, give_hostile_names
from audits.proving.world.rows import EventWriter, write_events
from audits.proving.world.spec import WorldSpec, WorldSummary
from audits.proving.world.state import World
from audits.proving.world.tables import create_tables
from audits.proving.world.traffic import blocks, even_blocks
from audits.warehouse.tables import source_metadata

Progress = Callable[[str, float], None]


def build_world(spec: WorldSpec, path: Path, progress: Progress | None = None) -> WorldSummary:
    """Write the world to a new DuckDB file at ``path`` and its labels beside it as ``<stem>.labels.json``.

    A file that is there already is replaced. ``progress`` is told the stage and the share done, 0 to 1. The same
    spec gives the same rows in the same order.
    """
    say = progress or (lambda _stage, _share: None)
    say("customers", 0.0)
    world = World(spec)
    add_population(world)
    add_campaigns(world)
    add_lookalikes(world)
    add_breaches(world)
    if spec.hostile_names:
        give_hostile_names(world)
    path.parent.mkdir(parents=True, exist_ok=True)
    for old in (path, path.with_name(path.name + ".wal")):
        old.unlink(missing_ok=True)
    with duckdb.connect(str(path)) as con:
        con.execute("SET TimeZone = 'UTC'")
        con.execute("SET enable_progress_bar = false")
        create_tables(con)
        load_dimensions(con, world)
        write_events(
            EventWriter(con, world), even_blocks(blocks(world)), lambda share: say("requests", 0.05 + 0.85 * share)
        )
        say("bills", 0.92)
        load_consequences(con, world)
        faults = spoil(con, world)
        bend(con, world)
        tables = {
            table.name: con.execute(f"SELECT count(*) FROM {table.name}").fetchall()[0][0]  # noqa: S608
            for table in source_metadata.tables.values()
        }
        con.execute("RESET threads")  # nothing below adds rows
        con.execute("CHECKPOINT")
    labels = path.with_name(f"{path.stem}.labels.json")
    labels.write_text(json.dumps(_labels(world, faults), indent=1, sort_keys=True, default=str) + "\n", "utf-8")
    say("done", 1.0)
    kinds = Counter(label.kind for label in world.labels.values())
    return WorldSummary(path, labels, spec.begin, spec.end, tables, dict(sorted(kinds.items())))


def _labels(world: World, faults: list[dict[str, Any]]) -> dict[str, Any]:
    """Everything that the audit must not see: each account's kind, and what was planted where."""
    return {
        "spec": asdict(world.spec),
        "accounts": {account: asdict(label) for account, label in sorted(world.labels.items())},
        **world.planted,
        "faults": faults,
    }
