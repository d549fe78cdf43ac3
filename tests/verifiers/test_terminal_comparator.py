"""Verdicts on terminal actions: the fast path, effects, and the rule for what cannot be run."""

import json
from typing import Any

import pytest

from pivotgym.core.messages import Action, Message, Tool, ToolCall
from pivotgym.core.trajectory import Effects, Pivot, Verdict
from pivotgym.verifiers.terminal import TerminalComparator

COMPARATOR = TerminalComparator()
TEXT = {"type": "string"}
TOOLS = [
    Tool(name="bash", parameters={"type": "object", "properties": {"command": TEXT}, "required": ["command"]}),
    Tool(name="submit", parameters={"type": "object", "properties": {"flag": TEXT}, "required": ["flag"]}),
]


def call(name: str, /, **arguments: Any) -> Action:
    return Action(tool_calls=(ToolCall(name=name, arguments=arguments),))


def bash(*commands: str) -> Action:
    return Action(tool_calls=tuple(ToolCall(name="bash", arguments={"command": one}) for one in commands))


def keys(*typed: str, done: bool = False, **more: Any) -> Action:
    commands = [{"keystrokes": one, "duration": 0.1} for one in typed]
    return Action(
        content=json.dumps({"analysis": "a", "plan": "p", "commands": commands, "task_complete": done, **more})
    )


def pivot(expert: Action) -> Pivot:
    tools = TOOLS if expert.tool_calls else []
    return Pivot(
        id="t:0", domain="terminal", messages=[Message(role="user", content="go")], tools=tools, reference=expert
    )


def by_text(expert: Action, candidate: Action) -> Verdict:
    at = pivot(expert)
    return COMPARATOR.screen(at, candidate) or COMPARATOR.by_rule(at, candidate)


FILE = {"kind": "file", "mode": 0o644, "size": 1, "digest": "d"}
MADE = {"before": None, "after": FILE}
SESSION = {"files": ["/"], "output": "reads", "exit": True, "cwd": True, "environment": True, "umask": True}
PRODUCT = {"files": ["/work"], "output": "always", "exit": False, "cwd": False, "environment": False, "umask": False}


def did(command: str = "run", stdout: str = "", *, exit: int | None = 0, **detail: Any) -> Effects:
    ran = {
        "command": command,
        "exit": exit,
        "stdout": stdout,
        "stderr": detail.pop("stderr", ""),
        "ended": None,
        "cut": False,
    }
    ran["ended"] = detail.pop("ended", None)
    shell = {"cwd": "/work", "umask": "0022", "environment": {"A": "1"}, **detail.pop("shell", {})}
    return Effects(detail={"commands": [ran], "files": {}, "shell": shell, "compare": SESSION, **detail})


def verdict(expert: Effects, candidate: Effects) -> Verdict:
    return COMPARATOR.compare(pivot(bash("run")), expert, candidate)


# The fast path.


@pytest.mark.parametrize(
    ("expert", "candidate"),
    [
        (bash("ls -la"), bash("ls  -la")),
        (bash("grep 'x' f"), bash("grep x f")),
        (bash("cd a", "ls"), bash("cd a", "ls")),
        (call("submit", flag="x"), call("submit", flag="x")),
        (keys("ls\n"), keys("ls\n", plan="another")),
        (keys("cd a\n", "ls\n"), keys("cd a\nls\n")),
        (keys(done=True), keys(done=True)),
    ],
)
def test_the_fast_path_accepts_what_is_surely_the_same(expert: Action, candidate: Action) -> None:
    found = COMPARATOR.screen(pivot(expert), candidate)
    assert found is not None
    assert (found.outcome, found.executed) == ("equivalent", False)


