"""Which value was seen on which account, and when: the candidate evidence, as temporary tables.

A value that n accounts share is n rows, a star; pairs are never written out. Values that one party alone has are left
behind in the database.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    CompoundSelect,
    Connection,
    Integer,
    MetaData,
    Select,
    String,
    Subquery,
    Table,
    and_,
    case,
    cast,
    exists,
    false,
    func,
    literal,
    or_,
    select,
    union_all,
)

from audits.linkage.params import Params
from audits.periods import Period, utc_midnight
from audits.quality.usual import Day
from audits.rollups.account_client_day import account_client_day
from audits.rollups.account_day import account_day
from audits.rollups.account_model_day import account_model_day
from audits.rollups.account_prompt_day import account_prompt_day
from audits.warehouse.dialects import day_number, least_text, midnight, seconds_between
from audits.warehouse.dimensions import instruments_in_force, tiers_in_force
from audits.warehouse.own import fill, make_temporary_tables
from audits.warehouse.tables import Instant, accounts, api_keys, models
from audits.warehouse.vocabulary import word

UNMAPPED = "UNMAPPED"  # what the contract calls usage that no account can be named for: nobody's account

_temporary = MetaData()

linked_accounts = Table(
    "linked_accounts",
    _temporary,
    Column("account_no", Integer, nullable=False),
    Column("account_id", String, nullable=False),
    Column("customer_id", String, nullable=False),  # the account itself where no customer is known
    Column("country", String),  # of sign-up, or else of most requests
    Column("tier", String),  # the last one that held
    Column("opened_at", Instant),
    Column("banned_at", Instant),
    Column("began_at", Instant),  # first use in the window, or the opening if that is later or nothing was used
    prefixes=["TEMPORARY"],
)
sightings = Table(
    "linkage_sightings",
    _temporary,
    Column("kind", String, nullable=False),
    Column("value", String, nullable=False),
    Column("account_no", Integer, nullable=False),
    Column("first_seen", Instant),
    Column("last_seen", Instant),
    prefixes=["TEMPORARY"],
)
shared_values = Table(
    "linkage_values",
    _temporary,
    Column("value_no", Integer, nullable=False),
    Column("kind", String, nullable=False),
    Column("value", String, nullable=False),
    Column("customers", Integer, nullable=False),
    prefixes=["TEMPORARY"],
)


def prepare(
    connection: Connection, period: Period, since: date, params: Params, behind_gateway: Sequence[Day] = ()
) -> None:
    """Make the temporary tables from rollups ``since`` a day; days ``behind_gateway`` say nothing of networks."""
    make_temporary_tables(connection, _temporary)
    look_back = period.end - timedelta(days=params.look_back_days)
    fill(connection, linked_accounts, _everyone(period, since, look_back))
    seen = union_all(
        *(
            select(
                literal(kind).label("kind"),
                rows.c.value,
                linked_accounts.c.account_no,
                cast(func.min(rows.c.first_seen), Instant).label("first_seen"),
                cast(func.max(rows.c.last_seen), Instant).label("last_seen"),
            )
            .select_from(rows.join(linked_accounts, linked_accounts.c.account_id == rows.c.account_id))
            .where(rows.c.value != "")
            .group_by(rows.c.value, linked_accounts.c.account_no)
            for kind, rows in _sources(period, since, look_back, params, behind_gateway)
        )
    )
    fill(connection, sightings, select(seen.subquery("seen")))
    number_values(connection)


def number_values(connection: Connection) -> None:
    """Give every value that at least two customers share a number, in an order that no engine's collation changes."""
    s, a = sightings.c, linked_accounts.c
    customers = func.count(a.customer_id.distinct())
    shared = (
        select(s.kind, s.value, customers.label("customers"))
        .select_from(sightings.join(linked_accounts, a.account_no == s.account_no))
        .group_by(s.kind, s.value)
        .having(customers > 1)
        .subquery("shared")
    )
    number = func.row_number().over(order_by=(func.md5(shared.c.kind + "/" + shared.c.value), shared.c.kind))
    fill(connection, shared_values, select(number.label("value_no"), shared))


