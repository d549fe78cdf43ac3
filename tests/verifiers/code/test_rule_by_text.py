"""Operations that are the same by their text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pivotgym.verifiers.code.commands import operation_of
from pivotgym.verifiers.code.operations import (
    Create,
    Insert,
    Other,
    Patch,
    Replace,
    ReplaceLines,
    Submit,
    Think,
    Undo,
    View,
)
from pivotgym.verifiers.code.rule import kinds_shared, same_operation, same_operations, same_replacement


def shells_agree(one, other, root=None):
    return same_operation(operation_of(one), operation_of(other), root)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("cat a.py", "sed -n '1,$p' a.py"),
        ("cat a.py", "cat -n /testbed/a.py"),
        ("cat a.py", "cat < a.py"),
        ("cat a.py", "true && cat a.py"),
        ("grep -n foo a.py | head -n 3", ": ; ( grep -n foo a.py | head -n 3 )"),
        ("sed -n 3,5p a.py", "nl -ba ./a.py | sed -n '3,5p'"),
        ("head -n 5 a.py", "sed -n '1,5p' a.py"),
        ("grep -n 'def f' a.py", "grep --line-number -e 'def f' /testbed/a.py"),
        ("grep -rn foo .", "rg -n foo"),
        ("grep -i foo a.py b.py", "egrep -i foo b.py a.py"),
        ("ls -la", "ls -al"),
        ("ls src/", "ls -F ./src"),
        ("ls", "ls -h"),
        ("find . -name '*.py'", "find -type f -name '*.py'"),
        ("pytest -q t.py", "python -m pytest -q t.py"),
        ("pytest a.py b.py", "cd /testbed && python -m pytest b.py a.py -v"),
        ("git  stash", "git stash # keep"),
        ("echo 'a'", 'echo "a"'),
    ],
)
def test_the_same_command(one, other):
    assert shells_agree(one, other)
    assert shells_agree(other, one)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("cat a.py", "cat b.py"),
        ("cat a.py", "rm -rf /"),
        ("cat a.py", "head -n 5 a.py"),
        ("cat a.py", "true || cat a.py"),
        ("cat a.py", ": > a.py; cat a.py"),
        ("cat a.py", "cat < b.py"),
        ("sed -n 3,5p a.py", "sed -n 4,6p a.py"),
        ("grep -n foo a.py", "grep -n bar a.py"),
        ("grep -n foo a.py", "grep -n -i foo a.py"),
        ("grep -n foo a.py", "grep -n -v foo a.py"),
        ("grep -n foo a.py", "grep -n -C3 foo a.py"),
        ("grep -rn foo src", "grep -rn foo tests"),
        ("grep -rl foo src", "grep -rn foo src"),
        ("grep 'a.b' a.py", "grep -F 'a.b' a.py"),
        ("grep -rn 'def foo' src/models.py", "rm -rf /workspace"),
        ("ls", "ls -a"),
        ("ls -l", "ls -lh"),
        ("ls src", "ls -R src"),
        ("find . -name '*.py'", "find . -name '*.pyc'"),
        ("find . -name a", "find . -name a -type f"),
        ("pytest t.py", "pytest t.py -k x"),
        ("pytest t.py", "pytest t.py -x"),
        ("pytest t.py", "pytest"),
        ("pytest t.py", "python t.py"),
        ("git stash", "git stash drop"),
        ("sed -i 's/a/b/' x", "sed 's/a/b/' x"),
        ("echo 'a  b'", "echo a  b"),
    ],
)
def test_another_command(one, other):
    assert not shells_agree(one, other)
    assert not shells_agree(other, one)


OLD = "def f(x):\n    if x > 0:\n        return x\n"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (("if x > 0:", "if x >= 0:"), ("    if x > 0:\n", "    if x >= 0:\n")),
        (("    if x > 0:\n", "    if (x >= 0):\n"), ("    if x > 0:\n", "    if x >= 0:\n")),
        ((OLD, OLD.replace("> 0", "> 1")), ("if x > 0", "if x > 1")),
        (("x = 1\n", "x = 2\n"), ("x = 1\n", "x = 2  # two\n")),
        (("    else:\n", "    elif y :\n"), ("    else:\n", "    elif y:\n")),
        (("if x:\n", "if not x:\n"), ("if x:\n", "if not x:  # no x\n")),
        (("except A:\n", "except (A, B):\n"), ("except A:\n", "except (A,B):\n")),
    ],
)
def test_replacements_with_the_same_result(one, other):
    assert same_replacement("a.py", one, other)
    assert same_replacement("a.py", other, one)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (("if x:", "if x > 0:"), ("if x:", "if x < 0:")),
        (("if x:\n", "if x == '#':\n"), ("if x:\n", "if x == '':  # '\n")),
        (("x = 1\n", "x = 2\n"), ("x = 1\n", "x = 1  # two\n")),
        (("x = 1\n", "x = 1  # one\n"), ("x = 1\n", "x = 1\n")),
        (("x = 1\n", "x = 1  # one\n"), ("x = 1\n", "x = 1  # two\n")),
        (("a\nX", "a\nY"), ("X\nb", "Y\nb")),
        (("X", "Y"), ("X X", "Y X")),
        (("", "a"), ("b", "ab")),
        (("    x\n", "    y()\n"), ("    x\n", "  y()\n")),
    ],
)
def test_replacements_whose_results_may_differ(one, other):
    assert not same_replacement("a.py", one, other)
    assert not same_replacement("a.py", other, one)


def test_only_python_may_differ_in_form():
    assert not same_replacement("a.txt", ("a", "b  # c"), ("a", "b"))


def test_replacing_every_occurrence_is_another_edit():
    assert not same_operation(Replace("a.py", "x", "y", True), Replace("a.py", "x", "y"))
    assert not same_operation(Replace("a.py", "x", "y", True), Replace("a.py", "xx", "yx", True))


def test_other_edits():
    assert same_operation(Create("a.py", "x = 1\n"), Create("/testbed/a.py", "x = (1)", True))
    assert not same_operation(Create("a.py", "x = 1\n"), Create("a.py", "x = 2\n"))
    assert same_operation(Insert("a.py", 3, "x = 1"), Insert("./a.py", 3, "x = 1  # one"))
    assert not same_operation(Insert("a.py", 3, "x = 1"), Insert("a.py", 4, "x = 1"))
    assert same_operation(ReplaceLines("a.py", 1, 2, "x"), ReplaceLines("./a.py", 1, 2, "x"))
    assert not same_operation(ReplaceLines("a.py", 1, 2, "x"), ReplaceLines("a.py", 1, 3, "x"))
    assert same_operation(Undo("a.py"), Undo("./a.py"))
    assert not same_operation(Undo("a.py"), Undo("b.py"))
    assert not same_operation(Undo("a.py"), Create("a.py", ""))


def patch(*lines, path="a.py"):
    return Patch("\n".join(["*** Begin Patch", f"*** Update File: {path}", *lines, "*** End Patch"]))


def test_patches_may_show_more_context():
    ours = patch("@@", "-x = 1", "+x = 2")
    assert same_operation(ours, patch("@@", " y = 1", "-x = 1", "+x = 2", path="./a.py"))
    assert not same_operation(ours, patch("@@", "-x = 1", "+x = 3"))
    assert not same_operation(ours, patch("@@", "-x = 1", "+x = 2", path="b.py"))
    assert not same_operation(ours, Patch("broken"))
    assert not same_operation(ours, Replace("a.py", "x = 1", "x = 2"))


def test_patches_that_name_other_places_are_others():
    assert not same_operation(patch("@@ class A:", "+x = 1"), patch("@@ class B:", "+x = 1"))
    assert not same_operation(patch("@@ class A:", "-x = 1", "+x = 2"), patch("@@ class B:", "-x = 1", "+x = 2"))
    assert same_operation(patch("@@ class A:", "-x = 1", "+x = 2"), patch("@@", "-x = 1", "+x = 2"))


def test_a_search_through_a_folder_is_not_one_that_a_folder_refuses():
    assert not shells_agree("grep -rn foo src", "grep -n foo src")
    assert shells_agree("grep -rn foo src/a.py", "grep -n foo src/a.py")


def test_many_paths_may_come_in_any_order_but_not_each_in_another_form():
    paths = [f"src/{number}.py" for number in range(2000)]
    ours = View(tuple(paths))
    assert same_operation(ours, View(tuple(f"./{path}" for path in reversed(paths))))
    assert not same_operation(ours, View(tuple(f"/testbed/{path}" for path in paths)))


def test_thoughts_hand_ins_and_unknown_calls():
    assert same_operation(Submit("done"), Submit("finished"))
    assert same_operation(Submit(command="echo A && git diff"), Submit(command="echo 'A' &&  git diff"))
    assert not same_operation(Submit(command="echo A && git diff"), Submit(command="echo A"))
    assert not same_operation(Submit(), Think())
    assert same_operation(Other("f", "{}"), Other("f", "{}"))
    assert not same_operation(Other("f", "{}"), Other("f", '{"a": 1}'))


def test_several_reads_may_come_in_any_order_and_edits_not():
    reads = [View(("a.py",)), View(("b.py",))]
    assert same_operations(reads, reads[::-1])
    assert not same_operations(reads, reads[:1])
    assert not same_operations(reads, [reads[0], reads[0]])
    edits = [Replace("a.py", "x", "y"), Replace("a.py", "y", "z")]
    assert same_operations(edits, edits)
    assert not same_operations(edits, edits[::-1])


def test_thoughts_beside_an_action_do_not_count():
    assert same_operations([View(("a.py",))], [Think("hm"), View(("a.py",))])
    assert same_operations([Think("a")], [Think("b")])
    assert not same_operations([Think("a")], [View(("a.py",))])
    assert not same_operations([View(("a.py",))], [Think("a")])


def test_kinds_in_common_are_counted():
    assert kinds_shared([Think(), Submit()], [Think()]) == 0.5
    assert kinds_shared([], []) == 1.0


@given(
    st.text(alphabet="ab\n =1", max_size=12),
    st.text(alphabet="ab\n =1", max_size=12),
    st.text(alphabet="xy\n ", max_size=6),
)
def test_a_wider_old_text_with_the_same_result_is_the_same_edit(before, after, around):
    narrow = f"<{before}>", f"<{after}>"
    assert same_replacement("a.py", narrow, (f"{around}{narrow[0]}{around}", f"{around}{narrow[1]}{around}"))


def test_very_long_texts_are_compared_as_text():
    long = "x = 1\n" * 10_000
    assert same_operation(Create("a.py", long), Create("a.py", long))
    assert not same_operation(Create("a.py", long), Create("a.py", f"{long}# end\n"))
