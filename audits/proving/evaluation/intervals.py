"""Shares with their uncertainty, and what a share of hits is worth at a given prevalence."""

from __future__ import annotations

import math
from dataclasses import dataclass

Z95 = 1.959963984540054  # the normal quantile of a two-sided interval of 95 %


@dataclass(frozen=True, slots=True)
class Share:
    """``hits`` of ``of`` with Wilson's interval of 95 %; ``value`` is None where there was nothing to hit."""

    hits: int
    of: int
    value: float | None
    low: float
    high: float


def wilson(hits: int, of: int, z: float = Z95) -> tuple[float, float]:
    """Wilson's score interval (JASA 22, 1927): it keeps its promise also for few trials and for shares near 0 and 1."""
    if not 0 <= hits <= of:
        raise ValueError(f"{hits} of {of} is no share")
    if of == 0:
        return 0.0, 1.0
    p, square = hits / of, z * z
    middle = (p + square / (2 * of)) / (1 + square / of)
    reach = z * math.sqrt(p * (1 - p) / of + square / (4 * of * of)) / (1 + square / of)
    # at the ends the formula is exact, its rounding is not
    return 0.0 if hits == 0 else max(0.0, middle - reach), 1.0 if hits == of else min(1.0, middle + reach)


def share(hits: int, of: int) -> Share:
    """A share with its interval."""
    return Share(hits, of, hits / of if of else None, *wilson(hits, of))


@dataclass(frozen=True, slots=True)
class Precision:
    """The share of hits that would be right where ``prevalence`` of all accounts are guilty."""

    prevalence: float
    value: float | None
    low: float
    high: float


def precision_at(prevalence: float, recall: Share, false_positives: Share) -> Precision:
    """Bayes' rule over both rates. The bounds join the poor end of one interval with the poor end of the other.

    That is wider than 95 %: a figure that holds at the lower bound may be relied on.
    """
    known = recall.value is not None and false_positives.value is not None
    return Precision(
        prevalence,
        predictive_value(prevalence, recall.value or 0.0, false_positives.value or 0.0) if known else None,
        predictive_value(prevalence, recall.low, false_positives.high) or 0.0,
        _or_one(predictive_value(prevalence, recall.high, false_positives.low)),
    )


def predictive_value(prevalence: float, recall: float, false_positive_rate: float) -> float | None:
    """P(guilty | hit), or None where nothing at all is hit."""
    right, wrong = prevalence * recall, (1 - prevalence) * false_positive_rate
    return right / (right + wrong) if right + wrong > 0 else None


def _or_one(value: float | None) -> float:
    return 1.0 if value is None else value