def _everyone(period: Period, since: date, look_back: datetime) -> Select[Any]:
    """Accounts that were open or used within the look-back, whether the dimensions have them or not."""
    a, d = accounts.c, account_day.c
    t = tiers_in_force(()).c
    order = func.row_number().over(partition_by=t.account_id, order_by=t.valid_from.desc())
    ranked = select(t.account_id, t.tier, order.label("n")).where(t.valid_from < period.end).subquery("ranked")
    tier = select(ranked.c.account_id, ranked.c.tier).where(ranked.c.n == 1).subquery("tier")
    begun = (
        select(d.account_id, midnight(func.min(d.day)).label("at"))
        .where(d.day.between(since, period.last_day))
        .group_by(d.account_id)
        .subquery("begun")
    )
    no_customer = or_(a.customer_id.is_(None), a.customer_id == "")
    known = (
        select(
            a.account_id,
            least_text(case((no_customer, a.account_id), else_=a.customer_id)).label("customer_id"),
            least_text(word(a.signup_country)).label("country"),
            func.min(a.opened_at).label("opened_at"),
            func.min(case((a.banned_at < period.end, a.banned_at))).label("banned_at"),
        )
        .where(
            or_(
                and_(a.opened_at < period.end, or_(a.closed_at.is_(None), a.closed_at > look_back)),
                a.account_id.in_(select(begun.c.account_id)),
            )
        )
        .group_by(a.account_id)
    )
    unknown = select(
        begun.c.account_id,
        begun.c.account_id.label("customer_id"),
        *(cast(None, column) for column in (String, Instant, Instant)),
    ).where(begun.c.account_id.not_in(select(a.account_id)))
    people = union_all(known, unknown).subquery("people")
    p, used_in = people.c, _countries(period, since)
    number = func.row_number().over(order_by=(func.md5(p.account_id), p.account_id))
    return (
        select(number.label("account_no"), p.account_id, p.customer_id)
        .add_columns(func.coalesce(p.country, used_in.c.country).label("country"), tier.c.tier)
        .add_columns(p.opened_at, p.banned_at, func.greatest(begun.c.at, p.opened_at).label("began_at"))
        .select_from(
            people.outerjoin(begun, begun.c.account_id == p.account_id)
            .outerjoin(tier, tier.c.account_id == p.account_id)
            .outerjoin(used_in, used_in.c.account_id == p.account_id)
        )
        .where(p.account_id.not_in(("", UNMAPPED)))
    )


def _countries(period: Period, since: date) -> Subquery:
    """The country from which each account made most of its requests in the window."""
    c = account_client_day.c
    rank = func.row_number().over(
        partition_by=c.account_id, order_by=(func.sum(c.n_requests).desc(), c.ip_country)
    )  # fmt: skip
    used = (
        select(c.account_id, c.ip_country.label("country"), rank.label("rank"))
        .where(c.day.between(since, period.last_day), c.ip_country.is_not(None))
        .group_by(c.account_id, c.ip_country)
        .subquery("used_countries")
    )
    return select(used.c.account_id, used.c.country).where(used.c.rank == 1).subquery("used_in")


def _sources(
    period: Period, since: date, look_back: datetime, params: Params, behind_gateway: Sequence[Day]
) -> Iterator[tuple[str, Subquery]]:
    """(kind, rows of account_id, value, first_seen, last_seen) for every kind that a query alone can see."""
    for kind, rows in _queries(period, since, look_back, params, behind_gateway):
        yield kind, rows.subquery(f"of_{kind}")


def _queries(
    period: Period, since: date, look_back: datetime, params: Params, behind_gateway: Sequence[Day]
) -> Iterator[tuple[str, Select[Any] | CompoundSelect[Any]]]:
    end = literal(period.end, Instant)
    a, p, k = accounts.c, instruments_in_force().c, api_keys.c
    yield (
        "payment_instrument",
        _rows(p.account_id, p.instrument_hash, p.valid_from, func.least(p.valid_to, end)).where(
            p.valid_from < end, p.valid_to > look_back
        ),
    )
    for kind, column in (
        ("signup_device", a.signup_device_hash),
        ("phone", a.phone_hash),
        ("signup_address", a.signup_ip_hash),
        ("signup_network", a.signup_net_hash),
        ("email_domain", func.lower(a.email_domain)),
    ):
        yield kind, _rows(a.account_id, column, a.opened_at, a.opened_at)
    disposable = _rows(a.account_id, literal("disposable"), a.opened_at, a.opened_at)
    yield "disposable_mail", disposable.where(a.email_disposable)
    yield "signup_burst", _bursts(look_back, params)
    issued = _rows(k.account_id, k.api_key_hash, k.created_at, k.created_at).where(
        k.created_at < end, or_(k.revoked_at.is_(None), k.revoked_at > look_back)
    )
    c = account_client_day
    used = _daily(c, c.c.api_key_hash, period, since, params.least_requests).subquery("keys_used").c
    # A key that nobody was issued is an error of attribution more often than a secret that two accounts have.
    known = used.value.in_(select(k.api_key_hash))
    yield "api_key", union_all(issued, _rows(used.account_id, used.value, used.first_seen, used.last_seen).where(known))
    networks = _daily(c, c.c.client_net_hash, period, since, params.least_requests)
    yield "client_network", _most_used(networks.where(~_through(behind_gateway)), params)
    q = account_prompt_day
    for kind, column in (("system_prompt", q.c.system_prompt_hash), ("prompt_template", q.c.prompt_template_hash)):
        yield kind, _most_used(_daily(q, column, period, since, params.least_requests), params)
    yield "active_span", _spans(period, since, params)
    yield "model_pivot", _pivots(period, since, params)


