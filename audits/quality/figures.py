"""The figures of a day and source that the limits of the policy book are held against, and what they say in words.

A figure bears the name of its limit. One that cannot be formed (no key is recorded, say) is None and fails nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, select

from audits.quality.arrivals import shift_of
from audits.quality.billing import Difference
from audits.quality.lost_hours import Lost, confirmed, suspects
from audits.quality.raw_text import RawRows
from audits.quality.row_checks import ROWS_OF, Limits
from audits.quality.stored import FAILURE_DAYS, Counts, Profile, accounts_until
from audits.quality.usual import (
    LEAST_WEEKS,
    Against,
    Day,
    Hours,
    against_usual,
    hours_of_those_who_stayed,
    without_newcomers,
)


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure with what it rests on."""

    value: float | None
    what: str = ""  # in words, for a reader of the report
    rows: int = 0
    hours: tuple[int, ...] = ()  # in which the rows lie; empty where it is not a matter of hours
    accounts: tuple[str, ...] = ()  # whom alone it concerns; empty: everyone that the source serves


NONE = Figure(None)

REPEATED, NEGATIVE = "repeated_rows", "negative_rows"
NOTED = (REPEATED, NEGATIVE)
"""Rows that were delivered again, and rows with tokens or cost below zero. No audit counts either and no limit is held
against them: a note names them.
"""


def figures_of(connection: Connection, profile: Profile, one: Day, limits: Limits) -> dict[str, Figure]:
    """The figures of a day and source, by the name of the limit that each is held against."""
    counts = profile.counts.get(one, Counts())
    return {
        **(_shares(counts, limits) if counts.total["n_rows"] else {}),
        "shifted_share": _shifted(profile, one),
        "raw_secret_rows": _raw(profile.raw.get(one), counts),
        **_usual(connection, profile, one, limits),
        "one_address_share": _one_address(profile.clients.get(one)),
        "busy_requests_without_failure": _failureless(connection, one, profile.failures.get(one), limits),
        "billing_tolerance": _billing(one, profile.billed.get(one[0], ()), limits),
    }


def _shares(of: Counts, limits: Limits) -> dict[str, Figure]:
    total = of.total
    rows, overlapping = total["n_rows"], total["n_overlapping"]

    def share(check: str, what: str) -> Figure:
        n = sum(total[name] for name in ROWS_OF[check])
        # One row is a slip; from two on it is a share of the rows.
        return Figure(n / rows if n > 1 else 0.0, f"{n:,} of {rows:,} rows {what}", n, of.hours_with(*ROWS_OF[check]))

    token_counts = (
        f"have impossible token counts or costs ({total['n_negative']:,} below zero, "
        f"{total['n_cached_above_input']:,} with more cached than input, "
        f"{total['n_reasoning_above_output']:,} with more reasoning than output)"
    )
    key_use = f"({total['n_unknown_key']:,}) or was revoked before ({total['n_revoked_key']:,})"
    windows, late, early = (
        f"{limits[name].limit:g}" for name in ("over_context_factor", "late_hours", "future_minutes")
    )
    conflict = " and ".join(
        what
        for name, what in (
            ("n_conflicting", "say something else under the event id of another row"),
            ("n_elsewhere", "are usage buckets that another source has too"),
        )
        if total[name]
    )
    repeated, negative = total["n_repeated"], total["n_negative"]
    verb = "was" if repeated == 1 else "were"
    again = f"{_counted(repeated, 'row')} {verb} delivered again and set aside; {rows:,} count"
    whose = "its" if negative == 1 else "their"
    left_out = f"{_counted(negative, 'row')} left out because {whose} tokens or cost are below zero"
    return {
        REPEATED: Figure(repeated, again, repeated, of.hours_with("n_repeated")),
        NEGATIVE: Figure(negative, left_out, negative, of.hours_with("n_negative")),
        "duplicate_share": share("duplicate_share", conflict),
        "duplicate_share_block": share("duplicate_share_block", conflict),
        "impossible_token_share": share("impossible_token_share", token_counts),
        "over_context_share": share("over_context_share", f"have more than {windows} context windows of tokens"),
        # A source that never records a key is said to do so elsewhere; here keys are missing among others.
        "empty_key_share": share("empty_key_share", "have no key") if total["n_keyed"] else NONE,
        "unmapped_account_share": share("unmapped_account_share", "name no account"),
        "orphan_account_share": share("orphan_account_share", "belong to accounts that are not on record"),
        "orphan_key_share": share("orphan_key_share", f"used a key that is not on record {key_use}"),
        "late_share": share("late_share", f"arrived more than {late} hours after the request"),
        "future_share": share("future_share", f"arrived more than {early} minutes before the time that they bear"),
        "bucket_overlap_rows": Figure(
            overlapping,
            f"{_counted(overlapping, 'usage bucket')} overlap others of the same account",
            overlapping,
            of.hours_with("n_overlapping"),
        ),
        "unknown_model_share": share("unknown_model_share", "name a model that is not on record"),
    }


def _raw(rows: RawRows | None, of: Counts) -> Figure:
    if rows is None:
        return Figure(0)
    n = of.total["n_raw"] or max(one.rows for one in rows.found)  # sign-ins have no profile by the hour
    return Figure(n, str(rows), n, of.hours_with("n_raw"))


