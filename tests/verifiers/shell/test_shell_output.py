"""When two outputs tell the same."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pivotgym.verifiers.shell.output import Printed, same_facts, same_text, without_echo

CAT = "cat f"


def facts(expert: str, candidate: str, command: str = CAT, other: str = "") -> bool:
    return same_facts(Printed(expert, command, "/work"), Printed(candidate, other or command, "/work"))


@pytest.mark.parametrize(
    ("expert", "candidate"),
    [
        ("a  \nb\n", "a\nb"),
        ("a\r\nb\r\n", "a\nb\n"),
        ("\x1b[31ma\x1b[0m\n", "a\n"),
        ("\n\na\n", "a\n"),
        ("a\n\n\nb\n", "a\nb\n"),
        ("a    b\n", "a b\n"),
        ("a\tb\n", "a b\n"),
        ("      3 x\n", "3 x\n"),
        ("./a\n./b\n", "a\nb\n"),
        ("/work/a.py\n", "a.py\n"),
        ("root:0\n", "root 0\n"),
        ("a,b\n", "a|b\n"),
        ("1,234 x\n", "1234 x\n"),
        ('{"a": 1, "b": [2]}\n', '{\n  "b": [\n    2\n  ],\n  "a": 1\n}\n'),
        ("total 8\na\n", "a\n"),
        (" 10%\r 50%\rdone\n", "done\n"),
    ],
)
def test_form_is_no_fact(expert: str, candidate: str) -> None:
    assert facts(expert, candidate)
    assert facts(candidate, expert)


@pytest.mark.parametrize(
    ("expert", "candidate"),
    [
        ("a\nb\n", "b\na\n"),
        ("a\n", "a\nb\n"),
        ("a\nb\n", "a\n"),
        ("a\n", ""),
        ("3\n", "4\n"),
        ("4.0K\n", "4096\n"),
        ("a:1:x\n", "a:x\n"),
        ("if x:\n    y\n", "if x:\ny\n"),
        ("10:30\n", "10:31\n"),
        ("1,2\n", "12\n"),
        ("A\n", "a\n"),
        ("{}\n", "[]\n"),
        ("a/b\n", "b\n"),
        ("-1\n", "1\n"),
    ],
)
def test_facts_are_kept(expert: str, candidate: str) -> None:
    assert not facts(expert, candidate)
    assert not facts(candidate, expert)


@pytest.mark.parametrize(
    ("command", "expert", "other", "candidate"),
    [
        ("find . -type f", "./b\n./a\n", "find . -type f | sort", "./a\n./b\n"),
        ("grep -rl x .", "./b\n./a\n", "grep -rl x *", "a\nb\n"),
        ("ls", "a\nb\n", "find . -mindepth 1", "./b\n./a\n"),
        ("ls src", "a\nb\n", "find src -type f", "src/b\nsrc/a\n"),
        ("wc -l f", "3 f\n", "wc -l < f", "3\n"),
        ("md5sum f", "d41d8cd9  f\n", "md5sum < f", "d41d8cd9  -\n"),
        ("grep x f", "x1\nx2\n", "grep -H x f", "f:x1\nf:x2\n"),
    ],
)
def test_the_commands_say_what_is_form(command: str, expert: str, other: str, candidate: str) -> None:
    assert facts(expert, candidate, command, other)


@pytest.mark.parametrize(
    ("command", "expert", "other", "candidate"),
    [
        ("find . | sort", "./a\n./b\n", "find .", "./b\n./a\n"),
        ("sort f", "a\nb\n", "cat f", "b\na\n"),
        ("ls", "a\nb\n", "ls -t", "b\na\n"),
        ("find .", "./a\n./b\n", "find . | tac", "./b\n./a\n"),
        ("find . -type f", "./a\n./a\n./b\n", "find . -type f", "./a\n./b\n./b\n"),
        ("ls src", "a\n", "find lib -type f", "src/a\n"),
        ("wc -l f", "3 f\n", "wc -l g", "3 g\n4\n"),
    ],
)
def test_an_order_or_place_that_was_asked_for_counts(command: str, expert: str, other: str, candidate: str) -> None:
    assert not facts(expert, candidate, command, other)


@pytest.mark.parametrize(("expert", "candidate"), [("a\n\nb\n", "a\nb\n"), ("a  b\n", "a b\n"), ("./a\n", "a\n")])
def test_as_text_form_counts(expert: str, candidate: str) -> None:
    assert not same_text(Printed(expert, CAT), Printed(candidate, CAT))


def test_as_text_trailing_space_and_the_order_of_walks_do_not_count() -> None:
    assert same_text(Printed("a \nb\n\n", CAT), Printed("a\nb", CAT))
    assert same_text(Printed("./b\n./a\n", "find ."), Printed("./a\n./b\n", "find . | sort"))


def test_a_terminals_text_loses_prompts_and_what_was_typed() -> None:
    shown = "root@box:/w# ls\na  b\nroot@box:/w# cat <<E\n> x\n> E\nx\nroot@box:/w#"
    assert without_echo(shown, "ls\ncat <<E\nx\nE\n") == "a  b\nx"


def test_typed_lines_that_wrapped_are_lost_whole() -> None:
    command = "echo " + "x" * 100
    assert without_echo(f"root@box:/w# {command[:80]}\n{command[80:]}\nxxx\nroot@box:/w#", command + "\n") == "xxx"


texts = st.lists(st.text(st.characters(codec="ascii", exclude_characters="\x1b\r\0"), max_size=12), max_size=5).map(
    "\n".join
)


@given(texts)
def test_every_output_tells_what_it_tells(text: str) -> None:
    assert facts(text, text)


@given(texts, texts)
def test_telling_the_same_goes_both_ways(one: str, other: str) -> None:
    assert facts(one, other) == facts(other, one)


@given(texts, st.integers(0, 9), st.integers(0, 9))
def test_another_number_is_another_fact(text: str, one: int, other: int) -> None:
    assert facts(f"{text}\nn={one}", f"{text}\nn={other}") == (one == other)
