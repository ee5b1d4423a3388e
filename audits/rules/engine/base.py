"""What a rule is: its description (rule.yaml) and one function that returns a select of violating subjects (rule.py).

A rule's folder under ``audits/rules`` is its whole life: the folder's name starts with its id, ``rule.yaml`` is read
into :class:`RuleSpec`, and ``rule.py`` has

``violations(scope) -> Select``
    One row for each violating subject and tier: ``subject_id``, ``tier`` and, where they apply, ``account_id`` (of a
    key or network), ``subject_type`` (when the rule has several units), ``severity`` (when it is not the rule's own),
    ``one_operator`` (when the figures show by themselves that one operator runs a group's accounts),
    ``discriminator`` (when one subject can have several findings), columns ``observed_...`` (what was seen) and
    ``limit_...`` (what it was held against).

``evidence(scope, found) -> Select``
    The source rows that a finding rests on: contract tables only, because others run it on the warehouse alone.

and where the rule knows more than its declaration says,

``unevaluable(scope) -> Select``
    (``account_id``, ``reason``) of accounts that the rule cannot judge in this period, because what is missing could
    have changed the answer (see :mod:`audits.rules.engine.bounds`); and ``customer_id`` or ``tier`` where that holds
    for one customer of the account, or under one of its tiers, only.

``inapplicable(scope) -> Select``
    The same columns, of accounts to which the rule does not apply.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator
from sqlalchemy import Select

from audits.errors import closest
from audits.policy.names import FAMILIES
from audits.rollups.account_day import RECORDED

if TYPE_CHECKING:
    from audits.rules.engine.scope import Scope

Unit = Literal["account", "group", "key", "customer", "network"]
Severity = Literal["low", "medium", "high", "critical"]
Status = Literal["draft", "shadow", "active", "retired"]
SEVERITIES: tuple[Severity, ...] = ("low", "medium", "high", "critical")


class Needs(BaseModel):
    """What must be recorded for the rule to be evaluated; where it is missing, the reason names it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    usage: bool = True  # an account without any usage in the period is not applicable
    grain: Literal["event", "bucket"] = "event"  # the coarsest grain of usage that suffices
    tables: tuple[str, ...] = ()  # contract tables that must exist and hold rows
    columns: tuple[str, ...] = ()  # nullable columns of usage_events that must be recorded for the account
    bounded: bool = False  # `unevaluable` asks what missing columns, and requests known from buckets, change at most
    counts: bool = False  # the number of requests must be recorded, which some bucketed sources do not publish
    groups: bool = False  # judges linked groups only

    @field_validator("columns")
    @classmethod
    def _counted(cls, columns: tuple[str, ...]) -> tuple[str, ...]:
        if unknown := [name for name in columns if name not in RECORDED]:
            raise ValueError(
                f"whether {unknown[0]} was recorded is not counted: a rule may need {', '.join(sorted(RECORDED))}"
            )
        return columns


class Measured(BaseModel):
    """How a rule tells the value that a limit is compared with: it is asked with that limit at zero.

    ``by`` names the observed figure; limits in ``without`` are set to zero too, so that they hide nobody. What a rule
    finds then is not a finding but a measurement, from which the limit can be calibrated. An ``upper`` limit, up to
    which something is found, is lifted instead of set to zero.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    by: str
    without: tuple[str, ...] = ()
    of: Literal["account", "group"] = "account"  # whose figure it is: whose percentile is taken
    finding: str | None = None  # discriminator of the findings that have it, where others have a figure so named, too
    upper: bool = False


class Parameter(BaseModel):
    """A number that decides, by name; its values per tier and its reasons stand in the policy book.

    Of a shipped rule each one says how it is ``measured`` or why no calibration may move it (``fixed``).
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    type: Literal[
        "count", "share", "score", "tenth", "factor", "number", "days", "hours", "minutes", "seconds", "usd",
        "percent", "severity", "flag", "words",
    ]  # fmt: skip
    meaning: str
    measured: Measured | None = None
    fixed: str | None = None

    @model_validator(mode="after")
    def _measured_or_fixed(self) -> Parameter:
        if self.measured and self.fixed:
            raise ValueError("what is measured is not fixed")
        return self


CHART_SERIES: Mapping[str, tuple[str, int]] = {
    "successful requests a day": ("n_ok", 1),
    "output tokens in seven days": ("output_tokens", 7),
}
"""Series that can be drawn beside a finding: the column of ``account_day``, and over how many days it is summed."""


class ChartSpec(BaseModel):
    """A daily series that the rule judges, and the limit that is drawn into it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    series: Literal["successful requests a day", "output tokens in seven days"] = "successful requests a day"
    limit: str = ""


class KindSpec(BaseModel):
    """What is said of one kind of a rule's findings in place of what the rule says of all; what is left out stays."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    title: str | None = None
    families: tuple[str, ...] | None = None  # those of the rule's clause families that this kind touches
    benign: tuple[str, ...] | None = None
    next_step: str | None = None
    may_say: str | None = None


