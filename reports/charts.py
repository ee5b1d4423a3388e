"""Charts as SVG: drawn by hand, named and described for those who do not see them, readable without their colours.

Every chart carries plain colours as attributes, so that it stands by itself in print; a page's style sheet may replace
them by class. Sizes are in the units of the view box, which is as wide as a phone, so that letters stay readable there.
Foreign text enters only escaped.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from markupsafe import Markup

from audits.ledger.coverage import Checks
from reports import text
from reports.model import SEVERITIES, Chart, QualityDay, TrendPoint
from reports.svg import ACCENT, INK, LINE, PALE, QUIET, WIDTH, element, figure, label, line, n, rect

GOOD = "#7fa58b"
FILLS = {"critical": "#7d1128", "high": "#b4460f", "medium": "#c98a1b", "low": "#98a4b0"}
MARKS = {"good": "●", "low": "○", "medium": "▲", "high": "■", "critical": "◆"}
"""Severity as a shape: never told by colour alone."""

GAPS = {"not audited": "–", "nothing was evaluated": "n/e"}
"""What stands in a trend in place of a column: no finding is not the same as nothing to find it in."""

_BARS = 0.74  # share of a day's width that its bar takes
_FAR_LIMIT = 3  # a limit this many times above everything seen is named, not drawn


@dataclass(frozen=True, slots=True)
class _Scale:
    """Maps a day's number to x and a value to y within the plot."""

    left: float
    right: float
    top: float
    bottom: float
    count: int
    peak: float

    def x(self, index: float) -> float:
        return self.left + (self.right - self.left) * index / max(self.count, 1)

    def y(self, value: float) -> float:
        return self.bottom - (self.bottom - self.top) * value / self.peak


def daily(chart: Chart, ident: str) -> Markup:
    """A finding's daily bars, paler before the period, with the usual band, the limit and a group's largest members."""
    limit = chart.limit
    seen = max([*chart.values, chart.usual[1] if chart.usual else 0, 1])
    drawn = limit is not None and limit <= seen * _FAR_LIMIT
    peak = _ceiling(max(seen, limit if drawn and limit else 0) * 1.06)
    scale = _Scale(46, WIDTH - 4, 16, 142, len(chart.days), peak)
    parts = [_grid(scale)]
    if chart.usual:
        low, high = (scale.y(value) for value in chart.usual)
        band = rect(scale.left, high, scale.right - scale.left, max(low - high, 1.5), PALE, "band", opacity=0.42)
        parts.append(band)
    first = min(chart.baseline_days, len(chart.days))
    parts.append(_bars(scale, list(enumerate(chart.values))[:first], PALE, "before"))
    parts.append(_bars(scale, list(enumerate(chart.values))[first:], ACCENT, "within"))
    for number, (_, series) in enumerate(chart.members):
        points = " ".join(f"{n(scale.x(i + 0.5))},{n(scale.y(value))}" for i, value in enumerate(series))
        parts.append(element("polyline", "member", fill="none", stroke=INK, stroke_width=1.2 if number == 0 else 0.6,
                          points=points))  # fmt: skip
    if 0 < first < len(chart.days):
        parts.append(line(scale.x(first), scale.top - 10, scale.x(first), scale.bottom + 5, QUIET, "divide"))
    if drawn and limit is not None:
        y = scale.y(limit)
        parts.append(line(scale.left, y, scale.right, y, INK, "limit", dash="5 3", width=1.4))
        parts.append(label(scale.left + 4, y - 4, f"limit {text.short(limit)}", "strong halo"))
    elif limit is not None:
        parts.append(label(scale.right, 11, f"limit {text.short(limit)}, above this scale", "quiet", "end"))
    if chart.usual:
        y = min(scale.y(sum(chart.usual) / 2) + 3.5, scale.bottom - 3)
        tall = scale.y(chart.usual[0]) - scale.y(chart.usual[1]) > 11
        if tall and not (drawn and limit is not None and abs(scale.y(limit) - 4 - y) < 12):
            parts.append(label(scale.left + 4, y, "usual", "quiet halo"))
    parts.append(_dates(scale, chart.days, first))
    return figure(ident, 160, chart.unit[:1].upper() + chart.unit[1:], daily_words(chart), parts)


def daily_words(chart: Chart) -> str:
    """What the daily chart shows, in words."""
    first = min(chart.baseline_days, len(chart.days))
    within = list(zip(chart.days, chart.values, strict=True))[first:]
    if not within:
        return "No day of the period is recorded."
    top_day, top = max(within, key=lambda one: one[1])
    words = [f"Highest {text.short(top)} {chart.unit} on {text.day(top_day)}"]
    if chart.limit is not None:
        over = sum(value > chart.limit for _, value in within)
        days = text.counted(len(within), "day")
        words.append(f"above the limit of {text.short(chart.limit)} on {over} of {days}" if over
                     else f"never above the limit of {text.short(chart.limit)}")  # fmt: skip
    if chart.usual:
        low, high = map(text.short, chart.usual)
        words.append(f"usual before the period: {low} to {high}")
    if chart.members:
        largest = max(max(series) for _, series in chart.members)
        words.append(f"the largest single account reaches {text.short(largest)}")
    return "; ".join(words) + "."


