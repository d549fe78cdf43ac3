"""The text rule: scripts that do the same whatever the state is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pivotgym.core.formats.terminus import Keystrokes
from pivotgym.verifiers.shell.parse import parse
from pivotgym.verifiers.shell.programs import only_reads
from pivotgym.verifiers.shell.rule import same_commands, same_keys, same_text

SAME = [
    ("ls -la", "ls -al"),
    ("ls -l -a", "ls -la"),
    ("ls --all", "ls -a"),
    ("grep -rn 'x' src", 'grep -n -r "x" ./src'),
    ("grep --include=*.py -rn x .", "grep -rn --include=*.py x ."),
    ("egrep 'a|b' f", "grep -E 'a|b' f"),
    ("pytest -q t.py", "python -m pytest -q t.py"),
    ("cat a", "sed -n '1,$p' a"),
    ("cat ./a", "cat a"),
    ("cat a | grep x", "grep x a"),
    ("wc -l < a", "wc -l a"),
    ("cat a | wc -l", "wc -l < a"),
    ("head -5 a", "head -n 5 a"),
    ("head -n5 a", "sed -n '1,5p' a"),
    ("rm -rf build", "rm -r -f ./build"),
    ("tar czf a.tgz d", "tar -c -z -f a.tgz d"),
    ("tar -zcvf a.tgz d", "tar -cvzf a.tgz d"),
    ("cd a; ls", "cd a && ls"),
    ("make; sleep 5; ls", "make\nls"),
    ("find . -name x 2>/dev/null", "find . -name x"),
    ("git --no-pager log", "git log"),
    ("ls a; cat b", "cat b; ls a"),
    ("cat > a.py <<'E'\nx = 1\nE", "cat > a.py <<'E'\nx=1  # one\nE"),
    ('python3 -c "print(1)"', "python3 -c 'print( 1 )'"),
    ("cat > a.json <<'E'\n{\"a\": 1}\nE", "cat > a.json <<'E'\n{ \"a\":1 }\nE"),
    ("if x; then y; fi", "if  x; then  y; fi"),
    ("ls a | wc -l", "( ls a | wc -l )"),
    ("make", "{ make; }"),
    ("make; make test", "{ make; make test; }"),
    ("a && make", "a && ( make )"),
    ("make a && make b || c", "( make a && make b ) || c"),
    ("sort -rn a", "sort --reverse --numeric-sort a"),
    ("sort < a", "sort a"),
    ("sed -i s/a/b/ f", "sed --in-place s/a/b/ f"),
]
DIFFERENT = [
    ("cd a", "( cd a )"),
    ("x=1; ls", "( x=1; ls )"),
    ("exit 1; ls", "( exit 1 ); ls"),
    ("a && b; c", "a && ( b; c )"),
    ("a && b; c", "a && { b; c; }"),
    ("! a; b", "! { a; b; }"),
    ("a; b &", "{ a; b; } &"),
    ("a; b > f", "{ a; b; } > f"),
    ("a; b | c", "{ a; b; } | c"),
    ("echo ${x:=1}", "( echo ${x:=1} )"),
    ("sort -k 2 -k 1 a", "sort -k 1 -k 2 a"),
    ("sort a -o b", "sort b -o a"),
    ("sed -i s/a/b/ f", "sed -n s/a/b/ f"),
    ("cat a.py", "rm -rf /"),
    ("ls", "ls\r"),
    ("ls", "ls\u00a0"),
    ("rm -rf build/*", "rm -rf build /*"),
    ("cat a > b", "cat b > a"),
    ("grep -rn 'def foo' src/models.py", "rm -rf /workspace"),
    ("git stash", "git stash drop"),
    ("ls -la /tmp/a", "rm -rf /tmp/a"),
    ("ls -la", "ls -l"),
    ("ls -tS", "ls -St"),
    ("ls -v", "ls -vv; rm x"),
    ("cp a b", "cp b a"),
    ("cp -i -f a b", "cp -f -i a b"),
    ("grep x a", "grep y a"),
    ("grep x a b", "cat a b | grep x"),
    ("cat a b | wc -l", "wc -l a b"),
    ("cat *.txt | grep x", "grep x *.txt"),
    ("grep ./x a", "grep x a"),
    ("echo ./x", "echo x"),
    ("cat < a > b", "cat < b > a"),
    ("head -n 5 a", "tail -n 5 a"),
    ("sed -n '1,$p' a", "sed -i -n '1,$p' a"),
    ("sed s/a/b/ f", "sed -i s/a/b/ f"),
    ("rm a; ls", "ls; rm a"),
    ("rm a && rm b", "rm a; rm b"),
    ("rm a || rm b", "rm a && rm b"),
    ("cd a && rm -rf x", "cd a; rm -rf x"),
    ("make 2>/dev/null", "make"),
    ("cat > a.py <<'E'\nx > 0\nE", "cat > a.py <<'E'\nx < 0\nE"),
    ("cat > a.py <<'E'\nx\nE", "cat >> a.py <<'E'\nx\nE"),
    ("cat > a.txt <<'E'\nx = 1\nE", "cat > a.txt <<'E'\nx=1\nE"),
    ("tar -zfc a.tgz d", "tar -czf a.tgz d"),
    ("python3 a.py", "python a.py"),
    ("/usr/bin/python3 -m pytest", "usr/bin/python3 -m pytest"),
    ("./ls -la", "ls -al"),
    ("ls; sleep 1", "ls; sleep 1; pwd"),
    ("uniq a b", "uniq b a"),
    ("ls 'open", "ls 'open "),
]


@pytest.mark.parametrize(("one", "other"), SAME)
def test_the_same_in_other_words_is_the_same(one: str, other: str) -> None:
    assert same_commands([one], [other])
    assert same_commands([other], [one])


@pytest.mark.parametrize(("one", "other"), [pair for pair in DIFFERENT if pair[0].split() != pair[1].split()])
def test_something_else_is_different(one: str, other: str) -> None:
    assert not same_commands([one], [other])
    assert not same_commands([other], [one])


@pytest.mark.parametrize(("one", "other"), [pair for pair in SAME + DIFFERENT if pair[0].split() != pair[1].split()])
def test_without_knowing_programs_only_quoting_is_the_same(one: str, other: str) -> None:
    plain = {("if x; then y; fi", "if  x; then  y; fi"), ("cd a; ls", "cd a && ls")}
    assert not same_text(one, other) or (one, other) in plain


@pytest.mark.parametrize(("one", "other"), [("ls  'a'", "ls a"), ("ls;pwd", "ls\npwd\n"), ("x", " x ")])
def test_quoting_and_spaces_are_surely_the_same(one: str, other: str) -> None:
    assert same_text(one, other)


def test_several_commands_are_one_script() -> None:
    assert same_commands(["cd a", "make"], ["cd a\nmake"])


programs = st.sampled_from(["ls", "cat", "rm", "grep", "head", "tar", "sed", "git", "python3"])
words = st.sampled_from(["-l", "-la", "-n", "5", "a", "./a", "b", "-rf", "'x y'", "$x", "*.py", "-", "--", "1,$p"])
commands = st.builds(lambda program, rest: " ".join([program, *rest]), programs, st.lists(words, max_size=4))
joined = st.builds(
    lambda parts, mark: mark.join(parts),
    st.lists(commands, min_size=1, max_size=3),
    st.sampled_from([" | ", "; ", " && ", " || ", "\n"]),
)


@given(joined)
def test_every_script_is_the_same_as_itself(script: str) -> None:
    assert same_commands([script], [script])
    assert same_text(script, script)


@given(joined, joined)
def test_being_the_same_goes_both_ways(one: str, other: str) -> None:
    assert same_commands([one], [other]) == same_commands([other], [one])


@given(joined)
def test_a_deletion_added_is_never_the_same(script: str) -> None:
    assert not same_commands([script], [f"{script}; rm -rf victim"])


@pytest.mark.parametrize(
    "command", ["ls > f", "find . -delete", "sed -i s/a/b/ f", "sort -o f f", "awk '{print > \"f\"}' g", "git stash"]
)
def test_what_may_change_something_does_not_only_read(command: str) -> None:
    script = parse(command) or ()
    assert not all(only_reads(one) for step in script for one in step.stages if hasattr(one, "words"))


def keys(*texts: str) -> list[Keystrokes]:
    return [Keystrokes(text, 0.1 * place) for place, text in enumerate(texts)]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (keys("ls -la\n"), keys("ls -al\n")),
        (keys("cd a\n", "", "ls\n"), keys("cd a\nls\n")),
        (keys("make\n", "sleep 5\n"), keys("make\n")),
        (keys("", ""), keys()),
        (keys("top\n", "C-c"), keys("top\n", "", "C-c")),
    ],
)
def test_waiting_does_not_count_in_keystrokes(one: list[Keystrokes], other: list[Keystrokes]) -> None:
    assert same_keys(one, other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (keys("ls\n"), keys("ls")),
        (keys("C-c"), keys("C-d")),
        (keys("top\n", "C-c"), keys("top\n")),
        (keys("ls\n"), keys("rm -rf /\n")),
        (keys("C-c", "ls\n"), keys("ls\n", "C-c")),
        (keys(), keys("ls\n")),
    ],
)
def test_other_keys_are_different(one: list[Keystrokes], other: list[Keystrokes]) -> None:
    assert not same_keys(one, other)
