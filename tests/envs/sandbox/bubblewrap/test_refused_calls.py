"""System calls that sandboxes do without, and what of the one that started them they can see."""

import errno
from collections.abc import Callable
from pathlib import Path

import pytest

from pivotgym.envs.sandbox.bubblewrap import filters
from pivotgym.envs.sandbox.bubblewrap.session import BubblewrapSandbox

CALLS = """
import ctypes, os, sys
libc = ctypes.CDLL(None, use_errno=True)
numbers = {
    "x86_64": dict(add_key=248, request_key=249, keyctl=250, bpf=321, perf_event_open=298, userfaultfd=323),
    "aarch64": dict(add_key=217, request_key=218, keyctl=219, bpf=280, perf_event_open=241, userfaultfd=282),
}[os.uname().machine] | dict(io_uring_setup=425, io_uring_enter=426, io_uring_register=427)
for name, number in numbers.items():
    result = libc.syscall(ctypes.c_long(number), 0, 0, 0, 0, 0)
    print(name, result, ctypes.get_errno())
print("x32", libc.syscall(ctypes.c_long(0x40000000 + 39)), ctypes.get_errno())
print("getppid", os.getppid() > 0)
"""


@pytest.fixture
def python(sandbox: BubblewrapSandbox) -> Callable[[str], list[str]]:
    """Runs a program inside by this machine's own Python."""
    if not Path("/usr/bin/python3").exists():
        pytest.skip("this machine's own tools have no python3")
    if not filters.program():
        pytest.skip("no filters of system calls on this machine")

    def ran(program: str) -> list[str]:
        sandbox.write("/work/program.py", program.encode())
        return sandbox.run("/usr/bin/python3 program.py").stdout.decode().splitlines()

    return ran


def test_keyrings_and_large_parts_of_the_kernel_are_out_of_reach(python: Callable[[str], list[str]]) -> None:
    said = python(CALLS)
    assert said.pop() == "getppid True"
    assert len(said) == 10
    assert {line.split(maxsplit=1)[1] for line in said} == {f"-1 {errno.ENOSYS}"}


def test_a_filter_holds_for_every_process(sandbox: BubblewrapSandbox) -> None:
    if not filters.program():
        pytest.skip("no filters of system calls on this machine")
    assert sandbox.run("grep -h ^Seccomp: /proc/self/status; bash -c 'grep ^Seccomp: /proc/$$/status'").stdout == (
        b"Seccomp:\t2\nSeccomp:\t2\n"
    )


def test_the_shell_holds_its_own_pipes_only(sandbox: BubblewrapSandbox) -> None:
    held = sandbox.run("readlink /proc/$$/fd/* /proc/self/fd/*").stdout.decode().split()
    assert {target.partition(":")[0] for target in held} <= {"/dev/null", "pipe"}


def test_command_lines_tell_nothing_of_the_host(sandbox: BubblewrapSandbox) -> None:
    seen = sandbox.run("cat /proc/[0-9]*/cmdline | tr '\\0' '\\n'").stdout
    assert b"--args" in seen
    assert b"/tmp" not in seen
    assert b"userns" not in seen


def test_a_crash_leaves_no_dump(sandbox: BubblewrapSandbox) -> None:
    ran = sandbox.run("ulimit -c; ulimit -c unlimited; bash -c 'kill -SEGV $$'; ls -A")
    assert ran.stdout.split() == [b"0", b"a.txt", b"deep"]