def _usual(connection: Connection, profile: Profile, one: Day, limits: Limits) -> dict[str, Figure]:
    least, odds = limits["hour_rows_min"].limit, limits["loss_odds"].limit
    now: Hours = profile.counts.get(one, Counts()).hours
    past = profile.before(one)
    if now and len(past) >= LEAST_WEEKS:
        now = without_newcomers(connection, one, now)
    against = against_usual(now, past, least)
    if against is None:
        return {"missing_hours": NONE, "hour_drop_share": NONE, "lost_hours": NONE}
    lost = suspects(now, past, odds)
    if lost:
        lost = confirmed(connection, one, lost, odds)
    if now and against.is_striking:
        against = against_usual(now, hours_of_those_who_stayed(connection, one), least) or Against({}, {})
    silent = {hour: found.usual for hour, found in lost.items() if hour not in now}
    against = Against({**silent, **against.missing}, against.falls)
    return {
        "missing_hours": _missing(against),
        "hour_drop_share": _fallen(against, limits["hour_drop_share"].limit),
        "lost_hours": _lost({hour: found for hour, found in lost.items() if hour in now}),
    }


def _lost(lost: Mapping[int, Lost]) -> Figure:
    hours = tuple(sorted(lost))
    missing = round(sum(one.usual - one.rows for one in lost.values()))
    most = max((one.share for one in lost.values()), default=0.0)
    what = f"{_hours(hours)} lost up to {most:.0%} of the usual rows, across the accounts" if hours else ""
    return Figure(len(hours), what, missing, hours)


def _shifted(profile: Profile, one: Day) -> Figure:
    past = [profile.delays[day] for day in profile.days_before(one) if day in profile.delays]
    now = profile.delays.get(one, {})
    shift = shift_of(now, past)
    if shift is None:
        return NONE
    rows = round(shift.share * sum(now.values()))
    way = "later" if shift.hours > 0 else "earlier"
    what = f"{rows:,} of {sum(now.values()):,} rows arrived {_counted(abs(shift.hours), 'hour')} {way} than usual"
    return Figure(round(shift.share, 6), what, rows) if shift.hours else Figure(0.0)


def _missing(against: Against) -> Figure:
    hours = tuple(sorted(against.missing))
    usual = round(sum(against.missing.values()))
    what = f"no rows in {_hours(hours)}, where about {usual:,} are usual" if hours else ""
    return Figure(len(hours), what, usual, hours)


def _fallen(against: Against, limit: float) -> Figure:
    most = max(against.falls.values(), default=0.0)
    hours = tuple(hour for hour in sorted(against.falls) if against.falls[hour] > limit)
    what = f"{_hours(hours)} fell by up to {most:.0%} against the same hour in the four weeks before" if hours else ""
    return Figure(round(most, 6), what, hours=hours)


def _one_address(row: Mapping[str, Any] | None) -> Figure:
    if row is None or row["n_accounts"] < 2:  # an account may well have one server
        return NONE
    share = row["n_busiest"] / row["n_addressed"]
    what = f"{share:.0%} of the rows with an address come from one, which {row['n_accounts']:,} accounts share"
    return Figure(share, what, row["n_busiest"])


def _failureless(connection: Connection, one: Day, row: Mapping[str, Any] | None, limits: Limits) -> Figure:
    if row is None:
        return NONE
    rows = int(row["n_rows"])
    if not row["n_failed"]:
        what = f"none of {rows:,} requests in {FAILURE_DAYS} days failed: failures do not seem to be exported"
        return Figure(rows, what, rows)
    busiest, limit = int(row["n_busiest"] or 0), limits["busy_requests_without_failure"].limit
    if busiest <= limit:
        return Figure(busiest)
    a = accounts_until(one[0], one[0])
    asked = select(a.c.account_id, a.c.n_rows).where(
        a.c.day == one[0], a.c.source_system == one[1], a.c.n_failed == 0, a.c.n_rows > limit
    )
    found = connection.execute(asked.order_by(a.c.account_id)).all()
    accounts = tuple(account for account, _ in found)
    made = _counted(len(accounts), "account")
    return Figure(
        busiest,
        f"{made} made up to {busiest:,} requests in {FAILURE_DAYS} days without a failed one",
        sum(n for _, n in found),
        accounts=accounts,
    )


def _billing(one: Day, of_month: Sequence[Difference], limits: Limits) -> Figure:
    here = [difference for difference in of_month if one[1] in difference.sources]
    if not here:
        return NONE
    most = max(difference.share for difference in here)
    off = [difference for difference in here if difference.share > limits["billing_tolerance"].limit]
    what = (
        f"usage of {_counted(len(off), 'account')} in {one[0]:%B %Y} differs from what was billed by up to {most:.1%}"
    )
    return Figure(round(most, 6), what if off else "", accounts=tuple(difference.account_id for difference in off))


def _hours(hours: Sequence[int]) -> str:
    """Hours in words, adjacent ones together: ``3 hours (09:00-11:00, 13:00-14:00 UTC)``."""
    stretches: list[list[int]] = []
    for hour in hours:
        if stretches and stretches[-1][1] == hour:
            stretches[-1][1] = hour + 1
        else:
            stretches.append([hour, hour + 1])
    named = ", ".join(f"{begin:02d}:00-{end:02d}:00" for begin, end in stretches)
    return f"{_counted(len(hours), 'hour')} ({named} UTC)"


def _counted(n: int, noun: str) -> str:
    return f"{n:,} {noun}{'' if n == 1 else 's'}"
