"""The evaluation as one self-contained page, in the look of the reports."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from audits.proving.evaluation.hits import RANK
from audits.proving.evaluation.intervals import Share, predictive_value
from audits.proving.evaluation.result import Evaluation, Target
from audits.proving.evaluation.score import FOUND_FROM, MEMBERS_FOUND, CampaignScore, SeverityScore
from audits.rules.engine.base import SEVERITIES
from reports.charts import FILLS
from reports.curves import Curve, Dot, curves, dots
from reports.formats.html import environment

_PREVALENCES = tuple(10 ** (exponent / 8) for exponent in range(-32, -7))  # 0.01 % to 10 %
_TEN_THOUSAND = 10_000.0


def page(evaluation: Evaluation) -> str:
    """The page: promised figures first, then curves, then every score."""
    return (
        environment()
        .get_template("evaluation.html.j2")
        .render(
            evaluation=evaluation,
            purposes=sorted({world.purpose for world in evaluation.worlds}),
            verdict=verdict,
            percent=percent,
            interval=interval,
            bound=bound,
            value=value,
            found_by_day=found_by_day(evaluation),
            by_prevalence=by_prevalence(evaluation.severities),
            by_strength=by_strength(evaluation),
            by_share=by_share(evaluation),
        )
    )


def verdict(target: Target) -> str:
    """Whether a promised figure is reached, in words."""
    if target.holds is None:
        return "not tried"
    if not target.holds:
        return "missed"
    return "holds" if target.shown else "holds, on too few to be sure"


def percent(one: Share | float | None) -> str:
    """A share for a cell; small ones keep the places that matter."""
    share = one.value if isinstance(one, Share) else one
    if share is None:
        return "–"
    digits = 0 if share in (0.0, 1.0) else 3 if share < 0.001 else 2 if share < 0.01 else 1
    return f"{100 * share:.{digits}f} %"


def interval(one: Share) -> str:
    """The interval behind a share."""
    return f"{percent(one.low)} to {percent(one.high)}" if one.of else ""


def bound(target: Target) -> str:
    """What a figure is held against."""
    return f"at {'least' if target.at_least else 'most'} {_figure(target, target.bound)}"


def value(target: Target, which: float | None) -> str:
    """A figure of a target in its own unit."""
    return "–" if which is None else _figure(target, which)


def _figure(target: Target, figure: float) -> str:
    return f"{figure:.3f}" if "F1" in target.name else percent(figure)


def found_by_day(evaluation: Evaluation) -> Markup:
    """The share of campaigns found as a group, by day of the month, for each strength."""
    length = 31
    lines: list[Curve] = []
    words = []
    for stratum in evaluation.strata:
        of = [one for one in evaluation.campaigns if one.campaign.id in stratum.ids]
        if not of:
            continue
        days = sorted(one.found_on for one in of if one.found_on is not None)
        points = [(0.0, 0.0)]
        points += [(float(day), sum(d <= day for d in days) / len(of)) for day in dict.fromkeys(days)]
        lines.append(Curve(_short(stratum.name), [*points, (float(length), len(days) / len(of))]))
        words.append(f"{stratum.name}: {len(days)} of {len(of)} by the end of the month")
    ticks = [(0.0, "0"), (7.0, "7"), (14.0, "14"), (21.0, "21"), (31.0, "31")]
    return curves(
        lines, "found-by-day", "Campaigns found as a group by day of the month", "; ".join(words) + ".", ticks=ticks,
        axis="days of the month seen", steps=True,
    )  # fmt: skip


def _short(name: str) -> str:
    """A stratum's name beside its curve."""
    share, _, volume = name.partition(", ")
    shares = {"unmixed": "all", "half extraction": "1/2", "a quarter extraction": "1/4", "a tenth extraction": "1/10",
              "a twentieth extraction": "1/20"}  # fmt: skip
    if share not in shares:
        return "< 2 k a day"
    return f"{shares[share]}, {'2–10 k' if '2,000' in volume else '10 k +'}"


def by_prevalence(severities: Sequence[SeverityScore]) -> Markup:
    """What a finding of each severity is worth where so many of all accounts are guilty."""
    lines, words = [], []
    for one in severities:
        if one.accounts.value is None or one.wrong.value is None or one.severity == SEVERITIES[0]:
            continue
        points = [(p, predictive_value(p, one.accounts.value, one.wrong.value)) for p in _PREVALENCES]
        known = [(p, share) for p, share in points if share is not None]
        band = [
            (p, predictive_value(p, one.accounts.low, one.wrong.high) or 0.0,
             1.0 if (high := predictive_value(p, one.accounts.high, one.wrong.low)) is None else high)
            for p, _ in known
        ]  # fmt: skip
        if known:
            lines.append(Curve(one.severity, known, one.severity, FILLS[one.severity], band))
            words.append(f"{one.severity}: {percent(one.precision[-1].value)} at 0.5 %")
    ticks = [(0.0001, "0.01 %"), (0.001, "0.1 %"), (0.005, "0.5 %"), (0.1, "10 %")]
    return curves(
        lines, "by-prevalence", "Share of hit accounts that are guilty, by prevalence", "; ".join(words) + ".",
        ticks=ticks, axis="guilty among all accounts", logarithmic=True,
    )  # fmt: skip


def by_strength(evaluation: Evaluation) -> Markup:
    """Every campaign by its requests a day and its share of extraction: found as a group or missed."""
    placed = [
        Dot(max(one.campaign.requests_a_day, 100.0), one.campaign.share, _is_found(one)) for one in evaluation.campaigns
    ]
    found = sum(one.filled for one in placed)
    ticks = [(100.0, "100"), (1000.0, "1,000"), (_TEN_THOUSAND, "10,000"), (100_000.0, "100,000")]
    words = f"{found} of {len(placed)} campaigns found; a line stands at 10,000 requests a day."
    return dots(
        placed, "by-strength", "Campaigns by requests a day and share of extraction", words, ticks=ticks,
        axis="requests a day of all members", guide=_TEN_THOUSAND,
    )  # fmt: skip


def by_share(evaluation: Evaluation) -> Markup:
    """How many campaigns are found where so much of their traffic is extraction, with and without groups."""
    held: dict[float, list[CampaignScore]] = {}
    for one in evaluation.campaigns:
        held.setdefault(one.campaign.share, []).append(one)
    groups = [(s, sum(_is_found(one) for one in of) / len(of)) for s, of in sorted(held.items())]
    alone = [(s, sum((one.accounts_alone.value or 0.0) >= MEMBERS_FOUND for one in of) / len(of))
             for s, of in sorted(held.items())]  # fmt: skip
    words = "; ".join(f"{share:.0%} extraction: {found:.0%}" for share, found in groups) + " found with groups."
    return curves(
        [Curve("groups", groups), Curve("accounts", alone, "low", FILLS["low"])], "by-share",
        "Campaigns found by share of extraction", words, logarithmic=True, axis="extraction among their requests",
        ticks=[(0.04, "4 %"), (0.1, "10 %"), (0.25, "25 %"), (1.0, "all")],
    )  # fmt: skip


def _is_found(one: CampaignScore) -> bool:
    return one.found is not None and RANK[one.found] >= RANK[FOUND_FROM]
