"""The whole service on one screen: how a period is audited, from the warehouse to the reports.

Every stage is told the time; none reads a clock. ``prepare`` writes only the audit's own schema in the warehouse,
``evaluate`` only the ledger, ``publish`` only the reports' folder, so that each can be run again by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from pathlib import Path

from sqlalchemy import Connection
from sqlalchemy.orm import Session

import reports
from audits import ledger, linkage, quality, rollups, rules
from audits.cycles import few_searches
from audits.errors import AuditsError, unknown
from audits.ledger import Run
from audits.ledger.assemble import assemble
from audits.ledger.causes import BEFORE
from audits.ledger.inputs import made_from, named_groups
from audits.ledger.manifests import record_manifests
from audits.ledger.read import results_before
from audits.ledger.record import latest_run, record, unchanged_run
from audits.periods import Kind, Period
from audits.policy import Book, PolicyError
from audits.rules.engine.base import Rule
from audits.rules.engine.loading import load_law
from audits.settings import Settings
from audits.warehouse import warehouse
from audits.warehouse.days import usage_span
from audits.warehouse.own import has_own_tables
from audits.warehouse.rollups_file import RollupsSetAsideError
from reports import Published, require_own, require_own_folder

Tell = Callable[[str], None]


def _quietly(_message: str) -> None:
    """Progress that nobody listens to."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an audit came to. ``changed`` is False where the inputs were those of the newest revision."""

    run_id: int
    period: Period
    revision: int
    tiers: tuple[str, ...]
    status: str  # complete, partial
    changed: bool
    notes: tuple[str, ...]
    folder: Path
    began_ledger: bool = False  # there was none before
    found: tuple[str, ...] = ()  # what was altered, missing or extra in sealed reports, and what was done about it


def audit(
    settings: Settings,
    period: Period,
    *,
    now: datetime,
    tiers: Sequence[str] = (),
    recheck: bool = False,
    tell: Tell = _quietly,
) -> Outcome:
    """Audit one period, end to end: every stage in order.

    ``recheck`` reads all rows again, for those that were corrected in place: neither their number nor their arrival
    tells of it.
    """
    _tiers(load_law(settings.policy)[0], tiers)  # a slip of the pen must not cost the work before it is noticed
    _require_own_reports(settings, period)
    try:
        prepare(settings, period, now=now, recheck=recheck, tell=tell)
        outcome = evaluate(settings, period, now=now, tiers=tiers, recheck=recheck, tell=tell)
    except RollupsSetAsideError as damaged:
        tell(damaged.what)
        prepare(settings, period, now=now, tell=tell)
        outcome = evaluate(settings, period, now=now, tiers=tiers, recheck=recheck, tell=tell)
    tell("Rendering reports")
    return replace(outcome, found=publish(settings, outcome.run_id).found)


def compared_with(settings: Settings, period: Period) -> Period | None:
    """The period after this one if it was audited already: its report says what changed since this one."""
    with _recorded(settings) as session:
        return period.next if session and latest_run(session, period.next) else None


@few_searches()
def prepare(settings: Settings, period: Period, *, now: datetime, recheck: bool = False, tell: Tell = _quietly) -> None:
    """Quality, rollups and linkage of a period and its baseline; what is fresh already is left alone."""
    book, catalogue = load_law(settings.policy)
    _require_closed(period, book, now)
    first = baseline_from(period, book, catalogue)
    with warehouse(settings.warehouse_url, settings.rollups_url, write=True, tell=tell) as source:
        if recheck:
            with source.begin() as connection:
                quality.forget(connection, first, period.last_day)
                rollups.forget(connection, first, period.last_day)
        tell("Checking the quality of the data")
        verdicts = quality.judge(source, period.first_day, period.last_day, book.quality, since=first)
        tell("Rolling up usage")
        rollups.refresh(source, first, period.last_day, blocked=quality.blocked(verdicts))
        tell("Linking accounts")
        with _recorded(settings) as session:
            named = named_groups(session, period) if session else {}
        linkage.link(source, period, since=first, behind_gateway=quality.behind_gateway(verdicts), named=named)


