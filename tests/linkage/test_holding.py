"""A component of more than two per cent of all accounts stands without its widest-shared value, or is held back."""

from tests.linkage.small import linked, paid, signed_up, strangers
from tests.rows import account, events, together


def uses(name: str, **columns):
    own = {"system_prompt_hash": f"sys-{name}", "client_net_hash": f"net-{name}", "prompt_template_hash": f"tpl-{name}"}
    return {"usage_events": events(name, "2026-10-06", 5, **(own | columns))}


def vendor(i: int):
    """One of the customers of a hosted agent: all of them ask from its machines with its prompt."""
    return together(account(f"m{i}"), uses(f"m{i}", client_net_hash="vendor", system_prompt_hash="agent"))


def test_a_component_that_one_value_holds_together_is_held_back_and_explained(url):
    found = linked(url, strangers(900), *(vendor(i) for i in range(150)))
    assert found.groups == set()
    (held,) = found.report.held_back
    assert (held.accounts, held.customers, held.pieces) == (150, 150, 0)
    assert held.kind in {"client_network", "system_prompt"}
    assert "150 accounts was held back" in str(held)
    assert held.value_digest in str(held)


def test_what_stands_of_it_is_shown_in_its_stead(url):
    couples = [together(vendor(i), paid(f"m{i}", f"card{i // 5}")) for i in range(150)]
    found = linked(url, strangers(900), *(vendor(i) for i in range(150, 200)), *couples)
    assert found.groups == {frozenset(f"m{i}" for i in range(first, first + 5)) for first in range(0, 150, 5)}
    assert [held.accounts for held in found.report.held_back] == [200]


def test_a_component_that_many_values_hold_together_stands(url):
    def member(i: int):
        shared = {"signup_net_hash": f"net{i % 7}", "email_domain": f"mail{i % 5}.example"}
        return together(
            signed_up(f"m{i}", i % 60, **shared),
            uses(f"m{i}", system_prompt_hash=f"sys{i % 3}"),
            paid(f"m{i}", f"card{i // 4}"),
        )

    found = linked(url, strangers(900), *(member(i) for i in range(150)))
    assert found.groups == {frozenset(f"m{i}" for i in range(150))}
    assert found.report.held_back == ()


def test_a_component_below_the_share_needs_no_second_look(url):
    assert linked(url, strangers(300), *(vendor(i) for i in range(40))).groups == {
        frozenset(f"m{i}" for i in range(40))
    }
