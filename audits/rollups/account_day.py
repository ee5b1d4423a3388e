"""``account_day``: what an account did on a day, one row a source; from single requests or from a source's buckets.

``known_<column>`` counts the requests for which the source recorded that column: a rule that needs it is not evaluable
where it is missing. Counts that a bucketed source does not publish are NULL.
"""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    Date,
    FromClause,
    Integer,
    Numeric,
    Select,
    String,
    Subquery,
    Table,
    and_,
    case,
    cast,
    func,
    literal,
    or_,
    select,
    union_all,
)

from audits.rollups.events import day_of
from audits.warehouse.dialects import utc_day
from audits.warehouse.tables import Instant, audit_metadata

_MICROSECOND = timedelta(microseconds=1)
_TOTALS = ("input_tokens", "output_tokens", "cost_usd")  # of what buckets count whose days nobody knows

RECORDED = (
    "api_key_hash", "end_user_hash", "session_id", "access_path", "model_served", "cached_input_tokens",
    "reasoning_tokens", "cost_usd", "error_class", "finish_reason", "max_output_tokens", "n_choices", "top_logprobs",
    "logit_bias_n", "reasoning_visibility", "content_stored", "retention_days", "moderation_flagged",
    "client_net_hash", "ip_country", "ip_asn", "ip_type", "user_agent_family", "system_prompt_hash",
    "prompt_template_hash", "prompt_simhash", "topic_id", "lang", "cot_elicit_score", "rubric_grade_score",
    "benchmark_score",
)  # fmt: skip
"""The nullable columns of ``usage_events`` whose presence is counted: all that a rule may need. A client's single
address is none of them; rules judge by its network."""

account_day = Table(
    "account_day",
    audit_metadata,
    Column("day", Date, nullable=False),
    Column("slice_start", Instant, nullable=False),
    Column("account_id", String, nullable=False),
    Column("source_system", String, nullable=False),
    Column("grain", String, nullable=False),  # event, bucket
    Column("n_requests", BigInteger),
    Column("n_ok", BigInteger),  # HTTP status below 400
    Column("n_rate_limited", BigInteger),  # HTTP 429 or error class rate_limit
    Column("n_refused", BigInteger),  # finish reason refusal or content_filter
    Column("n_flagged", BigInteger),
    Column("input_tokens", BigInteger, nullable=False),
    Column("cached_input_tokens", BigInteger),
    Column("output_tokens", BigInteger, nullable=False),
    Column("reasoning_tokens", BigInteger),
    Column("cost_usd", Numeric(18, 8)),
    Column("n_unpriced", BigInteger),  # successful requests, or buckets, whose cost is not recorded
    Column("max_output_of_one", BigInteger),
    Column("used_from", Instant, nullable=False),  # the first request, or the begin of the first bucket
    Column("used_until", Instant, nullable=False),  # the last request, or the end of the last bucket
    Column(
        "shared_n_requests", BigInteger
    ),  # how much more buckets may count at most, if no single request is in them;
    # of a bucket of several days all that it counts, and NULL where it tells no number
    Column("shared_input_tokens", BigInteger),
    Column("shared_output_tokens", BigInteger),
    Column("shared_cost_usd", Numeric(18, 8)),
    *(Column(f"known_{name}", Integer) for name in RECORDED),
)


def from_events(events: FromClause) -> Select[Any]:
    """One row for each day, slice, account and source of the events."""
    e: Any = events.c
    return select(
        day_of(events),
        e.slice_start,
        e.account_id,
        e.source_system,
        cast(literal("event"), String).label("grain"),
        func.count().label("n_requests"),
        func.count().filter(e.status_code < 400).label("n_ok"),
        func.count().filter((e.status_code == 429) | (e.error_class == "rate_limit")).label("n_rate_limited"),
        func.count().filter(e.finish_reason.in_(("refusal", "content_filter"))).label("n_refused"),
        func.count().filter(e.moderation_flagged).label("n_flagged"),
        func.sum(e.input_tokens).label("input_tokens"),
        func.sum(e.cached_input_tokens).label("cached_input_tokens"),
        func.sum(e.output_tokens).label("output_tokens"),
        func.sum(e.reasoning_tokens).label("reasoning_tokens"),
        func.sum(e.cost_usd).label("cost_usd"),
        func.count().filter(e.status_code < 400, e.cost_usd.is_(None)).label("n_unpriced"),
        func.max(e.output_tokens).label("max_output_of_one"),
        func.min(e.event_ts).label("used_from"),
        func.max(e.event_ts).label("used_until"),
        *(func.count(e[name]).label(f"known_{name}") for name in RECORDED),
    ).group_by(e.slice_start, e.account_id, e.source_system)


def last_day(rows: Any) -> ColumnElement[date]:
    """The day on which the use that rows of ``account_day`` tell of has ended."""
    return utc_day(rows.used_until - literal(_MICROSECOND))


def by_last_day() -> Subquery:
    """The rows of ``account_day`` by the ``day`` on which their use ends, with the ``first_day`` of it.

    For what was used on several days together. A bucket that lasts beyond its day may count the same as the requests of
    the days that follow, which are taken off as shared, and as another bucket of its source in that time: then all that
    it counts is shared.
    """
    d, other = account_day.c, account_day.alias("other").c
    lasting = and_(d.grain == "bucket", last_day(d) > d.day)
    row = (d.account_id, d.source_system, d.day, d.slice_start, d.used_until)
    later = and_(other.grain == "event", other.day > d.day)
    elsewhere = or_(other.used_from != d.used_from, other.used_until != d.used_until)
    telling = or_(other.input_tokens > 0, other.output_tokens > 0)
    beside = and_(other.grain == "bucket", other.source_system == d.source_system, elsewhere, telling)
    same_time = and_(other.account_id == d.account_id, other.used_from < d.used_until, other.used_until > d.used_from)
    among = (
        select(
            *row, func.count().filter(beside).label("beside"),
            *(func.coalesce(func.sum(other[name]).filter(later), 0).label(name) for name in _TOTALS),
        )
        .where(lasting, same_time, or_(later, beside))
        .group_by(*row)
        .subquery("among")
    )  # fmt: skip
    a = among.c
    taken = {
        name: case((a.beside > 0, d[name]), else_=func.least(d[name], func.coalesce(a[name], 0))) for name in _TOTALS
    }
    changed = {name: (d[name] - off).label(name) for name, off in taken.items()} | {
        f"shared_{name}": (func.coalesce(d[f"shared_{name}"], 0) + off).label(f"shared_{name}")
        for name, off in taken.items()
    }
    others = [column for column in d if column.name != "day"]
    whole = account_day.outerjoin(among, and_(*(a[column.name] == column for column in row)))
    return union_all(
        select(d.day, d.day.label("first_day"), *others).where(~lasting),
        select(last_day(d), d.day, *(changed.get(column.name, column) for column in others))
        .select_from(whole)
        .where(lasting),
    ).subquery("by_last_day")
