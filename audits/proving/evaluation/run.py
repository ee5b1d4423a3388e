"""Auditing a labelled world as the service would: built, prepared, asked and recorded, and asked again day by day."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

from sqlalchemy import select

from audits import ledger, linkage, pipeline, quality
from audits.ledger.assemble import assemble
from audits.ledger.read import findings_of
from audits.linkage.tables import group_members
from audits.periods import Period
from audits.policy import Book
from audits.proving.evaluation.hits import Audited, Hit
from audits.proving.evaluation.score import FOUND_FROM, covers
from audits.proving.evaluation.truth import PlantedCampaign, Truth, read_truth
from audits.proving.world import build_world
from audits.proving.worlds import AUDITED, NamedWorld
from audits.rules import is_asked
from audits.rules.engine.base import Rule
from audits.rules.engine.loading import load_law
from audits.settings import Settings
from audits.warehouse import Warehouse, warehouse

Tell = Callable[[str], None]
CUTS = (1, 2, 3, 5, 7, 10, 14, 21)
"""Days of the period after which it is asked whether a campaign would have been found by then."""


@dataclass(frozen=True, slots=True)
class Prefix(Period):
    """The first days of a period: what an audit would have known if the period had ended there."""

    length: int

    @property
    def id(self) -> str:
        """The name under which its groups are kept, apart from the whole period's."""
        return f"{Period(self.first_day, self.kind).id}/{self.length}"

    @property
    def end_day(self) -> date:
        """The first day that no longer belongs to it."""
        return self.first_day + timedelta(days=self.length)


def audit_world(
    world: NamedWorld, folder: Path, tell: Tell, *, policy: Path | None = None, cuts: Sequence[int] = CUTS
) -> tuple[Truth, Audited]:
    """Build a world in ``folder`` anew, audit its last month, and find out how much of the month each campaign took.

    ``policy`` is the folder of a policy book, None the shipped one.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    file = (folder / "warehouse.duckdb").absolute()
    tell(f"{world.name}: making the world")
    summary = build_world(world.spec, file)
    truth = read_truth(world.name, file, summary.labels, AUDITED)
    settings = Settings(
        warehouse_url=f"duckdb:///{file}",
        ledger_url=f"sqlite:///{(folder / 'ledger.sqlite').absolute()}",
        out=folder.absolute(),
        policy=policy,
    )
    now = pipeline.auditable_from(settings, AUDITED)

    def say(stage: str) -> None:
        tell(f"{world.name}: {stage[0].lower()}{stage[1:]}")

    pipeline.prepare(settings, AUDITED, now=now, tell=say)
    outcome = pipeline.evaluate(settings, AUDITED, now=now, tell=say)
    with ledger.open_ledger(settings.ledger_url) as books, books.session() as session:
        hits = tuple(
            _hit(
                world.name,
                *(line[name] for name in ("rule_id", "subject_type", "subject_id", "severity", "account_ids")),
            )
            for line in findings_of(session, period=AUDITED.id)
        )
    found_on: dict[str, int] = {}
    with warehouse(settings.warehouse_url, settings.rollups_url, write=True) as source:
        groups = _groups(world.name, source)
        sought = {c.id: c for c in truth.campaigns if _shown(c, hits)}
        for length, early in _early(world.name, settings, source, sought, cuts, say):
            for found in [c.id for c in sought.values() if _shown(c, early)]:
                found_on[found] = length
                del sought[found]
        found_on |= dict.fromkeys(sought, len(AUDITED.days))
    return truth, Audited(hits, groups, found_on, tuple(f"{world.name}: {note}" for note in outcome.notes))


def _shown(campaign: PlantedCampaign, hits: Sequence[Hit]) -> bool:
    return any(hit.reaches(FOUND_FROM) and covers(hit, campaign) for hit in hits)


def _early(
    world: str,
    settings: Settings,
    source: Warehouse,
    sought: Mapping[str, PlantedCampaign],
    cuts: Sequence[int],
    say: Tell,
) -> Iterator[tuple[int, list[Hit]]]:
    """The findings after the first days of the period, from the rollups that are there; stops when none is sought."""
    book, catalogue = load_law(settings.policy)
    asked = {rule_id: rule for rule_id, rule in catalogue.items() if "group" in rule.spec.units}
    first = pipeline.baseline_from(AUDITED, book, catalogue)
    with source.begin() as connection:
        gateways = quality.behind_gateway(quality.recorded(connection, first, AUDITED.last_day))
    for length in cuts:
        if not sought:
            return
        say(f"Asking what {length} days of the month would have shown")
        prefix = Prefix(AUDITED.first_day, AUDITED.kind, length)
        linkage.link(source, prefix, since=first, behind_gateway=gateways)
        yield length, _ask(world, source, prefix, book, asked)


def _ask(world: str, source: Warehouse, prefix: Prefix, book: Book, asked: Mapping[str, Rule]) -> list[Hit]:
    """What the group rules find in a prefix; nothing is recorded."""
    in_force = {rule_id: rule for rule_id, rule in asked.items() if is_asked(rule, book, prefix)}
    with source.begin() as connection:
        audit = assemble(
            source, connection, prefix, book, in_force, made_from={}, tiers=[tier.id for tier in book.tiers],
            now=prefix.end,
        )  # fmt: skip
    return [
        _hit(world, f.rule_id, f.subject_type, f.subject_id, f.severity, f.account_ids)
        for f in audit.findings
        if f.published
    ]


def _hit(world: str, rule: str, subject_type: str, subject: str, severity: str, accounts: Iterable[str]) -> Hit:
    return Hit(rule, subject_type, f"{world}/{subject}", severity, frozenset(f"{world}/{a}" for a in accounts))


def _groups(world: str, source: Warehouse) -> dict[str, str]:
    """account -> group, as linkage left them for the whole period."""
    g = group_members.c
    with source.begin() as connection:
        rows = connection.execute(select(g.account_id, g.group_id).where(g.period == AUDITED.id).order_by(g.account_id))
        return {f"{world}/{row.account_id}": f"{world}/{row.group_id}" for row in rows}
