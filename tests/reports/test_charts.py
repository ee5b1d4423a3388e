"""Charts: right in their figures, told in words, safe with foreign text."""

from __future__ import annotations

import re
from collections import Counter
from datetime import date, timedelta
from xml.etree import ElementTree

import pytest

from audits.periods import Period
from reports import charts, text
from reports.model import Chart, Checks, QualityDay, TrendPoint

DAYS = tuple(date(2026, 9, 3) + timedelta(days=n) for n in range(59))
VALUES = tuple(float(100 + n % 7) if n != 40 else 900.0 for n in range(59))


def chart(limit: float | None = 500, **more: object) -> Chart:
    return Chart("requests a day", DAYS, VALUES, limit, 28, (100, 106), **more)  # type: ignore[arg-type]


def test_every_chart_is_xml_with_a_title_and_a_description() -> None:
    drawn = [
        charts.daily(chart(), "a"),
        charts.usage(DAYS, [int(value) for value in VALUES], "b"),
        charts.quality([QualityDay(DAYS[0], "good", (), 0)], "c"),
        charts.trend([TrendPoint(Period.parse("2026-10"), Counter(high=1))], "d"),
    ]
    for svg in drawn:
        tree = ElementTree.fromstring(svg)
        title, description = tree[0], tree[1]
        assert tree.attrib["aria-labelledby"] == f"{title.attrib['id']} {description.attrib['id']}"
        assert title.text
        assert description.text


def test_bars_are_as_high_as_their_values() -> None:
    svg = charts.daily(chart(), "x")
    before, within = (
        re.findall(r"V([\d.]+)h", path) for path in re.findall(r'<path class="bars[^>]* d="([^"]+)"', svg)
    )
    assert (len(before), len(within)) == (28, 31)
    heights = [142 - float(y) for y in within]
    assert heights.index(max(heights)) == 12
    assert max(heights) / heights[0] == pytest.approx(900 / VALUES[28], rel=0.02)


def test_the_words_say_what_the_bars_show() -> None:
    assert charts.daily_words(chart()) == (
        "Highest 900 requests a day on 13 Oct 2026; above the limit of 500 on 1 of 31 days; "
        "usual before the period: 100 to 106."
    )
    members = (("a-1", tuple(value / 4 for value in VALUES)),)
    assert "the largest single account reaches 225" in charts.daily_words(chart(members=members))
    assert "never above the limit of 5,000" in charts.daily_words(chart(limit=5000))


def test_a_limit_far_above_is_named_and_does_not_flatten_the_bars() -> None:
    svg = charts.daily(chart(limit=500_000), "x")
    assert "limit 500 k, above this scale" in svg
    assert 'class="limit"' not in svg


def test_a_limit_in_reach_is_a_line() -> None:
    assert 'class="limit"' in charts.daily(chart(), "x")


@pytest.mark.parametrize("values", [(0.0,) * 59, (0.5,) * 59, (1e12,) * 59])
def test_any_size_of_value_has_a_scale(values: tuple[float, ...]) -> None:
    svg = charts.daily(Chart("requests a day", DAYS, values, None, 28, None), "x")
    assert "nan" not in svg
    assert ElementTree.fromstring(svg) is not None


def test_a_single_day_and_a_quarter_can_be_drawn() -> None:
    one = Chart("requests a day", DAYS[:1], VALUES[:1], 5, 0, None)
    assert ElementTree.fromstring(charts.daily(one, "x")) is not None
    days = tuple(date(2026, 9, 3) + timedelta(days=n) for n in range(120))
    quarter = Chart("requests a day", days, tuple(float(n) for n in range(120)), None, 28, None)
    assert len(charts.daily(quarter, "x")) < 8000


def test_foreign_words_are_escaped() -> None:
    hostile = Chart('<script>&"', DAYS, VALUES, None, 28, None)
    svg = charts.daily(hostile, '"><script>')
    assert "<script>" not in svg
    assert ElementTree.fromstring(svg)[0].text == '<script>&"'


def test_the_trend_says_where_nothing_was_audited() -> None:
    points = [
        TrendPoint(Period.parse("2026-08"), Counter(critical=1, medium=2)),
        TrendPoint(Period.parse("2026-09"), None, "not audited"),
        TrendPoint(Period.parse("2026-10"), Counter()),
    ]
    svg = charts.trend(points, "t")
    words = ElementTree.fromstring(svg)[1].text
    assert words == "August 2026: 1 critical, 2 medium; September 2026: not audited; October 2026: none."
    assert svg.count('class="critical"') == 2, "one in the legend, one in the column"


def test_stacked_parts_add_up_to_the_column() -> None:
    svg = charts.trend([TrendPoint(Period.parse("2026-10"), Counter(critical=1, high=2, medium=3, low=4))], "t")
    tops = [float(y) for y in re.findall(r'<rect class="\w+" x="[\d.]+" y="([\d.]+)" width="44"', svg)]
    assert tops == sorted(tops, reverse=True)
    assert 150 - tops[-1] == pytest.approx(10 * (150 - tops[0]), rel=0.02)


def test_verdicts_fill_their_strip() -> None:
    svg = charts.verdict_bar(Checks(10, 5, 1, 2, 1, 1))
    widths = [float(width) for width in re.findall(r'width="([\d.]+)"', svg)]
    assert sum(widths) == pytest.approx(100)
    assert charts.verdict_bar(Checks()).count("<rect") == 0


def test_poor_days_carry_a_mark() -> None:
    days = [QualityDay(DAYS[n], verdict, (), 0) for n, verdict in enumerate(["good", "degraded", "blocked", "none"])]
    svg = charts.quality(days, "q")
    assert "▲" in svg
    assert "◆" in svg
    assert "Good on 1 of 4 days; degraded on 4 Sep 2026; blocked on 5 Sep 2026; nothing recorded on 1." in svg


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (0, "0"), (860, "860"), (9999, "9,999"), (16_900, "16.9 k"), (10_000, "10 k"), (12_100_000, "12.1 M"),
        (2e9, "2 G"), (0.25, "0.25"),
    ],
)  # fmt: skip
def test_axis_numbers_are_short(value: float, words: str) -> None:
    assert text.short(value) == words


@pytest.mark.parametrize(
    ("part", "whole", "words"),
    [
        (0, 10, "0 %"), (10, 10, "100 %"), (99_999, 100_000, "99.9 %"), (1, 100_000, "0.1 %"), (1, 3, "33.3 %"),
        (1, 2, "50 %"), (0, 0, "–"),
    ],
)  # fmt: skip
def test_a_share_is_100_only_if_it_is_all(part: int, whole: int, words: str) -> None:
    assert text.share(part, whole) == words


@pytest.mark.parametrize(
    ("value", "kind", "name", "words"),
    [
        (None, "count", "n", "not recorded"), (0.183, "share", "x", "18.3 %"), (0.183, "", "top_share", "18.3 %"),
        (1.14, "factor", "x", "1.14×"), (11_400.5, "usd", "x", "US$ 11,400.50"), (True, "flag", "x", "yes"),
        (["XA", "XB"], "words", "x", "XA, XB"), (1234, "count", "n", "1,234"), ("a\u202eb", "words", "x", "a⟨U+202E⟩b"),
        (25.5, "percent", "x", "25.5 %"), (3.14159, "score", "z", "3.142"),
    ],
)  # fmt: skip
def test_figures_carry_their_unit(value: object, kind: str, name: str, words: str) -> None:
    assert text.measured(value, kind, name) == words
