"""How accounts use the service, as sums that add up: what several accounts do is the sum of what each of them does.

An account of six requests a day shows little; a batch of four has four times as much, and the middle of a group of a
hundred is known well. Everything is a count from the rollups, so that pooling is adding.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
from sqlalchemy import BigInteger, ColumnElement, Connection, Double, Subquery, Table, case, cast, func, literal, select

from audits.linkage.evidence import Floats, Ints
from audits.linkage.params import Params
from audits.linkage.sightings import linked_accounts
from audits.rollups.account_client_day import FOR_HIRE, account_client_day
from audits.rollups.account_day import account_day
from audits.rollups.account_hour import account_hour
from audits.rollups.account_prompt_day import account_prompt_day
from audits.rollups.account_score_day import SCORES, account_score_day
from audits.warehouse.dialects import day_number

_PARTS = 1000  # of ln, so that sums are whole and the same on every engine
_A_MONDAY = date(1970, 1, 5)
_WHOLE = ("requests", "days", "read", "wrote", "written", "reasoning", "placed", "networks", "filled", "templates")
_SCORED = 8  # tenths from which the rules count a request as elicitation, grading or a benchmark item


@dataclass(frozen=True, slots=True)
class Habits:
    """The sums of each account with enough requests to have a mean (sorted by account)."""

    account: Ints
    sums: Floats  # (accounts, sums): ``_WHOLE``, then numbers of requests

    def pooled(self, owner: Ints, owners: int) -> Floats:
        """The sums of each owner, given by a number for each of the accounts; -1 for one that is nobody's."""
        total, owned = np.zeros((owners, self.sums.shape[1])), owner >= 0
        np.add.at(total, owner[owned], self.sums[owned])
        return total


def place(sums: Floats, unit: Floats, params: Params) -> Floats:
    """Where sums lie: ``unit`` is what unrelated accounts differ by, 1 how far apart two of one machine may be.

    Requests on an active day; ln of input and output of a request; then shares: quarters of the day, weekends,
    networks of requests (1 where each comes by another exit), hosting and other networks for hire, requests under a
    system prompt, templates of requests (1 where each is written anew), elicitation, grading and benchmark items, and
    of the output what is reasoning.
    """
    requests, days, read, wrote, written, reasoning, placed, networks, filled, templates, *parts = sums.T
    shares = [part / requests for part in parts]
    shares += [networks / np.maximum(placed, 1), templates / np.maximum(filled, 1), reasoning / (written + 1)]
    means = np.array([np.log(requests / days), read / requests / _PARTS, wrote / requests / _PARTS])
    means /= (unit * (params.alike_volume, params.alike_lengths, params.alike_lengths))[:, None]
    return np.column_stack([*means, *(share / params.alike_shares for share in shares)])


def read_habits(connection: Connection, first: date, last: date, params: Params) -> Habits:
    """The sums of the window."""
    parts = list(_parts(first, last))
    a, base = linked_accounts.c, parts[0]
    source = linked_accounts.join(base, base.c.account_id == a.account_id)
    for part in parts[1:]:
        source = source.outerjoin(part, part.c.account_id == a.account_id)
    named = {column.name: func.coalesce(column, 0) for part in parts for column in part.c}
    del named["account_id"]
    columns = [named.pop(name) for name in _WHOLE] + list(named.values())
    rows = connection.execute(
        select(a.account_no - 1, *columns)
        .select_from(source)
        .where(base.c.requests >= params.least_requests_alike)
        .order_by(a.account_no)
    ).all()
    numbers = np.array([[float(n) for n in row] for row in rows], np.float64).reshape(len(rows), len(columns) + 1)
    return Habits(numbers[:, 0].astype(np.int64), numbers[:, 1:])


def _parts(first: date, last: date) -> Iterator[Subquery]:
    """For each rollup its sums by account; what is not in ``_WHOLE`` is a part of the account's requests."""

    def by_account(table: Table, **sums: ColumnElement[Any]) -> Subquery:
        rows = select(table.c.account_id, *(column.label(name) for name, column in sums.items()))
        return rows.where(table.c.day.between(first, last)).group_by(table.c.account_id).subquery(f"{table.name}_sums")

    d, c, q, h, s = (
        table.c for table in (account_day, account_client_day, account_prompt_day, account_hour, account_score_day)
    )
    yield by_account(
        account_day,
        requests=func.sum(d.n_requests),
        days=func.count(case((d.n_requests > 0, d.day)).distinct()),
        read=func.sum(_length(d.input_tokens, d.n_requests)),
        wrote=func.sum(_length(d.output_tokens, d.n_requests)),
        written=func.sum(d.output_tokens),
        reasoning=func.sum(d.reasoning_tokens),
    )
    yield by_account(
        account_client_day,
        placed=_where(c.client_net_hash.is_not(None), c.n_requests),
        networks=func.count(c.client_net_hash.distinct()),
        **{kind: _where(c.ip_type == kind, c.n_requests) for kind in FOR_HIRE},
    )
    yield by_account(
        account_prompt_day,
        filled=_where(q.prompt_template_hash.is_not(None), q.n_requests),
        templates=func.count(q.prompt_template_hash.distinct()),
        prompted=_where(q.system_prompt_hash.is_not(None), q.n_requests),
    )
    weekday = (day_number(h.day) - day_number(literal(_A_MONDAY))) % 7
    quarters = {f"quarter_{n}": _where(h.hour.between(6 * n, 6 * n + 5), h.n_requests) for n in range(3)}
    yield by_account(account_hour, **quarters, weekend=_where(weekday > 4, h.n_requests))
    scores = {name: _where(s[f"{name}_tenth"] >= _SCORED, s.n_requests) for name in SCORES}
    yield by_account(account_score_day, **scores)


def _length(tokens: ColumnElement[int], n: ColumnElement[int]) -> ColumnElement[int]:
    """Requests of a day times ln of their mean length, as whole parts: one long talk must not outweigh a month."""
    parts = n * _PARTS * func.ln(cast(tokens + 1, Double) / n)
    return case((n > 0, cast(func.floor(parts), BigInteger)))


def _where(condition: ColumnElement[bool], n: ColumnElement[int]) -> ColumnElement[int]:
    return func.sum(case((condition, n), else_=0))