@pytest.mark.parametrize(
    ("expert", "candidate"),
    [
        (bash("ls -la"), bash("ls -al")),
        (bash("ls *.py"), bash("ls '*.py'")),
        (bash("cat a"), bash("rm -rf /")),
        (bash("cd a", "ls"), bash("ls", "cd a")),
        (call("submit", flag="x"), call("submit", flag="y")),
        (keys("ls\n"), keys("ls\n", done=True)),
        (keys("ls\n"), keys("ls")),
        (bash("ls"), Action(content="I will list the files.")),
    ],
)
def test_the_fast_path_leaves_the_rest_to_execution(expert: Action, candidate: Action) -> None:
    assert COMPARATOR.screen(pivot(expert), candidate) is None


@pytest.mark.parametrize(
    ("expert", "candidate", "reason"),
    [
        (
            bash("ls"),
            Action(tool_calls=(ToolCall(name="bash", arguments='{"command": "ls'),)),
            "expected a JSON object",
        ),
        (bash("ls"), call("bash"), "expected a command as text"),
        (bash("ls"), call("bash", command=""), "expected a command as text"),
        (bash("ls"), call("bash", command="ls", sudo=True), "no argument is called 'sudo'"),
        (bash("ls"), call("zsh", command="ls"), "no tool is called 'zsh'"),
        (bash("ls"), Action(), "the action is empty"),
        (keys("ls\n"), Action(content="ls"), "expected a JSON object with analysis, plan and commands"),
        (keys("ls\n"), keys("ls\n", note="x"), "no field is called 'note'"),
        (keys("ls\n"), bash("ls"), "got a call"),
    ],
)
def test_what_cannot_be_run_is_invalid(expert: Action, candidate: Action, reason: str) -> None:
    found = COMPARATOR.screen(pivot(expert), candidate)
    assert found is not None
    assert found.outcome == "invalid"
    assert reason in found.reason


# Effects.


@pytest.mark.parametrize(
    ("expert", "candidate"),
    [
        (did(files={"/work/a": MADE}), did("other", files={"/work/a": MADE})),
        (did(files={"/work/a": MADE}), did("other", "said something", files={"/work/a": MADE})),
        (did(files={"/work/a": MADE}), did(files={"/work/a": MADE, "/tmp/x": MADE, "/work/__pycache__/a.pyc": MADE})),
        (did("find .", "./b\n./a\n"), did("find . | sort", "./a\n./b\n")),
        (did("ls x", exit=2, stderr="ls: x"), did("ls y", exit=1, stderr="ls: y")),
        (did(shell={"environment": {"A": "1", "_": "x"}}), did(shell={"environment": {"A": "1", "SHLVL": "2"}})),
        (did("make", "x\n", stderr="warn\n"), did("make 2>&1", "warn\nx\n")),
        (did(complete=True), did("ls", "a\n", complete=True)),
        (did(ended="time", exit=None), did(ended="time", exit=None)),
        (
            did("git status", "clean\n", files={"/work/.git/index": MADE}, git={"/work": {"head": "m"}}),
            did("git status", "clean\n", files={"/work/.git/index": MADE}, git={"/work": {"head": "m"}}),
        ),
    ],
)
def test_actions_that_did_the_same_are_equivalent(expert: Effects, candidate: Effects) -> None:
    found = verdict(expert, candidate)
    assert (found.outcome, found.executed, found.method) == ("equivalent", True, "execution"), found.reason


