"""Making the groups of a period and recording them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta
from types import MappingProxyType

from sqlalchemy import select

from audits.linkage import sightings
from audits.linkage.activity import read_hourly
from audits.linkage.evidence import read_evidence
from audits.linkage.grouping import group
from audits.linkage.habits import read_habits
from audits.linkage.identity import Named
from audits.linkage.inputs import digest_of
from audits.linkage.params import DEFAULT, Params
from audits.linkage.record import record
from audits.linkage.report import LinkReport
from audits.linkage.tables import linkage_runs
from audits.linkage.uniformity import read_usage
from audits.periods import Period
from audits.quality.usual import Day
from audits.warehouse import Warehouse


def link(
    warehouse: Warehouse,
    period: Period,
    *,
    since: date | None = None,
    params: Params = DEFAULT,
    behind_gateway: Sequence[Day] = (),
    named: Named = MappingProxyType({}),
) -> LinkReport:
    """Make the groups as they stand at the end of ``period`` and record them; unchanged inputs cost one digest.

    Use is read from the rollups of ``since`` (by default 28 days before the period) to the period's last day, sign-ups
    and instruments from as far back as ``params`` says. The same inputs give the same groups and evidence, whatever was
    linked before; only a group's name looks at what is recorded, and at the groups that the caller has ``named`` before
    in case these records were lost, see :mod:`audits.linkage.identity`. Days of sources that are ``behind_gateway`` say
    nothing of networks: the address is the gateway's.
    """
    since = since or period.first_day - timedelta(days=28)
    with warehouse.begin() as connection:
        inputs = digest_of(connection, period, since, params, behind_gateway)
        known = connection.execute(select(linkage_runs).where(linkage_runs.c.period == period.id)).first()
        if known and known.inputs == inputs:
            return replace(LinkReport.from_json(known.report), changed=False)
        sightings.prepare(connection, period, since, params, behind_gateway)
        evidence = read_evidence(connection)
        hourly = read_hourly(connection, since, period.last_day, len(evidence.account_ids), params)
        usage = read_usage(connection, since, period.last_day, params)
        habits = read_habits(connection, since, period.last_day, params)
        return record(connection, period, since, group(evidence, hourly, usage, habits, params), inputs, params, named)
