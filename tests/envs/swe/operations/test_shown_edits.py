"""What editors say, and that what they show is read back as the lines it shows."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pivotgym.core.errors import InputError
from pivotgym.envs.swe.operations.edits import edited
from pivotgym.envs.swe.operations.shown import told, viewed, window_text
from pivotgym.envs.swe.operations.window import Window
from pivotgym.verifiers.code.lines import reached
from pivotgym.verifiers.code.operations import Create, Insert, Replace, ReplaceLines, Undo, View
from pivotgym.verifiers.code.patches import Refused

TEN = "".join(f"line {number}\n" for number in range(1, 11))


def test_a_view_of_some_lines():
    assert viewed("/r/a.py", TEN, (9, None)) == (
        "Here's the result of running `cat -n` on /r/a.py:\n     9\tline 9\n    10\tline 10\n"
    )


def test_a_view_past_the_end_says_so():
    assert viewed("/r/a.py", TEN, (10, 99)).endswith(
        "    10\tline 10\n\nNOTE: We only show up to 10 since there's only 10 lines in this file\n"
    )


@pytest.mark.parametrize(
    ("span", "message"),
    [
        ((11, 12), "Invalid `view_range` parameter: [11, 12]. Its first element `11` should be within the range"),
        ((5, 4), "Its second element `4` should be greater than or equal to the first element `5`."),
    ],
)
def test_a_view_of_lines_that_are_not_there_is_refused(span, message):
    found = viewed("/r/a.py", TEN, span)
    assert isinstance(found, Refused)
    assert message in found.message


def test_an_edit_shows_four_lines_around_it():
    replace = Replace("/r/a.py", "line 6", "six\nand a half")
    after = edited(replace, TEN).text
    text = told(replace, TEN, after)
    assert text.startswith(
        "The file /r/a.py has been edited. Here's the result of running `cat -n` on a snippet of /r/a.py:"
    )
    assert "     2\t" not in text
    assert "     3\tline 3\n" in text
    assert "     6\tsix\n     7\tand a half\n" in text
    assert text.endswith("make sure they are as expected. Edit the file again if necessary.")


def test_an_insertion_shows_the_lines_around_it():
    insert = Insert("/r/a.py", 0, "zero")
    text = told(insert, TEN, edited(insert, TEN).text)
    assert "a snippet of the edited file:\n     1\tzero\n     2\tline 1\n" in text
    assert "(correct indentation, no duplicate lines, etc)" in text


def test_creating_and_undoing():
    assert told(Create("/r/a.py", "x"), None, "x") == "File created successfully at: /r/a.py"
    assert told(Undo("/r/a.py"), "y\n", "x\n").startswith("Last edit to /r/a.py undone successfully. Here's the result")


def test_an_edit_of_another_editor_is_refused():
    with pytest.raises(InputError, match="expected an edit of OpenHands' editor, got replace_lines"):
        told(ReplaceLines("a.py", 1, 1, "x"), "y\n", "x\n")


def test_the_window_says_what_is_above_and_below():
    assert window_text(Window("a.py"), "one\n") == "[File: a.py (1 lines total)]\n1:one"
    text = window_text(Window("a.py", first=3, size=2), TEN)
    assert text.splitlines() == [
        "[File: a.py (10 lines total)]",
        "(2 more lines above)",
        "3:line 3",
        "4:line 4",
        "(6 more lines below)",
    ]


@given(st.lists(st.text(alphabet="ab:\t1 ", max_size=6), min_size=1, max_size=12), st.data())
def test_the_lines_of_a_view_are_read_back(texts, data):
    first = data.draw(st.integers(1, len(texts)))
    last = data.draw(st.integers(first, len(texts)))
    shown = viewed("/r/a.py", "".join(f"{text}\n" for text in texts), (first, last))
    read = reached(View(("/r/a.py",), ((first, last),), ("tab",)), shown, "/r")
    assert [(line.number, line.text) for line in read] == list(enumerate(texts, 1))[first - 1 : last]
