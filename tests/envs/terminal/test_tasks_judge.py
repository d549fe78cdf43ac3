"""The judge is out of the policy's reach."""

from contextlib import closing

import pytest

from pivotgym.envs.sandbox.contract import Base
from pivotgym.envs.terminal.tasks.checks import ModesAre, Prints, TextIs
from pivotgym.envs.terminal.tasks.judge import judged, score

ONE = TextIs("text", "/work/a.txt", "one")
MODE = ModesAre("mode", {"/work/a.txt": 0o600})


@pytest.fixture
def policy(terminals):
    backend = terminals.backend()
    start = backend.base(Base(identity='"judge"', files={"/work/a.txt": b"one\n"}))
    with closing(backend.open(start)) as sandbox:
        yield sandbox


@pytest.fixture
def judge(terminals, policy):
    return lambda *checks: judged(checks, policy, terminals.backend())


def test_each_check_is_a_component(judge):
    assert judge(ONE, MODE) == {"text": 1.0, "mode": 0.0}


def test_all_components_must_hold():
    assert score({"a": 1.0, "b": 1.0}) == 1.0
    assert score({"a": 1.0, "b": 0.0}) == 0.0


@pytest.mark.parametrize(
    "trick",
    [
        "stat() { echo '600 /work/a.txt'; }; export -f stat",
        "alias stat='echo 600 /work/a.txt; :'; shopt -s expand_aliases",
        "mkdir /o; printf '#!/bin/sh\\necho 600 /work/a.txt' > /o/stat; chmod +x /o/stat; PATH=/o:$PATH",
        "echo 'stat() { echo 600 /work/a.txt; }' | tee ~/.bashrc ~/.profile /etc/profile /etc/bash.bashrc",
    ],
)  # fmt: skip
def test_the_policys_shell_is_not_the_judges(policy, judge, trick):
    policy.run(trick)
    assert judge(MODE) == {"mode": 0.0}


@pytest.mark.parametrize("path", ["/etc/ld.so.preload", "/etc/ld.so.conf.d/x.conf", "/etc/alternatives/awk"])
def test_a_bent_system_is_no_solution(policy, judge, path):
    policy.run(f"mkdir -p $(dirname {path}); rm -f {path}; echo x > {path}")
    assert judge(ONE) == {"system": 0.0}


def test_what_one_check_runs_is_not_seen_by_the_next(judge):
    spoil = Prints("spoil", "echo two > /work/a.txt; cat /work/a.txt", "two")
    assert judge(spoil, ONE, spoil, Prints("still", "cat /work/a.txt", "one")) == {
        "spoil": 1.0,
        "text": 1.0,
        "still": 1.0,
    }


def test_judging_leaves_the_policys_machine_as_it_is(policy, judge):
    policy.run("cd /work; x=1")
    judge(Prints("p", "cd /; rm -rf /work", ""))
    assert policy.run("pwd; echo $x; cat a.txt").stdout == b"/work\n1\none\n"


def test_processes_of_the_policy_are_gone(policy, judge):
    policy.run("while true; do echo two > /work/b; sleep 0.05; done > /dev/null 2>&1 &")
    assert judge(Prints("p", "rm -f /work/b; sleep 0.3; ls /work", "a.txt")) == {"p": 1.0}


def test_a_program_that_has_the_terminal_is_no_end(policy, judge):
    policy.terminal().send("cat\n", wait_s=1.0)
    assert judge(ONE) == {"idle": 0.0}
