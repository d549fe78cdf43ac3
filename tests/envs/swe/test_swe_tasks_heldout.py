"""Held-out inputs without a sandbox: copies of tests, what counts of them, values as text."""

import collections

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pivotgym.envs.swe.tasks import heldout, telling

TESTS = '''\
"""Tests."""
from __future__ import annotations
import pytest
from shop import price

TABLE = [("apple", 10), ("pear", 20)]
OTHER = "Nothing of it is used"


@pytest.mark.parametrize("name, cost", TABLE)
def test_price(name, cost):
    assert price(name, 3) == cost
    assert name in "fruit"


class TestMore:
    def test_more(self):
        self.assertEqual(price("plum", 4), 5)


def test_right():
    assert price("Left alone", 70) == 700
'''
FAILING = ["tests/test_shop.py::test_price[apple-10]", "tests/test_shop.py::TestMore::test_more"]


def copied():
    return heldout.copies({"tests/test_shop.py": TESTS.encode()}, FAILING, "seed")


def test_copies_lie_beside_their_file():
    found = copied()
    assert list(found.files) == [f"tests/test_{number}_test_shop.py" for number in range(heldout.COPIES)]
    assert found.tests[:2] == (
        "tests/test_0_test_shop.py::TestMore::test_more",
        "tests/test_0_test_shop.py::test_price",
    )


def test_the_first_copy_tells_what_the_test_compares():
    text = copied().files["tests/test_0_test_shop.py"].decode()
    assert "pivotgym_seen(price(name, 3))" in text
    assert "pivotgym_seen(price('plum', 4))" in text
    assert "TABLE = [('apple', 10), ('pear', 20)]" in text


def test_other_copies_have_other_values_and_the_same_names():
    texts = [content.decode() for content in copied().files.values()]
    assert len(set(texts)) == heldout.COPIES
    assert not all("TABLE = [('apple', 10), ('pear', 20)]" in text for text in texts)
    assert all("parametrize('name, cost', TABLE)" in text for text in texts)


def test_what_the_failing_tests_do_not_use_stays():
    texts = [content.decode() for content in copied().files.values()]
    assert all("Nothing of it is used" in text and "assert price('Left alone', 70) == 700" in text for text in texts)


def test_copies_are_programs_whose_first_import_may_be_from_the_future():
    programs = [compile(content, "copy", "exec") for content in copied().files.values()]
    assert all("test_price" in program.co_names for program in programs)


def test_equal_seeds_make_equal_copies():
    assert copied() == copied()


@given(st.lists(st.integers() | st.floats() | st.text(), max_size=3))
def test_any_literals_can_be_changed(values):
    source = f"def test_a():\n    assert f({values!r}) == 1\n"
    copies = heldout.copies({"t.py": source.encode()}, ["t.py::test_a"], "s").files
    assert all("test_a" in compile(content, name, "exec").co_names for name, content in copies.items())


FIRST = {
    "test_0_t.py::a": "right",
    "test_1_t.py::a": "new",
    "test_1_t.py::b": "right",
    "test_1_t.py::c": "unsteady",
    "test_1_t.py::d": "as broken",
}
BROKEN = {"test_0_t.py::a": "wrong", "test_1_t.py::a": "wrong", "test_1_t.py::d": "as broken"}


def test_only_steady_new_values_that_the_broken_package_does_not_give_count():
    found = heldout.expected((FIRST, {**FIRST, "test_1_t.py::c": "another"}), BROKEN)
    assert found == heldout.Expected({"test_0_t.py::a": "right"}, {"test_1_t.py::a": "new"})


@pytest.mark.parametrize(
    ("told", "met"),
    [
        ({"a": "1", "x": "1", "y": "2", "z": "3"}, True),
        ({"a": "1", "x": "1", "y": "2", "z": "other"}, True),
        ({"a": "1", "x": "1"}, False),
        ({"x": "1", "y": "2", "z": "3"}, False),
        ({}, False),
    ],
)
def test_most_of_both_sorts_must_be_so(told, met):
    assert heldout.Expected({"a": "1"}, {"x": "1", "y": "2", "z": "3"}).met(told) == met


def test_where_nothing_counts_all_is_met():
    assert heldout.Expected({}, {}).met({})


class Sly(str):
    def __eq__(self, other):
        return True

    def __hash__(self):
        return 0

    def __repr__(self):
        return "'right'"


@pytest.mark.parametrize(
    ("one", "other", "equal"),
    [
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}, True),
        (collections.OrderedDict(a=1), {"a": 1}, True),
        ({3, 1}, {1, 3}, True),
        (1, 1.0, True),
        (True, 1, True),
        ([1], (1,), False),
        (2**60, 2**60 + 1, False),
        (Sly("wrong"), "right", False),
        ([Sly("wrong")], ["right"], False),
        (object(), object(), True),
    ],
)
def test_values_are_told_apart_by_what_they_hold(one, other, equal):
    assert (telling.told(one) == telling.told(other)) == equal


def test_values_within_themselves_can_be_told():
    value = []
    value.append(value)
    assert "..." in telling.told(value)


def test_a_test_is_told_by_what_it_saw_and_forgotten():
    assert telling.seen(1) == 1
    first = telling.describe("t.py", None)
    telling.seen(1)
    assert telling.describe("t.py", None) == first
    assert telling.describe("t.py", None) != first
