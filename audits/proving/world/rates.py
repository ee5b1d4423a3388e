"""How many requests to expect of each stream on each day: rhythm of the week, growth, moods, pauses, bursts."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import numpy as np
from numpy.typing import NDArray

from audits.proving.world.catalogue import RHYTHMS
from audits.proving.world.state import World
from audits.proving.world.streams import Stream

QUANTILES = 256


def daily_rates(world: World, streams: Sequence[Stream]) -> NDArray[np.float32]:
    """Expected requests, shape (streams, days + 2); column j is local day j - 1.

    ln(rate) = base + growth + a first-order autoregression (coefficient 0.7, since busy days come together) +
    bursts; idle days fall in idle weeks more often than alone.
    """
    rng = world.numpy("rates")
    n, days = len(streams), np.arange(-1, world.spec.days + 1)

    def column(values: list[float]) -> NDArray[np.float64]:
        return np.array(values, float)[:, None]

    weekday = np.array([(world.spec.start + timedelta(days=int(d))).weekday() for d in days])
    noise = column([s.work.noise for s in streams])
    mood = np.empty((n, len(days)))
    shocks = rng.standard_normal((n, len(days)))
    mood[:, 0] = shocks[:, 0]
    for j in range(1, len(days)):
        mood[:, j] = 0.7 * mood[:, j - 1] + np.sqrt(1 - 0.49) * shocks[:, j]
    start = column([s.start for s in streams])
    rate = column([s.per_day for s in streams]) * np.exp(noise * mood - noise**2 / 2)
    rate *= np.exp(column([s.growth for s in streams]) * (days - days.mean()) / 30)
    rate *= np.where(weekday >= 5, column([s.work.weekend for s in streams]), 1.0)
    ramp = column([s.ramp for s in streams])
    rate *= np.clip((days - start + 1) / np.maximum(ramp, 1e-9), 0.05, 1.0)

    active = column([s.work.active for s in streams])
    weeks = rng.random((n, len(days) // 7 + 1))[:, np.arange(len(days)) // 7] < active**0.4
    rate *= weeks & (rng.random((n, len(days))) < active**0.6)
    rate /= np.maximum(active, 0.05)
    bursts = rng.random((n, len(days))) < column([s.work.burst for s in streams])
    rate *= np.where(bursts, np.exp(rng.normal(1.1, 0.5, (n, len(days)))), 1.0)
    # a project, a launch, a migration: every tenth account has one, of days to weeks
    begin = np.where(rng.random((n, 1)) < 0.1, rng.random((n, 1)) * len(days), 2.0 * len(days))
    project = (days + 1 >= begin) & (days + 1 < begin + 2 + rng.exponential(4.0, (n, 1)))
    rate *= np.where(project & (noise > 0.15), np.exp(rng.normal(1.3, 0.6, (n, 1))), 1.0)
    rate *= ~_holidays(world, streams, days)

    rate /= np.sqrt(1 + (rate / column([s.bend for s in streams])) ** 2)

    for i, s in enumerate(streams):
        if s.daily is not None:
            rate[i] = s.daily
    inside = np.clip(days + 1 - start, 0, 1) * np.clip(column([s.end for s in streams]) - days, 0, 1)
    pause = np.array([s.pause for s in streams])
    inside *= ~((days >= pause[:, :1]) & (days < pause[:, 1:]))
    return (rate * inside).astype(np.float32)


def _holidays(world: World, streams: Sequence[Stream], days: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Two public holidays a quarter and country, on which office work (low weekends) rests."""
    off = np.zeros((len(streams), len(days)), bool)
    rest: dict[str, list[int]] = {}
    for i, s in enumerate(streams):
        country = s.account.customer.country
        if country not in rest:
            rng = world.random(f"holidays/{country}")
            rest[country] = [rng.randrange(len(days)) for _ in range(max(1, len(days) // 45))]
        if s.work.rhythm == "office" and s.work.weekend < 0.6:
            off[i, rest[country]] = True
    return off


def clock(world: World, streams: Sequence[Stream]) -> tuple[NDArray[np.float32], NDArray[np.int64], NDArray[np.int64]]:
    """Quantiles of the second of the day, shape (profiles, QUANTILES + 1); each stream's profile and its step a day.

    Ordinary streams keep one profile of local time; streams on a shared schedule have one for each day, in UTC.
    """
    names = list(RHYTHMS)
    profiles = [np.array(RHYTHMS[name], float)[None] for name in names] + list(world.schedules)
    first = np.cumsum([0] + [len(p) for p in profiles])[:-1]
    weights = np.concatenate(profiles) + 1e-9
    total = np.concatenate([np.zeros((len(weights), 1)), np.cumsum(weights, axis=1)], axis=1)
    total /= total[:, -1:]
    at = np.linspace(0, 1, QUANTILES + 1)
    hours = np.arange(25) * 3600.0
    table = np.stack([np.interp(at, row, hours) for row in total]).astype(np.float32)
    on_schedule = np.array([s.schedule >= 0 for s in streams], bool)
    index = [s.schedule + len(names) if s.schedule >= 0 else names.index(s.work.rhythm) for s in streams]
    return table, first[np.array(index, np.int64)], on_schedule.astype(np.int64)
