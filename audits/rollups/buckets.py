"""Bucketed usage as rows of ``account_day``: what is not known from single requests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Select, Subquery, and_, case, cast, exists, func, literal, or_, select
from sqlalchemy import String as Text

from audits.quality.quarantine import is_impossible
from audits.rollups.account_day import account_day
from audits.rollups.slices import account_slices
from audits.warehouse.days import within
from audits.warehouse.dialects import least_text, midnight, utc_day
from audits.warehouse.tables import Instant, usage_buckets


def from_buckets(first: date, last: date, *, without: Sequence[str] = ()) -> tuple[Select[Any], Select[Any]]:
    """The rows of ``account_day`` that buckets beginning on the days first..last add to those of single requests.

    Each bucket counts once, on the day and in the slice in which it begins, although exporters repeat buckets and two
    sources may tell of the same: the source that comes first by name stands for it. Of one that reaches beyond the day
    or the slice nobody knows how many of its requests belong there, so its number is NULL; known and unknown numbers
    are apart. ``without`` names sources whose rows are not to be read at all.

    Where single requests of the account are known for the day, a bucket may tell of the same ones or of others: what a
    source's buckets count beyond all of them is known from buckets alone, and the rest is counted already.
    """
    d: Any = _distinct(first, last, without).c
    r = account_day.c
    requests = (
        select(
            r.day, r.account_id, func.sum(r.n_requests).label("n_requests"),
            *(func.coalesce(func.sum(r[name]), 0).label(name) for name in SUMS),
        )
        .where(r.grain == "event", r.day.between(first, last))
        .group_by(r.day, r.account_id)
        .subquery("requests")
    )  # fmt: skip
    q, uncounted = requests.c, d.n_requests.is_(None)
    known = exists(select(q.day).where(q.day == d.day, q.account_id == d.account_id))
    alone = (
        _rows(d, d.slice_start, func.sum(d.n_requests), {name: func.sum(d[name]) for name in SUMS})
        .where(~known)
        .group_by(d.day, d.slice_start, d.account_id, d.source_system, uncounted)
    )
    number = func.sum(d.n_requests) - func.min(q.n_requests)
    beyond = {name: _beyond(func.sum(d[name]), func.min(q[name])) for name in SUMS}
    # Without a number, only tokens can tell whether the buckets hold more than the requests that are known.
    more = or_(number > 0, and_(number.is_(None), or_(*(beyond[name] > 0 for name in TOKENS))))
    beside = (
        _rows(d, func.min(d.slice_start), number, beyond)
        .where(q.day == d.day, q.account_id == d.account_id)
        .group_by(d.day, d.account_id, d.source_system, uncounted)
        .having(more)
    )
    return alone, beside


A_DAY = timedelta(days=1)
SUMS = ("input_tokens", "cached_input_tokens", "output_tokens", "cost_usd")
TOKENS = ("input_tokens", "output_tokens")


def _beyond(total: ColumnElement[Any], counted: ColumnElement[Any]) -> ColumnElement[Any]:
    """The part of a total that is not counted yet; NULL where the total is not recorded."""
    return case((total > counted, total - counted), (total.is_not(None), 0))


def _rows(
    d: Any, slice_start: ColumnElement[Any], number: ColumnElement[Any], sums: Mapping[str, ColumnElement[Any]]
) -> Select[Any]:
    return select(
        d.day,
        cast(slice_start, Instant).label("slice_start"),
        d.account_id,
        d.source_system,
        cast(literal("bucket"), Text).label("grain"),
        number.label("n_requests"),
        *(total.label(name) for name, total in sums.items()),
        func.count().filter(d.cost_usd.is_(None)).label("n_unpriced"),
        func.min(d.bucket_start).label("first_event_ts"),
        func.max(d.bucket_start).label("last_event_ts"),
    )


def _distinct(first: date, last: date, without: Sequence[str]) -> Subquery:
    """The buckets that tell of any use, each once, with ``day`` and ``slice_start``.

    ``n_requests`` is NULL where the bucket reaches beyond them, or has no number of its own.
    """
    b, s = usage_buckets.c, account_slices.c
    day = utc_day(b.bucket_start)
    identity = (
        day, b.account_id, b.bucket_start, b.bucket_end, b.api_key_hash, b.model, b.input_tokens, b.output_tokens,
    )  # fmt: skip
    told = (
        select(
            day.label("day"),
            *identity[1:],
            least_text(b.source_system).label("source_system"),
            *(func.max(b[name]).label(name) for name in ("cached_input_tokens", "n_requests", "cost_usd")),
        )
        .where(within(b.bucket_start, first, last), ~is_impossible(usage_buckets))
        .where(b.source_system.not_in(sorted(without)))
        .where(or_(b.n_requests > 0, b.input_tokens > 0, b.output_tokens > 0))
        .group_by(*identity)
        .subquery("told")
    )
    t = told.c
    cuts = and_(s.account_id == t.account_id, s.day == t.day)
    begun = (
        select(*t, func.max(s.slice_start).filter(s.slice_start <= t.bucket_start).label("cut"),
               func.min(s.slice_start).filter(s.slice_start > t.bucket_start).label("next_cut"))
        .select_from(told.outerjoin(account_slices, cuts))
        .group_by(*t)
        .subquery("begun")
    ).c  # fmt: skip
    ends = func.coalesce(begun.next_cut, midnight(begun.day) + literal(A_DAY))
    columns = (column for column in begun if column.name not in ("n_requests", "cut", "next_cut"))
    return select(
        *columns,
        func.coalesce(begun.cut, midnight(begun.day)).label("slice_start"),
        case((begun.bucket_end <= ends, begun.n_requests)).label("n_requests"),
    ).subquery("bucket")
