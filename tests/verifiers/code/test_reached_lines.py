"""Lines reached, through whatever tool and in whatever form they are shown."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pivotgym.verifiers.code.commands import operation_of
from pivotgym.verifiers.code.lines import Line, as_text, overlap, reached, same_lines, told_in
from pivotgym.verifiers.code.operations import Find, Search, View

EDITOR = "Here's the result of running `cat -n` on /r/a.py:\n     3\tdef f():\n     4\t    return 1\n     5\t\n"


def lines(command, output, root="/r"):
    return reached(operation_of(command), output, root)


def test_a_view_through_an_editor_reaches_the_lines_that_sed_shows():
    ours = reached(View(("/r/a.py",), ((3, 5),), ("tab",)), EDITOR, "/r")
    assert ours == [Line("def f():", "a.py", 3), Line("    return 1", "a.py", 4), Line("", "a.py", 5)]
    assert same_lines(ours, lines("sed -n '3,5p' a.py", "def f():\n    return 1\n\n"))


def test_numbering_aside_cat_nl_and_sed_reach_the_same_lines():
    plain = lines("sed -n '3,4p' a.py", "def f():\n    return 1\n")
    assert same_lines(plain, lines("nl -ba a.py | sed -n '3,4p'", "     3\tdef f():\n     4\t    return 1\n"))
    assert same_lines(plain, lines("cat -n /r/a.py | sed -n '3,4p'", "     3\tdef f():\n     4\t    return 1\n"))


def test_equal_lines_elsewhere_in_the_file_or_in_another_file_are_others():
    ours = lines("sed -n '3,3p' a.py", "pass\n")
    assert not same_lines(ours, lines("sed -n '9,9p' a.py", "pass\n"))
    assert not same_lines(ours, lines("sed -n '3,3p' b.py", "pass\n"))


def test_one_more_line_is_another_view():
    ours = lines("head -n 2 a.py", "a\nb\n")
    more = lines("head -n 3 a.py", "a\nb\nc\n")
    assert not same_lines(ours, more)
    assert overlap(ours, more) == pytest.approx(2 / 3)


def test_more_lines_than_there_are_is_the_same_view():
    assert same_lines(lines("head -n 9 a.py", "a\nb\n"), lines("cat a.py", "a\nb\n"))


def test_tails_have_no_numbers_but_the_same_text():
    assert same_lines(lines("tail -n 2 a.py", "b\nc\n"), lines("sed -n '2,$p' a.py", "b\nc\n"))


def test_searches_reach_the_same_lines_in_any_order_and_form():
    ours = lines("grep -rn x src", "src/a.py:3:x = 1\nsrc/b.py:4:x\n")
    assert ours == [Line("x = 1", "src/a.py", 3), Line("x", "src/b.py", 4)]
    assert same_lines(ours, lines("grep -rn x /r/src", "/r/src/b.py:4:x\n/r/src/a.py:3:x = 1\n"))
    assert same_lines(ours, lines("grep -r x ./src", "./src/a.py:x = 1\n./src/b.py:x\n"))


def test_a_search_in_one_file_knows_its_file():
    ours = lines("grep -n x a.py", "3:x = 1\n")
    assert ours == [Line("x = 1", "a.py", 3)]
    assert same_lines(ours, lines("grep x a.py", "x = 1\n"))
    assert same_lines(ours, lines("grep -rn x a.py", "3:x = 1\n"))
    assert not same_lines(ours, lines("grep x b.py", "x = 1\n"))


def test_a_colon_in_the_line_of_one_file_is_no_name():
    assert lines("grep -r 'a:' a.py", "a: int = 1\n") == [Line("a: int = 1", "a.py")]


def test_context_lines_are_lines():
    shown = lines("grep -n -A1 x a.py", "3:x = 1\n4-y = 2\n--\n8:x\n9-z\n")
    assert [(line.number, line.text) for line in shown] == [(3, "x = 1"), (4, "y = 2"), (8, "x"), (9, "z")]


def test_a_search_over_a_numbered_view_has_the_file_s_numbers():
    assert lines("nl -ba a.py | grep x", "     3\tx = 1\n") == [Line("x = 1", "a.py", 3)]
    assert lines("nl -ba a.py | grep -n x", "3:     3\tx = 1\n") == [Line("x = 1", "a.py", 3)]


def test_files_with_matches_are_names():
    assert lines("grep -rl x .", "./src/a.py\n") == [Line("", "src/a.py")]
    assert lines("grep -rc x .", "./src/a.py:2\n./src/b.py:0\n") == [Line("2", "src/a.py")]


def test_find_and_ls_list_the_same_files():
    ours = lines("find src -name '*.py'", "src/a.py\nsrc/b.py\n")
    assert same_lines(ours, lines("find /r/src -name '*.py'", "/r/src/b.py\n/r/src/a.py\n"))
    assert same_lines(ours, lines("ls src", "a.py\nb.py\n"))
    assert not same_lines(ours, lines("ls src", "a.py\n"))
    assert lines("ls -F src", "lib/\nrun*\n") == [Line("", "src/lib"), Line("", "src/run")]
    assert lines("ls -R src", "src:\nlib\n\nsrc/lib:\na.py\n") == [Line("", "src/lib"), Line("", "src/lib/a.py")]
    assert lines("ls src/a.py", "src/a.py\n") == [Line("", "src/a.py")]


def test_a_long_list_and_any_other_command_is_known_as_text_only():
    assert lines("ls -l", "-rw-r--r-- 1 root root 0 a\n") is None
    assert lines("python a.py", "1\n") is None
    assert as_text("/r/a.py: ok  \n\n", "/r") == [Line("a.py: ok")]


def test_what_an_editor_says_of_a_folder_is_a_list():
    output = "Here's the files and directories up to 2 levels deep in /r, excluding hidden items:\n/r/\n/r/a.py\n"
    assert reached(Find(("/r",)), output, "/r") == [Line("", "a.py")]
    assert reached(View(("/r",), shown=("tab",)), output, "/r") == [Line("", "a.py")]


def test_lines_that_look_like_an_editor_s_notice_are_found_all_the_same():
    assert lines("grep NOTE a.py", "NOTE: x\n--\n") == [Line("NOTE: x", "a.py"), Line("--", "a.py")]


def test_sides_of_which_one_knows_less_are_compared_by_what_both_know():
    assert same_lines([Line("x", "a.py", 1)], [Line("x")])
    assert same_lines([Line("x", "a.py", 1), Line("x", "a.py", 1)], [Line("x", "a.py", 1)])
    assert not same_lines([Line("x"), Line("x")], [Line("x")])


@given(st.lists(st.text(alphabet="ab:-12 \t", max_size=8), max_size=6), st.randoms())
def test_order_never_counts_and_a_missing_line_always_does(texts, random):
    search = Search("x", ("a.py",))
    ours = reached(search, "\n".join(texts), "/r") or []
    theirs = list(ours)
    random.shuffle(theirs)
    assert same_lines(ours, theirs)
    assert overlap(ours, theirs) == 1.0
    kept = [line for line in ours if line.text.strip()]
    assert not kept or not same_lines(kept, kept[1:])


REACHED = [Line("def f():", "a.py", 3), Line("", "a.py", 4), Line("    return 1", "a.py", 5)]


@pytest.mark.parametrize(
    "output",
    [
        "def f():\n\n    return 1\n",
        "3:def f():\n4:\n5:    return 1\n",
        "     3\tdef f():\n     4\t\n     5\t    return 1\n",
        "3: def f():\n4: \n5:     return 1\n",
        "/r/a.py:3:def f():\n/r/a.py:4:\n/r/a.py:5:    return 1\n",
        "./a.py:def f():\n./a.py:\n./a.py:    return 1\n",
    ],
)
def test_a_command_may_tell_lines_in_any_form(output):
    assert told_in(REACHED, as_text(output, "/r"))


@pytest.mark.parametrize(
    "output",
    [
        "",
        "def f():\nreturn 1\n",
        "4:def f():\n5:\n6:    return 1\n",
        "3:def f():\n4:\n",
        "b.py:3:def f():\nb.py:4:\nb.py:5:    return 1\n",
    ],
)
def test_other_text_numbers_or_files_are_other_lines(output):
    assert not told_in(REACHED, as_text(output, "/r"))


def test_empty_lines_of_a_search_do_not_count():
    assert same_lines(lines("cat a.py", "x\n\ny\n"), lines("grep '' a.py", "x\n\ny\n"))
