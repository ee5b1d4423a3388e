"""A group's name stays: over periods, revisions, members who come and go, and pools that are banned and replaced."""

from datetime import date

from audits.periods import Period
from tests.linkage.small import WEEK, linked, paid, strangers
from tests.rows import LONG_AGO, account, at, events, put, run_sql, together

NEXT = Period.parse("2026-W42")


def member(name: str, card: str, **columns):
    return together(account(name, **columns), paid(name, card))


def test_the_same_group_has_the_same_name_in_the_next_period(url):
    first = linked(url, strangers(), *(member(f"m{i}", "card") for i in range(5)))
    second = linked(url, {}, period=NEXT)
    assert first.members == second.members


def test_the_name_is_the_same_on_another_machine_that_has_no_history(url, tmp_path):
    rows = together(strangers(), *(member(f"m{i}", "card") for i in range(5)))
    linked(url, rows)
    elsewhere = f"duckdb:///{tmp_path / 'elsewhere.duckdb'}"
    assert linked(elsewhere, rows, period=NEXT).members == linked(url, {}, period=NEXT).members


def test_members_may_join_and_leave(url):
    name = linked(url, strangers(), *(member(f"m{i}", "card") for i in range(5))).name_of("m0")
    joined = linked(url, member("new1", "card", opened_at=at("2019-01-01")), member("new2", "card"), period=NEXT)
    assert joined.members == {name: frozenset(["m0", "m1", "m2", "m3", "m4", "new1", "new2"])}
    # The account that the group was named after leaves, and another one.
    run_sql(url, "DELETE FROM account_payments WHERE account_id IN ('m0', 'm1')")
    left = linked(url, {}, period=Period.parse("2026-W43"))
    assert left.members == {name: frozenset(["m2", "m3", "m4", "new1", "new2"])}


def test_a_revision_keeps_the_names_that_the_period_had(url):
    name = linked(url, strangers(), *(member(f"m{i}", "card") for i in range(5))).name_of("m0")
    late = member("late", "card", opened_at=at("2019-01-01"))  # the eldest: a new group would be named after it
    assert linked(url, late).members == {name: frozenset(["late", *(f"m{i}" for i in range(5))])}


def test_a_back_filled_period_takes_the_name_of_the_later_one(url):
    rows = together(strangers(), *(member(f"m{i}", "card") for i in range(5)))
    elder = member("m9", "card", opened_at=at("2019-01-01"))
    name = linked(url, rows, elder, period=NEXT).name_of("m0")
    run_sql(url, "DELETE FROM account_payments WHERE account_id = 'm9'")
    assert linked(url, {}, period=WEEK).members == {name: frozenset(f"m{i}" for i in range(5))}


def test_of_two_halves_one_keeps_the_name_and_the_other_has_its_own(url):
    whole = linked(url, strangers(), *(member(f"m{i}", "card") for i in range(6)))
    run_sql(url, "UPDATE account_payments SET instrument_hash = 'other' WHERE account_id IN ('m0', 'm1')")
    halves = linked(url, {}, period=NEXT)
    assert halves.groups == {frozenset(("m0", "m1")), frozenset(("m2", "m3", "m4", "m5"))}
    assert halves.name_of("m2") == whole.name_of("m0") != halves.name_of("m0")


def uses(name: str, day: str, n: int = 20):
    return {"usage_events": events(name, day, n, prefix=day, system_prompt_hash="sys", prompt_template_hash="tpl")}


def test_a_pool_that_is_banned_and_replaced_is_one_group_and_stays_it(url):
    """The second pool shares no card, device or home: it began when the first fell, with the first one's prompt."""
    first = [together(account(f"a{i}"), paid(f"a{i}", f"card{i % 2}"), uses(f"a{i}", "2026-10-05")) for i in range(8)]
    name = linked(url, strangers(), *first).name_of("a0")
    banned = "UPDATE accounts SET banned_at = '2026-10-13 10:00:00+00' WHERE account_id = 'a{}'"
    run_sql(url, *(banned.format(i) for i in range(8)))
    second = [together(account(f"b{i}"), uses(f"b{i}", "2026-10-14"), uses(f"b{i}", "2026-10-21")) for i in range(12)]
    both = linked(url, *second, period=NEXT, since=WEEK.first_day)
    assert both.members == {name: frozenset([*(f"a{i}" for i in range(8)), *(f"b{i}" for i in range(12))])}
    assert "hand_over" in both.joining
    handed = [edge for edge in both.edges if edge["kind"] == "hand_over" and edge["account_id"] == "a0"]
    assert handed[0]["first_seen"] == at("2026-10-13T10:00")  # the ban
    # The first pool's use is out of sight, and the second has cards of its own by now.
    cards = [paid(f"b{i}", f"new{i % 2}") for i in range(12)]
    after = linked(url, *cards, period=Period.parse("2026-W43"), since=date(2026, 10, 19))
    assert after.name_of("b0") == after.name_of("b11") == name


def test_accounts_that_began_elsewhere_when_others_were_banned_are_not_their_successors(url):
    banned = [
        together(account(f"a{i}", banned_at=at("2026-10-07")), paid(f"a{i}", "card"), uses(f"a{i}", "2026-10-06"))
        for i in range(5)
    ]
    others = [
        together(account(f"b{i}", opened_at=at("2026-10-07T12:00")),
                 {"usage_events": events(f"b{i}", "2026-10-08", 20, system_prompt_hash=f"own{i}")})
        for i in range(5)
    ]  # fmt: skip
    assert linked(url, strangers(), *banned, *others).groups == {frozenset(f"a{i}" for i in range(5))}


def test_history_is_kept_for_each_period(url):
    first = linked(url, strangers(), *(member(f"m{i}", "card") for i in range(5)))
    put(url, {"account_payments": [{"account_id": "x0", "instrument_hash": "card", "valid_from": at("2026-10-14")}]})
    linked(url, {}, period=NEXT)
    again = linked(url, {})
    assert (again.members, again.report.changed) == (first.members, False)
    assert again.edges[0]["last_seen"] > LONG_AGO