class RuleSpec(BaseModel):
    """A rule's description, as ``rule.yaml`` has it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str = Field(pattern=r"^[A-Z]+[0-9]{2,}$")
    title: str
    question: str  # what the rule asks, in one sentence for a compliance reader
    families: tuple[str, ...]  # clause families of the policy book
    units: tuple[Unit, ...]
    signal: str  # signal family: findings of one family never confirm each other
    basis: Literal["behaviour", "record"]  # inferred from behaviour, or a fact on record
    severity: Severity
    compares: Literal["own", "population"] = "own"  # population: others' use decides about a subject, too
    marks_standing: bool = True  # whether a finding counts against its customers; a duty of the provider's does not
    explained: Severity | None = (
        None  # down to which an explained link lowers a group's finding, by one step; None: never
    )
    version: int = Field(ge=1)
    status: Status = "active"
    needs: Needs = Needs()
    inapplicable_by: Literal["usage", "record"] = "usage"  # what `inapplicable` rests on: missing usage may change it
    baseline_days: int = Field(default=0, ge=0)  # days before the period that the rule reads
    # What they are: judged with the period, as the days of a week are, or a past to compare it with, in which missing
    # use makes nobody compliant.
    baseline_for: Literal["judging", "comparing"] = "judging"
    parameters: dict[str, Parameter]
    summary: str  # one sentence; {observed[name]} and {limits[name]} are filled in
    summaries: dict[str, str] = {}  # by discriminator, where one sentence does not fit every kind of finding
    kinds: dict[str, KindSpec] = {}  # by discriminator, where a label would claim what another kind of finding is about
    observed: dict[str, str]  # meaning and unit of each observed_... column
    limits: dict[
        str, str
    ] = {}  # the same of limit_... columns that are no parameter: a contract's, the one that applied
    against: dict[
        str, tuple[str, ...]
    ] = {}  # observed figure -> the limits it is compared with: the one in the finding
    charts: tuple[ChartSpec, ...] = ()  # the first whose limit a finding names is drawn; else its requests a day alone
    benign: tuple[str, ...]  # harmless explanations to rule out
    next_step: str  # what a reader may do
    may_say: str  # what an account manager may say to the customer

    @field_validator("families")
    @classmethod
    def _known_families(cls, families: tuple[str, ...]) -> tuple[str, ...]:
        for name in families:
            if name not in FAMILIES:
                meant = closest(name, tuple(FAMILIES))
                known = f"{f'did you mean {meant}? ' if meant else ''}Known: {', '.join(FAMILIES)}"
                raise ValueError(f"there is no clause family {name!r}; {known}")
        return families

    @model_validator(mode="after")
    def _families_of_kinds_are_the_rule_s(self) -> RuleSpec:
        for name, kind in self.kinds.items():
            for family in kind.families or ():
                if family not in self.families:
                    raise ValueError(f"kinds: {name} names the clause family {family}, which the rule does not have")
        return self

    def families_of(self, discriminator: str) -> tuple[str, ...]:
        """The clause families that a kind of finding touches."""
        kind = self.kinds.get(discriminator)
        return self.families if kind is None or kind.families is None else kind.families

    @field_validator("against", mode="before", json_schema_input_type=dict[str, tuple[str, ...] | str])
    @classmethod
    def _one_or_several(cls, against: Any) -> Any:
        """``share: share_min`` is short for ``share: [share_min]``."""
        if not isinstance(against, dict):
            return against
        return {figure: [limit] if isinstance(limit, str) else limit for figure, limit in against.items()}

    @model_validator(mode="after")
    def _figures_beside_their_limits(self) -> RuleSpec:
        limits = self.parameters.keys() | self.limits.keys()
        for figure, against in self.against.items():
            if figure not in self.observed:
                raise ValueError(f"against: there is no observed figure {figure!r}{_meant(figure, self.observed)}")
            for limit in against:
                if limit not in limits:
                    raise ValueError(f"against: {figure} names {limit!r}, which is not a limit{_meant(limit, limits)}")
        for chart in self.charts:
            if chart.limit not in limits:
                raise ValueError(f"charts: {chart.limit!r} is not a limit{_meant(chart.limit, limits)}")
        return self

    @model_validator(mode="after")
    def _measured_by_what_there_is(self) -> RuleSpec:
        for name, parameter in self.parameters.items():
            if (how := parameter.measured) is None:
                continue
            if how.by not in self.observed:
                raise ValueError(f"{name} is measured by {how.by!r}, which is no observed figure")
            if (how.of == "group") > ("group" in self.units) or (how.of == "account") > (self.units != ("group",)):
                raise ValueError(f"{name} is measured of the {how.of}, which the rule does not judge")
            for limit in (name, *how.without):
                if limit not in self.parameters or self.parameters[limit].type in ("severity", "flag", "words"):
                    raise ValueError(f"{name} is measured without {limit!r}, which is no parameter with a number")
        return self


def _meant(name: str, known: Iterable[str]) -> str:
    meant = closest(name, sorted(known))
    return f"; did you mean {meant!r}?" if meant else f"; there are {', '.join(sorted(known))}"


@dataclass(frozen=True, slots=True)
class Found:
    """One row of a rule's select."""

    subject_type: Unit
    subject_id: str
    tier: str
    severity: Severity
    discriminator: str
    account_ids: tuple[str, ...]
    customer_ids: tuple[str, ...]
    observed: Mapping[str, Any]
    limits: Mapping[str, Any]
    owners: tuple[tuple[str, str], ...] = ()  # (account, customer) of each account
    agreeing: tuple[str, ...] = ()  # rules of other signal families that make it critical, in words
    one_operator: bool = False  # the figures show by themselves that one operator runs the group's accounts
    explained: str = ""  # what makes it less than the rule alone would say, in words


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule ready to be asked."""

    spec: RuleSpec
    folder: Path
    digest: str  # of rule.yaml, rule.py and cases.yaml: what a version stands for
    violations: Callable[[Scope], Select[Any]]
    evidence: Callable[[Scope, Found], Select[Any]]
    unevaluable: Callable[[Scope], Select[Any]] | None = None
    inapplicable: Callable[[Scope], Select[Any]] | None = None

    @property
    def id(self) -> str:
        """The rule's id, such as R01."""
        return self.spec.id

    @property
    def version(self) -> str:
        """The version as findings carry it: number and the first digits of the content's digest."""
        return f"{self.spec.version}+{self.digest[:8]}"
