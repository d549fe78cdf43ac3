"""Edits of one file, harness by harness."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pivotgym.core.errors import InputError
from pivotgym.envs.swe.operations.edits import Edited, edited
from pivotgym.verifiers.code.operations import Create, Insert, Patch, Replace, ReplaceLines, Undo
from pivotgym.verifiers.code.patches import Refused

PATH = "/r/a.py"
TEXT = "one\ntwo\nthree\ntwo\n"


def refusal(operation, before=TEXT, **options):
    found = edited(operation, before, **options)
    assert isinstance(found, Refused)
    return found.message


def text(operation, before=TEXT, **options):
    found = edited(operation, before, **options)
    assert isinstance(found, Edited)
    return found.text


def test_the_one_occurrence_is_replaced():
    assert text(Replace(PATH, "three\n", "3\n")) == "one\ntwo\n3\ntwo\n"
    assert text(Replace(PATH, "one", "")) == "\ntwo\nthree\ntwo\n"


def test_what_is_not_there_or_there_twice_is_refused():
    assert refusal(Replace(PATH, "four", "4")) == (
        "No replacement was performed, old_str `four` did not appear verbatim in /r/a.py."
    )
    assert "Multiple occurrences of old_str `two` in lines [2, 4]." in refusal(Replace(PATH, "two", "2"))
    assert "must not be empty" in refusal(Replace(PATH, "", "x"))


def test_a_replacement_by_itself_is_refused():
    assert refusal(Replace(PATH, "one", "one")).endswith("`new_str` and `old_str` must be different.")


def test_space_counts_in_what_is_replaced():
    assert "did not appear verbatim" in refusal(Replace(PATH, "three \n", "3\n"))


def test_lines_are_inserted_after_a_line():
    assert text(Insert(PATH, 0, "zero")) == "zero\n" + TEXT
    assert text(Insert(PATH, 4, "end")) == TEXT + "end\n"
    assert text(Insert(PATH, 1, "a\nb"), "one\ntwo") == "one\na\nb\ntwo"


@pytest.mark.parametrize("after", [-1, 5])
def test_a_line_that_is_not_there_is_refused(after):
    message = refusal(Insert(PATH, after, "x"))
    assert message == (
        f"Invalid `insert_line` parameter: {after}. It should be within the range of allowed values: [0, 4]"
    )


def test_a_file_is_created_only_where_there_is_none():
    assert text(Create(PATH, "x"), None) == "x"
    assert "Cannot overwrite files using command `create`." in refusal(Create(PATH, "x"))
    assert text(Create(PATH, "x", overwrite=True)) == "x"
    assert refusal(Create(PATH, "\n"), harness="swe_agent") == "Error: File '/r/a.py' already exists."


def test_a_file_that_is_not_there_cannot_be_edited():
    assert "does not exist" in refusal(Replace(PATH, "x", "y"), None)
    assert refusal(ReplaceLines(PATH, 1, 1, "x"), None, harness="swe_agent") == "Error: File /r/a.py not found"


def test_the_last_edit_is_undone_where_there_was_one():
    assert text(Undo(PATH), previous="before\n") == "before\n"
    assert refusal(Undo(PATH)) == "No edit history found for /r/a.py."


def test_opencode_replaces_every_occurrence_where_asked_to():
    assert text(Replace(PATH, "two", "2", every=True), harness="opencode") == "one\n2\nthree\n2\n"
    assert "Found 2 matches" in refusal(Replace(PATH, "two", "2"), harness="opencode")
    assert "not found" in refusal(Replace(PATH, "four", "4"), harness="opencode")
    assert "exactly the same" in refusal(Replace(PATH, "two", "two"), harness="opencode")
    assert text(Replace(PATH, "", "new"), None, harness="opencode") == "new"


def swe_agent(operation, window=(1, 4), **options):
    return edited(operation, TEXT, harness="swe_agent", window=window, **options)


def test_swe_agent_replaces_in_its_window():
    assert swe_agent(Replace(PATH, "two", "2"), (1, 3)) == Edited("one\n2\nthree\ntwo\n")
    assert swe_agent(Replace(PATH, "one\n", ""), (1, 2)) == Edited("two\nthree\ntwo\n")
    assert swe_agent(Replace(PATH, "two", "2", every=True), (1, 1)) == Edited("one\n2\nthree\n2\n")


@pytest.mark.parametrize(
    ("operation", "message"),
    [
        (Replace(PATH, "two", "2"), "Found more than one occurrence of 'two' in the currently displayed lines."),
        (Replace(PATH, "four", "4"), "Text 'four' not found in displayed lines (or anywhere in the file)."),
        (Replace(PATH, "four", "4", every=True), "Text 'four' not found in displayed lines (or anywhere in the file)."),
        (Replace(PATH, "", "4"), "Search text must not be empty."),
        (Replace(PATH, "two", "two"), "Your search and replace strings are the same."),
    ],
)
def test_swe_agent_refuses(operation, message):
    assert message in refusal(operation, harness="swe_agent", window=(1, 4))


def test_swe_agent_says_that_a_text_stands_elsewhere_in_the_file():
    message = refusal(Replace(PATH, "one", "1"), harness="swe_agent", window=(2, 3))
    assert message.endswith("Text 'one' not found in displayed lines.")


def test_swe_agent_replaces_and_inserts_lines():
    assert swe_agent(ReplaceLines(PATH, 2, 3, "a\nb\nc\n")) == Edited("one\na\nb\nc\ntwo\n")
    assert swe_agent(ReplaceLines(PATH, 2, 3, "")) == Edited("one\ntwo\n")
    assert swe_agent(Insert(PATH, 1, "x\n")) == Edited("one\nx\ntwo\nthree\ntwo\n")
    assert swe_agent(Insert(PATH, -1, "x")) == Edited(TEXT + "x")
    assert swe_agent(Insert(PATH, 1, "")) == Edited(TEXT)


def test_a_patch_is_no_edit_of_one_file():
    with pytest.raises(InputError, match="expected an edit of one file, got a patch"):
        edited(Patch("x"), TEXT)


@given(st.text(alphabet="ab\n", max_size=12), st.text(alphabet="ab\n", min_size=1, max_size=3), st.text(max_size=4))
def test_a_replacement_happens_exactly_where_the_text_stands_once(before, old, new):
    found = edited(Replace(PATH, old, new), before)
    once = before.count(old) == 1 and before.find(old, before.find(old) + 1) < 0 and old != new
    if once:
        assert found == Edited(before.replace(old, new))
    elif before.count(old) != 1 or old == new:
        assert isinstance(found, Refused)
