"""The groups as tables of the audit's own schema."""

from __future__ import annotations

from sqlalchemy import Column, Date, String, Table

from audits.warehouse.tables import audit_metadata

group_members = Table(
    "group_members",
    audit_metadata,
    Column("as_of", Date, primary_key=True),  # first day after the period that the groups were made for
    Column("group_id", String, primary_key=True),
    Column("account_id", String, primary_key=True),
)

linkage_runs = Table(
    "linkage_runs",
    audit_metadata,
    Column("as_of", Date, primary_key=True),
    Column("inputs", String, nullable=False),  # digest of all that the groups were made from
)
