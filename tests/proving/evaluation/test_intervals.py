from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audits.proving.evaluation.intervals import precision_at, predictive_value, share, wilson

TRIALS = st.integers(0, 5_000).flatmap(lambda of: st.tuples(st.integers(0, of), st.just(of)))


@pytest.mark.parametrize(
    ("hits", "of", "low", "high"),
    [
        (0, 10, 0.0, 0.27754),  # 1.96^2 / (10 + 1.96^2)
        (10, 10, 0.72246, 1.0),
        (5, 10, 0.23659, 0.76341),
        (1, 10_000, 0.00001765, 0.0005663),
        (0, 0, 0.0, 1.0),
    ],
)
def test_wilson_by_known_values(hits, of, low, high):
    assert wilson(hits, of) == pytest.approx((low, high), rel=2e-3, abs=1e-9)


@given(TRIALS)
def test_interval_holds_the_share_and_stays_a_share(trial):
    hits, of = trial
    low, high = wilson(hits, of)
    assert 0 <= low <= high <= 1
    if of:
        assert low <= hits / of <= high


@given(TRIALS.filter(lambda trial: trial[1] > 0))
def test_more_of_the_same_narrows_the_interval(trial):
    hits, of = trial
    low, high = wilson(hits, of)
    narrower = wilson(10 * hits, 10 * of)
    assert narrower[1] - narrower[0] < high - low


@given(TRIALS)
def test_misses_mirror_hits(trial):
    hits, of = trial
    low, high = wilson(hits, of)
    assert wilson(of - hits, of) == pytest.approx((1 - high, 1 - low), abs=1e-12)


def test_no_share_above_one():
    with pytest.raises(ValueError, match="11 of 10"):
        wilson(11, 10)


@pytest.mark.parametrize(
    ("rate", "expected"), [(0.14, 0.03), (0.003, 0.60), (0.001, 0.82), (0.0001, 0.98)]
)  # the figures that domain experts cite for 0.5 % prevalence and 90 % recall
def test_predictive_value_by_published_figures(rate, expected):
    assert predictive_value(0.005, 0.9, rate) == pytest.approx(expected, abs=0.006)


@given(TRIALS.filter(lambda t: t[1] > 0), TRIALS.filter(lambda t: t[1] > 0), st.floats(1e-5, 0.5))
def test_precision_lies_between_its_bounds(recall, wrong, prevalence):
    at = precision_at(prevalence, share(*recall), share(*wrong))
    assert 0 <= at.low <= at.high <= 1
    if at.value is not None:
        assert at.low - 1e-12 <= at.value <= at.high + 1e-12
    else:
        assert recall[0] == wrong[0] == 0


@given(TRIALS.filter(lambda t: t[0] > 0), TRIALS.filter(lambda t: t[0] > 0), st.floats(1e-5, 0.25))
def test_precision_rises_with_prevalence(recall, wrong, prevalence):
    one, twice = (precision_at(p, share(*recall), share(*wrong)).value for p in (prevalence, 2 * prevalence))
    assert one is not None
    assert twice is not None
    assert twice > one


def test_nothing_tried_leaves_precision_open():
    assert precision_at(0.005, share(0, 0), share(0, 100)).value is None
