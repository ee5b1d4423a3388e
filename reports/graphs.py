"""Drawings of a linked group: who shares what with whom, and when its accounts came and went."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import date, timedelta

from markupsafe import Markup

from reports import text
from reports.dossier import Dossier, Shared
from reports.svg import ACCENT, INK, LINE, QUIET, WIDTH, element, figure, label, line, n, rect

_WARM, _GREEN, _DARK = "#b4460f", "#2c6e49", "#7d1128"
STYLES = (
    (ACCENT, ""), (_WARM, "5 3"), (_GREEN, "1.5 2.5"), (_DARK, "8 3 2 3"), (QUIET, "3 5"), (ACCENT, "10 3"),
    (_WARM, "1 4"), (_GREEN, "7 2 1 2"),
)  # fmt: skip
"""A kind of evidence is told by its dashes as well as by its colour; kinds beyond the last style share it."""

ACCOUNTS_DRAWN, VALUES_DRAWN, RINGS = 400, 40, 7
_CENTRE, _RADIUS, _INNER = WIDTH / 2, 158.0, 0.78
_FIRST_RING, _RING = 9.0, 6.0  # beyond the accounts
_MIDDLE = 0.15  # of the radius: nearer to the centre a value is shared all around, and stands on a small ring there

Point = tuple[float, float]


def links(dossier: Dossier, ident: str) -> Markup:
    """Accounts on a circle; around it, as rings, what most of them share; within it, with lines, what some share."""
    values = drawn(dossier)
    styles = styles_of(values)
    order = _around(min(len(dossier.members), ACCOUNTS_DRAWN), values)
    place = {member: _on_circle(index, len(order), _RADIUS) for index, member in enumerate(order)}
    rings = [value for value in values if 2 * len(value.members) > len(dossier.members)][:RINGS]
    within = [value for value in values if value not in rings]
    points = _inside(within, place)
    parts = [
        _ring(value, order, _RADIUS + _FIRST_RING + number * _RING, styles[value.kind])
        for number, value in enumerate(rings)
    ]
    for kind, style in styles.items():
        lines = [
            f"M{n(points[number][0])} {n(points[number][1])}L{n(place[member][0])} {n(place[member][1])}"
            for number, value in enumerate(within)
            if value.kind == kind
            for member in value.members
            if member in place
        ]
        parts.append(_stroke("".join(lines), style, width=0.8))
    size = 2.6 if len(order) <= 120 else 1.6
    parts += [element("circle", "account", cx=x, cy=y, r=size, fill=INK) for x, y in place.values()]
    for (x, y), value in zip(points, within, strict=True):
        parts.append(rect(x - 3, y - 3, 6, 6, STYLES[styles[value.kind]][0], f"value k{styles[value.kind]}"))
    titles = {value.kind: value.title for value in values}
    words = "; ".join(
        f"{titles[kind]}: {text.counted(sum(value.kind == kind for value in values), 'shared value')} "
        f"on {text.counted(len(_members(values, kind)), 'account')}"
        for kind in styles
    )
    return figure(ident, WIDTH, "Accounts and the values that they share", words + ".", parts)


def drawn(dossier: Dossier) -> Sequence[Shared]:
    """The values that the drawing shows: those that join, or else those that agree."""
    return ([value for value in dossier.values if value.joins] or dossier.values)[:VALUES_DRAWN]


def styles_of(values: Sequence[Shared]) -> Mapping[str, int]:
    """Kind -> the number of its style, those first that most accounts share."""
    counts = Counter({value.kind: 0 for value in values})
    counts.update(value.kind for value in values for _ in value.members)
    kinds = sorted(counts, key=lambda kind: (-counts[kind], kind))
    return {kind: min(number, len(STYLES) - 1) for number, kind in enumerate(kinds)}


def sample(dossier: Dossier, kind: str) -> Markup:
    """The line of a kind, for the legend in a table; empty for one that is not drawn."""
    style = styles_of(drawn(dossier)).get(kind)
    if style is None:
        return Markup("")
    return Markup('<svg class="sample" viewBox="0 0 34 10" width="34" height="10" aria-hidden="true">{}</svg>').format(
        _stroke("M0 5H34", style, width=2)
    )


def lives(dossier: Dossier, ident: str) -> Markup:
    """When accounts were opened, first used, banned or closed: three rows of bars over one line of time."""
    rows = {
        "opened": [one.opened for one in dossier.members],
        "first used": [one.first_used for one in dossier.members],
        "banned or closed": [one.banned or one.closed for one in dossier.members],
    }
    known = [day for days in rows.values() for day in days if day]
    last = dossier.heading.period.last_day
    first = min([*known, last])
    step = max(1, math.ceil(((last - first).days + 1) / 70))
    bins = ((last - first).days + 1 + step - 1) // step
    wide, left = (WIDTH - 2) / bins, 1.0
    parts: list[Markup] = []
    words: list[str] = []
    for row, (name, days) in enumerate(rows.items()):
        foot = 50.0 + row * 56
        counts = Counter((day - first).days // step for day in days if day and day <= last)
        peak = max(counts.values(), default=0)
        total = sum(counts.values())
        parts.append(label(left, foot - 38, name.capitalize(), "strong"))
        parts.append(label(WIDTH - 1, foot - 38, _peak_words(counts, first, step, peak), "quiet", "end"))
        for place, count in sorted(counts.items()):
            tall = 32.0 * count / peak
            parts.append(rect(left + place * wide, foot - tall, max(wide * 0.82, 1), tall, ACCENT, "within"))
        parts.append(line(left, foot + 0.5, WIDTH - 1, foot + 0.5, LINE, "axis"))
        words.append(f"{name}: {text.counted(total, 'account')}, {_peak_words(counts, first, step, peak)}")
    parts.append(label(left, 178, text.day(first), "quiet"))
    parts.append(label(WIDTH - 1, 178, text.day(last), "quiet", "end"))
    return figure(ident, 184, "When accounts came and went", "; ".join(words) + ".", parts)


def _stroke(path: str, style: int, width: float) -> Markup:
    if not path:
        return Markup("")
    colour, dash = STYLES[style]
    extra = {"stroke_dasharray": dash} if dash else {}
    return element("path", f"link k{style}", d=path, fill="none", stroke=colour, stroke_width=width, **extra)


def _ring(value: Shared, order: Sequence[int], radius: float, style: int) -> Markup:
    """An arc over each run of accounts that have the value."""
    its, count = set(value.members), len(order)
    starts = [place for place in range(count) if order[place] in its and order[place - 1] not in its]
    if not starts:
        over = [(0.0, count / 2), (count / 2, float(count))]  # a whole circle takes two arcs
    else:
        over = []
        for start in starts:
            length = next(step for step in range(1, count + 1) if order[(start + step) % count] not in its)
            over.append((start - 0.4, start + length - 0.6))
    path = ""
    for begin, end in over:
        (x1, y1), (x2, y2) = _on_circle(begin, count, radius), _on_circle(end, count, radius)
        large = int((end - begin) * 2 > count)
        path += f"M{n(x1)} {n(y1)}A{n(radius)} {n(radius)} 0 {large} 1 {n(x2)} {n(y2)}"
    return _stroke(path, style, width=2)


def _peak_words(counts: Mapping[int, int], first: date, step: int, peak: int) -> str:
    if not peak:
        return "none"
    place = min(place for place, count in counts.items() if count == peak)
    begins = first + timedelta(days=place * step)
    until = begins + timedelta(days=step - 1)
    when = text.day(begins) if step == 1 else f"{text.day(begins, year=False)} to {text.day(until)}"
    return f"at most {peak:,} at once, {when}"


def _members(values: Sequence[Shared], kind: str) -> set[int]:
    return {member for value in values if value.kind == kind for member in value.members}


def _around(accounts: int, values: Sequence[Shared]) -> list[int]:
    """The accounts in an order in which those that share most stand together.

    Kinds of many values divide the group most finely, so accounts are sorted by them first.
    """
    by_kind = Counter(value.kind for value in values)
    kinds = sorted(by_kind, key=lambda kind: (-by_kind[kind], kind))
    first: dict[int, dict[str, int]] = {member: {} for member in range(accounts)}
    for number, value in enumerate(values):
        for member in value.members:
            if member in first:
                first[member].setdefault(value.kind, number)
    return sorted(first, key=lambda member: (*(first[member].get(kind, len(values)) for kind in kinds), member))


def _inside(values: Sequence[Shared], place: Mapping[int, Point]) -> list[Point]:
    """Each value near those that share it; what is shared all around stands on a small ring in the middle."""
    points: list[Point] = []
    central = []
    for number, value in enumerate(values):
        its = [place[member] for member in value.members if member in place] or [(_CENTRE, _CENTRE)]
        x = sum(point[0] for point in its) / len(its) - _CENTRE
        y = sum(point[1] for point in its) / len(its) - _CENTRE
        if math.hypot(x, y) < _MIDDLE * _RADIUS:
            central.append(number)
        points.append((_CENTRE + x * _INNER, _CENTRE + y * _INNER))
    for index, number in enumerate(central):
        points[number] = _on_circle(index, len(central), _MIDDLE * _RADIUS if len(central) > 1 else 0)
    return points


def _on_circle(index: float, count: int, radius: float) -> Point:
    angle = 2 * math.pi * index / max(count, 1) - math.pi / 2
    return _CENTRE + radius * math.cos(angle), _CENTRE + radius * math.sin(angle)
