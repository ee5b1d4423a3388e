from __future__ import annotations

from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audits.proving.evaluation.pairs import compare

NAMES = st.dictionaries(st.sampled_from("abcdefghij"), st.sampled_from("123"))


def test_a_pool_split_in_two():
    groups = {"a": "g1", "b": "g1", "c": "g2", "d": "g2"}
    pairs = compare(groups, dict.fromkeys("abcd", "C1"))
    assert (pairs.right, pairs.wrong, pairs.missed) == (2, 0, 4)
    assert (pairs.precision, pairs.recall, pairs.f1) == (1.0, pytest.approx(1 / 3), pytest.approx(0.5))


def test_a_stranger_in_the_group():
    pairs = compare(dict.fromkeys("abcx", "g"), dict.fromkeys("abc", "C1"))
    assert (pairs.right, pairs.wrong, pairs.missed) == (3, 3, 0)


def test_accounts_of_one_customer_may_be_together():
    groups = dict.fromkeys("xyz", "g")
    assert compare(groups, {}).wrong == 3
    assert compare(groups, {}, allowed={"x": ["k"], "y": ["k"]}).wrong == 2
    assert compare(groups, {}, allowed={"x": ["k", "p"], "y": ["k", "p"], "z": ["p"]}).wrong == 0


def test_a_member_that_did_not_work_cannot_be_missed():
    pairs = compare({"a": "g", "b": "g"}, dict.fromkeys("abc", "C1"), expected={"a", "b"})
    assert (pairs.right, pairs.missed) == (1, 0)


def test_nothing_to_compare():
    pairs = compare({}, {})
    assert (pairs.precision, pairs.recall, pairs.f1) == (None, None, None)


@given(NAMES, NAMES)
def test_agrees_with_counting_pair_by_pair(groups, labels):
    counted = {"right": 0, "wrong": 0, "missed": 0}
    for one, other in combinations("abcdefghij", 2):
        together = one in groups and groups.get(one) == groups.get(other)
        belong = one in labels and labels.get(one) == labels.get(other)
        if together or belong:
            counted["right" if together and belong else "wrong" if together else "missed"] += 1
    pairs = compare(groups, labels)
    assert {"right": pairs.right, "wrong": pairs.wrong, "missed": pairs.missed} == counted


@given(NAMES)
def test_the_labels_themselves_are_perfect(labels):
    pairs = compare(labels, labels)
    assert (pairs.wrong, pairs.missed) == (0, 0)


@given(NAMES, NAMES)
def test_groups_and_labels_change_places(groups, labels):
    one, other = compare(groups, labels), compare(labels, groups)
    assert (one.precision, one.recall, one.f1) == (other.recall, other.precision, other.f1)
