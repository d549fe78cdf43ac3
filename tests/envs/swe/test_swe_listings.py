"""Parts of a listing that has no order of its own."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pivotgym.envs.swe.listings import parts_of, uncut


@pytest.mark.parametrize(
    ("command", "whole"),
    [
        ("find . | head", "find . "),
        ("find . -name x | head -5", "find . -name x"),
        ("grep -rn foo src | head -n 20", "grep -rn foo src"),
        ("grep -n -R foo | tail -n 3", "grep -n -R foo"),
        ("ls -U | head --lines=2", "ls -U"),
    ],
)
def test_listings_without_an_order_are_found(command, whole):
    assert uncut(command).strip() == whole.strip()


@pytest.mark.parametrize(
    "command",
    [
        "ls | head", "cat a | head -5", "find . | sort | head", "grep -n foo a.py | head", "find .", "rm -r a | head",
        "find . | head -n 5 > a", "rm a; find . | head", "find . | head -c 100", "find . | head -n -5",
    ],
)  # fmt: skip
def test_other_commands_are_no_listings(command):
    assert uncut(command) is None


def test_parts_are_equally_long_and_of_the_listing():
    assert parts_of("a\nb\nc", "0\na\nb", "0\nb\nc")


@pytest.mark.parametrize("other", ["0\na", "0\na\nd", "1\na\nb", "0\na\nb\nc", ""])
def test_other_lines_are_no_part(other):
    assert not parts_of("a\nb\nc", "0\na\nb", other)


@given(st.lists(st.sampled_from("abcd")), st.lists(st.sampled_from("abcd")))
def test_a_line_that_is_not_listed_never_agrees(one, other):
    assert not parts_of("a\nb\nc\nd", "\n".join([*one, "x"]), "\n".join([*other, "y"]))
