"""Holding what was found against what was planted: pure functions of hits and truth."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from audits.proving.evaluation.hits import RANK, Audited, Hit
from audits.proving.evaluation.intervals import Precision, Share, precision_at, share
from audits.proving.evaluation.pairs import Pairs, compare
from audits.proving.evaluation.truth import PlantedBreach, PlantedCampaign, Truth
from audits.rules.engine.base import SEVERITIES

PREVALENCES = (0.001, 0.005)
MEMBERS_FOUND = 0.8  # a campaign is found by a finding on so many of its members at work
PURITY = 0.95  # ... if so much of the finding is the campaign
FOUND_FROM = "high"  # ... and it is so grave: an agency's shared card is a medium finding, too


def covers(hit: Hit, campaign: PlantedCampaign) -> bool:
    """Whether one finding shows the campaign as one: most of its members at work, and hardly anybody else."""
    if len(hit.accounts) < 2 or not campaign.at_work:
        return False
    reached = len(hit.accounts & campaign.at_work) / len(campaign.at_work)
    pure = len(hit.accounts & campaign.members) / len(hit.accounts)
    return reached >= MEMBERS_FOUND and pure >= PURITY


def gravest(hits: Iterable[Hit]) -> str | None:
    """The highest severity among hits."""
    return max((hit.severity for hit in hits), key=lambda s: RANK[s], default=None)


@dataclass(frozen=True, slots=True)
class SeverityScore:
    """All findings of at least one severity: whom they hit, and what they are worth."""

    severity: str
    campaigns: Share  # found as a group
    campaigns_alone: Share  # the same without group findings: most members hit one by one
    campaign_accounts: Share
    campaign_accounts_alone: Share
    breaches: Share
    accounts: Share  # of campaigns and breaches together: the recall that precision is worked out with
    wrong: Share  # harmless accounts, look-alikes included
    wrong_alone: Share
    seen: Share  # right ones among the labelled accounts hit in these very worlds
    precision: tuple[Precision, ...]


def score_severity(severity: str, truth: Truth, audited: Audited) -> SeverityScore:
    """Every figure of one severity."""
    hits = [hit for hit in audited.hits if hit.reaches(severity)]
    alone = [hit for hit in hits if hit.subject_type != "group"]
    hit_accounts, hit_alone = _accounts(hits), _accounts(alone)
    members = frozenset[str]().union(*(c.at_work for c in truth.campaigns))
    guilty = members | {b.account for b in truth.breaches}
    harmless = truth.harmless
    recall = _among(hit_accounts, guilty)
    wrong = _among(hit_accounts, harmless)
    return SeverityScore(
        severity=severity,
        campaigns=share(sum(any(covers(h, c) for h in hits) for c in truth.campaigns), len(truth.campaigns)),
        campaigns_alone=share(sum(_one_by_one(hit_alone, c) for c in truth.campaigns), len(truth.campaigns)),
        campaign_accounts=_among(hit_accounts, members),
        campaign_accounts_alone=_among(hit_alone, members),
        breaches=share(sum(_breach_hit(hits, b) for b in truth.breaches), len(truth.breaches)),
        accounts=recall,
        wrong=wrong,
        wrong_alone=_among(hit_alone, harmless),
        seen=share(len(hit_accounts & guilty), len(hit_accounts & (guilty | harmless))),
        precision=tuple(precision_at(p, recall, wrong) for p in PREVALENCES),
    )


@dataclass(frozen=True, slots=True)
class RuleScore:
    """One rule: whom it was planted for, whom it hit."""

    rule: str
    findings: int
    severities: Mapping[str, int]
    campaigns: Share  # those that plant its signal
    campaign_accounts: Share
    breaches: Share
    wrong: Share  # harmless accounts, look-alikes included
    wrong_ordinary: Share
    wrong_by_look_alike: Mapping[str, int]  # kind -> parties hit
    other_breaches: int  # findings on accounts that break another rule: neither right nor wrong
    precision: tuple[Precision, ...]


def score_rule(rule: str, truth: Truth, audited: Audited) -> RuleScore:
    """Every figure of one rule."""
    hits = [hit for hit in audited.hits if hit.rule == rule]
    accounts = _accounts(hits)
    campaigns = [c for c in truth.campaigns if rule in c.rules]
    breaches = [b for b in truth.breaches if b.rule == rule]
    members = frozenset[str]().union(*(c.at_work for c in campaigns))
    guilty = members | {b.account for b in breaches}
    wrong = _among(accounts, truth.harmless)
    by_kind: dict[str, int] = {}
    for party in truth.parties:
        if accounts & party.accounts:
            by_kind[party.kind] = by_kind.get(party.kind, 0) + 1
    severities: dict[str, int] = {}
    for hit in hits:
        severities[hit.severity] = severities.get(hit.severity, 0) + 1
    return RuleScore(
        rule=rule,
        findings=len(hits),
        severities={name: severities[name] for name in SEVERITIES if name in severities},
        campaigns=share(sum(_found_by(hits, accounts, c) for c in campaigns), len(campaigns)),
        campaign_accounts=_among(accounts, members),
        breaches=share(sum(_breach_hit(hits, b) for b in breaches), len(breaches)),
        wrong=wrong,
        wrong_ordinary=_among(accounts, truth.benign),
        wrong_by_look_alike=dict(sorted(by_kind.items())),
        other_breaches=len(accounts & {b.account for b in truth.breaches if b.rule != rule}),
        precision=tuple(precision_at(p, _among(accounts, guilty), wrong) for p in PREVALENCES),
    )


@dataclass(frozen=True, slots=True)
class CampaignScore:
    """One campaign: what it was, how it was found, by which rules and when."""

    campaign: PlantedCampaign
    found: str | None  # the gravest finding that shows it as a group
    rules: tuple[str, ...]  # rules with such a finding
    accounts: Share  # members at work that any finding of at least medium hits
    accounts_alone: Share
    largest_group: Share  # members at work in the group that holds most of them
    purity: float | None  # of that group
    found_on: int | None


def score_campaign(campaign: PlantedCampaign, audited: Audited) -> CampaignScore:
    """Every figure of one campaign."""
    hits = [hit for hit in audited.hits if hit.accounts & campaign.members]
    covering = [hit for hit in hits if covers(hit, campaign)]
    serious = [hit for hit in hits if hit.reaches("medium")]
    held: dict[str, int] = {}
    for account in campaign.at_work:
        if account in audited.groups:
            held[audited.groups[account]] = held.get(audited.groups[account], 0) + 1
    largest = max(sorted(held), key=lambda group: held[group], default=None)
    whole = [account for account, group in audited.groups.items() if group == largest]
    return CampaignScore(
        campaign=campaign,
        found=gravest(covering),
        rules=tuple(sorted({hit.rule for hit in covering})),
        accounts=_among(_accounts(serious), campaign.at_work),
        accounts_alone=_among(_accounts(h for h in serious if h.subject_type != "group"), campaign.at_work),
        largest_group=share(held[largest] if largest else 0, len(campaign.at_work)),
        purity=sum(account in campaign.members for account in whole) / len(whole) if whole else None,
        found_on=audited.found_on.get(campaign.id),
    )


@dataclass(frozen=True, slots=True)
class LookAlikeScore:
    """One kind of look-alike: how many parties, and how gravely any of them was hit."""

    kind: str
    parties: int
    accounts: int
    hit: Mapping[str, Share]  # severity -> accounts hit at least so gravely
    gravest: str | None
    rules: Mapping[str, Sequence[str]]  # severity -> rules with a finding of exactly that severity


def score_look_alike(kind: str, truth: Truth, audited: Audited) -> LookAlikeScore:
    """Every figure of one kind of look-alike."""
    parties = [party for party in truth.parties if party.kind == kind]
    accounts = frozenset[str]().union(*(party.accounts for party in parties))
    hits = [hit for hit in audited.hits if hit.accounts & accounts]
    return LookAlikeScore(
        kind=kind,
        parties=len(parties),
        accounts=len(accounts),
        hit={s: _among(_accounts(h for h in hits if h.reaches(s)), accounts) for s in SEVERITIES},
        gravest=gravest(hits),
        rules={
            s: sorted({hit.rule for hit in hits if hit.severity == s})
            for s in SEVERITIES
            if any(hit.severity == s for hit in hits)
        },
    )


def score_groups(truth: Truth, audited: Audited) -> Pairs:
    """Pairs of accounts in the audit's groups against those of the campaigns.

    Accounts of one customer, or of one look-alike with something in common, may be grouped: a group is no finding.
    """
    labels = {account: c.id for c in truth.campaigns for account in c.members}
    at_work = frozenset[str]().union(*(c.at_work for c in truth.campaigns))
    allowed: dict[str, list[str]] = {account: [customer] for account, customer in truth.customer_of.items()}
    for party in truth.parties:
        for account in party.accounts:
            allowed.setdefault(account, []).append(party.id)
    return compare(audited.groups, labels, expected=at_work, allowed=allowed)


def _accounts(hits: Iterable[Hit]) -> frozenset[str]:
    return frozenset[str]().union(*(hit.accounts for hit in hits))


def _among(hit: Collection[str], all_of: frozenset[str]) -> Share:
    return share(len(all_of.intersection(hit)), len(all_of))


def _one_by_one(hit: frozenset[str], campaign: PlantedCampaign) -> bool:
    return len(hit & campaign.at_work) >= MEMBERS_FOUND * len(campaign.at_work)


def _found_by(hits: Sequence[Hit], accounts: frozenset[str], campaign: PlantedCampaign) -> bool:
    """A rule finds a campaign as a group, or member by member."""
    return any(covers(hit, campaign) for hit in hits) or _one_by_one(accounts, campaign)


def _breach_hit(hits: Sequence[Hit], breach: PlantedBreach) -> bool:
    """By its account, or by its network where the sign-ins name no account."""
    return any(
        breach.account in hit.accounts or (hit.subject_type == "network" and hit.subject == breach.network)
        for hit in hits
    )
