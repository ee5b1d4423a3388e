"""Groups whose link something harmless explains, and whose members behave like different people.

Group rules infer from accounts acting as one that somebody hides behind them. A class, an office or an agency is linked
as well, and nobody hides it. But a payer, a network or an organisation in common explains the link only; it lowers what
a group is found at where its members behave like different people, too.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, select

from audits.linkage.tables import linkage_groups
from audits.periods import Period
from audits.policy import Book, OpenLinks
from audits.rules.engine.conduct import Conduct, conduct_of

Explained = Mapping[str, str]
"""group -> what explains its link, and how its members differ, in words."""


def explanations(connection: Connection, period: Period, book: Book) -> Explained:
    """The groups of a period that are explained by the book's terms; the period's groups stand on the connection."""
    terms = book.settings(period.last_day).open_links
    if terms is None:
        return {}
    g = linkage_groups.c
    rows = connection.execute(select(linkage_groups).where(g.period == period.id).order_by(g.group_id))
    held = {row.group_id: holder for row in rows if (holder := holder_of(row, terms))}
    conduct = conduct_of(connection, period, book, held, terms.holder_share_min)
    return {
        group_id: f"{holder}, and its members behave like different people: {_difference(conduct[group_id])}"
        for group_id, holder in held.items()
        if group_id in conduct and not conduct[group_id].one_hand(terms.volume_factor_min)
    }


def holder_of(row: Any, terms: OpenLinks) -> str:
    """What holds nearly all of a group in the open while no smaller circles tie it, in words; empty if nothing does."""
    if row.disposable >= terms.tied_share_min:
        return ""
    # The machines of a school or an office are shared by whoever sits there, and say as little as its network does; a
    # room is somewhere, so that most people who sit in it work from there.
    housed = max(row.one_network, row.campus) >= terms.tied_share_min
    roomed = housed and row.one_domain >= terms.holder_share_min
    tied = row.cards_and_keys if roomed else row.several
    holders: tuple[tuple[str, float, float], ...] = (
        (f"{row.one_network:.0%} of its accounts work from one network", row.one_network, tied),
        # several classes or events in one group have a venue each
        (f"{row.venues:.0%} of its accounts work from a few networks that many of them share", row.venues, tied),
        # ... and buildings of a campus have networks of their own
        (
            f"{row.one_domain:.0%} of its accounts have one organisation's mail and {row.campus:.0%} work from the "
            f"same few offices",
            row.campus if roomed else 0.0, tied,
        ),
        # an agency has more machines than one
        (f"one instrument pays for {row.one_instrument:.0%} of its accounts", row.one_instrument, row.circles),
        (f"{row.one_domain:.0%} of its accounts have one organisation's mail", row.one_domain, tied),
    )  # fmt: skip
    open_ones = (
        words for words, share, circles in holders if share >= terms.holder_share_min and circles < terms.tied_share_min
    )
    return next(open_ones, "")


def _difference(conduct: Conduct) -> str:
    return (
        f"half of their daily volumes differ from the day's median by a factor of {conduct.volume_factor:.1f} or more, "
        f"and most members, and most of the largest, are neither at their limits nor round the clock nor evenly spaced"
    )
