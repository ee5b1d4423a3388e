"""The whole evaluation as data: worlds, scores, and the figures that the project promises with whether they hold."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from audits.proving.evaluation.hits import RANK, Audited
from audits.proving.evaluation.hits import joined as joined_hits
from audits.proving.evaluation.intervals import Share, share
from audits.proving.evaluation.pairs import Pairs
from audits.proving.evaluation.score import (
    FOUND_FROM,
    CampaignScore,
    LookAlikeScore,
    RuleScore,
    SeverityScore,
    score_campaign,
    score_groups,
    score_look_alike,
    score_rule,
    score_severity,
)
from audits.proving.evaluation.truth import Truth
from audits.proving.evaluation.truth import joined as joined_truth
from audits.proving.worlds import NamedWorld
from audits.rules.engine.base import SEVERITIES


@dataclass(frozen=True, slots=True)
class Target:
    """One promised figure: what was measured, what it is held against, and whether it holds.

    ``shown`` says whether it also holds at the poor end of the interval, so that it is no accident of few trials.
    """

    name: str
    bound: float
    at_least: bool  # else: at most
    value: float | None
    low: float
    high: float
    of: int  # trials behind it

    @property
    def holds(self) -> bool | None:
        """Whether the figure is reached; None where nothing was tried."""
        if self.value is None or self.of == 0:
            return None
        return self.value >= self.bound if self.at_least else self.value <= self.bound

    @property
    def shown(self) -> bool:
        """Whether the interval lies on the right side as a whole."""
        return bool(self.of) and (self.low >= self.bound if self.at_least else self.high <= self.bound)


@dataclass(frozen=True, slots=True)
class Stratum:
    """Campaigns of one strength: how many there were, and how many were found as a group by the end of the month."""

    name: str
    found: Share
    found_high: Share
    ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class WorldLine:
    """One world in the evaluation."""

    name: str
    purpose: str
    tries: str
    seed: int
    customers: int
    accounts: int  # at work in the month, with a label
    campaigns: int
    breaches: int
    parties: int


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Everything that was measured."""

    period: str
    policy: str
    worlds: tuple[WorldLine, ...]
    severities: tuple[SeverityScore, ...]
    rules: tuple[RuleScore, ...]
    campaigns: tuple[CampaignScore, ...]
    strata: tuple[Stratum, ...]
    look_alikes: tuple[LookAlikeScore, ...]
    groups: Pairs
    targets: tuple[Target, ...]
    notes: tuple[str, ...]


def _unmixed(one: CampaignScore) -> bool:
    return one.campaign.share >= 0.99


def _about(share_: float) -> Callable[[CampaignScore], bool]:
    return lambda one: abs(one.campaign.share - share_) < share_ / 4


STRATA: tuple[tuple[str, Callable[[CampaignScore], bool], float, float, float | None], ...] = (
    # name, which campaigns, requests a day from, to, the promised share found
    ("unmixed, 10,000 a day and more", _unmixed, 10_000, 1e12, 0.95),
    ("half extraction, 10,000 a day and more", _about(0.5), 10_000, 1e12, None),
    ("a quarter extraction, 10,000 a day and more", _about(0.25), 10_000, 1e12, 0.9),
    ("a tenth extraction, 10,000 a day and more", _about(0.1), 10_000, 1e12, 0.6),
    ("a twentieth extraction, 10,000 a day and more", _about(0.05), 10_000, 1e12, None),
    ("unmixed, 2,000 to 10,000 a day", _unmixed, 2_000, 10_000, 0.8),
    ("under 2,000 a day", lambda _one: True, 0, 2_000, None),
)
# severity: harmless accounts hit at most, precision at least
BOUNDS: dict[str, tuple[float, float]] = {"critical": (0.0001, 0.95), "high": (0.001, 0.8), "medium": (0.01, 0.4)}
PAIRWISE_F1 = 0.95
HELD_TO = 0.005  # the prevalence at which precision is promised


