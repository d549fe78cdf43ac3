"""Time-outs, floods and the end of a session's shell."""

import threading
from pathlib import Path

import pytest
from bash_process import HOME, BashProcess, open_session
from hypothesis import given
from hypothesis import strategies as st

from pivotgym.core.errors import WorldFailed, WrongState
from pivotgym.envs.sandbox.contract import Limits
from pivotgym.envs.sandbox.shell import Session
from pivotgym.envs.sandbox.shell.capture import Capture


def test_a_command_past_its_time_is_ended_and_the_session_goes_on() -> None:
    session = open_session(wall_s=20)
    session.run("cd /usr; a=1")
    ran = session.run("cd /; a=2; echo begun; sleep 60", timeout_s=0.3)
    assert (ran.stdout, ran.exit, ran.ended) == (b"begun\n", None, "time")
    assert session.run("pwd; echo $a").stdout == b"/usr\n1\n"
    session.close()


def test_a_call_cannot_have_more_time_than_the_session() -> None:
    session = open_session(wall_s=0.3)
    assert session.run("sleep 60", timeout_s=100).ended == "time"


def test_a_stopped_shell_is_ended_by_time() -> None:
    session = open_session(wall_s=0.3)
    assert session.run("kill -STOP $$").ended == "time"
    assert session.run("echo back").stdout == b"back\n"
    session.close()


def test_a_shell_robbed_of_its_descriptors_is_replaced() -> None:
    session = open_session(wall_s=0.5)
    assert session.run("ulimit -n 20").shell_ended
    assert session.run("echo back").stdout == b"back\n"
    session.close()


def test_endless_output_is_ended() -> None:
    session = open_session(output_kb=4)
    ran = session.run("cd /usr; yes")
    assert (ran.ended, ran.exit) == ("output", None)
    assert ran.stdout_bytes > 64 * 4096
    assert len(ran.stdout) < 4200
    assert session.run("pwd").stdout == b"/\n"
    session.close()


def test_long_output_keeps_head_and_tail() -> None:
    session = open_session(output_kb=1)
    ran = session.run("seq 1 1000; seq 1 1000 >&2")
    assert ran.stdout.startswith(b"1\n2\n")
    assert ran.stdout.endswith(b"999\n1000\n")
    assert b"\n[... 2869 bytes cut ...]\n" in ran.stdout
    assert (ran.stdout, ran.stdout_bytes) == (ran.stderr, 3893)
    session.close()


def test_a_report_that_came_out_broken_costs_the_shell_only() -> None:
    session = open_session(wall_s=5)
    ran = session.run("for pipe in /proc/$$/fd/1?; do printf 'junk\\0' > $pipe; done")
    assert (ran.exit, ran.ended, ran.shell_ended) == (None, "died", True)
    assert session.run("echo back").stdout == b"back\n"
    session.close()


def test_closing_ends_a_running_command() -> None:
    session = open_session()
    session.run("true")
    timer = threading.Timer(0.2, session.close)
    timer.start()
    assert session.run("sleep 20").exit is not None
    timer.join()


def test_a_closed_session_refuses_commands_and_keeps_its_state() -> None:
    session = open_session()
    session.run("cd /usr")
    session.close()
    session.close()
    assert session.state().cwd == "/usr"
    with pytest.raises(WrongState, match="the session's shell is closed"):
        session.run("true")


def test_no_descriptor_is_left_open() -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    session = open_session(wall_s=0.2)
    for command in ("true", "exit", "sleep 9", "true"):
        session.run(command)
    session.close()
    assert len(list(Path("/proc/self/fd").iterdir())) == before


class Mute(BashProcess):
    command = ("sh", "-c", "echo no bash here >&2")


def test_a_backend_without_bash_is_said() -> None:
    with pytest.raises(WorldFailed, match=r"the session's bash did not answer; it said 'no bash here'"):
        Session(Mute, HOME, Limits()).run("true")


@given(st.lists(st.binary(max_size=40)), st.integers(2, 60).map(lambda half: 2 * half))
def test_a_capture_keeps_what_fits_and_says_what_it_cut(pieces: list[bytes], limit: int) -> None:
    capture, whole = Capture(limit), b"".join(pieces)
    for piece in pieces:
        capture.add(piece)
    assert capture.total == len(whole)
    if len(whole) <= limit:
        assert capture.value == whole
    else:
        middle = b"\n[... %d bytes cut ...]\n" % (len(whole) - limit)
        assert capture.value == whole[: limit // 2] + middle + whole[-(limit // 2) :]
