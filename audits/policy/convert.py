"""From a book's dated entries to what the book answers with."""

from __future__ import annotations

from audits.policy.entries import Entry
from audits.policy.rows import Clause, Combination, OpenLinks, PolicyException, Subscription
from audits.policy.timeline import FOREVER


def clause_of(entry: Entry) -> Clause:
    """A clause version from its entry."""
    f = entry.fields
    return Clause(
        id=f["id"],
        family=f["family"],
        effect=f["effect"],
        pack=entry.key[1],
        document=f["document"],
        section=f["section"],
        text=f["text"],
        url=f.get("url"),
        examples=tuple(f.get("examples", ())),
        supersedes=f.get("supersedes"),
        effective_from=entry.from_day,
        effective_to=entry.to_day,
    )


def subscription_of(entry: Entry) -> Subscription:
    """A subscription from its entry."""
    f = entry.fields
    return Subscription(
        f["id"], f["audience"], f["channel"], tuple(f["to"]), tuple(f["tiers"]), tuple(f["periods"]),
        tuple(f["formats"]), f.get("severity_from"), entry.from_day, entry.to_day,
    )  # fmt: skip


def exception_of(entry: Entry) -> PolicyException:
    """An exception from its entry."""
    f = entry.fields
    return PolicyException(
        f["id"], tuple(f["rules"]), f["subject_type"], f["subject_id"], f["owner"], entry.why,
        entry.from_day, entry.to_day or FOREVER,
    )  # fmt: skip


def combination_of(entry: Entry | None) -> Combination | None:
    """When findings combine, or None where the book does not let them."""
    if entry is None:
        return None
    f = entry.fields
    return Combination(f["families_min"], f["severity_from"], tuple(tuple(kin) for kin in f["alike"]))


def open_links_of(entry: Entry | None) -> OpenLinks | None:
    """What explains a link harmlessly, or None where the book lets nothing do so.

    Books recorded by earlier versions do not say how members must differ: nothing is lowered under them.
    """
    if entry is None or "volume_factor_min" not in entry.fields:
        return None
    return OpenLinks(
        *(float(entry.fields[name]) for name in ("holder_share_min", "tied_share_min", "volume_factor_min"))
    )
