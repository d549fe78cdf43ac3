"""A shell's state: read out, restored, the same again."""

import string

import pytest
from bash_process import HOME, open_channel, open_session
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pivotgym.envs.sandbox.contract import ShellState
from pivotgym.envs.sandbox.shell import Channel
from pivotgym.envs.sandbox.shell.driver import FIELDS
from pivotgym.envs.sandbox.shell.dump import Report, read_variables
from pivotgym.envs.sandbox.shell.quoting import octal, quote, read_word, to_bytes, to_text

NAMES = st.text(string.ascii_lowercase, min_size=1, max_size=6).map(lambda name: f"v_{name}")
VALUES = st.one_of(
    st.binary(max_size=20), st.text(max_size=12).map(lambda text: text.encode("utf-8", "replace"))
).map(lambda raw: to_text(raw.replace(b"\0", b"")))  # fmt: skip


@pytest.fixture(scope="module")
def channel() -> Channel:
    return open_channel()


def again(state: ShellState) -> ShellState:
    """The state of a new shell that was brought into this state."""
    channel = open_channel(state)
    channel.close()
    return channel.dump()


def after(command: str, state: ShellState = HOME) -> ShellState:
    session = open_session(state)
    session.run(command)
    session.close()
    return session.state()


def test_a_fresh_shell_adds_nothing_to_its_state() -> None:
    assert again(HOME) == HOME


def test_what_the_verifier_compares_is_named() -> None:
    state = after("cd /usr; umask 077; export A='1 2'; unset HOME")
    assert (state.cwd, state.umask, state.environment["A"]) == ("/usr", 0o077, "1 2")
    assert "HOME" not in state.environment


@pytest.mark.parametrize(
    ("first", "then", "expected"),
    [
        ("a='x  y'", 'echo "$a"', "x  y\n"),
        ("a=(1 'b c' [7]=z)", 'echo "${!a[@]} ${a[1]}"', "0 1 7 b c\n"),
        ("declare -A m=([a]=1 ['] b']=2 ['\"']=3)", 'echo "${m["] b"]} ${#m[@]}"', "2 3\n"),
        ("declare -i n=4", "n=n+3; echo $n", "7\n"),
        ("declare -u u; declare -x E", "u=abc; echo $u; export -p | grep -c ' E$'", "ABC\n1\n"),
        ("declare -rx R=1", "R=2; echo $R; env | grep ^R=", ""),
        ("x=5; declare -n ref=x", "ref=6; echo $x", "6\n"),
        ("f() { cat <<END\n$1\nEND\n}", "f hi", "hi\n"),
        ("g() { echo g; }; export -f g", "bash -c g", "g\n"),
        ("alias say='echo \"it'\"'\"'s\"'", "say", "it's\n"),
        ("alias ll='ls -d'\nf() { ll /; }; alias ls='ls -a'", "f", "/\n"),
        ("shopt -s extglob\nf() { echo /us@(r|x); }", "f", "/usr\n"),
        ("shopt -s nullglob", "echo /no*such", "\n"),
        ("set -o noglob", "echo /us*", "/us*\n"),
        ("set -o pipefail", "false | true; echo $?", "1\n"),
        ("trap 'echo \"us r\"' USR1", "kill -USR1 $$; true", "us r\n"),
        ("trap 'echo bye' EXIT", "exit", "bye\n"),
        ("cd /usr; cd /tmp", "cd -", "/usr\n"),
        ("cd /usr; pushd /usr/bin; pushd /", "popd; popd; pwd", "/usr/bin /usr\n/usr\n/usr\n"),
        ("set -- 'a b' c", 'echo "$# $1"', "2 a b\n"),
        ("IFS=:; unset PS4", 'x=a:b; echo $x "${PS4-unset}"', "a b unset\n"),
        ("export -n HOME", "env | grep -c ^HOME=; echo $HOME", "0\n/tmp\n"),
        ("builtin() { echo mine; }; f() { echo f; }", "f", "f\n"),
        ("declare() { echo mine; }; a=(1 2)", "echo ${a[1]}; declare", "2\nmine\n"),
        ("export ODD=$'\\xff\\n'", 'printf %s "$ODD" | od -An -tx1', " ff 0a\n"),
    ],
)
def test_what_a_command_left_is_there_in_a_new_shell(first: str, then: str, expected: str) -> None:
    session = open_session(after(first))
    assert session.run(then).stdout.decode() == expected
    session.close()


