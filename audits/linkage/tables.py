"""The groups and their evidence as tables of the audit's own schema.

All are keyed by the period that they were made for: a month and a quarter may end on the same day and yet rest on
different evidence.
"""

from __future__ import annotations

from sqlalchemy import Boolean, Column, Date, Float, Integer, String, Table

from audits.warehouse.tables import Instant, audit_metadata

group_members = Table(
    "group_members",
    audit_metadata,
    Column("period", String, primary_key=True),
    Column("as_of", Date, nullable=False),  # first day after the period
    Column("group_id", String, primary_key=True),
    Column("account_id", String, primary_key=True),
    Column("strong_set", String),  # first account of those it hangs together with by cards, devices and keys alone
)

linkage_groups = Table(
    "linkage_groups",
    audit_metadata,
    Column("period", String, primary_key=True),
    Column("group_id", String, primary_key=True),
    Column("accounts", Integer, nullable=False),
    Column("customers", Integer, nullable=False),
    Column("kinds", String, nullable=False),  # of the evidence that joined it, comma-separated
    Column("causes", String, nullable=False),  # what these kinds come from; two or more are independent of each other
    # Shares of its accounts, see :mod:`audits.linkage.holders`:
    Column("one_network", Float, nullable=False),  # that work from the network that most of them have in common
    Column("venues", Float, nullable=False),  # that work from networks on each of which many of them work
    Column("campus", Float, nullable=False),  # that work from the three offices' networks that most of them work from
    Column("one_domain", Float, nullable=False),  # that have mail of the same organisation
    Column("one_instrument", Float, nullable=False),  # that the instrument pays for that pays for most
    Column("possession", Float, nullable=False),  # that share an instrument, a device or a key with another customer
    Column("several", Float, nullable=False),  # that do so by another value than the one that most share
    Column("cards_and_keys", Float, nullable=False),  # that do so by a card or a key, which no room has
    Column("circles", Float, nullable=False),  # that do so in circles of a quarter of the group at most
    Column("disposable", Float, nullable=False),  # that were opened with throw-away mail
)
"""One row a group: a class joined by place and mail alone reads otherwise than batches of shared cards."""

group_edges = Table(
    "group_edges",
    audit_metadata,
    Column("period", String, primary_key=True),
    Column("group_id", String, primary_key=True),
    Column("kind", String, primary_key=True),
    Column("value_digest", String, primary_key=True),
    Column("account_id", String, primary_key=True),
    Column("customers", Integer, nullable=False),  # declared customers that share the value, in or out of the group
    Column("parties", Integer, nullable=False),  # the same with each group as one party
    Column("bits", Float, nullable=False),  # -log2(parties sharing / all parties)
    Column("joins", Boolean, nullable=False),  # False: it agrees with the link, and was not needed for it
    Column("first_seen", Instant),
    Column("last_seen", Instant),
)
"""The evidence as stars: one row for each account on which a value was seen that two of the group's customers share."""

linkage_against = Table(
    "linkage_against",
    audit_metadata,
    Column("period", String, primary_key=True),
    Column("group_id", String, primary_key=True),
    Column("kind", String, primary_key=True),
    Column("recorded", Integer),  # accounts of which the kind is recorded; NULL where it is found by comparison
    Column("sharing", Integer, nullable=False),  # of them, those that share a value with another customer of the group
    Column("together_without", Integer, nullable=False),  # accounts that still hang together without this kind
)
"""What speaks against a group: accounts that differ in a kind, and how much hangs on one kind alone."""

linkage_hubs = Table(
    "linkage_hubs",
    audit_metadata,
    Column("period", String, primary_key=True),
    Column("kind", String, primary_key=True),
    Column("value_digest", String, primary_key=True),
    Column("customers", Integer, nullable=False),
    Column("parties", Integer, nullable=False),
    Column("bits", Float, nullable=False),
)
"""Values that so many parties share that they link nobody: NATs, popular prompts, VPN exits, mail providers."""

linkage_runs = Table(
    "linkage_runs",
    audit_metadata,
    Column("period", String, primary_key=True),
    Column("as_of", Date, nullable=False),
    Column("inputs", String, nullable=False),  # digest of all that the groups were made from
    Column("report", String, nullable=False),  # LinkReport as JSON
)
