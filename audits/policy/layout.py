"""The files of a policy book and what stands in each of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from audits.policy.kinds import SEVERITIES
from audits.policy.names import (
    AUDIENCES,
    CHANNELS,
    EFFECTS,
    ENTITLEMENT_KINDS,
    FAMILIES,
    FORMATS,
    PERIODS,
    QUALITY_CHECKS,
    QUALITY_SEVERITIES,
    STANDINGS,
    STATUSES,
    SUBJECTS,
    TERRITORY_STATUSES,
)
from audits.policy.shapes import ByTier, Choice, Day, Each, Field, Flag, LimitValue, Number, Record, Ref, Text

_RULE = Ref("rule")
_TIER = Ref("tier")
_SHARE = Number(low=0, high=1)
_COUNT = Number(whole=True, low=0)
_WHY = Field(Text(), "The reason, for whoever has to defend it")
_DATED = {
    "effective_from": Field(Day(), "First UTC day on which this holds"),
    "effective_to": Field(Day(), "First UTC day on which this no longer holds; left out: still so", required=False),
}


@dataclass(frozen=True, slots=True)
class FileKind:
    """One kind of file: where it lies in the folder ({} stands for a name), and its content."""

    name: str
    place: str
    content: Record
    mark: str  # the top key by which an editor tells the kind of file
    required: bool = False
    many: str | None = None  # the top key that must equal the file's name, for a kind with many files


def _listing(meaning: str, fields: Mapping[str, Field], either: tuple[str, ...] = (), at_least: int = 0) -> Field:
    return Field(Each(Record(fields, either), at_least), meaning)


_BOOK = FileKind(
    "book",
    "book.yaml",
    Record(
        {
            "title": Field(Text(), "What this book is called on reports"),
            "rule_folders": Field(Each(Text()), "Folders with the operator's own rules, from this one", required=False),
            "settings": _listing(
                "Settings of the audit as a whole",
                {
                    "packs": Field(Each(Ref("pack"), 1), "Clause packs whose terms bind the customers"),
                    "grace_days": Field(_COUNT, "Days after a period's end before it may be audited"),
                    "baseline_days": Field(_COUNT, "Days before the period that count as a subject's own past"),
                    "breaker_share": Field(_SHARE, "Share of the population above which a rule's findings are held"),
                    "breaker_findings_min": Field(_COUNT, "Findings below which the breaker never trips"),
                    **_DATED,
                    "why": _WHY,
                },
                at_least=1,
            ),
            "standing": _listing(
                "What a finding does to a customer's standing",
                {
                    "severity": Field(Choice(SEVERITIES), "Severity of an open finding"),
                    "standing": Field(Choice(STANDINGS), "Standing that it leads to"),
                    "quiet_days": Field(_COUNT, "Days without a finding before the standing recovers"),
                    **_DATED,
                    "why": _WHY,
                },
                at_least=1,
            ),
            "combination": Field(
                Each(
                    Record(
                        {
                            "families_min": Field(_COUNT, "Signal families that must agree for a critical finding"),
                            "severity_from": Field(Choice(SEVERITIES), "Severity from which a finding has a say in it"),
                            "alike": Field(
                                Each(Each(Text())), "Signal families that follow from one another: each list is one"
                            ),
                            **_DATED,
                            "why": _WHY,
                        }
                    )
                ),
                "When findings from behaviour make a subject critical together; left out: never",
                required=False,
            ),
            "open_links": Field(
                Each(
                    Record(
                        {
                            "holder_share_min": Field(
                                _SHARE,
                                "Share of a group's accounts on one network, domain or instrument that may explain it",
                            ),
                            "tied_share_min": Field(
                                _SHARE, "Share of accounts tied by cards, devices or keys of several that it does not"
                            ),
                            "volume_factor_min": Field(
                                Number(low=1),
                                "Factor by which half of the members' daily volumes must differ from the day's median",
                            ),
                            **_DATED,
                            "why": _WHY,
                        }
                    )
                ),
                "When something harmless would explain why accounts are linked; left out: never",
                required=False,
            ),
        }
    ),
    mark="settings",
    required=True,
)

_CLAUSES = FileKind(
    "clauses",
    "clauses/{}.yaml",
    Record(
        {
            "pack": Field(Text(r"[a-z][a-z0-9_]*", "a name in snake_case"), "Name of the pack: the file's name"),
            "title": Field(Text(), "What the pack stands for"),
            "clauses": _listing(
                "Clause versions, in our own words",
                {
                    "id": Field(Text(r"[A-Za-z0-9][A-Za-z0-9._-]*", "an id without spaces"), "Id of this version"),
                    "family": Field(Choice(tuple(FAMILIES)), "Clause family"),
                    "effect": Field(Choice(EFFECTS), "What the clause says of it"),
                    "document": Field(Text(), "Document that has the clause"),
                    "section": Field(Text(), "Section of the document"),
                    "text": Field(Text(), "What it says, in our own words"),
                    "url": Field(
                        Text(r"https?://\S+", "an address that starts with https://"), "Where it stands", False
                    ),
                    "examples": Field(Each(Text()), "Public terms that have a like clause", required=False),
                    "supersedes": Field(Text(), "Id of the version before", required=False),
                    **_DATED,
                },
                at_least=1,
            ),
        }
    ),
    mark="pack",
    required=True,
    many="pack",
)

_TIERS = FileKind(
    "tiers",
    "tiers.yaml",
    Record(
        {
            "tiers": _listing(
                "Tiers, lowest rank first",
                {
                    "id": Field(Text(r"[A-Za-z0-9][A-Za-z0-9_-]*", "an id without spaces"), "As the warehouse has it"),
                    "title": Field(Text(), "As reports print it"),
                },
                at_least=1,
            ),
            "entitlements": _listing(
                "What a tier may use; what is not named is allowed",
                {
                    "kind": Field(Choice(ENTITLEMENT_KINDS), "What is meant"),
                    "value": Field(Text(), "Its name"),
                    "tiers": Field(ByTier(Flag()), "Whether each tier may use it"),
                    **_DATED,
                    "why": _WHY,
                },
            ),
        }
    ),
    mark="tiers",
    required=True,
)

_LIMITS = FileKind(
    "limits",
    "limits/{}.yaml",
    Record(
        {
            "rule": Field(_RULE, "Id of the rule: the file's name"),
            "title": Field(Text(), "The rule's title, for the reader of this file"),
            "in_force": _listing(
                "Whether, and for which tiers, the rule is judged",
                {
                    "status": Field(Choice(STATUSES), "draft, shadow (judged, not reported), active or retired"),
                    "tiers": Field(Each(_TIER, 1), "Tiers that the rule speaks of; others are not applicable"),
                    "breaker_share": Field(_SHARE, "Instead of the book's own breaker_share", required=False),
                    **_DATED,
                    "why": _WHY,
                },
                at_least=1,
            ),
            "limits": _listing(
                "The rule's parameters",
                {
                    "limit": Field(Text(r"[a-z][a-z0-9_]*", "a name in snake_case"), "Name of the parameter"),
                    "value": Field(LimitValue(), "Its value for every tier of in_force", required=False),
                    "tiers": Field(ByTier(LimitValue()), "Its value for each tier", required=False),
                    **_DATED,
                    "why": _WHY,
                },
                either=("value", "tiers"),
            ),
        }
    ),
    mark="rule",
    required=True,
    many="rule",
)

_TERRITORIES = FileKind(
    "territories",
    "territories.yaml",
    Record(
        {
            "territories": _listing(
                "Countries, where the warehouse has no table of them; what is not named is supported",
                {
                    "country": Field(Text(r"[A-Z]{2}", "two capital letters (ISO 3166-1)"), "Country"),
                    "status": Field(Choice(TERRITORY_STATUSES), "Whether the service is offered there"),
                    **_DATED,
                    "why": _WHY,
                },
            )
        }
    ),
    mark="territories",
)

_QUALITY = FileKind(
    "quality",
    "quality.yaml",
    Record(
        {
            "checks": _listing(
                "Limits of the quality gate",
                {
                    "check": Field(Choice(tuple(QUALITY_CHECKS)), "Name of the limit"),
                    "limit": Field(Number(low=0), "From which, or above which, the day fails it"),
                    "severity": Field(Choice(QUALITY_SEVERITIES), "What a failure does to the day"),
                    "not_evaluated": Field(Each(_RULE), "Rules that a failure leaves not evaluated"),
                    "set_aside": Field(
                        Flag(),
                        "Whether these rules do not read such a day and find nothing in it; left out: they do",
                        required=False,
                    ),
                    **_DATED,
                    "why": _WHY,
                },
                at_least=1,
            )
        }
    ),
    mark="checks",
    required=True,
)

_SUBSCRIPTIONS = FileKind(
    "subscriptions",
    "subscriptions.yaml",
    Record(
        {
            "subscriptions": _listing(
                "Who receives what",
                {
                    "id": Field(Text(r"[A-Za-z0-9][A-Za-z0-9._-]*", "an id without spaces"), "Id of the subscription"),
                    "audience": Field(Choice(AUDIENCES), "For whom the report is written"),
                    "channel": Field(Choice(CHANNELS), "How it is sent"),
                    "to": Field(Each(Text(), 1), "Addresses of that channel"),
                    "tiers": Field(Each(_TIER, 1), "Tiers it covers"),
                    "periods": Field(Each(Choice(PERIODS), 1), "Kinds of period it comes after"),
                    "formats": Field(Each(Choice(FORMATS), 1), "Files that come with it"),
                    "severity_from": Field(
                        Choice(SEVERITIES), "Sent only with findings at least this severe", required=False
                    ),
                    **_DATED,
                    "why": _WHY,
                },
            )
        }
    ),
    mark="subscriptions",
)

_EXCEPTIONS = FileKind(
    "exceptions",
    "exceptions.yaml",
    Record(
        {
            "exceptions": _listing(
                "What was agreed with a customer; the finding stays in the report, marked",
                {
                    "id": Field(Text(r"[A-Za-z0-9][A-Za-z0-9._-]*", "an id without spaces"), "Id of the exception"),
                    "rules": Field(Each(_RULE, 1), "Rules that it covers"),
                    "subject_type": Field(Choice(SUBJECTS), "What it is for"),
                    "subject_id": Field(Text(), "Whom it is for"),
                    "owner": Field(Text(), "Who answers for it"),
                    **(_DATED | {"effective_to": Field(Day(), "Its end: an exception has one")}),
                    "why": _WHY,
                },
            )
        }
    ),
    mark="exceptions",
)

FILE_KINDS: tuple[FileKind, ...] = (
    _BOOK, _TIERS, _CLAUSES, _LIMITS, _TERRITORIES, _QUALITY, _SUBSCRIPTIONS, _EXCEPTIONS,
)  # fmt: skip
BY_NAME: Mapping[str, FileKind] = MappingProxyType({kind.name: kind for kind in FILE_KINDS})
