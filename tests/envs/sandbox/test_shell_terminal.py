"""A bash on a pty: keys in, a screen and states out."""

import re
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from bash_process import HOME, PtyProcess, open_session, open_terminal

from pivotgym.core.errors import WorldFailed, WrongState
from pivotgym.envs.sandbox.contract import ShellState
from pivotgym.envs.sandbox.shell.terminal import PtyTerminal

LONG_S = 30.0
SOON_S = 0.4


@pytest.fixture
def terminal() -> Iterator[PtyTerminal]:
    terminal = open_terminal()
    yield terminal
    terminal.close()


def needs(program: str) -> None:
    if not shutil.which(program):
        pytest.skip(f"{program} is not installed")


def until(terminal: PtyTerminal, pattern: str, keys: str = "") -> str:
    """Type keys and look at the screen until it shows something."""
    terminal.send(keys, wait_s=0.1)
    for _ in range(100):
        if re.search(pattern, terminal.screen()):
            return terminal.screen()
        terminal.send("", wait_s=0.1)
    raise AssertionError(f"never saw {pattern!r} in {terminal.screen()!r}")


def test_a_command_shows_its_output_and_a_new_prompt(terminal: PtyTerminal) -> None:
    text = terminal.send("echo one; (exit 3)\n", wait_s=LONG_S)
    assert re.fullmatch(r"\S+[#$] echo one; \(exit 3\)\none\n\S+[#$]", text)
    assert (terminal.busy, terminal.last_exit) == (False, 3)


def test_only_what_is_new_is_given(terminal: PtyTerminal) -> None:
    terminal.send("echo one\n", wait_s=LONG_S)
    text = terminal.send("echo two\n", wait_s=LONG_S)
    assert "one" not in text
    assert "\ntwo\n" in text
    assert terminal.send("", wait_s=0) == ""


def test_no_command_has_ended_before_the_first(terminal: PtyTerminal) -> None:
    assert (terminal.last_exit, terminal.busy) == (None, False)


def test_keys_without_enter_run_nothing(terminal: PtyTerminal) -> None:
    assert terminal.send("echo no", wait_s=LONG_S).endswith("echo no")
    assert terminal.send("C-c", wait_s=LONG_S).startswith("^C\n")
    assert terminal.last_exit == 130


def test_several_lines_run_one_after_the_other(terminal: PtyTerminal) -> None:
    text = terminal.send("sleep 0.2\necho a\nsleep 0.2\necho b\n", wait_s=LONG_S)
    assert [line for line in text.split("\n") if line in ("a", "b")] == ["a", "b"]


def test_an_open_quote_waits_for_its_end(terminal: PtyTerminal) -> None:
    assert terminal.send("echo 'a\n", wait_s=LONG_S).endswith("\n>")
    assert "\na\nb\n" in terminal.send("b'\n", wait_s=LONG_S)


def test_a_running_program_keeps_the_terminal_busy(terminal: PtyTerminal) -> None:
    terminal.send("sleep 60\n", wait_s=SOON_S)
    assert terminal.busy
    terminal.send("C-c", wait_s=LONG_S)
    assert (terminal.busy, terminal.last_exit) == (False, 130)


def test_a_program_reads_what_is_typed(terminal: PtyTerminal) -> None:
    terminal.send("cat > /dev/null\n", wait_s=SOON_S)
    assert terminal.send("some text\n", wait_s=SOON_S) == "some text\n"
    terminal.send("C-d", wait_s=LONG_S)
    assert (terminal.busy, terminal.last_exit) == (False, 0)


def test_waiting_waits_for_a_job_in_the_background(terminal: PtyTerminal) -> None:
    terminal.send("{ sleep 0.5; echo late; } &\n", wait_s=LONG_S)
    assert not terminal.busy
    assert terminal.send("", wait_s=1.5).strip() == "late"
    assert "Done" in terminal.send("\n", wait_s=LONG_S)


def test_a_password_is_not_shown(terminal: PtyTerminal) -> None:
    assert terminal.send("read -s -p 'Password: ' p\n", wait_s=SOON_S).endswith("Password:")
    assert terminal.busy
    assert "secret" not in terminal.send("secret\n", wait_s=LONG_S)
    assert "\nsecret\n" in terminal.send('echo "$p"\n', wait_s=LONG_S)


def test_an_interpreter_answers(terminal: PtyTerminal) -> None:
    needs("python3")
    until(terminal, r"\n>>>$", "python3 -q\n")
    until(terminal, r"\n42\n>>>$", "print(6 * 7)\n")
    terminal.send("C-d", wait_s=LONG_S)
    assert not terminal.busy


def test_a_pager_shows_another_screen_and_gives_the_old_one_back(terminal: PtyTerminal, tmp_path: Path) -> None:
    needs("less")
    (tmp_path / "numbers").write_text("".join(f"line {n}\n" for n in range(100)))
    terminal.send("echo before\n", wait_s=LONG_S)
    assert "before" not in until(terminal, "line 22", f"less {tmp_path}/numbers\n")
    assert "line 45" in until(terminal, "line 45", " ")
    terminal.send("q", wait_s=LONG_S)
    assert "\nbefore\n" in terminal.screen()
    assert "line 45" not in terminal.screen()


def test_an_editor_changes_a_file(terminal: PtyTerminal, tmp_path: Path) -> None:
    needs("vi")
    until(terminal, "~", f"vi {tmp_path}/new\n")
    for keys in ("ihello", "Escape", ":wq", "Enter"):
        terminal.send(keys, wait_s=SOON_S)
    until(terminal, r"[#$]$")
    assert (tmp_path / "new").read_text() == "hello\n"


