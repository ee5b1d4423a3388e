"""Bucketed usage as rows of ``account_day``: what is not known from single requests."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any

from sqlalchemy import (
    CTE,
    ColumnElement,
    FromClause,
    Select,
    String,
    Subquery,
    Tuple,
    and_,
    case,
    cast,
    exists,
    false,
    func,
    literal,
    null,
    or_,
    select,
    true,
    tuple_,
    union_all,
)

from audits.quality.quarantine import is_impossible, kept_events
from audits.rollups.slices import account_slices
from audits.warehouse.days import within
from audits.warehouse.dialects import least_text, midnight, seconds_between, utc_day
from audits.warehouse.tables import Instant, accounts, usage_buckets

A_DAY = timedelta(days=1)
SUMS = ("input_tokens", "cached_input_tokens", "output_tokens", "cost_usd")
TOKENS = ("input_tokens", "output_tokens")
SHARED = ("n_requests", "input_tokens", "output_tokens", "cost_usd")
"""Totals of which is told how much of them single requests may account for: ``shared_...``."""
DIMENSIONS = ("api_key_hash", "model")
_IDENTITY = ("account_id", "bucket_start", "bucket_end", "api_key_hash", "model", "input_tokens", "output_tokens")


def from_buckets(first: date, last: date, *, deduplicate: bool, without: Sequence[str] = ()) -> Select[Any]:
    """The rows of ``account_day`` that buckets beginning on the days first..last add to those of single requests.

    Each bucket counts once, on the day and in the slice in which it begins, although exporters repeat buckets and two
    sources may tell of the same: the source that comes first by name stands for it. Buckets that end in another slice
    or on another day are rows of their own, from ``slice_start`` to ``used_until``: whoever asks what was used in some
    time takes the rows that lie in it. On what days the requests of one that lasts beyond the day were made nobody
    knows: their number is NULL, and as many as it counts are shared, which is the most on each of its days. Known and
    unknown numbers are rows of their own, too. ``deduplicate`` says whether any of the days has duplicate ids;
    ``without`` names sources whose rows are not to be read at all.
    """
    requests = kept_events(first, last, deduplicate=deduplicate, without=without)
    b = usage_buckets.c
    read = (within(b.bucket_start, first, last), b.source_system.not_in(sorted(without)))
    kept = ("day", "slice_start", "reaches_to")
    beyond: Any = beyond_requests(_in_slices(distinct_buckets(*read), "bucket"), requests, kept)
    overlapping = _as_shared(_in_slices(overlapping_buckets(*read), "overlapping"), kept)
    columns = [column.name for column in overlapping.selected_columns]
    u: Any = union_all(select(*(beyond.c[name] for name in columns)), overlapping).subquery("in_buckets").c
    return select(
        u.day, u.slice_start, u.account_id, u.source_system, cast(literal("bucket"), String).label("grain"),
        func.sum(u.n_requests).label("n_requests"),
        *(func.sum(u[name]).label(name) for name in SUMS),
        func.sum(u.n_unpriced).label("n_unpriced"),
        func.min(u.bucket_start).label("used_from"),
        func.max(u.bucket_end).label("used_until"),
        *(func.sum(u[f"shared_{name}"]).label(f"shared_{name}") for name in SHARED),
    ).group_by(
        u.day, u.slice_start, u.account_id, u.source_system, u.reaches_to,
        u.n_requests.is_(None), u.shared_n_requests.is_(None),
    )  # fmt: skip


def openings() -> Subquery:
    """``account_id`` and ``opened_at`` of each account."""
    a = accounts.c
    return select(a.account_id, func.min(a.opened_at).label("opened_at")).group_by(a.account_id).subquery("opening")


def used_from(bucket: Any, opened_at: ColumnElement[Any]) -> ColumnElement[Any]:
    """When a bucket begins: nobody uses an account before it is opened, so that the bucket of that day begins then."""
    in_it = and_(
        opened_at > bucket.bucket_start,
        opened_at < bucket.bucket_end,
        utc_day(opened_at) == utc_day(bucket.bucket_start),
    )
    return cast(case((in_it, opened_at), else_=bucket.bucket_start), Instant)


def lasts(bucket: Any) -> ColumnElement[bool]:
    """Whether a bucket reaches beyond the day on which it begins."""
    return seconds_between(midnight(utc_day(bucket.bucket_start)), bucket.bucket_end) > A_DAY.total_seconds()


def distinct_buckets(*where: ColumnElement[bool]) -> Subquery:
    """The rows of ``usage_buckets`` that tell of any use, each once: a copy of another source's is not another.

    Of buckets of one source and day that overlap, such as totals beside what they are broken down into, or corrections
    beside what they correct, only the largest is known not to count what another one counts. What lasts beyond the day
    is not compared with what does not: :func:`audits.rollups.account_day.by_last_day` tells which of it counts.
    """
    told, other, larger = _told(where, "told")
    return select(told).where(~exists(select(other.c.account_id).where(larger))).subquery("largest")


def overlapping_buckets(*where: ColumnElement[bool]) -> Subquery:
    """The rows that :func:`distinct_buckets` leaves out, but for those that are plainly a part of a larger one.

    A bucket is part of another that counts no less of anything in all of its time, and is broken down no further.
    """
    told, other, larger = _told(where, "told_as_well")
    t, o = told.c, other.c
    whole = and_(
        larger, o.bucket_start <= t.bucket_start, o.bucket_end >= t.bucket_end,
        *(or_(o[name].is_(None), func.coalesce(o[name] == t[name], false())) for name in DIMENSIONS),
        *(o[name] >= t[name] for name in TOKENS),
        func.coalesce(o.n_requests >= t.n_requests, true()),
    )  # fmt: skip
    any_of = [exists(select(o.account_id).where(of)) for of in (larger, whole)]
    return select(told).where(any_of[0], ~any_of[1]).subquery("overlapping")


def _told(where: Sequence[ColumnElement[bool]], name: str) -> tuple[CTE, CTE, ColumnElement[bool]]:
    """Each bucket once, the same again, and whether the second one overlaps the first and is larger."""
    b = usage_buckets.c
    identity = [b[name] for name in _IDENTITY]
    used = or_(b.n_requests > 0, b.input_tokens > 0, b.output_tokens > 0)
    told = (
        select(
            *identity,
            least_text(b.source_system).label("source_system"),
            *(func.max(b[name]).label(name) for name in ("cached_input_tokens", "n_requests", "cost_usd")),
        )
        .where(used, ~is_impossible(usage_buckets), *where)
        .group_by(*identity)
        .cte(name)
    )
    other = told.alias(f"{name}_before")
    t, o = told.c, other.c
    overlapping = and_(o.bucket_start < t.bucket_end, o.bucket_end > t.bucket_start)
    # Days are rolled up one by one as well: what begins on another day must make no difference.
    same_time = and_(utc_day(o.bucket_start) == utc_day(t.bucket_start), lasts(o) == lasts(t), overlapping)
    alike = (or_(o[name] == t[name], o[name].is_(None), t[name].is_(None)) for name in DIMENSIONS)
    larger = and_(
        o.source_system == t.source_system, o.account_id == t.account_id, same_time, *alike, _size(o) > _size(t)
    )
    return told, other, larger


def _size(bucket: Any) -> Tuple:
    """What orders buckets by how much they count, in a total order."""
    dimensions = (func.coalesce(bucket[name], "") for name in DIMENSIONS)
    more = (bucket.bucket_start, bucket.bucket_end, bucket.input_tokens, *dimensions)
    return tuple_(bucket.input_tokens + bucket.output_tokens, func.coalesce(bucket.n_requests, -1), *more)


def beyond_requests(buckets: CTE, requests: FromClause, kept: Sequence[str], *, days: bool = False) -> Subquery:
    """What buckets count beyond the single requests that may be among theirs.

    A request may be in a bucket of its account if it succeeded in the bucket's time, with its key and its model, as far
    as the bucket is broken down by them: sources count the requests that they served. What the buckets of one source
    and time count beyond all such requests is known from buckets alone, be it requests or tokens; the rest is counted
    already. The least is told that may be so: the larger of the sum of what each bucket has beyond its requests, and of
    what all have beyond all requests; and in ``shared_...`` how much more they may count at most, if none of the
    requests is in them. Nothing is shared where the buckets tell exactly as many requests and tokens as there are: they
    are a copy, unless the key of a request is not recorded and nobody knows whose bucket it is in.

    ``buckets``: rows of ``usage_buckets``, each once, with ``number``, which is NULL where not all that it counts
    belongs to it, and the columns ``kept``, which buckets of one account and time have in common. ``requests``: rows
    of ``usage_events``, each once; with ``days`` those of later days, too, may be in a bucket that lasts. Returns
    ``kept``, ``source_system``, ``account_id``, ``bucket_start``, ``bucket_end``, ``api_key_hash``, ``model``,
    ``n_requests``, the ``SUMS``, ``n_unpriced`` and what is ``SHARED``: by key and model where none of the time's
    requests may be in a bucket, else one row for a source and time, without them.
    """
    time = (*kept, "source_system", "account_id", "bucket_start", "bucket_end")
    c: Any = _with_requests(buckets, requests, time, days=days).c
    beside = func.sum(c.n_same).over(partition_by=(*(c[name] for name in time), c.number.is_(None))) > 0
    b = select(*c, beside.label("beside")).subquery("bucket_beside").c
    counted, sums = _beyond(b, "n_requests"), {name: _beyond(b, name) for name in SUMS}
    told = {"n_requests": case((func.count(b.number) > 0, counted)), **sums}
    copied = and_(
        func.sum(b.n_unsure) == 0,
        func.sum(b.number) == func.sum(b.first_n_requests), counted == 0,
        *(and_(func.sum(b[name]) == func.sum(b[f"first_{name}"]), sums[name] == 0) for name in TOKENS),
    )  # fmt: skip
    least = told | {"n_requests": func.coalesce(told["n_requests"], 0)}
    every: dict[str, ColumnElement[Any]] = {name: func.sum(b[name]) for name in SHARED}
    every["n_requests"] = case((func.count(b.n_requests) == func.count(), every["n_requests"]))
    shared = {name: case((copied, 0), else_=every[name] - least[name]).label(f"shared_{name}") for name in SHARED}
    key, model = (case((~b.beside, b[name])).label(name) for name in ("api_key_hash", "model"))
    return (
        select(
            *(b[name] for name in time), key, model,
            *(total.label(name) for name, total in told.items()),
            func.count().filter(b.cost_usd.is_(None)).label("n_unpriced"),
            *shared.values(),
        )
        .group_by(*(b[name] for name in time), b.beside, b.number.is_(None), key, model)
        .having(or_(~b.beside, ~func.coalesce(copied, false())))
        .subquery("beyond")
    )  # fmt: skip


def _beyond(b: Any, name: str) -> ColumnElement[Any]:
    """The part of a total that no request accounts for; NULL where the total is not recorded."""
    n, same = b[name], b[f"same_{name}"]
    of_each = func.sum(case((n > same, n - same), (n.is_not(None), 0)))
    return func.greatest(of_each, func.sum(n) - func.sum(b[f"first_{name}"]))


def _with_requests(buckets: CTE, requests: FromClause, time: Sequence[str], *, days: bool) -> Subquery:
    """The buckets with the requests that may be in them: ``n_same``, and of these ``n_unsure``.

    ``same_...`` are totals of these requests, ``first_...`` those of the ones that no other bucket of the same time
    has counted before.
    """
    b, e = buckets.c, requests.c
    unbroken = [b.api_key_hash.is_(None), e.api_key_hash.is_(None), e.api_key_hash == b.api_key_hash]
    models = [b.model.is_(None), e.model_requested == b.model, e.model_served == b.model]
    unsure = and_(e.api_key_hash.is_(None), b.api_key_hash.is_not(None))
    pairs = (
        select(
            *b, e.event_id, literal(1).label("of_n_requests"), *(e[name].label(f"of_{name}") for name in SUMS),
            case((unsure, 1), else_=0).label("unsure"),
        )
        .where(e.account_id == b.account_id, true() if days else utc_day(e.event_ts) == utc_day(b.bucket_start))
        .where(e.event_ts >= b.bucket_start, e.event_ts < b.bucket_end, e.status_code < 400)
        .where(or_(*unbroken), or_(*models))
    )  # fmt: skip
    nothing = (cast(null(), column.type).label(column.name) for column in list(pairs.selected_columns)[len(b) :])
    p = union_all(pairs, select(*b, *nothing)).subquery("bucket_request").c
    first = func.row_number().over(partition_by=(*(p[name] for name in time), p.number.is_(None), p.event_id)) == 1
    r = select(*p, first.label("first")).subquery("bucket_request_in_order").c
    return (
        select(
            *(r[column.name] for column in b),
            func.count(r.event_id).label("n_same"),
            func.coalesce(func.sum(r.unsure), 0).label("n_unsure"),
            *(func.coalesce(func.sum(r[f"of_{name}"]), 0).label(f"same_{name}") for name in ("n_requests", *SUMS)),
            *(
                func.coalesce(func.sum(r[f"of_{name}"]).filter(r.first), 0).label(f"first_{name}")
                for name in ("n_requests", *SUMS)
            ),
        )
        .group_by(*(r[column.name] for column in b))
        .subquery("bucket_with_requests")
    )  # fmt: skip


def _as_shared(buckets: CTE, kept: Sequence[str]) -> Select[Any]:
    """Buckets of which nothing is known to be no other's: all that they count is what may be counted beside it."""
    b = buckets.c
    nothing = {name: case((b[name].is_not(None), 0)) for name in SUMS}
    return select(
        *(b[name] for name in (*kept, "source_system", "account_id", "bucket_start", "bucket_end")),
        case((b.number.is_not(None), 0)).label("n_requests"),
        *(none.label(name) for name, none in nothing.items()),
        literal(0).label("n_unpriced"),
        *(b[name].label(f"shared_{name}") for name in SHARED),
    )