@pytest.mark.parametrize(
    ("expert", "candidate", "component"),
    [
        (did(files={"/work/a": MADE}), did(), "files"),
        (did(), did(files={"/work/a": MADE}), "files"),
        (did(files={"/work/a": MADE}), did(files={"/work/b": MADE}), "files"),
        (did(files={"/tmp/a": MADE}), did(), "files"),
        (did(files={"/work/a": MADE}), did(files={"/work/a": {**MADE, "after": {**FILE, "mode": 0o755}}}), "files"),
        (did(git={"/work": {"head": "a"}}), did(git={"/work": {"head": "b"}}), "files"),
        (did("cat a", "x\n"), did("cat b", "y\n"), "output"),
        (did("grep x a", "x\n"), did("cat a", "x\ny\n"), "output"),
        (did("cat a", "x\n"), did("true"), "output"),
        (did("true"), did("cat a", "x\n"), "output"),
        (
            did("git status", "M a\n", files={"/w/.git/index": MADE}, git={"/w": {}}),
            did("git status", "", files={"/w/.git/index": MADE}, git={"/w": {}}),
            "output",
        ),
        (did("java -version", stderr="17\n"), did("java -help", stderr="usage\n"), "output"),
        (did(exit=1), did(exit=0), "exit"),
        (did(), did(shell={"cwd": "/"}), "cwd"),
        (did(), did(shell={"umask": "0077"}), "umask"),
        (did(), did(shell={"environment": {"A": "2"}}), "environment"),
        (did(), did(shell={"environment": {}}), "environment"),
        (did(), did(ended="time", exit=None), "ended"),
        (did(ended="time", exit=None), did(), "ended"),
        (did(ended="time", exit=None), did(ended="output", exit=None), "ended"),
        (did(complete=True), did(complete=False), "complete"),
        (did(complete=False), did(complete=True), "complete"),
        (did(complete=False), did(complete=True, due=False), "complete"),
    ],
)
def test_one_effect_that_differs_is_enough(expert: Effects, candidate: Effects, component: str) -> None:
    found = verdict(expert, candidate)
    assert found.outcome == "different"
    assert [name for name, share in found.components.items() if share == 0.0] == [component]
    assert found.reason


def test_a_claim_that_the_tests_bear_out_is_not_early() -> None:
    assert verdict(did(complete=False), did(complete=True, due=True)).reward == 1.0


def test_an_origin_may_narrow_what_counts() -> None:
    expert = did("cat a", "x\n", compare=PRODUCT)
    other = did("cat a", "x\n", exit=1, shell={"cwd": "/"}, files={"/root/a": MADE})
    assert verdict(expert, other).reward == 1.0
    assert verdict(did("cat a", "x\n", compare={**PRODUCT, "output": "never"}), did("cat a", "y\n")).reward == 1.0


def test_an_output_that_always_counts_does_so_beside_written_files_and_as_text() -> None:
    wrote = {"/work/a": MADE}
    expert = did("run", "3\n", files=wrote, compare=PRODUCT)
    assert verdict(expert, did("run", "4\n", files=wrote)).reward == 0.0
    assert verdict(expert, did("run", "3 \n\n", files=wrote)).reward == 1.0
    assert verdict(did("cat a", "a\n\nb\n", compare=PRODUCT), did("cat b", "a\nb\n")).reward == 0.0


def test_where_the_exit_status_does_not_count_it_still_tells_two_silences_apart() -> None:
    expert = did("grep -q x a", compare=PRODUCT)
    assert verdict(expert, did("grep -q y a", exit=1)).reward == 0.0
    assert verdict(expert, did("grep -q 'x' a")).reward == 1.0


def test_a_message_where_something_was_run_is_different() -> None:
    silent = Effects(detail={"commands": [], "files": {}, "complete": False})
    found = verdict(did(), silent)
    assert found.outcome == "different"
    assert found.reason == "expected an action, got a message"


def test_what_the_world_could_not_run_is_invalid() -> None:
    found = verdict(did(), Effects(invalid="bash: no command"))
    assert (found.outcome, found.reason) == ("invalid", "bash: no command")


@pytest.mark.parametrize(("flag", "reward"), [("x", 1.0), (" x ", 1.0), ("y", 0.0)])
def test_an_answer_handed_in_must_be_the_experts(flag: str, reward: float) -> None:
    def ended(value: str) -> Effects:
        return Effects(detail={"complete": True, "calls": [{"name": "submit", "arguments": {"flag": value}}]})

    assert verdict(ended("x"), ended(flag)).reward == reward


def test_reading_calls_may_come_in_any_order() -> None:
    one, other = did("cat a", "1\n").detail["commands"][0], did("cat b", "2\n").detail["commands"][0]
    expert, candidate = did(), did()
    expert.detail["commands"], candidate.detail["commands"] = [one, other], [other, one]
    assert verdict(expert, candidate).reward == 1.0