def spark(chart: Chart) -> Markup:
    """The same bars without letters, for a line of a list; what it shows stands beside it in words."""
    peak = max([*chart.values, 1])
    scale = _Scale(0, 132, 2, 30, len(chart.days), peak)
    first = min(chart.baseline_days, len(chart.days))
    parts = [
        _bars(scale, list(enumerate(chart.values))[:first], PALE, "before"),
        _bars(scale, list(enumerate(chart.values))[first:], ACCENT, "within"),
        line(0, 30.5, 132, 30.5, LINE, "axis"),
    ]
    if chart.limit is not None and chart.limit < peak:
        y = scale.y(chart.limit)
        parts.append(line(0, y, 132, y, INK, "limit", dash="3 2"))
    return Markup('<svg class="spark" viewBox="0 0 132 32" width="132" height="32" aria-hidden="true">{}</svg>').format(
        Markup("").join(parts)
    )


def usage(days: Sequence[date], values: Sequence[int], ident: str) -> Markup:
    """A tier's requests by day, small."""
    scale = _Scale(0, WIDTH, 4, 44, len(days), max([*values, 1]))
    parts = [_bars(scale, list(enumerate(values)), ACCENT, "within"), line(0, 44.5, WIDTH, 44.5, LINE, "axis")]
    parts.append(label(0, 57, text.day(days[0], year=False), "quiet"))
    parts.append(label(WIDTH, 57, text.day(days[-1], year=False), "quiet", "end"))
    top = max(range(len(values)), key=lambda index: values[index])
    words = f"Between {min(values):,} and {max(values):,} requests a day; most on {text.day(days[top])}."
    return figure(ident, 60, "Requests a day in the tier", words, parts)


