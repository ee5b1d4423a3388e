"""R18: several signs at once that an account serves people who are not its own.

Resale and distillation are separate matters; a resale proxy serves mostly ordinary developers. What is used while a
contract permits resale shows nothing. That a source records no end users, or no contract tells whether resale is
permitted, is no sign: it leaves open whether there is one.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    CTE,
    ColumnElement,
    Float,
    Numeric,
    Select,
    Subquery,
    Table,
    and_,
    case,
    cast,
    func,
    literal,
    or_,
    select,
)

from audits.quality.quarantine import is_impossible
from audits.rollups.account_client_day import account_client_day
from audits.rollups.account_day import account_day
from audits.rollups.account_prompt_day import account_prompt_day
from audits.rollups.account_topic_day import account_topic_day
from audits.rules.base import Found
from audits.rules.scope import Scope
from audits.warehouse.dialects import ratio, utc_day
from audits.warehouse.tables import Instant, contracts, customers, usage_events

LIMITS = (
    "signs_min", "sessions_a_day_min", "languages_min", "topic_entropy_quantile", "system_prompts_min",
    "foreign_share_min",
)  # fmt: skip
_COLUMNS = tuple(f"limit_{name}" for name in LIMITS)
_KEY = ("account_id", "tier", *_COLUMNS)
NOWHERE = ("hosting", "vpn", "tor")  # addresses that do not show in which country somebody is
SIGNS = {
    "no_end_users": "many sessions and no end-user ids",
    "languages": "many languages and topics",
    "system_prompts": "many system prompts",
    "foreign": "users abroad",
    "no_clause": "a contract without resale",
}


def violations(scope: Scope) -> Select[Any]:
    """Accounts with enough of the five signs.

    Where a limit changes inside the period, each stretch is held against its own; the one with most signs is shown.
    """
    s = _signs(scope).c
    worst = func.row_number().over(
        partition_by=(s.account_id, s.tier), order_by=(s.signs.desc(), s.n.desc(), *(s[name] for name in _COLUMNS))
    )
    found = select(*s, worst.label("place")).where(s.signs >= s.limit_signs_min).subquery("found").c
    return select(
        found.account_id.label("subject_id"),
        found.tier,
        found.signs.label("observed_signs"),
        func.concat_ws(", ", *(case((found[name] == 1, words)) for name, words in SIGNS.items())).label(
            "observed_which"
        ),
        found.sessions_a_day.label("observed_sessions_a_day"),
        found.n_languages.label("observed_languages"),
        found.n_system_prompts.label("observed_system_prompts"),
        found.foreign_share.label("observed_foreign_share"),
        *(found[name] for name in _COLUMNS),
    ).where(found.place == 1)


def unevaluable(scope: Scope) -> Select[Any]:
    """Accounts with too few signs, of which so little is recorded that there may be enough."""
    s = _signs(scope).c
    reason = literal("not recorded: what would tell enough of the signs of resale").label("reason")
    doubtful = and_(s.signs < s.limit_signs_min, s.signs + s.open >= s.limit_signs_min)
    return select(s.account_id, reason).where(doubtful).distinct()


def inapplicable(scope: Scope) -> Select[Any]:
    """Accounts that were used only while their customer's contract permitted resale."""
    u, judged = scope.usage(account_day).c, _judged(scope, account_day)
    reason = literal("resale is permitted by contract").label("reason")
    return select(u.account_id, reason).where(u.account_id.not_in(select(judged.account_id))).distinct()


def evidence(scope: Scope, found: Found) -> Select[Any]:
    """The account's successful requests with end user, session, language, system prompt and country."""
    e = usage_events.c
    return scope.events_of(
        found.account_ids, e.status_code < 400, scope.in_tier(found), scope.under_limits(found)
    ).add_columns(e.end_user_hash, e.session_id, e.lang, e.topic_id, e.system_prompt_hash, e.ip_country, e.ip_type)


def _in_force(dimension: Any, u: Any) -> ColumnElement[bool]:
    """Whether a row of a customer's dimension held at the time of a rollup's row."""
    ends = or_(dimension.valid_to.is_(None), u.slice_start < dimension.valid_to)
    return and_(dimension.customer_id == u.customer_id, dimension.valid_from <= u.slice_start, ends)


