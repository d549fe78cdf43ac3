"""Tools and what lies in their way: nothing that an agent leaves or asks for breaks the world."""

import json

import pytest
from swe_agents import REPO, Agent, call

from pivotgym.core.trajectory import Origin
from pivotgym.envs.swe.memory import PATH
from pivotgym.envs.swe.tools import MAX_SHOWN


@pytest.fixture(scope="module")
def machine(swe, commit):
    """One machine with things that are no plain files, for tools that leave it as it is."""
    world = swe.world()
    world.start(Origin(kind="git", repo=REPO, commit=commit), 0)
    agent = Agent(world)
    agent.bash(
        "mkfifo fifo; ln -s loop loop; ln -s /nowhere dangling; printf 'h\\351llo\\n' > latin.txt;"
        "printf 'a\\0b' > binary;"
        "head -c 11000000 /dev/zero | tr '\\0' a > large; seq 50000 > long;"
        "mkdir .hidden; echo x > .hidden/a"
    )
    yield agent
    world.close()


def edit(machine, **arguments):
    return machine.do("str_replace_editor", **arguments)


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("/testbed/fifo", "does not exist"),
        ("/testbed/loop", "does not exist"),
        ("/testbed/dangling", "does not exist"),
        ("/dev/zero", "does not exist"),
        ("/proc/self/environ", "does not exist"),
        ("/testbed/binary", "appears to be binary"),
        ("/testbed/large", "too large"),
    ],
)
@pytest.mark.parametrize("what", [{"command": "view"}, {"command": "str_replace", "old_str": "a", "new_str": "b"}])
def test_what_is_no_text_file_is_refused(machine, path, reason, what):
    effects = edit(machine, path=path, **what)
    assert effects.failed == [True]
    assert reason in effects.observations[0]


@pytest.mark.parametrize(
    "path", ["/testbed/fifo", "/testbed/loop", "/testbed/pkg", "/testbed/README.md/x", "/dev/full"]
)
def test_what_cannot_be_written_is_refused(machine, path):
    effects = edit(machine, command="create", path=path, file_text="x")
    assert (effects.failed, effects.detail["files"]) == ([True], {})


def test_a_hidden_folder_is_listed_when_it_is_asked_for(machine):
    shown = edit(machine, command="view", path="/testbed/.hidden").observations[0]
    assert shown.endswith("/testbed/.hidden\n/testbed/.hidden/a\n")


def test_a_long_file_is_shown_in_part(machine):
    shown = edit(machine, command="view", path="/testbed/long").observations[0]
    assert len(shown) < MAX_SHOWN + 200
    assert "<response clipped>" in shown


def test_bytes_that_are_no_text_can_be_sent(machine):
    effects = edit(machine, command="view", path="/testbed/latin.txt")
    assert "h\ufffdllo" in json.dumps([effects.observations, effects.detail], ensure_ascii=False).encode().decode()


def test_bytes_that_are_no_text_outlive_an_edit(agent):
    machine = agent()
    machine.bash("printf 'h\\351llo\\n' > latin.txt")
    edit(machine, command="str_replace", path="/testbed/latin.txt", old_str="llo", new_str="y")
    edit(machine, command="undo_edit", path="/testbed/latin.txt")
    assert machine.bash("od -An -tx1 latin.txt") == " 68 e9 6c 6c 6f 0a\n"


def test_line_ends_outlive_an_edit(agent):
    machine = agent()
    machine.bash("printf 'a\\r\\nb\\r\\n' > crlf.txt")
    edit(machine, command="str_replace", path="/testbed/crlf.txt", old_str="b", new_str="B")
    assert machine.bash("od -An -c crlf.txt | tr -d ' '") == "a\\r\\nB\\r\\n\n"


@pytest.mark.parametrize("text", ["\ud800", "a\ud800b"])
@pytest.mark.parametrize("argument", ["path", "file_text"])
def test_half_a_character_is_invalid(machine, argument, text):
    given = {"command": "create", "path": "/testbed/x", "file_text": "x", argument: text}
    assert f"expected '{argument}'" in edit(machine, **given).invalid


@pytest.mark.parametrize("command", ["echo a\0b", "echo \ud800", "", "  "])
def test_commands_that_are_none_are_invalid(machine, command):
    assert "expected 'command'" in machine.do("bash", command=command).invalid


@pytest.mark.parametrize("given", ["[" * 100_000, "[1", [float("nan"), 2], [0, 3], [5, 3], [1], "x"])
def test_lines_that_are_none_are_invalid(machine, given):
    assert "view_range" in edit(machine, command="view", path="/testbed/README.md", view_range=given).invalid


def test_nothing_is_not_replaced_by_something(machine):
    effects = edit(machine, command="str_replace", path="/testbed/README.md", old_str="", new_str="x")
    assert "must not be empty" in effects.observations[0]


@pytest.mark.parametrize("pattern", ["((", "a{2,1}"])
def test_a_pattern_that_is_none_is_refused(machine, pattern):
    assert machine.do("grep_files", pattern=pattern).failed == [True]


@pytest.mark.parametrize("shell", ["fresh", "session"])
def test_a_shell_that_was_bent_does_not_bend_tools(agent, shell):
    machine = agent(shell=shell)
    machine.bash("shopt -s expand_aliases; mkdir() { :; }; cat() { :; }; grep() { :; }; alias env=false; PATH=/nowhere")
    edit(machine, command="create", path="/testbed/new/a.txt", file_text="line 77\n")
    assert machine.says("grep_files", pattern="line 77", path="/testbed/new") == "new/a.txt\n"


@pytest.mark.parametrize(
    "command", [f"mkdir {PATH}", f"mkfifo {PATH}", f"echo '{{' > {PATH}", "rm -r /var/lib; echo > /var/lib"]
)
def test_tools_forget_where_their_memory_is_no_more(agent, command):
    machine = agent(harness="swe_agent")
    machine.bash(command)
    assert "[File: /testbed/pkg/calc.py (6 lines total)]" in machine.says("open", path="pkg/calc.py")


@pytest.mark.parametrize("shell", ["fresh", "session"])
def test_a_work_folder_that_is_gone_can_be_made_again(agent, shell):
    machine = agent(shell=shell)
    machine.bash("rm -rf /testbed")
    edit(machine, command="create", path="/testbed/a.txt", file_text="x\n")
    assert machine.bash("ls /testbed") == "a.txt\n"


def test_effects_can_be_told_where_git_is_broken(agent):
    machine = agent()
    machine.bash("rm -rf .git; mkdir .git .git/index; echo x > .git/HEAD")
    assert "/testbed/README.md" in machine.do("bash", command="echo x >> README.md").detail["files"]


def test_a_command_that_takes_too_long_leaves_its_half(agent):
    machine = agent(time_limit_s=1)
    assert "time limit" in machine.bash("echo half > a.txt; sleep 20; echo whole > a.txt")
    assert machine.bash("cat a.txt") == "half\n"


def test_a_fork_has_a_window_and_an_undo_history_of_its_own(agent):
    machine = agent(harness="swe_agent")
    machine.do("open", path="README.md")
    copy = machine.world.fork()
    copy.run(call("open", path="pkg/calc.py"))
    copy.close()
    assert "README.md" in machine.says("scroll_down")