def _rows(account: Any, value: Any, first: Any, last: Any) -> Select[Any]:
    return select(
        account.label("account_id"), value.label("value"), first.label("first_seen"), last.label("last_seen")
    ).where(value.is_not(None))


def _daily(table: Table, column: ColumnElement[Any], period: Period, since: date, least: int) -> Select[Any]:
    """Values of a rollup that an account used in at least ``least`` requests, and in how many."""
    t = table.c
    return (
        _rows(t.account_id, column, midnight(func.min(t.day)), midnight(func.max(t.day)))
        .add_columns(func.sum(t.n_requests).label("n"))
        .where(t.day.between(since, period.last_day))
        .group_by(t.account_id, column)
        .having(func.sum(t.n_requests) >= least)
    )


def _through(gateways: Sequence[Day]) -> ColumnElement[bool]:
    """Whether an account was served on a day by a source through whose gateway every address is the same."""
    c, d = account_client_day.c, account_day.c
    if not gateways:
        return false()
    behind = or_(*(and_(d.day == literal(day), d.source_system == source) for day, source in sorted(gateways)))
    return exists(select(d.account_id).where(d.account_id == c.account_id, d.day == c.day, behind))


def _most_used(rows: Select[Any], params: Params) -> Select[Any]:
    """The account's most used values only: an account of a thousand networks would meet everybody."""
    r = rows.subquery("used")
    rank = func.row_number().over(partition_by=r.c.account_id, order_by=(r.c.n.desc(), func.md5(r.c.value)))
    ranked = select(r, rank.label("rank")).subquery("ranked").c
    return _rows(ranked.account_id, ranked.value, ranked.first_seen, ranked.last_seen).where(
        ranked.rank <= params.values_per_account
    )


def _bursts(look_back: datetime, params: Params) -> Select[Any]:
    """Ten-minute windows of sign-up, twice with an offset, so that no pair is cut apart by a window's edge."""
    a = accounts.c
    seconds = seconds_between(literal(datetime(1970, 1, 1, tzinfo=UTC), Instant), a.opened_at)
    width = params.burst_minutes * 60
    windows = union_all(
        *(
            _rows(
                a.account_id,
                literal(name) + cast(cast(func.floor((seconds + offset) / width), BigInteger), String),
                a.opened_at,
                a.opened_at,
            ).where(a.opened_at > look_back)
            for name, offset in (("a", 0.0), ("b", width / 2))
        )
    )
    return select(windows.subquery("windows"))


def _spans(period: Period, since: date, params: Params) -> Select[Any]:
    """First and last day of use, where silence before and after shows that both are real, and most days were used."""
    d = account_day.c
    days = (
        select(d.account_id, func.min(d.day).label("first"), func.max(d.day).label("last"))
        .add_columns(func.count(d.day.distinct()).label("n_days"))
        .where(d.day.between(since, period.last_day), d.n_requests > 0)
        .group_by(d.account_id)
        .subquery("days")
    ).c
    silence, length = timedelta(days=params.silent_days), day_number(days.last) - day_number(days.first) + 1
    return _rows(
        days.account_id,
        cast(days.first, String) + literal("/") + cast(days.last, String),
        midnight(days.first),
        midnight(days.last),
    ).where(
        days.first >= since + silence,
        days.last <= period.last_day - silence,
        length >= params.least_span_days,
        days.n_days >= params.span_active_share * length,
    )


def _pivots(period: Period, since: date, params: Params) -> Select[Any]:
    """Model and hours after its release at which an account moved to it, from others and by asking for it by name."""
    m, model = account_model_day.c, models.c
    inside = and_(m.day.between(since, period.last_day), m.n_ok > 0)
    taken_up = (
        select(m.account_id, m.model_served.label("model"))
        .add_columns(func.min(m.day).label("day"), func.min(m.first_ok_ts).label("at"), func.sum(m.n_ok).label("n"))
        .where(inside, m.model_requested == m.model_served)
        .group_by(m.account_id, m.model_served)
        .subquery("taken_up")
    )
    t = taken_up.c
    share = (
        select(t.account_id, t.model, t.at, t.n, func.sum(case((m.day >= t.day, m.n_ok), else_=0)).label("of"))
        .select_from(taken_up.join(account_model_day, and_(m.account_id == t.account_id, inside)))
        .group_by(t.account_id, t.model, t.day, t.at, t.n)
        .having(func.min(m.day) < t.day)  # who begins with the new model has moved from nowhere
        .subquery("share")
    )
    moved = share.c
    released = (
        select(model.model, func.min(model.released_at).label("at"))
        .where(model.released_at >= literal(utc_midnight(since), Instant), model.released_at < period.end)
        .group_by(model.model)
        .subquery("released")
    ).c
    window = cast(func.floor(seconds_between(released.at, moved.at) / (params.pivot_hours * 3600)), BigInteger)
    return _rows(moved.account_id, moved.model + literal("/") + cast(window, String), moved.at, moved.at).where(
        released.model == moved.model, moved.n >= params.pivot_share * moved.of
    )