def test_keys_typed_compare_by_the_text_they_left() -> None:
    expert = did("ls\n", "root@box:/work# ls\na\nroot@box:/work#")
    candidate = did("ls -1\n", "root@box:/work# ls -1\na\nroot@box:/work#")
    other = did("ls b\n", "root@box:/work# ls b\nb\nroot@box:/work#")
    at = pivot(keys("ls\n"))
    assert COMPARATOR.compare(at, expert, candidate).reward == 1.0
    assert COMPARATOR.compare(at, expert, other).reward == 0.0


# Two runs of the expert.

AT = "Sat Nov 21 16:15:0{} UTC 2026\n"


def test_the_same_twice_stays_as_it_is() -> None:
    first = did("cat a", "x\n")
    assert COMPARATOR.settle(first, did("cat a", "x\n")) is first


@pytest.mark.parametrize(("stdout", "reward"), [(AT.format(7), 1.0), ("1795277707\n", 0.0), ("", 0.0)])
def test_a_time_may_be_another_time(stdout: str, reward: float) -> None:
    settled = COMPARATOR.settle(did("date", AT.format(1)), did("date", AT.format(3)))
    assert verdict(settled, did("date", stdout)).reward == reward


def test_files_variables_and_folders_may_change_from_run_to_run() -> None:
    def run(number: int) -> Effects:
        text = f"id {number}\n"
        entry = {**FILE, "digest": text, "size": len(text), "text": text}
        shell = {"cwd": f"/work/d{number}", "environment": {"ID": str(number)}}
        return did(files={"/work/id": {"before": None, "after": entry}}, shell=shell)

    settled = COMPARATOR.settle(run(41), run(57))
    assert verdict(settled, run(73)).reward == 1.0
    assert verdict(settled, did(shell={"cwd": "/work/d7", "environment": {"ID": "7"}})).reward == 0.0


# The text rule.


@pytest.mark.parametrize(
    ("expert", "candidate"),
    [
        (bash("ls -la"), bash("ls -al")),
        (bash("pytest -q t.py"), bash("python -m pytest -q t.py")),
        (bash("cat a.py"), bash("sed -n '1,$p' a.py")),
        (keys("ls -la\n"), keys("ls -al\n")),
        (keys("make\n"), keys("make\n", "")),
        (call("submit", flag="x"), call("submit", flag=" x")),
        (Action(content="There are 3 files."), Action(content="There are 3 files there.")),
    ],
)
def test_by_text_the_same_in_other_words_pays(expert: Action, candidate: Action) -> None:
    found = by_text(expert, candidate)
    assert (found.reward, found.executed) == (1.0, False), found.reason


@pytest.mark.parametrize(
    ("expert", "candidate"),
    [
        (bash("cat a.py"), bash("rm -rf /")),
        (bash("grep -rn 'def foo' src/models.py"), bash("rm -rf /workspace")),
        (bash("git stash"), bash("git stash drop")),
        (keys("ls -la /tmp/a\n"), keys("rm -rf /tmp/a\n")),
        (keys("ls\n"), keys("ls\n", done=True)),
        (keys("ls\n", done=True), keys("ls\n")),
        (call("submit", flag="x"), call("submit", flag="X")),
        (call("submit", flag="x"), bash("echo x")),
        (bash("ls"), Action(content="Done.")),
        (Action(content="There are 3 files."), bash("ls")),
        (Action(content="There are 3 files."), Action(content="There are 4 files.")),
    ],
)
def test_by_text_something_else_does_not(expert: Action, candidate: Action) -> None:
    found = by_text(expert, candidate)
    assert (found.outcome, found.executed) == ("different", False)


def test_the_text_rule_says_that_nothing_was_run() -> None:
    found = by_text(bash("ls -la"), bash("ls -al"))
    assert found.method == "shell_text"
    assert "nothing was run" in found.reason