@few_searches()
def evaluate(
    settings: Settings,
    period: Period,
    *,
    now: datetime,
    tiers: Sequence[str] = (),
    recheck: bool = False,
    tell: Tell = _quietly,
) -> Outcome:
    """Ask every rule about the prepared period and record the answers; unchanged inputs are recorded once."""
    book, catalogue = load_law(settings.policy)
    _require_closed(period, book, now)
    wanted = _tiers(book, tiers)
    asked = {rule_id: rule for rule_id, rule in catalogue.items() if rules.is_asked(rule, book, period)}
    _require_own_reports(settings, period)
    with warehouse(settings.warehouse_url, settings.rollups_url, tell=tell) as source, source.begin() as connection:
        _require_prepared(connection, period)
        first = baseline_from(period, book, catalogue)
        parts = made_from(connection, period, first, book, asked, sorted(wanted))
        with ledger.open_ledger(settings.ledger_url) as books:
            with books.session() as session:
                parts[BEFORE] = results_before(session, period)
            with books.session() as session:
                if not recheck and (run := unchanged_run(session, period, wanted, parts)):
                    return _outcome(settings, run, changed=False)
            tell(f"Evaluating {len(asked)} rules")
            audited = assemble(source, connection, period, book, asked, made_from=parts, tiers=wanted, now=now)
            tell("Recording the outcome")
            with books.recording() as session:
                before = latest_run(session, period)
                run = record(session, audited)
                return replace(_outcome(settings, run, changed=run is not before), began_ledger=books.begun)


def render(settings: Settings, run_id: int, tier: str) -> tuple[Path, ...]:
    """Write one tier's report from the ledger alone, ahead of :func:`publish`: tiers may be rendered side by side."""
    with (
        reports.publishing(settings.out),
        ledger.open_ledger(settings.ledger_url) as books,
        books.session() as session,
    ):
        return reports.render_tier(session, run_id, tier, settings.out)


@few_searches()
def publish(settings: Settings, run_id: int) -> Published:
    """Render what is missing or overtaken of a run's reports, seal them, and write the index over all periods.

    The ledger records the digest of what was sealed, afterwards: to render takes long, and others write meanwhile.
    """
    with ledger.open_ledger(settings.ledger_url) as books:
        with books.session() as session:
            published = reports.publish(session, run_id, settings.out)
        if published.sealed:
            with books.recording() as session:
                record_manifests(session, published.sealed)
    return published


def missing_usage(settings: Settings, periods: Sequence[Period]) -> tuple[list[Period], tuple[date, date] | None]:
    """Those of the periods in which the warehouse has no usage, and the first and last day on which it has any."""
    with warehouse(settings.warehouse_url, settings.rollups_url) as source, source.begin() as connection:
        without = [one for one in periods if usage_span(connection, one.first_day, one.last_day) is None]
        return without, usage_span(connection) if without else None


def roll_up_day(settings: Settings, day: date, *, tell: Tell = _quietly) -> None:
    """The daily work: judge and roll up one day, and every earlier day of its baseline that late rows touched."""
    book, _ = load_law(settings.policy)
    first = day - timedelta(days=book.settings(day).baseline_days)
    with warehouse(settings.warehouse_url, settings.rollups_url, write=True, tell=tell) as source:
        verdicts = quality.judge(source, first, day, book.quality)
        rollups.refresh(source, first, day, blocked=quality.blocked(verdicts))
    tell(f"{day} is rolled up")


@dataclass(frozen=True, slots=True)
class PlannedWork:
    """What auditing a period would take, in words."""

    period: Period
    what: str


def planned_work(settings: Settings, periods: Sequence[Period], *, now: datetime) -> Iterator[PlannedWork]:
    """What a back-fill would do, period by period; nothing is written."""
    book, catalogue = load_law(settings.policy)
    recorded = _newest_revisions(settings, periods)
    with warehouse(settings.warehouse_url, settings.rollups_url) as source, source.begin() as connection:
        for period in periods:
            first = baseline_from(period, book, catalogue)
            days = rollups.plan(connection, first, period.last_day, {})
            audited = f"revision {recorded[period]} is there" if period in recorded else "not audited yet"
            closed = (
                "" if now >= _closes(period, book) else f"; may be audited from {_closes(period, book):%Y-%m-%d} on"
            )
            yield PlannedWork(period, f"{audited}; {len(days)} days to roll up{closed}")