def _in_slices(buckets: Subquery, name: str) -> CTE:
    """The buckets with ``day``, ``slice_start``, ``number`` and, out of the slice, ``reaches_to``."""
    s = account_slices.c
    t, opened, day = buckets.c, openings(), utc_day(buckets.c.bucket_start)
    next_day = midnight(day) + literal(A_DAY)
    begins = used_from(t, opened.c.opened_at)
    cut = (
        select(
            *t, day.label("day"), next_day.label("next_day"), begins.label("begins"),
            func.max(s.slice_start).filter(s.slice_start <= begins).label("begun"),
            func.min(s.slice_start).filter(s.slice_start > begins).label("ended"),
        )
        .select_from(
            buckets.outerjoin(account_slices, and_(s.account_id == t.account_id, s.day == day))
            .outerjoin(opened, opened.c.account_id == t.account_id)
        )
        .group_by(*t, day, begins)
        .subquery("cut")
    ).c  # fmt: skip
    reaches = cut.bucket_end > func.coalesce(cut.ended, cut.next_day)
    start = case((reaches, cut.begins), else_=func.coalesce(cut.begun, midnight(cut.day)))
    return select(
        *(cut[column.name] for column in t),
        cut.day,
        cast(start, Instant).label("slice_start"),
        case((reaches, cut.bucket_end)).label("reaches_to"),
        case((cut.bucket_end <= cut.next_day, cut.n_requests)).label("number"),
    ).cte(name)