def trend(points: Sequence[TrendPoint], ident: str) -> Markup:
    """Findings a period, stacked by severity with the gravest at the foot; counts stand in and above the columns."""
    totals = [sum(point.counts.values()) if point.counts is not None else 0 for point in points]
    scale = _Scale(2, WIDTH - 2, 40, 150, len(points), _ceiling(max([*totals, 1])))
    step = scale.x(1) - scale.x(0)
    width = min(step * 0.82, 44)
    parts = [_legend(12), line(scale.left, scale.bottom + 0.5, scale.right, scale.bottom + 0.5, QUIET, "axis")]
    every = -(-len(points) * max(len(_label(point)) for point in points) * 6 // WIDTH)
    for index, (point, total) in enumerate(zip(points, totals, strict=True)):
        middle, last = scale.x(index + 0.5), index == len(points) - 1
        base = 0.0
        for severity in SEVERITIES:
            count = (point.counts or {}).get(severity, 0)
            if not count:
                continue
            top, foot = scale.y(base + count), scale.y(base)
            gap = min(1.2, (foot - top) / 3)
            parts.append(rect(middle - width / 2, top, width, foot - top - gap, FILLS[severity], severity))
            written = f"{MARKS[severity]} {count}"
            if foot - top >= 14 and len(written) * 6.2 <= width + 2:
                parts.append(label(middle, (top + foot) / 2 + 3.5, written, f"inside in-{severity}", "middle"))
            base += count
        if point.counts is None:
            mark = GAPS[point.gap]
            parts.append(label(middle, scale.bottom - 5, mark, "quiet", "middle"))
        else:
            parts.append(label(middle, scale.y(base) - 5, str(total), "strong" if last else "quiet", "middle"))
        if (len(points) - 1 - index) % every == 0:
            parts.append(label(middle, 165, _label(point), "strong" if last else "quiet", "middle"))
            if index == 0 or last or point.period.first_day.month == 1:
                parts.append(label(middle, 179, str(point.period.first_day.year), "quiet", "middle"))
    words = "; ".join(_trend_words(point) for point in points) + "."
    return figure(ident, 184, "Findings by severity over the last periods", words, parts)


def _trend_words(point: TrendPoint) -> str:
    if point.counts is None:
        return f"{point.period.title}: {point.gap}"
    parts = [f"{point.counts[severity]} {severity}" for severity in SEVERITIES if point.counts.get(severity)]
    return f"{point.period.title}: {', '.join(parts) or 'none'}"


def _label(point: TrendPoint) -> str:
    first = point.period.first_day
    match point.period.kind:
        case "month":
            return f"{first:%b}"
        case "week":
            return point.period.id.split("-")[1]
        case "quarter":
            return point.period.id.split("-")[1]
        case _:
            return text.day(first, year=False)


def severity_bar(counts: Mapping[str, int], longest: int) -> Markup:
    """One row of a bar list, as long as its share of the longest; the figures stand beside it."""
    return _strip([(counts.get(severity, 0), severity, FILLS[severity]) for severity in SEVERITIES], longest)


def bar(value: int, longest: int, name: str) -> Markup:
    """One bar of a list, as long as its share of the longest; ``name`` is before or within, pale or dark."""
    return _strip([(value, name, ACCENT if name == "within" else PALE)], longest)


def verdict_bar(checks: Checks) -> Markup:
    """A rule's cells by verdict, as a strip; the figures stand beside it."""
    fills = (GOOD, FILLS["high"], "#d5dae0", "#8a929c", FILLS["critical"])
    parts = zip(checks.by_verdict, fills, strict=True)
    return _strip([(count, verdict, fill) for (verdict, count), fill in parts], checks.planned)


def quality(days: Sequence[QualityDay], ident: str) -> Markup:
    """The data's verdict by day: a low grey foot is good, a taller bar is worse, and a mark stands over it."""
    scale = _Scale(0, WIDTH, 14, 40, len(days), 3)
    heights = {"none": 0, "good": 1, "degraded": 2, "blocked": 3}
    names = {"good": "good", "degraded": "medium", "blocked": "critical"}
    marks = {"degraded": MARKS["medium"], "blocked": MARKS["critical"]}
    parts = [line(0, 40.5, WIDTH, 40.5, LINE, "axis")]
    for verdict, name in names.items():
        numbers = [(index, heights[verdict]) for index, one in enumerate(days) if one.verdict == verdict]
        if numbers:
            parts.append(_bars(scale, numbers, FILLS.get(name, GOOD), name))
    for index, one in enumerate(days):
        middle = scale.x(index + 0.5)
        if one.verdict in marks:
            parts.append(label(middle, scale.y(heights[one.verdict]) - 3, marks[one.verdict], "strong", "middle"))
        elif one.verdict == "none":
            parts.append(label(middle, 37, "–", "quiet", "middle"))
    parts.append(label(0, 54, text.day(days[0].day, year=False), "quiet"))
    if len(days) > 1:
        parts.append(label(WIDTH, 54, text.day(days[-1].day, year=False), "quiet", "end"))
    poor = [f"{one.verdict} on {text.day(one.day)}" for one in days if one.verdict in marks]
    unseen = sum(one.verdict == "none" for one in days)
    words = f"Good on {sum(one.verdict == 'good' for one in days)} of {text.counted(len(days), 'day')}"
    words += "".join(f"; {one}" for one in poor) + (f"; nothing recorded on {unseen}" if unseen else "") + "."
    return figure(ident, 58, "Quality of the data by day", words, parts)


# ---------------------------------------------------------------- parts


def _strip(pieces: Iterable[tuple[int, str, str]], whole: int) -> Markup:
    x, parts = 0.0, []
    for count, name, fill in pieces:
        width = 100 * count / max(whole, 1)
        if width:
            parts.append(rect(x, 0, width, 8, fill, name))
        x += width
    return Markup(
        '<svg class="strip" viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true">{}</svg>'
    ).format(Markup("").join(parts))


def _grid(scale: _Scale) -> Markup:
    parts = []
    for part in (0.0, 0.5, 1.0):
        y = scale.y(scale.peak * part)
        parts.append(line(scale.left, y, scale.right, y, QUIET if part == 0 else LINE, "axis" if part == 0 else "grid"))
        parts.append(label(scale.left - 6, y + 3.5, text.short(scale.peak * part), "quiet", "end"))
    return Markup("").join(parts)


def _dates(scale: _Scale, days: Sequence[date], first: int) -> Markup:
    """The first day, the period's first day and the last, each unless it would touch its neighbour."""
    places = [(0, "start")] if first * (scale.x(1) - scale.x(0)) > 60 or first == 0 else []
    if 0 < first < len(days):
        places.append((first, "start"))
    if len(days) > 1 and scale.x(len(days)) - scale.x(places[-1][0] if places else 0) > 100:
        places.append((len(days) - 1, "end"))
    parts = [
        label(scale.x(index + (anchor == "end")), scale.bottom + 15, text.day(days[index], year=False), "quiet", anchor)
        for index, anchor in places
    ]
    return Markup("").join(parts)


def _legend(y: float) -> Markup:
    parts, x = [], 2.0
    for severity in SEVERITIES:
        parts.append(rect(x, y - 8, 10, 10, FILLS[severity], severity))
        parts.append(label(x + 15, y + 1, f"{MARKS[severity]} {severity}", "quiet"))
        x += len(severity) * 6 + 48
    return Markup("").join(parts)


def _bars(scale: _Scale, numbered: Sequence[tuple[int, float]], fill: str, name: str) -> Markup:
    """All bars of one colour as one path, to keep pages small."""
    width = (scale.x(1) - scale.x(0)) * _BARS
    lines = [
        f"M{n(scale.x(i + 0.5) - width / 2)} {n(scale.bottom)}V{n(scale.y(value))}h{n(width)}V{n(scale.bottom)}z"
        for i, value in numbered
        if value > 0
    ]
    return element("path", f"bars {name}", d="".join(lines), fill=fill) if lines else Markup("")


def _ceiling(value: float) -> float:
    """The next round number: 1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 8 or 10 times a power of ten."""
    power = 10.0 ** (len(str(int(value))) - 1)
    steps = (1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10)
    return next(power * step for step in steps if value <= power * step)
