"""SWE-agent's window."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pivotgym.envs.swe.operations.window import Window, moved, resolved
from pivotgym.verifiers.code.operations import Insert, Move, Replace, ReplaceLines, Search, View
from pivotgym.verifiers.code.patches import Refused

OPEN = Window("a.py")


def test_a_file_opens_at_its_start_or_around_a_line():
    assert moved(Window(), Move("open", "a.py"), 300) == OPEN
    assert moved(Window(), Move("open", "a.py", 150), 300) == Window("a.py", 133)
    assert moved(Window(), Move("open", "a.py", 9999), 300) == Window("a.py", 201)
    assert moved(OPEN, Move("open"), 300) == OPEN


def test_scrolling_keeps_two_lines_and_stays_in_the_file():
    down = moved(OPEN, Move("down"), 300)
    assert down == Window("a.py", 99)
    assert moved(moved(down, Move("down"), 300), Move("down"), 300) == Window("a.py", 201)
    assert moved(down, Move("up"), 300) == OPEN


def test_a_jump_to_a_line_that_is_not_there_is_refused():
    assert moved(OPEN, Move("goto", line=150), 300) == Window("a.py", 133)
    assert moved(OPEN, Move("goto", line=301), 300) == Refused("Error: expected a line of the file, 1 to 300, got 301")


@pytest.mark.parametrize(
    "operation", [Move("goto", line=1), Move("down"), Move("open"), Search("x"), Insert("", 1, "x")]
)
def test_nothing_can_be_done_to_a_file_that_is_not_open(operation):
    assert resolved(operation, Window(), 0) == Refused("No file open. Use the open command first.")


def test_operations_are_on_the_open_file_and_the_lines_that_are_seen():
    seen = Window("a.py", 101)
    assert resolved(Move("down"), seen, 300) == View(("a.py",), ((199, 298),))
    assert resolved(Search("x"), seen, 300) == Search("x", ("a.py",))
    assert resolved(Replace("", "x", "y"), seen, 300) == Replace("a.py", "x", "y")
    assert resolved(ReplaceLines("", 0, 0, "x"), seen, 150) == ReplaceLines("a.py", 101, 150, "x")
    assert resolved(ReplaceLines("", 3, 4, "x"), seen, 150) == ReplaceLines("a.py", 3, 4, "x")
    assert resolved(Replace("b.py", "x", "y"), Window(), 0) == Replace("b.py", "x", "y")


@given(st.lists(st.sampled_from([Move("down"), Move("up"), Move("goto", line=7)]), max_size=8), st.integers(7, 500))
def test_the_window_never_leaves_the_file(moves, total):
    window = OPEN
    for move in moves:
        window = moved(window, move, total)
        first, last = window.span(total)
        assert 1 <= first <= last <= total
