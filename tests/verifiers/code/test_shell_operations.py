"""Which shell commands are a view, a search, a list, a test run: only those that are one for certain."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pivotgym.verifiers.code.commands import operation_of
from pivotgym.verifiers.code.operations import Create, Find, Invalid, Patch, RunTests, Search, Shell, View


def test_a_whole_file_is_one_view_however_it_is_shown():
    for command in (
        "cat a.py",
        "sed -n p a.py",
        "sed -n '1,$p' a.py",
        "tail -n +1 a.py",
    ):
        assert operation_of(command) == View(("a.py",))


@pytest.mark.parametrize(
    ("command", "spans"),
    [
        ("sed -n '3,5p' a.py", ((3, 5),)),
        ("sed -n 3,5p a.py", ((3, 5),)),
        ("sed -n '3p;7,$p' a.py", ((3, 3), (7, None))),
        ("cat a.py | sed -n '3,5p'", ((3, 5),)),
        ("head -n 5 a.py", ((1, 5),)),
        ("head -5 a.py", ((1, 5),)),
        ("cat a.py | head", ((1, 10),)),
        ("tail -n 5 a.py", ((-5, None),)),
        ("sed -n '10,20p' a.py | head -n 5", ((10, 14),)),
        ("sed -n '10,20p' a.py | sed -n '2,3p'", ((11, 12),)),
        ("head -n 30 a.py | tail -n +10", ((10, 30),)),
    ],
)
def test_views_of_some_lines(command, spans):
    assert operation_of(command) == View(("a.py",), spans)


def test_numbered_views_say_how_they_are_numbered():
    assert operation_of("nl -ba a.py | sed -n '3,5p'") == View(("a.py",), ((3, 5),), ("tab",))
    assert operation_of("cat -n a.py") == View(("a.py",), shown=("tab",))
    assert operation_of("cat a.py | cat -n") == View(("a.py",), shown=("tab",))


def test_a_cd_moves_the_paths():
    assert operation_of("cd src && cat a.py") == View(("src/a.py",))
    assert operation_of("cd /repo && cd src && grep -n x a.py") == Search("x", ("/repo/src/a.py",), shown=("colon",))
    assert operation_of("cd tests && pytest a.py") == RunTests("pytest", ("tests/a.py",))
    assert operation_of("cd tests && ./runtests.py admin") == RunTests("runtests.py", ("admin",), ("cd tests",))


def test_errors_that_are_not_shown_change_no_line():
    assert operation_of("cat a.py 2>/dev/null") == View(("a.py",))
    assert operation_of("cd /repo && pytest t.py 2>&1 | tail -20") == RunTests("pytest", ("/repo/t.py",))


@pytest.mark.parametrize(
    ("command", "search"),
    [
        ("grep -rn 'def f' src", Search("def f", ("src",), recursive=True, shown=("name", "colon"))),
        ("grep --recursive -e 'def f' src", Search("def f", ("src",), recursive=True, shown=("name",))),
        ("grep 'def f' a.py --line-number", Search("def f", ("a.py",), shown=("colon",))),
        ("egrep -i 'a|b' a.py", Search("a|b", ("a.py",), "extended", flags=("ignore-case",))),
        ("grep -F -w 'a.b' a.py", Search("a.b", ("a.py",), "fixed", flags=("word",))),
        ("grep -C2 x a.py", Search("x", ("a.py",), context=(2, 2))),
        ("grep -3 x a.py", Search("x", ("a.py",), context=(3, 3))),
        ("grep -A 1 -B4 x a.py", Search("x", ("a.py",), context=(4, 1))),
        ("grep -rl x . --include='*.py'", Search("x", (".",), recursive=True, only=("*.py",), reports="files")),
        ("grep -n x a.py | head -n 3", Search("x", ("a.py",), limit=3, shown=("colon",))),
        ("cat a.py | grep x", Search("x", ("a.py",))),
        ("nl -ba a.py | grep -n x", Search("x", ("a.py",), flags=("numbered",), shown=("colon", "tab"))),
        (
            "rg -n -g '*.py' x src",
            Search("x", ("src",), "extended", True, ("tracked",), ("*.py",), shown=("name", "colon")),
        ),
    ],
)
def test_searches(command, search):
    assert operation_of(command) == search


@pytest.mark.parametrize(
    ("command", "find"),
    [
        ("find . -name '*.py'", Find((".",), ("*.py",), flags=("hidden",))),
        ("find src tests -maxdepth 2 -type d", Find(("src", "tests"), (), "d", 2, ("hidden",))),
        ("ls", Find(depth=1, flags=("listing",))),
        ("ls -F src", Find(("src",), depth=1, flags=("listing", "marks"))),
        ("ls -R src", Find(("src",), flags=("listing",))),
    ],
)
def test_lists(command, find):
    assert operation_of(command) == find


@pytest.mark.parametrize(
    ("command", "run"),
    [
        ("pytest -q t.py", RunTests("pytest", ("t.py",))),
        ("python -m pytest -q t.py", RunTests("pytest", ("t.py",))),
        ("python3 -B -m pytest t.py -vv --tb=short -p no:cacheprovider", RunTests("pytest", ("t.py",))),
        (
            "pytest b.py a.py -k 'x and y' --maxfail 1",
            RunTests("pytest", ("a.py", "b.py"), ("--maxfail 1", "-k x and y")),
        ),
        ("PYTHONPATH=src PYTHONDONTWRITEBYTECODE=1 pytest", RunTests("pytest", (), ("PYTHONPATH=src",))),
        ("./tests/runtests.py admin -v 2 --parallel 1", RunTests("runtests.py", ("admin",))),
        (
            "tests/runtests.py --settings=s admin --failfast",
            RunTests("runtests.py", ("admin",), ("--failfast", "--settings=s")),
        ),
        ("pytest -s -rA -n 4 --tb short t.py -x", RunTests("pytest", ("t.py",), ("-x",))),
        ("python -m unittest discover -s tests -v", RunTests("unittest", ("discover",), ("-s tests",))),
        ("bin/test sympy/core -k x", RunTests("bin/test", ("sympy/core",), ("-k x",))),
        ("python manage.py test app", RunTests("manage.py test", ("app",))),
        ("python -m unittest tests.test_a", RunTests("unittest", ("tests.test_a",))),
    ],
)
def test_test_runs(command, run):
    assert operation_of(command) == run


def test_a_file_written_from_a_quoted_here_document_is_created():
    assert operation_of("cat <<'EOF' > a.py\nx = 1\nEOF") == Create("a.py", "x = 1\n", overwrite=True)
    assert operation_of("cat > a.py << 'EOF'\nx = $1\nEOF") == Create("a.py", "x = $1\n", overwrite=True)


def test_apply_patch_is_a_patch():
    patch = "*** Begin Patch\n*** Delete File: a.py\n*** End Patch\n"
    assert operation_of(f"apply_patch <<'EOF'\n{patch}EOF") == Patch(patch)
    assert operation_of(f"apply_patch '{patch}'") == Patch(patch)


@pytest.mark.parametrize(
    "command",
    [
        "cat *.py",
        "cat $FILE",
        "cat a.py > b.py",
        "cat a.py; rm b.py",
        "cat a.py && rm b.py",
        "cat a.py &",
        "cat <<EOF > a.py\n$x\nEOF",
        "sed -i 's/a/b/' a.py",
        "sed 's/a/b/' a.py",
        "sed -n '/a/,/b/p' a.py",
        "sed -n '0p' a.py",
        "sed -n '3p;2p' a.py",
        "head -n -5 a.py",
        "head a.py b.py",
        "nl a.py",
        "cat",
        "grep x",
        "grep -f patterns a.py",
        "grep -r x . | grep y",
        "grep -q x a.py",
        "find . -name '*.py' -delete",
        "find . -name '*.py' -o -name '*.txt'",
        "find . -exec rm {} +",
        "ls -t",
        "python a.py",
        "python -c 'import pytest'",
        "pytest t.py | grep passed",
        "test -f a.py",
        "rm -rf /",
        "cat 'a.py",
    ],
)
def test_what_is_not_certain_stays_a_command(command):
    assert operation_of(command) == Shell(command)


@pytest.mark.parametrize("command", ["", "  \n"])
def test_an_empty_command_is_invalid(command):
    assert operation_of(command) == Invalid("the command is empty")


@given(st.text(alphabet="catsednlgrep -n'\"1,5p$|;&<>a.py\n\\", max_size=60))
def test_any_text_is_some_operation(command):
    assert operation_of(command).kind


@pytest.mark.parametrize(
    "command",
    [
        "head -n {} a.py",
        "tail -n +{} a.py",
        "sed -n '{}p' a.py",
        "grep -C {} x a.py",
        "grep -{} x a.py",
        "find . -maxdepth {}",
    ],
)
@pytest.mark.parametrize("number", ["9" * 5000, "\u0663", "\u00b2"])
def test_a_number_that_programs_do_not_read_leaves_the_command_as_it_is(command, number):
    assert isinstance(operation_of(command.format(number)), Shell)
