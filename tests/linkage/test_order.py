"""The groups do not depend on the order in which rows lie, nor on what accounts are called."""

import random
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.linkage.small import linked
from tests.rows import account, at

VALUES = {
    "signup_device_hash": 12, "signup_net_hash": 6, "email_domain": 5, "phone_hash": 30,
}  # fmt: skip


def people(seed: int, n: int = 60) -> list[dict]:
    """Accounts that share values at random, so that chains, hubs and ties of every kind come up."""
    rng = random.Random(seed)
    return [
        {
            "customer": f"c{rng.randrange(n)}",
            "opened_at": at(f"2026-09-0{rng.randint(1, 3)}T1{rng.randrange(3)}:05"),
            "card": f"card{rng.randrange(20)}",
            **{name: f"{name}{rng.randrange(many)}" if rng.random() < 0.7 else None for name, many in VALUES.items()},
        }
        for _ in range(n)
    ]  # fmt: skip


def partition(people_: list[dict], names: list[str], order: list[int]) -> set[frozenset[int]]:
    """The groups, by the people's numbers, when their rows come in some order and under some names."""
    rows: dict[str, list[dict]] = {"account_payments": []}
    for i in order:
        one = people_[i]
        columns = {name: one[name] for name in ("customer", "opened_at", *VALUES)}
        for table, more in account(names[i], **columns).items():
            rows.setdefault(table, []).extend(more)
        rows["account_payments"] += [
            {"account_id": names[i], "instrument_hash": one["card"], "valid_from": one["opened_at"]}
        ]
    number = {name: i for i, name in enumerate(names)}
    with TemporaryDirectory() as folder:
        found = linked(f"duckdb:///{Path(folder) / 'w.duckdb'}", rows)
    return {frozenset(number[name] for name in accounts) for accounts in found.groups}


@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.integers(0, 10_000), st.randoms(use_true_random=False))
def test_other_names_in_another_order_give_the_same_partition(seed, rng):
    crowd = people(seed)
    first = partition(crowd, [f"a{i:02}" for i in range(60)], list(range(60)))
    names = [f"{rng.getrandbits(32):08x}-{i}" for i in range(60)]
    assert partition(crowd, names, rng.sample(range(60), 60)) == first
