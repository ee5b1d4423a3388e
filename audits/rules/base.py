"""What a rule is: its description (rule.yaml) and one function that returns a select of violating subjects (rule.py).

A rule's folder under ``audits/rules`` is its whole life: the folder's name starts with its id, ``rule.yaml`` is read
into :class:`RuleSpec`, and ``rule.py`` has

``violations(scope) -> Select``
    One row for each violating subject and tier: ``subject_id``, ``tier`` and, where they apply, ``account_id`` (of a
    key or network), ``subject_type`` (when the rule has several units), ``severity`` (when it is not the rule's own),
    ``discriminator`` (when one subject can have several findings), columns ``observed_...`` (what was seen) and
    ``limit_...`` (what it was held against).

``evidence(scope, found) -> Select``
    The source rows that a finding rests on: contract tables only, because others run it on the warehouse alone.

and where the rule knows more than its declaration says,

``unevaluable(scope) -> Select``
    (``account_id``, ``reason``) of accounts that the rule cannot judge in this period.

``inapplicable(scope) -> Select``
    (``account_id``, ``reason``) of accounts that the rule does not speak of.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator
from sqlalchemy import Select

from audits.rollups.account_day import RECORDED

if TYPE_CHECKING:
    from audits.rules.scope import Scope

Unit = Literal["account", "group", "key", "customer", "network"]
Severity = Literal["low", "medium", "high", "critical"]
Status = Literal["draft", "shadow", "active", "retired"]
Explanation = Literal["open", "organisation", "loose"]
"""What would explain a group's link: one network or payer in the open, one organisation's mail, or few possessions."""
SEVERITIES: tuple[Severity, ...] = ("low", "medium", "high", "critical")
MEMBER: Severity = "medium"
"""The most that is said of an account for what its group does and something explains: a decision is still asked for."""


class Needs(BaseModel):
    """What must be recorded for the rule to be judged; where it is missing, the rule is indeterminate and says so."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    usage: bool = True  # an account without any usage in the period is not applicable
    grain: Literal["event", "bucket"] = "event"  # the coarsest grain of usage that suffices
    tables: tuple[str, ...] = ()  # contract tables that must exist and hold rows
    columns: tuple[str, ...] = ()  # nullable columns of usage_events that must be recorded for the account
    groups: bool = False

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
        "count", "share", "score", "factor", "number", "days", "hours", "minutes", "seconds", "usd", "percent",
        "severity", "flag", "words",
    ]  # fmt: skip
    meaning: str
    measured: Measured | None = None
    fixed: str | None = None

    @model_validator(mode="after")
    def _measured_or_fixed(self) -> Parameter:
        if self.measured and self.fixed:
            raise ValueError("what is measured is not fixed")
        return self


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
    explained: dict[Explanation, Severity] = {}  # the most that a group is found at whose link something explains
    version: int = Field(ge=1)
    status: Status = "active"
    needs: Needs = Needs()
    baseline_days: int = Field(default=0, ge=0)  # days before the period that the rule reads
    parameters: dict[str, Parameter]
    summary: str  # one sentence; {observed[name]} and {limits[name]} are filled in
    summaries: dict[str, str] = {}  # by discriminator, where one sentence does not fit every kind of finding
    observed: dict[str, str]  # meaning and unit of each observed_... column
    limits: dict[
        str, str
    ] = {}  # the same of limit_... columns that are no parameter: a contract's, the one that applied
    benign: tuple[str, ...]  # harmless explanations to rule out
    next_step: str  # what a reader may do
    may_say: str  # what an account manager may say to the customer

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
    agreeing: tuple[str, ...] = ()  # rules of other signal families that make it critical, in words
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
