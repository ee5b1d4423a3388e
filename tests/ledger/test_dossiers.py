"""A group's dossier as an audit records it, on both engines: its members, what joins them, what does not."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import select

from audits import pipeline
from audits.ledger import open_ledger
from audits.ledger.models import GroupDossier
from audits.periods import Period
from audits.settings import Settings
from tests.rows import LONG_AGO, REFERENCE, Row, account, at, events, put, together

WEEK = Period.parse("2026-W41")  # 5 to 11 October


def three_on_a_card(**of_first: Any) -> dict[str, list[Row]]:
    """Three free accounts that one card pays for and that break R26 and R19, and some strangers."""
    trio = [account(f"m{n}", "free", **(of_first if n == 1 else {})) for n in (1, 2, 3)]
    cards = [
        {"account_id": f"m{n}", "instrument_hash": "card", "instrument_type": "card", "bin_country": "US",
         "valid_from": LONG_AGO}
        for n in (1, 2, 3)
    ]  # fmt: skip
    strangers = [account(f"s{n}") for n in range(30)]
    use = [*events("m1", "2026-10-05", 20), *events("m2", "2026-10-06", 30), *events("m2", "2026-10-07", 5)]
    others = [row for n in range(30) for row in events(f"s{n}", "2026-10-05", 2)]
    return together(*trio, *strangers, REFERENCE, {"account_payments": cards, "usage_events": use + others})


def dossiers(url: str, folder: Path, rows: dict[str, list[Row]]) -> list[dict[str, Any]]:
    put(url, rows)
    settings = Settings(warehouse_url=url, ledger_url=f"sqlite:///{folder / 'ledger.sqlite'}", out=folder / "out")
    pipeline.audit(settings, WEEK, now=datetime(2026, 10, 20, tzinfo=UTC))
    with open_ledger(settings.ledger_url) as books, books.session() as session:
        return [dict(content) for content in session.scalars(select(GroupDossier.content))]


def test_members_come_with_their_dates_and_use_the_busiest_first(url: str, tmp_path: Path) -> None:
    (dossier,) = dossiers(url, tmp_path, three_on_a_card(banned_at=at("2026-10-06T12:00")))
    assert [one["account_id"] for one in dossier["members"]] == ["m2", "m1", "m3"]
    second, first, third = dossier["members"]
    assert (second["requests"], second["output_tokens"]) == (35, 35 * 50)
    assert (second["first_used"], second["last_used"]) == ("2026-10-06", "2026-10-07")
    assert (first["banned_at"], first["tier"], first["customer_id"]) == ("2026-10-06T12:00:00+00:00", "free", "c-m1")
    assert (third["requests"], third["first_used"], third["banned_at"]) == (0, None, None)


def test_the_card_joins_and_what_differs_is_told(url: str, tmp_path: Path) -> None:
    (dossier,) = dossiers(url, tmp_path, three_on_a_card())
    card = dossier["values"][0]
    assert (card["kind"], card["members"], card["customers"], card["joins"]) == (
        "payment_instrument",
        [0, 1, 2],
        3,
        True,
    )
    assert card["last_seen"] < "2026-10-12"
    kinds = {one["kind"]: one for one in dossier["kinds"]}
    assert (kinds["payment_instrument"]["together_without"], kinds["payment_instrument"]["values"]) == (0, 1)
    assert (kinds["client_network"]["sharing"], kinds["client_network"]["joins"]) == (0, False)
    assert dossier["causes"] == ["instrument"]


def test_a_group_that_breaks_nothing_has_none(url: str, tmp_path: Path) -> None:
    rows = three_on_a_card()
    rows["account_payments"] = rows["account_payments"][:2]  # two on a card are no finding
    assert dossiers(url, tmp_path, rows) == []
