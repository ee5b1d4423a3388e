"""A tier's report as one self-contained page: no script, no request, safe to mail, to print and to read on a phone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from audits.display import short_id, visible
from audits.ledger.coverage import Checks
from audits.periods import Kind
from reports import charts, graphs, text
from reports.dossier import Dossier
from reports.model import SEVERITIES, Finding, Subject, TierReport
from reports.overview import PeriodLine, RunPage, TierLine
from reports.quality import QualityPage
from reports.spells import poor_spells
from reports.wording import DECISIONS, subject_of

DECISIONS_FIRST = 12
"""Decisions on the first page; more stand further down."""

MEMBERS_SHOWN, VALUES_SHOWN = 200, 40
"""Rows of a dossier's tables: those first that count most; a group may have thousands of accounts."""

ROWS_OPEN = 20
"""Findings of a group's members that stand open in their table; of more than a screen's the table folds away."""

LONGEST_QUERY = 2000
"""Characters of a query that a page shows: a group of thousands of accounts has a query of hundreds of thousands."""

FATES = {"resolved": "Resolved", "not_evaluated": "Could not be evaluated again", "left": "Left the tier"}
KINDS = {"group": "Linked group", "account": "Account", "key": "Key", "customer": "Customer", "network": "Network"}
HELD = {"shadow": "in shadow", "stopped": "stopped by the circuit breaker"}


def tier_page(report: TierReport) -> str:
    """The page of one tier."""
    since = report.since_period
    return (
        environment()
        .get_template("tier.html.j2")
        .render(
            report=report,
            head=report.heading,
            checks=report.checks,
            since=since,
            before=since.period.title if since else "",
            first=DECISIONS_FIRST,
            nothing_found=_nothing_found(report.checks, report.figures.customers),
            rows_open=ROWS_OPEN,
            longest_query=LONGEST_QUERY,
        )
    )


def index_page(kinds: Mapping[Kind, Sequence[PeriodLine]]) -> str:
    """The index over all periods and tiers."""
    return environment().get_template("index.html.j2").render(kinds=kinds)


def dossier_page(dossier: Dossier) -> str:
    """The page of one linked group."""
    return (
        environment()
        .get_template("dossier.html.j2")
        .render(
            dossier=dossier,
            head=dossier.heading,
            most_members=MEMBERS_SHOWN,
            most_values=VALUES_SHOWN,
            drawn_accounts=graphs.ACCOUNTS_DRAWN,
        )
    )


def run_page(run: RunPage) -> str:
    """The page of one revision."""
    return environment().get_template("run.html.j2").render(run=run)


def quality_page(page: QualityPage) -> str:
    """The page of the quality of a revision's data."""
    return environment().get_template("quality.html.j2").render(page=page)


@cache
def environment() -> Environment:
    """Templates that escape everything and show hidden characters of foreign text as what they are."""
    made = Environment(
        loader=PackageLoader("reports"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_finalize,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    made.globals |= {
        "marks": charts.MARKS,
        "severities": SEVERITIES,
        "spark": charts.spark,
        "daily": charts.daily,
        "trend": lambda points: charts.trend(points, "trend-chart"),
        "quality": lambda days: charts.quality(days, "quality-chart"),
        "usage": lambda days, values: charts.usage(days, values, "usage-chart"),
        "links": lambda dossier: graphs.links(dossier, "links-chart"),
        "sample": graphs.sample,
        "lives": lambda dossier: graphs.lives(dossier, "lives-chart"),
        "severity_bar": charts.severity_bar,
        "verdict_bar": charts.verdict_bar,
    }
    made.filters |= {
        "number": text.number,
        "short": text.short,
        "share": text.share,
        "day": text.day,
        "instant": text.instant,
        "counted": text.counted,
        "listed": text.listed,
        "digest": lambda digest: digest.removeprefix("sha256:")[:12],
        "severities": _severities,
        "lines": _lines,
        "poor_spells": poor_spells,
        "kind": lambda kind: KINDS.get(kind, kind),
        "plural": lambda kind: f"{kind}s".capitalize(),
        "fate": FATES.__getitem__,
        "sentence": lambda words: words[:1].upper() + words[1:],
        "subject": lambda finding: subject_of(finding.subject_type, finding.subject_id, finding.customers),
        "ident": lambda finding: short_id(finding.subject_type, finding.subject_id),
        "held": lambda status: HELD.get(status, status),
        "nothing_open": _nothing_open,
        "decided": lambda word: DECISIONS.get(word, word),
    }
    made.tests["drawn_before"] = _drawn_before
    return made


def _nothing_found(checks: Checks, customers: int) -> str:
    """What is said where there is no finding: not that nothing was found where nothing was evaluated."""
    if not customers:
        return "No customer was audited."
    if checks.none_evaluated:
        return "Nothing was evaluated."
    partly = checks.not_evaluated or checks.errored
    return "Nothing was found in what was evaluated." if partly else "Nothing was found."


def _nothing_open(line: TierLine) -> str:
    """The same in a cell of a table."""
    idle = not line.findings and (line.checks.none_evaluated or not line.customers)
    return _nothing_found(line.checks, line.customers).removesuffix(".").lower() if idle else "none"


def _finalize(value: Any) -> Any:
    return visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _lines(value: str) -> Markup:
    """Text whose line ends mean something, such as a query."""
    return Markup("\n").join(escape(visible(line)) for line in value.split("\n"))


def _severities(findings: Iterable[Finding]) -> Counter[str]:
    return Counter(finding.severity for finding in findings)


def _drawn_before(finding: Finding, subject: Subject) -> bool:
    """Whether the same chart stands already with an earlier finding of the subject."""
    earlier = subject.in_full[: subject.in_full.index(finding)]
    return finding.chart is not None and any(
        other.chart and (other.chart.values, other.chart.days) == (finding.chart.values, finding.chart.days)
        and finding.chart.limit in {None, other.chart.limit}
        for other in earlier
    )  # fmt: skip
