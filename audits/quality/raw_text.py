"""Raw keys, addresses and prompts in columns for digests, where they must not be."""

from __future__ import annotations

from datetime import date
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, case, func, literal, or_, select, union_all

from audits.warehouse.days import within
from audits.warehouse.dialects import byte_length
from audits.warehouse.tables import usage_events

DIGESTS = (
    "api_key_hash", "end_user_hash", "session_id", "client_ip_hash", "client_net_hash", "system_prompt_hash",
    "prompt_template_hash",
)  # fmt: skip
"""Columns for digests and opaque ids."""

LOOKED_INTO = (*DIGESTS, "user_agent_family")
ADDRESSES = ("client_ip_hash", "client_net_hash")
KEY_MARKS = ("sk-", "AIza")
"""How raw keys of common APIs begin."""

LONGEST_DIGEST = 200  # characters; SHA-512 in hexadecimal has 128
LONGEST_ADDRESS = 43  # characters of an IPv6 network, ffff:...:ffff/128


def raw_columns(connection: Connection, first: date, last: date, source: str | None = None) -> tuple[str, ...]:
    """The columns of ``usage_events`` that hold raw text on the days first..last, in the contract's order.

    Each distinct value is looked at once: there are far fewer of them than rows.
    """
    e: Any = usage_events.c
    held = [within(e.event_ts, first, last), *([e.source_system == source] if source is not None else [])]
    found = []
    for name in LOOKED_INTO:
        values = select(e[name].label("value")).where(*held).distinct().subquery(f"values_of_{name}")
        raw = select(values.c.value).where(looks_raw(values.c.value, name)).limit(1).subquery(f"raw_{name}")
        found.append(select(literal(name).label("name"), func.count().label("n")).select_from(raw))
    there = {row.name for row in connection.execute(union_all(*found)) if row.n}
    return tuple(name for name in LOOKED_INTO if name in there)


def looks_raw(value: ColumnElement[Any], name: str) -> ColumnElement[bool]:
    """Whether a value of the column ``name`` looks like a raw key, address or prompt.

    A family of user agents may have spaces; a digest has none, is short and is plain ASCII.
    """
    signs = [func.length(value) > LONGEST_DIGEST, *(value.like(f"{mark}%") for mark in KEY_MARKS)]
    if name in DIGESTS:
        signs += [value.like("% %"), byte_length(value) != func.length(value)]
    if name in ADDRESSES:
        letters = case(
            (value.like("%.%.%.%"), func.translate(value, "0123456789./", "")),
            (value.like("%:%:%"), func.translate(func.lower(value), "0123456789abcdef.:/", "")),
            else_="-",
        )
        signs.append(and_(letters == "", func.length(value) <= LONGEST_ADDRESS))
    return or_(*signs)