def _newest_revisions(settings: Settings, periods: Sequence[Period]) -> dict[Period, int]:
    with _recorded(settings) as session:
        found = {period: latest_run(session, period) for period in periods} if session else {}
        return {period: run.revision for period, run in found.items() if run}


def baseline_from(period: Period, book: Book, catalogue: Mapping[str, Rule]) -> date:
    """The first day that a period's audit reads: the book's baseline, or what a rule needs beyond it."""
    longest = max(rule.spec.baseline_days for rule in catalogue.values())
    return period.first_day - timedelta(days=max(longest, book.settings(period.last_day).baseline_days))


def auditable_from(settings: Settings, period: Period) -> datetime:
    """The instant from which a period may be audited: its end plus the policy book's grace for late rows."""
    book, _ = load_law(settings.policy)
    return _closes(period, book)


def _require_closed(period: Period, book: Book, now: datetime) -> None:
    closes = _closes(period, book)
    if now < closes:
        state = "lies in the future" if now < period.start else "is not closed yet"
        raise AuditsError(
            f"The period {period} {state}: it ends at {period.end:%Y-%m-%d %H:%M} UTC and may be audited "
            f"{(closes - period.end).days} days later, when late rows have arrived.",
            where=f"--period {period}",
            fix=f"Audit it from {closes:%Y-%m-%d} on{_or_earlier(period.kind, book, now)}.",
        )


def _or_earlier(kind: Kind, book: Book, now: datetime) -> str:
    """The newest period that is closed, as an alternative in words; empty where the book begins after it."""
    period = Period.of(now.date(), kind).previous
    try:
        while now < _closes(period, book):
            period = period.previous
    except PolicyError:
        return ""
    return f", or an earlier one such as {period}"


def _require_prepared(connection: Connection, period: Period) -> None:
    if not has_own_tables(connection):
        raise AuditsError(
            f"{period} has not been prepared: the warehouse has no rollups.",
            where="setting AUDITS_WAREHOUSE_URL, schema audit",
            fix=f"Run: audits run --period {period}",
        )


def _require_own_reports(settings: Settings, period: Period) -> None:
    """Before any work: reports that another ledger's audit sealed are not to be replaced, or shown beside its own."""
    with _recorded(settings) as session:
        require_own_folder(session, settings.out)
        if session:
            require_own(session, period.id, settings.out)
        else:
            ledger.require_place(settings.ledger_url, settings.out)


@contextmanager
def _recorded(settings: Settings) -> Iterator[Session | None]:
    """A session on the ledger as it is; None where it was not begun yet. An audit that is refused begins none."""
    if not ledger.is_there(settings.ledger_url):
        yield None
        return
    with ledger.read_ledger(settings.ledger_url) as books, books.session() as session:
        yield session


def _closes(period: Period, book: Book) -> datetime:
    """The instant from which a period may be audited."""
    return period.end + timedelta(days=book.settings(period.last_day).grace_days)


def _tiers(book: Book, tiers: Sequence[str]) -> tuple[str, ...]:
    known = [tier.id for tier in book.tiers]
    for tier in tiers:
        if tier not in known:
            raise unknown("tier", tier, known, where=f"--tier {tier}")
    return tuple(tier for tier in known if not tiers or tier in tiers)


def _outcome(settings: Settings, run: Run, *, changed: bool) -> Outcome:
    period = Period.parse(run.period)
    return Outcome(
        run_id=run.id,
        period=period,
        revision=run.revision,
        tiers=tuple(run.tiers),
        status=run.status,
        changed=changed,
        notes=tuple(run.notes),
        folder=settings.out / run.period / f"r{run.revision}",
    )
