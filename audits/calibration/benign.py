"""Whose use says nothing about what is usual: accounts with findings that are open or were confirmed."""

from __future__ import annotations

from sqlalchemy.orm import Session

from audits.ledger.read import findings_in, governing_runs

SUSPECT = ("open", "confirmed")


def suspected_accounts(session: Session) -> frozenset[str]:
    """The accounts of every published finding that is open or confirmed, in the newest revision of each period.

    What was decided to be a false positive, is excepted or was put right counts as benign again.
    """
    governing = governing_runs(session)
    runs = {run.id: run for run in governing.values()}
    return frozenset(
        account
        for run in runs.values()
        for found in findings_in(session, run, brief=True)
        if found.status.word in SUSPECT and governing.get((run.period, found.row.tier)) is run
        for account in found.row.account_ids
    )
