"""`apply_patch`: where hunks go, and what is refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pivotgym.verifiers.code.patches import Refused, patched, paths_of, read_patch


def update(path, *lines):
    return "\n".join(["*** Begin Patch", f"*** Update File: {path}", *lines, "*** End Patch"])


def test_files_are_added_changed_moved_and_deleted():
    patch = "\n".join(
        [
            "*** Begin Patch",
            "*** Add File: new.txt",
            "+hello",
            "*** Update File: a.py",
            "*** Move to: b.py",
            "@@",
            " x = 1",
            "-y = 2",
            "+y = 3",
            "*** Delete File: old.txt",
            "*** End Patch",
        ]
    )
    files = {"a.py": "x = 1\ny = 2\n", "old.txt": "gone\n"}
    assert patched(patch, files) == {"new.txt": "hello\n", "a.py": None, "b.py": "x = 1\ny = 3\n", "old.txt": None}
    assert paths_of(patch) == ["new.txt", "a.py", "b.py", "old.txt"]


def test_a_context_line_moves_on_to_the_right_place():
    before = "def f():\n    return 1\ndef g():\n    return 1\n"
    after = patched(update("a.py", "@@ def g():", "-    return 1", "+    return 2"), {"a.py": before})
    assert after == {"a.py": "def f():\n    return 1\ndef g():\n    return 2\n"}


def test_later_hunks_are_looked_for_after_earlier_ones():
    after = patched(update("a", "@@", "-x", "+1", "@@", "-x", "+2"), {"a": "x\nx\nx\n"})
    assert after == {"a": "1\n2\nx\n"}


def test_a_hunk_without_old_lines_adds_at_the_end():
    assert patched(update("a", "@@", "+z"), {"a": "x\n"}) == {"a": "x\nz\n"}


def test_a_hunk_may_say_that_it_ends_the_file():
    assert patched(update("a", "@@", "-x", "+y", "*** End of File"), {"a": "x\nx\n"}) == {"a": "x\ny\n"}


def test_a_missing_line_break_at_the_end_is_added():
    assert patched(update("a", "@@", "-x", "+y"), {"a": "x"}) == {"a": "y\n"}


@pytest.mark.parametrize("line", ["x = 1  ", "    x = 1", "x = \u201c1\u201d"])
def test_space_and_typographic_signs_may_differ_in_old_lines(line):
    old = 'x = "1"' if "\u201c" in line else "x = 1"
    assert patched(update("a", "@@", f"-{old}", "+y"), {"a": f"{line}\n"}) == {"a": "y\n"}


def test_several_changes_of_one_file_follow_each_other():
    patch = update("a", "@@", "-x", "+y").replace("*** End Patch", "*** Update File: a\n@@\n-y\n+z\n*** End Patch")
    assert patched(patch, {"a": "x\n"}) == {"a": "z\n"}


@pytest.mark.parametrize(
    ("patch", "message"),
    [
        ("x", "The first line of the patch must be '*** Begin Patch'"),
        ("*** Begin Patch\nx", "The last line of the patch must be '*** End Patch'"),
        ("*** Begin Patch\n*** End Patch", "No files were modified."),
        ("*** Begin Patch\n*** Rename: a\n*** End Patch", "'*** Rename: a' is not a valid hunk header"),
        ("*** Begin Patch\n*** Add File: a\nx\n*** End Patch", "every line of the new file a must start with '+'"),
        ("*** Begin Patch\n*** Delete File: a\n-x\n*** End Patch", "nothing may follow '*** Delete File: a'"),
        (update("a"), "Update file hunk for path 'a' is empty"),
        (update("a", "@@"), "Update hunk does not contain any lines"),
        (update("a", "*** End of File"), "Update hunk does not contain any lines"),
        (update("a", "@@", "?x"), "Unexpected line found in update hunk: '?x'"),
    ],
)
def test_what_is_no_patch_is_refused(patch, message):
    refused = read_patch(patch)
    assert isinstance(refused, Refused)
    assert message in refused.message
    assert paths_of(patch) == []


@pytest.mark.parametrize(
    ("patch", "message"),
    [
        (update("a", "@@", "-nowhere", "+y"), "Failed to find expected lines in a:\nnowhere"),
        (update("a", "@@ def g():", "-x", "+y"), "Failed to find context 'def g():' in a"),
        (update("b", "@@", "-x", "+y"), "Failed to read file to update b"),
        ("*** Begin Patch\n*** Delete File: b\n*** End Patch", "Failed to delete file b"),
    ],
)
def test_what_does_not_fit_the_files_is_refused(patch, message):
    assert patched(patch, {"a": "x\n"}) == Refused(message)


@given(st.lists(st.text(alphabet="abc ", min_size=1, max_size=4), min_size=1, max_size=8, unique=True), st.data())
def test_a_line_named_by_its_whole_text_is_the_one_replaced(lines, data):
    lines = [line.strip() + str(place) for place, line in enumerate(lines)]
    place = data.draw(st.integers(0, len(lines) - 1))
    after = patched(update("a", "@@", f"-{lines[place]}", "+new"), {"a": "".join(f"{line}\n" for line in lines)})
    lines[place] = "new"
    assert after == {"a": "".join(f"{line}\n" for line in lines)}
