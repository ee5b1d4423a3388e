"""A month of sixteen accounts whose volume is known to the request, audited as any operator would."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from audits.periods import Period
from audits.pipeline import prepare
from audits.settings import Settings
from tests.rows import REFERENCE, account, events, put, together

OCTOBER = Period.parse("2026-10")
WEEKS = tuple(Period.parse(f"2026-W{number}") for number in range(41, 44))
NOW = datetime(2026, 11, 20, tzinfo=UTC)

BUSY = {"b-1": 10, "b-2": 20, "b-3": 30, "b-4": 40, "f-1": 10, "f-2": 20, "s-1": 30}
"""Account -> its requests on 7 and on 14 October; the others make one."""

TIERS = {"b": "build", "f": "free", "s": "scale"}
HOSTILE = '<script>document.title="owned"</script>'


def fill(url: str) -> None:
    """Ten Build, four Free and two Scale accounts; b-4 has a hostile name, s-1 a parent in an unsupported country."""
    names = [f"b-{n}" for n in range(1, 11)] + [f"f-{n}" for n in range(1, 5)] + ["s-1", "s-2"]
    people = together(*(account(name, TIERS[name[0]]) for name in names))
    for row in people["customers"]:
        if row["customer_id"] == "c-b-4":
            row["name"] = HOSTILE
        if row["customer_id"] == "c-s-1":
            row |= {"parent_country": "XX", "parent_ownership_pct": 60}
    use = [row for name in names for day in ("07", "14") for row in events(name, f"2026-10-{day}", BUSY.get(name, 1))]
    use += [row for name in names for row in events(name, "2026-09-25", 1)]  # nobody wakes up from a long sleep
    put(url, together(REFERENCE, people, {"usage_events": use}))


def settings_for(url: str, folder: Path, policy: Path | None = None) -> Settings:
    """Settings with a ledger and reports of their own."""
    return Settings(url, f"sqlite:///{folder / 'ledger.sqlite'}", folder / "out", policy)


def prepared(url: str, folder: Path, *periods: Period) -> Settings:
    """The world's rollups and groups, as an audit leaves them behind."""
    settings = settings_for(url, folder)
    for period in periods:
        prepare(settings, period, now=NOW)
    return settings