def _judged(scope: Scope, rollup: Table | Subquery) -> Any:
    """The rollup's rows of the period from times at which resale was not permitted."""
    u, c = scope.usage(rollup), contracts.c
    ends = func.coalesce(c.valid_to, literal(scope.period.end, Instant))
    permitting = (
        select(c.customer_id, c.valid_from, ends.label("valid_to")).where(c.resale_permitted).subquery("permit")
    )
    p = permitting.c
    # Comparisons alone, and no row of it is wanted: the rollup flows past the few contracts and is not held meanwhile.
    then = and_(p.customer_id == u.c.customer_id, p.valid_from <= u.c.slice_start, u.c.slice_start < p.valid_to)
    return (
        select(u)
        .select_from(u.outerjoin(permitting, then))
        .where(p.customer_id.is_(None))
        .subquery(f"judged_{rollup.name}")
        .c
    )


def _by_key(rows: Any) -> list[ColumnElement[Any]]:
    return [rows[name] for name in _KEY]


def _signs(scope: Scope) -> Subquery:
    """Each account with its five signs as 1 or 0, how many there are, and how many more there may be (``open``)."""
    use = _use(scope)
    parts = (_sessions(scope, use), _prompts(scope), _topics(scope), _places(scope), _clauses(scope), _homes(scope))
    joined: Any = use
    for part in parts:
        joined = joined.outerjoin(part, and_(*(part.c[name] == use.c[name] for name in _KEY)))
    x, (n, p, t, w, c, h) = use.c, (part.c for part in parts)
    enough = scope.book.settings(scope.period.last_day).evaluable_share * x.n
    many = x.n_ok >= x.limit_sessions_a_day_min * x.days
    found = {
        "no_end_users": n.a_day >= x.limit_sessions_a_day_min,
        "languages": and_(t.languages >= x.limit_languages_min, t.rank >= x.limit_topic_entropy_quantile),
        "system_prompts": p.system_prompts >= x.limit_system_prompts_min,
        "foreign": w.foreign_share >= x.limit_foreign_share_min,
        "no_clause": c.refused > 0,
    }
    unknown = {
        "no_end_users": and_(many, x.end_users == 0, or_(x.users_told < x.n, x.sessions_told < x.n)),
        "languages": and_(x.n >= x.limit_languages_min, or_(x.known_lang < enough, x.known_topic_id < enough)),
        "system_prompts": and_(x.n >= x.limit_system_prompts_min, x.prompts_told < x.n),
        "foreign": or_(x.known_ip_country < enough, h.account_id.is_(None)),
        "no_clause": or_(c.refused == 0, literal("contracts" in scope.unrecorded)),
    }
    one = {name: case((condition, 1), else_=0) for name, condition in found.items()}
    may = [case((condition, 0), (unknown[name], 1), else_=0) for name, condition in found.items()]
    signs: ColumnElement[int] = sum(one.values(), literal(0))
    return (
        select(
            *_by_key(x), x.n, *(sign.label(name) for name, sign in one.items()),
            signs.label("signs"),
            sum(may, literal(0)).label("open"),
            n.a_day.label("sessions_a_day"),
            func.coalesce(t.languages, 0).label("n_languages"),
            func.coalesce(p.system_prompts, 0).label("n_system_prompts"),
            w.foreign_share,
        )
        .select_from(joined)
        .subquery("signs")
    )  # fmt: skip


def _use(scope: Scope) -> CTE:
    """Volume of each account, and what was recorded of it.

    ``..._told``: its requests from sources that record such a thing of anybody, so that none of it means none.
    """
    u, d = _judged(scope, account_day), account_day.c
    told = {"users": "end_user_hash", "sessions": "session_id", "prompts": "system_prompt_hash"}
    sources = (
        select(d.source_system, *(func.sum(d[f"known_{of}"]).label(name) for name, of in told.items()))
        .where(d.day.between(scope.period.first_day, scope.period.last_day))
        .group_by(d.source_system)
        .subquery("sources")
    ).c
    return (
        select(
            *_by_key(u),
            func.sum(u.n_requests).label("n"),
            func.sum(u.n_ok).label("n_ok"),
            func.count(u.day.distinct()).filter(u.n_ok > 0).label("days"),
            func.sum(u.known_end_user_hash).label("end_users"),
            *(
                func.coalesce(func.sum(u.n_requests).filter(sources[name] > 0), 0).label(f"{name}_told")
                for name in told
            ),
            *(func.sum(u[f"known_{name}"]).label(f"known_{name}") for name in ("lang", "topic_id", "ip_country")),
        )
        .where(u.grain == "event", sources.source_system == u.source_system)
        .group_by(*_by_key(u))
        .cte("use")
    )


