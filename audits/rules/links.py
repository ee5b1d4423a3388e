"""What would explain harmlessly that the accounts of a group are linked, as far as their evidence says.

Group rules infer from accounts acting as one that somebody hides behind them. Where people only share a roof or a
payer, and nobody hides it, the same figures are those of a class, an office or an agency: such findings are no more
than ``explained`` in the rule's description allows.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, select

from audits.linkage.tables import linkage_groups
from audits.periods import Period
from audits.policy import OpenLinks
from audits.rules.base import Explanation

Explained = Mapping[str, Mapping[Explanation, str]]
"""group -> what explains its link, in words."""


def explanations(connection: Connection, period: Period, terms: OpenLinks | None) -> Explained:
    """What explains the groups of a period by the book's terms; a group that nothing explains is left out."""
    if terms is None:
        return {}
    g = linkage_groups.c
    rows = connection.execute(select(linkage_groups).where(g.period == period.id).order_by(g.group_id))
    told = {row.group_id: _explained(row, terms) for row in rows}
    return {group_id: reasons for group_id, reasons in told.items() if reasons}


def _explained(row: Any, terms: OpenLinks) -> dict[Explanation, str]:
    reasons: dict[Explanation, str] = {}
    if row.possession < terms.tied_share_min:
        reasons["loose"] = (
            f"of its accounts {row.possession:.0%} share a payment instrument, a device or a key, and people of one "
            f"timetable move alike as well"
        )
    if row.disposable >= terms.tied_share_min:
        return reasons
    # The machines of a school or an office are shared by whoever sits there, and say as little as its network does; a
    # room is somewhere, so that most people who sit in it work from there.
    housed = max(row.one_network, row.campus) >= terms.tied_share_min
    roomed = housed and row.one_domain >= terms.holder_share_min
    tied = row.cards_and_keys if roomed else row.several
    what = "card or key" if roomed else "card, device or key"
    holders: tuple[tuple[Explanation, str, float, float, str], ...] = (
        ("open", f"{row.one_network:.0%} of its accounts work from one network", row.one_network, tied, what),
        # ... or from a few of its organisation's: buildings of a campus have networks of their own
        (
            "open",
            f"{row.one_domain:.0%} of its accounts have one organisation's mail and {row.campus:.0%} work from the "
            f"same few offices",
            row.campus if roomed else 0.0, tied, what,
        ),
        # an agency has more machines than one
        (
            "open", f"one instrument pays for {row.one_instrument:.0%} of its accounts", row.one_instrument,
            row.circles, "card, device or key",
        ),
        # whoever hides may have a domain of his own as well
        (
            "organisation", f"{row.one_domain:.0%} of its accounts have one organisation's mail", row.one_domain,
            tied, what,
        ),
    )  # fmt: skip
    for reason, holder, share, circles, thing in holders:
        if share >= terms.holder_share_min and circles < terms.tied_share_min:
            apart = f"no {thing}" if circles == 0 else f"only for {circles:.0%} a {thing}"
            looks = f"{holder} and {apart} ties them in circles: a class, an office or an agency looks like this"
            reasons.setdefault(reason, looks)
    return reasons