@pytest.mark.parametrize(
    "command", ["f() { echo 'a\nb'; }; a=(1 2); alias x=y; set -u; trap : INT", "set -ex", "cd /usr; cd /"]
)
def test_a_restored_state_is_the_same_state(command: str) -> None:
    state = after(command)
    assert again(state) == state


def test_how_a_state_was_reached_does_not_show() -> None:
    assert after("b=2; a=1; x=9; unset x; f() { :; }; unset -f f") == after("a=1; b=2")


def test_running_commands_leaves_no_trace_in_the_state() -> None:
    assert after("ls / | wc -l; (exit 3); sleep 0.01 & wait; echo $RANDOM $SECONDS $LINENO $EPOCHSECONDS") == HOME


def test_a_report_that_a_command_wrote_leaves_the_state_before_it() -> None:
    channel = open_channel(after("cd /usr"))
    fields = "".join(f"{field}\\0" for field in ["0", "", "/tmp", "0022", "no variables", *[""] * (len(FIELDS) - 5)])
    channel.run(f"for fd in /proc/$$/fd/*; do printf '{fields}' > $fd; done 2> /dev/null")
    assert channel.dump().cwd == "/usr"
    channel.close()


def test_names_that_bash_cannot_hold_are_left_out() -> None:
    odd = ShellState(environment={"npm.config": "1", "A": "1"})
    assert dict(again(odd).environment) == {"A": "1"}


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.dictionaries(NAMES, VALUES, max_size=4), VALUES, st.dictionaries(VALUES.filter(bool), VALUES, max_size=3))
def test_any_values_come_back_as_they_were(
    channel: Channel, environment: dict[str, str], plain: str, table: dict[str, str]
) -> None:
    pairs = " ".join(f"[{quote(key)}]={quote(value)}" for key, value in table.items())
    lines = [f"export {name}={quote(value)}" for name, value in environment.items()]
    channel.run("unset ${!v_*} w_table; " + "; ".join([*lines, f"v_0={quote(plain)}; declare -A w_table=({pairs})"]))
    state = channel.dump()
    assert {name: value for name, value in state.environment.items() if name.startswith("v_")} == environment
    channel.run("unset ${!v_*} w_table")
    channel.restore(state)
    assert channel.dump() == state


@pytest.mark.parametrize("key", ["=", "a=b", "]=", 'a="', "~", "@", "*", "#x", "{a,b}", "-", "é=", "a b"])
def test_any_key_of_an_array_comes_back(channel: Channel, key: str) -> None:
    channel.run(f"unset w; declare -A w=([{quote(key)}]='v)')")
    state = channel.dump()
    assert f"declare -A w=([{quote(key)}]='v)')" in state.definitions.splitlines()


PIECES = [b"declare -A w=", b"(", b")", b"[", b"]", b"=", b'"', b"'", b"$'", b"\\", b"a", b" ", b"\n"]


@given(st.lists(st.sampled_from(PIECES)))
def test_what_bash_would_not_print_is_refused_or_read_to_its_end(pieces: list[bytes]) -> None:
    raw = b"".join(pieces)
    try:
        names = [variable.name for variable in read_variables(raw)]
    except ValueError:
        return
    assert set(names) <= {"w"}


@given(st.binary(max_size=40).map(lambda raw: raw.replace(b"\0", b"")))
def test_a_quoted_word_reads_as_itself(raw: bytes) -> None:
    assert read_word(quote(raw).encode("ascii"), 0) == (raw, len(quote(raw)))


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=60))
def test_bash_reads_quoted_words_as_meant(channel: Channel, raw: bytes) -> None:
    word = quote(raw)
    assert "\n" not in word
    assert channel.run(f"printf %s {word}; printf %b {octal(raw)}").stdout == raw.replace(b"\0", b"") + raw


def test_text_without_an_encoding_becomes_a_question_mark() -> None:
    assert to_bytes("a\ud800b") == b"a?b"


def test_what_is_no_dump_is_refused() -> None:
    with pytest.raises(ValueError, match=r"not a line of `declare -p`"):
        list(read_variables(b"junk\n"))
    with pytest.raises(ValueError, match='no closing " in what bash printed'):
        list(read_variables(b'declare -- a="open'))
    with pytest.raises(ValueError, match="a report of 1 fields, expected 13"):
        Report.read(b"0\0")
