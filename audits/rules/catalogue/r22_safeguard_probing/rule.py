"""R22: requests that moderation flags more often than chance explains, and a search for wordings that slip through.

The share of flagged requests is judged by the lower bound of Wilson's interval, so that few requests prove nothing:
(p + z^2/2n - z sqrt(p(1-p)/n + z^2/4n^2)) / (1 + z^2/n)  (E. B. Wilson, JASA 22, 1927).

How often moderation errs differs between operators and between tiers: the limits are each operator's to calibrate.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from sqlalchemy import ColumnElement, Float, Select, String, and_, cast, func, literal, null, select, union_all

from audits.rollups.account_day import account_day
from audits.rules.catalogue.r22_safeguard_probing import skeletons
from audits.rules.engine.base import Found
from audits.rules.engine.bounds import any_of, undecided
from audits.rules.engine.intermediate import computed_once
from audits.rules.engine.levels import of_level, stretch, subject_levels
from audits.rules.engine.scope import Scope
from audits.rules.engine.worst import worst
from audits.warehouse.dialects import ratio
from audits.warehouse.tables import usage_events

FLAGGED, PROBING = "flagged", "probing"
LIMITS = ("flagged_share_min", "requests_min", "confidence_z")
SUBJECT = ("subject_type", "subject_id", "tier")
NUMBER = cast(null(), Float(53))


def violations(scope: Scope) -> Select[Any]:
    """Subjects flagged too often (medium), and subjects that vary one skeleton while part of it is refused (high).

    Where a limit changes inside the period, each part is held against its own; the worst one is reported.
    """
    return select(union_all(_flagged(scope), _probing(scope)).subquery("found"))


def unevaluable(scope: Scope) -> Select[Any]:
    """Subjects that would be found if moderation had flagged what it was not asked, or the search were completed."""
    searches = skeletons.with_missing(skeletons.searches(scope))
    return any_of(
        undecided(_flags(scope), _is_often, "not recorded: moderation_flagged"),
        undecided(searches, lambda row, _more: skeletons.may_be_search(row), skeletons.not_recorded),
    )


def evidence(scope: Scope, found: Found) -> Select[Any]:
    """The requests that moderation looked at, or all requests of the skeleton, with what became of each."""
    e = usage_events.c
    named = {name: value for name, value in found.limits.items() if value is not None}
    limits = scope.under_limits(replace(found, tier=str(found.observed["level"]), limits=named))
    held = of_level(scope, found) if found.subject_type == "group" else scope.in_tier(found)
    if found.discriminator == FLAGGED:
        looked_at = scope.events_of(found.account_ids, e.moderation_flagged.is_not(None), held, limits)
        return looked_at.add_columns(e.moderation_flagged)
    skeleton = e.prompt_template_hash == found.observed["skeleton"]
    return scope.events_of(found.account_ids, skeleton, held, limits).add_columns(
        e.prompt_template_hash, e.prompt_simhash, e.finish_reason
    )


@computed_once
def _flags(scope: Scope) -> Select[Any]:
    """Requests of subjects that moderation flagged, looked at (``n``) and did not (``missing``), by set of limits."""
    u = subject_levels(scope, account_day).c
    key = stretch(u, LIMITS)
    sums = {
        "flagged": func.coalesce(func.sum(u.n_flagged), 0), "n": func.coalesce(func.sum(u.known_moderation_flagged), 0),
        "missing": func.sum(u.n_requests - func.coalesce(u.known_moderation_flagged, 0)),
    }  # fmt: skip
    columns = (cast(value, Float(53)).label(name) for name, value in sums.items())
    return select(*key, *columns).where(u.n_requests > 0).group_by(*key)


def _lowest(row: Any, more: Any = 0) -> ColumnElement[Any]:
    """The lower bound of Wilson's interval, if so many more requests had been looked at and flagged."""
    n, z = func.nullif(row.n + more, 0), row.limit_confidence_z
    p = (row.flagged + more) / n
    bound: ColumnElement[Any] = (p + z * z / (2 * n) - z * func.sqrt(p * (1 - p) / n + z * z / (4 * n * n))) / (
        1 + z * z / n
    )
    return bound


def _is_often(row: Any, more: Any = 0) -> ColumnElement[bool]:
    return and_(row.n + more >= row.limit_requests_min, _lowest(row, more) > row.limit_flagged_share_min)


def _flagged(scope: Scope) -> Select[Any]:
    flags = _flags(scope)
    f = flags.c
    w = worst(flags, SUBJECT, (f.level_rank.desc(), f.flagged.desc(), f.n), _is_often(f))
    return select(
        w.subject_type, w.subject_id, w.tier, literal(FLAGGED).label("discriminator"),
        literal("medium").label("severity"), w.n.label("observed_requests"),
        ratio(w.flagged, w.n).label("observed_share"), _lowest(w).label("observed_share_at_least"),
        cast(null(), String).label("observed_skeleton"), NUMBER.label("observed_variants"),
        w.level.label("observed_level"), *(w[f"limit_{name}"] for name in LIMITS),
        *(NUMBER.label(f"limit_{name}") for name in skeletons.LIMITS),
    )  # fmt: skip


def _probing(scope: Scope) -> Select[Any]:
    searches = skeletons.searches(scope)
    s = searches.c
    order = (s.level_rank.desc(), s.variants.desc(), s.n.desc(), s.skeleton)
    w = worst(searches, SUBJECT, order, skeletons.is_search(s))
    return select(
        w.subject_type, w.subject_id, w.tier, literal(PROBING), literal("high"), w.n, ratio(w.refused, w.n), NUMBER,
        w.skeleton, cast(w.variants, Float(53)), w.level, *(NUMBER for _ in LIMITS),
        *(w[f"limit_{name}"] for name in skeletons.LIMITS),
    )  # fmt: skip
