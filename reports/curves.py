"""Curves over a share from 0 to 100 %: drawn as the other charts are, told apart by dashes and marks, not by colour."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from reports.svg import INK, LINE, QUIET, WIDTH, element, figure, label, line, n

_LEFT, _RIGHT, _TOP, _BOTTOM, _HEIGHT = 46.0, WIDTH - 78.0, 12.0, 168.0, 200.0
_DASHES = ("", "6 3", "2 3", "8 3 2 3", "1 2", "10 4", "4 2 1 2")
_LINE_OF_LETTERS = 13.0


@dataclass(frozen=True, slots=True)
class Curve:
    """A named line of (x, share); ``band`` are (x, low, high) around it. ``css`` is a class that gives a colour."""

    name: str
    points: Sequence[tuple[float, float]]
    css: str = "axis"
    colour: str = INK
    band: Sequence[tuple[float, float, float]] = ()


@dataclass(frozen=True, slots=True)
class Dot:
    """One thing at (x, share): filled if what was sought came true."""

    x: float
    y: float
    filled: bool


def curves(
    several: Sequence[Curve], ident: str, title: str, words: str, *, ticks: Sequence[tuple[float, str]],
    axis: str, logarithmic: bool = False, steps: bool = False,
) -> Markup:  # fmt: skip
    """Lines over a common axis, each named at its right end; ``steps`` keep a value until the next point."""
    place = _placing(ticks, logarithmic)
    parts = [_frame(place, ticks, axis)]
    for one in several:
        if one.band:
            over = [(place(x), _y(high)) for x, _, high in one.band]
            under = [(place(x), _y(low)) for x, low, _ in reversed(one.band)]
            parts.append(element("polygon", f"band {one.css}", points=_points(over + under), fill=one.colour,
                                 fill_opacity=0.12))  # fmt: skip
    ends = []
    for number, one in enumerate(several):
        drawn = [(place(x), _y(y)) for x, y in one.points]
        if steps:
            drawn = [p for (x, y), (after, _) in zip(drawn, [*drawn[1:], (_RIGHT, 0.0)], strict=True)
                     for p in ((x, y), (after, y))]  # fmt: skip
        dash = _DASHES[number % len(_DASHES)]
        more = {"stroke_dasharray": dash} if dash else {}
        parts.append(element("polyline", f"curve {one.css}", fill="none", stroke=one.colour, stroke_width=1.8,
                             points=_points(drawn), **more))  # fmt: skip
        if drawn:
            ends.append((drawn[-1][1], one.name))
    parts += _names(ends)
    return figure(ident, _HEIGHT, title, words, parts)


def dots(
    several: Sequence[Dot], ident: str, title: str, words: str, *, ticks: Sequence[tuple[float, str]], axis: str,
    guide: float | None = None,
) -> Markup:  # fmt: skip
    """Things by a logarithmic strength and a share; a filled dot came true, a ring did not."""
    place = _placing(ticks, logarithmic=True)
    parts = [_frame(place, ticks, axis)]
    if guide is not None:
        parts.append(line(place(guide), _TOP, place(guide), _BOTTOM, QUIET, "divide", dash="3 3"))
    for one in several:
        fill = {"fill": INK} if one.filled else {"fill": "none", "stroke": INK, "stroke_width": 1.6}
        css = "dot filled" if one.filled else "dot ring"
        parts.append(element("circle", css, cx=place(one.x), cy=_y(one.y), r=4.5, fill_opacity=0.75, **fill))
    parts.append(element("circle", "dot filled", cx=_RIGHT + 14, cy=_TOP + 4, r=4.5, fill=INK, fill_opacity=0.75))
    parts.append(label(_RIGHT + 24, _TOP + 8, "found", "quiet"))
    parts.append(element("circle", "dot ring", cx=_RIGHT + 14, cy=_TOP + 22, r=4.5, fill="none", stroke=INK,
                         stroke_width=1.6))  # fmt: skip
    parts.append(label(_RIGHT + 24, _TOP + 26, "missed", "quiet"))
    return figure(ident, _HEIGHT, title, words, parts)


def _placing(ticks: Sequence[tuple[float, str]], logarithmic: bool) -> Callable[[float], float]:
    """Maps a value to x; the first and the last tick are the ends of the axis."""
    scale: Callable[[float], float] = math.log10 if logarithmic else float
    first, last = scale(ticks[0][0]), scale(ticks[-1][0])

    def place(value: float) -> float:
        share = (scale(value) - first) / (last - first)
        return _LEFT + (_RIGHT - _LEFT) * min(1.0, max(0.0, share))

    return place


def _y(share: float) -> float:
    return _BOTTOM - (_BOTTOM - _TOP) * share


def _frame(place: Callable[[float], float], ticks: Sequence[tuple[float, str]], axis: str) -> Markup:
    parts = []
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        y = _y(share)
        parts.append(line(_LEFT, y, _RIGHT, y, QUIET if share == 0 else LINE, "axis" if share == 0 else "grid"))
        parts.append(label(_LEFT - 6, y + 3.5, f"{share:.0%}", "quiet", "end"))
    for value, name in ticks:
        x = place(value)
        parts.append(line(x, _BOTTOM, x, _BOTTOM + 4, QUIET, "axis"))
        parts.append(label(x, _BOTTOM + 15, name, "quiet", "middle"))
    parts.append(label(_RIGHT, _BOTTOM + 29, axis, "quiet", "end"))
    return Markup("").join(parts)


def _names(ends: Sequence[tuple[float, str]]) -> list[Markup]:
    """The curves' names beside their ends, moved apart where they would touch."""
    placed: list[tuple[float, str]] = []
    for y, name in sorted(ends):
        placed.append((max(y, placed[-1][0] + _LINE_OF_LETTERS) if placed else y, name))
    over = max(0.0, placed[-1][0] - _BOTTOM) if placed else 0.0
    return [label(_RIGHT + 6, y - over + 3.5, name, "strong") for y, name in placed]


def _points(drawn: Sequence[tuple[float, float]]) -> str:
    return " ".join(f"{n(x)},{n(y)}" for x, y in drawn)
