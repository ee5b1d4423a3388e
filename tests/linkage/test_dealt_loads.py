"""A load that is dealt out over accounts with one prompt, and people who have one tool's prompt in common."""

import numpy as np
import pytest
from scipy.stats import norm

from tests.linkage.measure import linked
from tests.linkage.people import HOURS, Crowd, Someone

SIGMA = {"evenly": 0.2, "loosely": 0.4}  # of ln of requests a day, where unrelated people's is one


def _with_prompt(crowd: Crowd, name: str, n: int) -> list[Someone]:
    """Accounts with a network of their own each, one prompt and requests of one length."""
    people = [crowd.someone(name) for _ in range(n)]
    for one in people:
        one.tier, one.prompts = "build", [(f"sys-{name}", f"tpl-{name}")]
        one.networks, one.tokens = [f"net-{one.id}"], (400.0, 300.0)
    return people


def _volumes(n: int, sigma: float) -> list[float]:
    """Mean requests an hour of each account: the quantiles of a distribution, so that the spread is known."""
    return [float(one) for one in np.exp(sigma * norm.ppf((np.arange(n) + 0.5) / n))]


def _machine(crowd: Crowd, name: str, n: int, sigma: float) -> list[Someone]:
    people = _with_prompt(crowd, name, n)
    for one, volume in zip(people, _volumes(n, sigma), strict=True):
        one.rate = np.full(len(HOURS), volume)
    return people


def _tool(crowd: Crowd, name: str, n: int, sigma: float) -> list[Someone]:
    """The same volumes at each one's own hours and on each one's own days."""
    people = _with_prompt(crowd, name, n)
    for one, volume in zip(people, _volumes(n, sigma), strict=True):
        east, awake = int(crowd.rng.integers(24)), crowd.rng.uniform(3, 9)
        away = ((HOURS + east) % 24 - 12) % 24
        at_work = np.minimum(away, 24 - away) < awake / 2
        weekday, days = HOURS // 24 % 7, crowd.rng.integers(4, 8)
        one.rate = at_work * volume / at_work.mean() * (weekday < days)
    return people


@pytest.mark.parametrize("dealt", SIGMA)
def test_a_load_of_one_habit_is_a_campaign_s_and_a_tool_s_users_are_strangers(tmp_path, dealt):
    crowd, sigma = Crowd(41), SIGMA[dealt]
    people = crowd.benign(800)
    found = linked(tmp_path, [*people, *_machine(crowd, "machine", 60, sigma), *_tool(crowd, "tool", 60, sigma)])
    share, purity = found.found("machine")
    assert share >= 0.9
    assert purity == 1.0
    assert found.found("tool")[0] <= 0.05
