"""What values a limit can take: the kinds that a rule's ``rule.yaml`` gives its parameters."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

SEVERITIES = ("low", "medium", "high", "critical")


@dataclass(frozen=True, slots=True)
class Kind:
    """Bounds (both included) of a number, or None for what is no number; ``words`` say what is allowed."""

    words: str
    whole: bool = False
    low: float | None = None
    high: float | None = None


KINDS: Mapping[str, Kind] = MappingProxyType(
    {
        "count": Kind("a whole number, 0 or more", whole=True, low=0),
        "share": Kind("a share from 0 to 1, such as 0.25", low=0, high=1),
        "score": Kind("a score from 0 to 1, such as 0.8", low=0, high=1),
        "tenth": Kind("a score in whole tenths from 0.5 to 0.9, such as 0.8", low=0.5, high=0.9),
        "factor": Kind("a number of times, 0 or more", low=0),
        "number": Kind("a number, 0 or more", low=0),
        "days": Kind("a whole number of days, 0 or more", whole=True, low=0),
        "hours": Kind("a number of hours, 0 or more", low=0),
        "minutes": Kind("a number of minutes, 0 or more", low=0),
        "seconds": Kind("a number of seconds, 0 or more", low=0),
        "usd": Kind("an amount in US dollars, 0 or more", low=0),
        "percent": Kind("a percentage from 0 to 100", low=0, high=100),
        "severity": Kind(f"one of {', '.join(SEVERITIES)}"),
        "flag": Kind("true or false"),
        "words": Kind("a word or a list of words"),
    }
)


def misfit(value: object, kind: str) -> str:
    """What is wrong with a value of a kind, or an empty text."""
    rule = KINDS[kind]
    match kind:
        case "severity":
            good = value in SEVERITIES
        case "flag":
            good = isinstance(value, bool)
        case "words":
            good = isinstance(value, str) or (isinstance(value, list) and all(isinstance(v, str) for v in value))
        case _:
            good = isinstance(value, int | float) and not isinstance(value, bool)
            if good and isinstance(value, int | float):
                if rule.low is not None and value < rule.low:
                    return "is below zero" if rule.low == 0 else f"is below {rule.low:g}"
                if rule.high is not None and value > rule.high:
                    return f"is above {rule.high:g}"
                if kind == "tenth" and not math.isclose(10 * value, round(10 * value)):
                    return "lies between two tenths"
                good = not (rule.whole and value != int(value))
    return "" if good else f"is no {kind}"
