import pytest
from hypothesis import given
from hypothesis import strategies as st

from pivotgym.envs.sandbox.contract import Ran
from pivotgym.envs.terminal.observing import normalised, observation


def seen(stdout=b"", stderr=b"", exit=0, ended=None, status=True) -> str:
    return observation(Ran(stdout, stderr, exit, ended), status=status, limit_s=8)


def test_output_comes_before_errors():
    assert seen(b"out\n", b"err\n") == "out\nerr\n"


def test_errors_begin_a_line():
    assert seen(b"out", b"err") == "out\nerr"


def test_an_exit_status_other_than_0_is_told():
    assert seen(b"out", exit=3) == "out\n[exit status 3]\n"


def test_a_plain_observation_tells_no_exit_status():
    assert seen(b"out\n", exit=3, status=False) == "out\n"


def test_a_time_limit_is_told_even_plainly():
    assert "longer than its time limit" in seen(exit=None, ended="time", status=False)


@pytest.mark.parametrize("limit", ["output", "memory", "disk"])
def test_another_limit_is_named(limit):
    assert seen(exit=None, ended=limit) == f"[ended by the limit on {limit}]\n"


def test_bytes_that_are_no_text_are_shown_as_escapes():
    assert seen(b"\xff\n") == "\\xff\n"


@pytest.mark.parametrize(
    ("recorded", "replayed"),
    [
        ("a\nb\n", "b\na\n"),
        ("a  b \n\n", "a b\n"),
        ("total 12\n", "total 8\n"),
        ("drwxr-xr-x 2 root root 4096 Mar  1 10:00 dir", "drwxr-xr-x 9 root root 60 Nov 21  2026 dir"),
        ("-rw-r--r-- 1 root root 5 Mar  1 10:00 a", "-rw-r--r-- 1 root root 5 Nov 21 06:49 a"),
        ("Sat Nov 21 16:00:01 UTC 2026", "Mon Mar  1 09:12:44 UTC 2021"),
        ("at 2021-03-01T10:00:00Z", "at 2026-11-21T06:49:12Z"),
        ("/bin/bash: line 1: cd: x: No such file", "bash: cd: x: No such file"),
        ("[1] 4711", "[1] 12"),
        ("at 0x7f3a2b10", "at 0x55d0aa31bc"),
        ("3 passed in 0.02s", "3 passed in 0.31s"),
        ("real\t0m0.003s", "real\t0m0.120s"),
        ("root@3f2a91c:/app# ls", "root@box:/app# ls"),
        ("\x1b[1;31mred\x1b[0m", "red"),
    ],
)
def test_what_names_moment_or_machine_does_not_count(recorded, replayed):
    assert normalised(recorded) == normalised(replayed)


@pytest.mark.parametrize(
    ("recorded", "replayed"),
    [
        ("a\n", "b\n"),
        ("a\n", "a\na\n"),
        ("-rw-r--r-- 1 root root 5 Mar  1 10:00 a", "-rw-r--r-- 1 root root 6 Mar  1 10:00 a"),
        ("-rwxr-xr-x 1 root root 5 Mar  1 10:00 a", "-rw-r--r-- 1 root root 5 Mar  1 10:00 a"),
        ("3 files", "4 files"),
        ("d41d8cd98f00b204e9800998ecf8427e  -", "abd1db025ea1e9dbef827b574c500bdb  -"),
    ],
)
def test_facts_count(recorded, replayed):
    assert normalised(recorded) != normalised(replayed)


@given(st.text())
def test_normalising_never_fails(text):
    assert normalised(text) == normalised(text + "\n")