def _clauses(scope: Scope) -> Subquery:
    """Rows of use under a contract that refuses resale.

    None permits it, of what is judged here: where none refuses it either, the contracts do not tell.
    """
    u, c = _judged(scope, account_day), contracts.c
    return (
        select(*_by_key(u), func.count().filter(~c.resale_permitted).label("refused"))
        .where(_in_force(c, u))
        .group_by(*_by_key(u))
        .subquery("clauses")
    )


def _homes(scope: Scope) -> Subquery:
    """Accounts whose customer's country was on record while they were used."""
    u, c = _judged(scope, account_day), customers.c
    return select(*_by_key(u)).where(_in_force(c, u), c.country.is_not(None)).distinct().subquery("homes")


def _sessions(scope: Scope, use: CTE) -> Subquery:
    """Sessions a day of use, of accounts that name no end user though their source would record it.

    Read from single requests, of those accounts only whose requests could make enough sessions.
    """
    x, e = use.c, usage_events.c
    asked = and_(x.end_users == 0, x.users_told == x.n, x.n_ok >= x.limit_sessions_a_day_min * x.days)
    requests = (
        select(e.account_id, e.session_id, utc_day(e.event_ts).label("day"), e.event_ts.label("slice_start"))
        .where(e.account_id.in_(select(x.account_id).where(asked)), e.session_id.is_not(None))
        .where(scope.in_period(e.event_ts), e.status_code < 400, ~is_impossible(usage_events))
        .subquery("requests")
    )
    r = _judged(scope, requests)
    days = select(*_by_key(r), r.day, r.session_id).distinct().subquery("sessions_of_days").c
    return (
        select(*_by_key(x), ratio(func.count(), x.days).label("a_day"))
        .where(asked, *(days[name] == x[name] for name in _KEY))
        .group_by(*_by_key(x), x.days)
        .subquery("sessions")
    )


def _prompts(scope: Scope) -> Subquery:
    u = _judged(scope, account_prompt_day)
    return (
        select(*_by_key(u), func.count(u.system_prompt_hash.distinct()).label("system_prompts"))
        .group_by(*_by_key(u))
        .subquery("prompts")
    )


def _topics(scope: Scope) -> Subquery:
    """Languages of an account, and the share of its tier's accounts with less even topics.

    Entropies are rounded, so that accounts with the same topics are equal on every engine.
    """
    u = _judged(scope, account_topic_day)
    n = (
        select(*_by_key(u), u.topic_id, cast(func.sum(u.n_requests), Float(53)).label("n"))
        .where(u.topic_id.is_not(None))
        .group_by(*_by_key(u), u.topic_id)
        .subquery("topic_counts")
    ).c
    whole = func.sum(n.n)
    evenness = cast(func.ln(whole) - func.sum(n.n * func.ln(n.n)) / whole, Numeric(18, 9)).label("h")
    e = select(*_by_key(n), evenness).group_by(*_by_key(n)).subquery("entropy").c
    among = func.percent_rank().over(partition_by=[e[name] for name in ("tier", *_COLUMNS)], order_by=e.h)
    ranked = select(*_by_key(e), among.label("rank")).subquery("ranked")
    languages = (
        select(*_by_key(u), func.count(u.lang.distinct()).label("languages"))
        .group_by(*_by_key(u))
        .subquery("languages")
    )
    same = and_(*(ranked.c[name] == languages.c[name] for name in _KEY))
    return (
        select(*_by_key(languages.c), languages.c.languages, ranked.c.rank)
        .select_from(languages.outerjoin(ranked, same))
        .subquery("topics")
    )


def _places(scope: Scope) -> Subquery:
    """Share of the requests from people's addresses that come from elsewhere than the customer's country then."""
    u, c = _judged(scope, account_client_day), customers.c
    abroad = func.coalesce(func.sum(u.n_ok).filter(u.ip_country != c.country), 0)
    return (
        select(*_by_key(u), ratio(abroad, func.sum(u.n_ok)).label("foreign_share"))
        .where(_in_force(c, u), c.country.is_not(None), u.ip_country.is_not(None))
        .where(or_(u.ip_type.is_(None), u.ip_type.not_in(NOWHERE)))
        .group_by(*_by_key(u))
        .subquery("places")
    )