def test_keys_edit_the_line(terminal: PtyTerminal) -> None:
    for keys in ("echo ac", "Left", "b", "C-a", "Delete", "e", "Enter"):
        text = terminal.send(keys, wait_s=LONG_S)
    assert "\nabc\n" in text


def test_clearing_the_screen_starts_over(terminal: PtyTerminal) -> None:
    needs("clear")
    terminal.send("echo old\n", wait_s=LONG_S)
    assert terminal.send("clear; echo new\n", wait_s=LONG_S).startswith("new\n")
    assert "old" not in terminal.screen()


def test_endless_output_is_bounded_and_can_be_stopped(terminal: PtyTerminal) -> None:
    text = terminal.send("yes\n", wait_s=1.0)
    assert re.match(r"\[\.\.\. \d+ lines cut \.\.\.\]\n", text)
    assert len(text) < 10_000
    terminal.send("C-c", wait_s=LONG_S)
    assert "\nstill here\n" in terminal.send("echo still here\n", wait_s=LONG_S)


def test_output_longer_than_the_screen_is_kept(terminal: PtyTerminal) -> None:
    text = terminal.send("seq 1 200\n", wait_s=LONG_S)
    assert text.split("\n")[1:201] == [str(n) for n in range(1, 201)]


def test_the_size_can_change(terminal: PtyTerminal) -> None:
    assert "\n24 80\n" in terminal.send("stty size\n", wait_s=LONG_S)
    terminal.resize(100, 30)
    assert "\n30 100\n" in terminal.send("stty size\n", wait_s=LONG_S)


def test_the_state_is_that_of_the_last_prompt(terminal: PtyTerminal) -> None:
    terminal.send("cd /usr; export A=1; f() { echo f; }; umask 027\n", wait_s=LONG_S)
    state = terminal.state()
    assert (state.cwd, state.umask, state.environment["A"]) == ("/usr", 0o027, "1")
    session = open_session(state)
    assert session.run("f; pwd").stdout == b"f\n/usr\n"
    assert session.state() == state
    session.close()


def test_opening_a_terminal_changes_no_state(terminal: PtyTerminal) -> None:
    assert terminal.state() == HOME


def test_it_begins_in_a_sessions_state() -> None:
    session = open_session()
    session.run("cd /usr; x='a b'; alias hi='echo \"hello $x\"'; set -o pipefail; big=$(seq 1 30000)")
    terminal = open_terminal(session.state())
    assert "\nhello a b\n" in terminal.send("hi\n", wait_s=LONG_S)
    assert "\n/usr\n" in terminal.send("pwd\n", wait_s=LONG_S)
    assert terminal.state() == session.state()
    terminal.close()
    session.close()


@pytest.mark.parametrize("leave", ["exit\n", "C-d", "set -e; false\n", "kill -9 $$\n", "sleep 30 & disown; exit\n"])
def test_a_shell_that_was_left_begins_again_in_its_last_state(terminal: PtyTerminal, leave: str) -> None:
    terminal.send("cd /usr\n", wait_s=LONG_S)
    terminal.send(leave, wait_s=2.0)
    assert "\n/usr\n" in terminal.send("pwd\n", wait_s=LONG_S)


def test_what_a_child_writes_where_reports_go_is_left_out(terminal: PtyTerminal) -> None:
    terminal.send("printf 'junk\\0\\0' >&198; cd /usr\n", wait_s=LONG_S)
    terminal.send("cd /usr/bin\n", wait_s=LONG_S)
    assert terminal.state().cwd == "/usr/bin"


@pytest.mark.parametrize("junk", ["1\\0", "\\0\\0\\0", "0\\0abc\\0/\\n\\0", "junk"])
def test_reports_are_found_again_behind_what_a_child_wrote(terminal: PtyTerminal, junk: str) -> None:
    for place in ("/usr", "/usr/bin", "/tmp"):
        terminal.send(f"printf '{junk}' >&198; cd {place}\n", wait_s=LONG_S)
    terminal.send("cd /usr/lib\n", wait_s=LONG_S)
    assert terminal.state().cwd == "/usr/lib"


def test_a_child_that_writes_reports_without_end_is_stopped_by_its_key(terminal: PtyTerminal) -> None:
    terminal.send("cat /dev/zero >&198\n", wait_s=0.5)
    terminal.send("C-c", wait_s=LONG_S)
    terminal.send("cd /usr/lib\n", wait_s=LONG_S)
    terminal.send("cd /usr/bin\n", wait_s=LONG_S)
    assert terminal.state().cwd == "/usr/bin"


def test_a_closed_terminal_refuses_keys(terminal: PtyTerminal) -> None:
    terminal.close()
    terminal.close()
    with pytest.raises(WrongState, match="the terminal is closed"):
        terminal.send("ls\n", wait_s=1)


def test_closing_ends_a_wait(terminal: PtyTerminal) -> None:
    timer = threading.Timer(0.2, terminal.close)
    timer.start()
    assert terminal.send("sleep 60\n", wait_s=LONG_S).endswith("sleep 60\n")
    timer.join()
    with pytest.raises(WrongState):
        terminal.send("", wait_s=0)


def test_no_descriptor_is_left_open() -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    terminal = open_terminal()
    terminal.send("exit\n", wait_s=1)
    terminal.send("true\n", wait_s=1)
    terminal.close()
    assert len(list(Path("/proc/self/fd").iterdir())) == before


class Mute(PtyProcess):
    command = ("sh", "-c", "echo no bash here")


def test_a_backend_without_bash_is_said() -> None:
    with pytest.raises(WorldFailed, match=r"the terminal's bash showed no prompt; it said 'no bash here'"):
        PtyTerminal(Mute, ShellState())
