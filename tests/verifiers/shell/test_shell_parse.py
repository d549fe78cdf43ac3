"""Bash text as commands and words."""

import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pivotgym.verifiers.shell.parse import Block, Command, Word, commands_of, parse, unquoted


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("ls -la", "ls   -la"),
        ("ls 'a b'", 'ls "a b"'),
        ("ls a\\ b", "ls 'a b'"),
        ("grep 'x$' f", 'grep "x$" f'),
        ("ls; pwd", "ls\npwd"),
        ("ls # all of it", "ls"),
        ("ls \\\n  -l", "ls -l"),
        ("ls;", "ls"),
        ("awk '{print $1, $2}' f", 'awk "{print \\$1, \\$2}" f'),
        ("find . -exec rm {} \\;", "find . -exec rm '{}' ';'"),
        ("grep x 2>/dev/null f", "grep x f 2>/dev/null"),
    ],
)
def test_quoting_and_spaces_are_lost(one: str, other: str) -> None:
    assert parse(one) == parse(other) is not None


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("ls *.py", "ls '*.py'"),
        ("echo $HOME", "echo '$HOME'"),
        ('echo "$x"', "echo $x"),
        ("ls ~", "ls '~'"),
        ("echo {a,b}", "echo '{a,b}'"),
        ("echo {a,{b}}", "echo '{a,{b}}'"),
        ("echo x{1..3}", "echo 'x{1..3}'"),
        ("a && b", "a; b"),
        ("a && b", "a || b"),
        ("a | b", "a; b"),
        ("a & b", "a; b"),
        ("! a", "a"),
        ("a > f", "a >> f"),
        ("a 2> f", "a > f"),
        ("a > f 2>&1", "a 2>&1 > f"),
        ("a > out x", "a > ou tx"),
        ("(cd a; ls)", "cd a; ls"),
        ("'ls'", "ls"),
        ("A=1 b", "b A=1"),
        ("cat <<E\n$x\nE", "cat <<'E'\n$x\nE"),
        ("cat <<'E'\n  a\nE", "cat <<'E'\na\nE"),
        ("cat <<'E'\n\na\nE", "cat <<'E'\na\nE"),
        ("cat <<'E' > f\n \nE", "cat <<'E' > f\n\nE"),
        ("echo 'a  b'", "echo 'a b'"),
        ("echo `ls`", "echo 'ls'"),
    ],
)
def test_what_the_shell_takes_differently_stays_different(one: str, other: str) -> None:
    assert parse(one) != parse(other)


@pytest.mark.parametrize(
    "text", ["echo 'open", "if true", "a |", "cat <<A <<B\nA\nB", "cat <<E\nE;", "a\0b", "a" * 40_000, "echo \ud800"]
)
def test_what_is_no_whole_script_is_not_read(text: str) -> None:
    assert parse(text) is None


def test_a_redirection_after_a_list_is_its_last_commands() -> None:
    first, second = commands_of(parse("a && b > f") or ())
    assert not first.redirects
    assert second.redirects[0].target == Word("f")


def test_loops_stay_text() -> None:
    script = parse("for i in 1 2; do echo $i; done") or ()
    assert script[0].stages == (Block("for i in 1 2; do echo $i; done"),)


@given(st.lists(st.text(min_size=1, max_size=8), min_size=1, max_size=4))
def test_quoted_words_come_out_as_they_are(words: list[str]) -> None:
    words = ["run", *(word.replace("\0", "") for word in words)]
    script = parse(shlex.join(words))
    if script is not None:
        assert script[0].stages == (Command(tuple(map(Word, words))),)


@given(st.lists(st.text(st.characters(codec="ascii", exclude_categories=["Cc"])), max_size=4))
def test_a_here_document_comes_out_as_it_is(lines: list[str]) -> None:
    body = "".join(f"{line}\n" for line in lines if line != "END")
    script = parse(f"cat > f <<'END'\n{body}END")
    if script is not None and isinstance(script[0].stages[0], Command):
        assert script[0].stages[0].redirects[1].target == Word(body)


@given(st.text())
def test_parsing_any_text_gives_a_script_or_nothing(text: str) -> None:
    assert isinstance(parse(text), tuple | None)
    assert isinstance(unquoted(text), str | None)