def evaluate(
    worlds: Sequence[NamedWorld],
    outcomes: Iterable[tuple[Truth, Audited]],
    rules: Sequence[str],
    *,
    period: str,
    policy: str,
) -> Evaluation:
    """Score all worlds together."""
    outcomes = list(outcomes)
    truth, audited = joined_truth(t for t, _ in outcomes), joined_hits(a for _, a in outcomes)
    severities = tuple(score_severity(s, truth, audited) for s in reversed(SEVERITIES))
    campaigns = tuple(score_campaign(c, audited) for c in truth.campaigns)
    strata = tuple(_strata(campaigns))
    look_alikes = tuple(score_look_alike(kind, truth, audited) for kind in sorted({p.kind for p in truth.parties}))
    groups = score_groups(truth, audited)
    return Evaluation(
        period=period,
        policy=policy,
        worlds=tuple(_line(world, one) for world, (one, _) in zip(worlds, outcomes, strict=True)),
        severities=severities,
        rules=tuple(score_rule(rule, truth, audited) for rule in rules),
        campaigns=campaigns,
        strata=strata,
        look_alikes=look_alikes,
        groups=groups,
        targets=tuple(_targets(severities, strata, look_alikes, groups)),
        notes=audited.notes,
    )


def _line(world: NamedWorld, truth: Truth) -> WorldLine:
    members = frozenset[str]().union(*(c.at_work for c in truth.campaigns))
    return WorldLine(
        name=world.name, purpose=world.purpose, tries=world.tries, seed=world.spec.seed,
        customers=world.spec.customers, accounts=len(truth.harmless | members | {b.account for b in truth.breaches}),
        campaigns=len(truth.campaigns), breaches=len(truth.breaches), parties=len(truth.parties),
    )  # fmt: skip


def _strata(campaigns: Sequence[CampaignScore]) -> Iterable[Stratum]:
    for name, chosen, least, most, _ in STRATA:
        held = [one for one in campaigns if chosen(one) and least <= one.campaign.requests_a_day < most]
        yield Stratum(
            name,
            share(sum(_reaches(one.found, "medium") for one in held), len(held)),
            share(sum(_reaches(one.found, FOUND_FROM) for one in held), len(held)),
            tuple(one.campaign.id for one in held),
        )


def _reaches(found: str | None, severity: str) -> bool:
    return found is not None and RANK[found] >= RANK[severity]


def _targets(
    severities: Sequence[SeverityScore], strata: Sequence[Stratum], look_alikes: Sequence[LookAlikeScore], groups: Pairs
) -> Iterable[Target]:
    for one in severities:
        if one.severity in BOUNDS:
            wrong, right = BOUNDS[one.severity]
            yield _of_share(f"{one.severity}: harmless accounts hit", wrong, one.wrong, at_least=False)
            precision = next(p for p in one.precision if p.prevalence == HELD_TO)
            yield Target(
                f"{one.severity}: precision at {HELD_TO:.1%} prevalence", right, True, precision.value, precision.low,
                precision.high, one.accounts.of + one.wrong.of,
            )  # fmt: skip
    for stratum, (_, _, _, _, bound) in zip(strata, STRATA, strict=True):
        if bound is not None:
            yield _of_share(f"found as a group: {stratum.name}", bound, stratum.found_high, at_least=True)
    f1 = groups.f1
    yield Target("pairwise F1 of groups", PAIRWISE_F1, True, f1, f1 or 0.0, f1 or 0.0, groups.right + groups.missed)
    above = sum(one.gravest is not None and RANK[one.gravest] > RANK["medium"] for one in look_alikes)
    yield _of_share("kinds of look-alike above medium", 0.0, share(above, len(look_alikes)), at_least=False)


def _of_share(name: str, bound: float, one: Share, *, at_least: bool) -> Target:
    return Target(name, bound, at_least, one.value, one.low, one.high, one.of)


def as_json(evaluation: Evaluation) -> dict[str, Any]:
    """Plain data, the same bytes for the same worlds and rules; sets come in order."""
    data: dict[str, Any] = _plain(asdict(evaluation))
    for target, one in zip(data["targets"], evaluation.targets, strict=True):
        target |= {"holds": one.holds, "shown": one.shown}
    data["groups"] |= {"precision": evaluation.groups.precision, "recall": evaluation.groups.recall,
                       "f1": evaluation.groups.f1}  # fmt: skip
    for campaign in data["campaigns"]:
        for name in ("members", "at_work"):
            campaign["campaign"][name] = len(campaign["campaign"][name])
    return data


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, frozenset):
        return sorted(value)
    if isinstance(value, tuple | list):
        return [_plain(one) for one in value]
    return round(value, 9) if isinstance(value, float) else value
