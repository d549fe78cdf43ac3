"""Verdicts on coding agents' actions from their effects."""

import hashlib

import pytest

from pivotgym.core.errors import InputError
from pivotgym.core.messages import Action, Message, ToolCall
from pivotgym.core.trajectory import Effects, Pivot
from pivotgym.verifiers.code.commands import operation_of
from pivotgym.verifiers.code.operations import Invalid, Replace, Submit, Think, View, to_json
from pivotgym.verifiers.swe import SweComparator, old_texts_fit

BASH = Action(tool_calls=(ToolCall(name="bash", arguments={"command": "cat a.py"}),))
PIVOT = Pivot(id="t:0", domain="swe", messages=[], reference=BASH)


def read(pivot, action):
    return [
        operation_of(call.arguments["command"]) if isinstance(call.arguments, dict) else Invalid("no JSON object")
        for call in action.tool_calls
    ]


COMPARATOR = SweComparator(read)


def entry(text):
    return {"kind": "file", "mode": 0o644, "digest": hashlib.sha256(text.encode()).hexdigest(), "text": text}


def effects(*ran, files=None, **detail):
    """Effects of operations, each (operation or command, output[, exit status])."""
    records = []
    for operation, output, *status in ran:
        operation = operation_of(operation) if isinstance(operation, str) else operation
        records.append({"operation": to_json(operation), "output": output, "exit": status[0] if status else 0})
    changed = {
        path: {"before": old and entry(old), "after": new and entry(new)} for path, (old, new) in (files or {}).items()
    }
    return Effects(detail={"operations": records, "files": changed, "root": "/r", **detail})


def verdict(expert, candidate):
    return COMPARATOR.compare(PIVOT, expert, candidate)


def edit(after, **detail):
    return effects((Replace("/r/a.py", "x", "y"), ""), files={"/r/a.py": ("x = 0\n", after)}, **detail)


def test_the_same_files_are_the_same_edit_through_whichever_tool():
    by_sed = effects(("sed -i s/0/1/ a.py", ""), files={"/r/a.py": ("x = 0\n", "x = 1\n")})
    found = verdict(edit("x = 1\n"), by_sed)
    assert (found.reward, found.method, found.executed) == (1.0, "files", True)


def test_the_same_syntax_tree_is_the_same_edit():
    found = verdict(edit("x = 1\n"), edit("x = (1)  # one\n"))
    assert (found.reward, found.method) == (1.0, "syntax_tree")


def test_another_syntax_tree_without_tests_is_another_edit_that_tests_could_decide():
    expert, candidate = edit("x = 1\n"), edit("x = 2 - 1\n")
    found = verdict(expert, candidate)
    assert (found.reward, found.method, found.components["undecided"]) == (0.0, "syntax_tree", 1.0)
    assert COMPARATOR.undecided(expert, candidate) == ("/r/a.py",)
    assert "no tests to decide" in found.reason


def results(failed, selected=("t::a", "t::b")):
    return {"selected": list(selected), "failed": list(failed), "failed_before": ["t::a"]}


def test_tests_decide_what_syntax_does_not():
    expert = edit("x = 1\n", tests=results([]))
    assert verdict(expert, edit("x = 2 - 1\n", tests=results([]))).reward == 1.0
    found = verdict(expert, edit("x = 3\n", tests=results(["t::b"])))
    assert (found.reward, found.method) == (0.0, "tests")
    assert found.evidence["failed"] == {"expert": [], "candidate": ["t::b"]}


def test_tests_that_do_not_see_the_expert_s_edit_decide_nothing():
    blind = results(["t::a"])
    found = verdict(edit("x = 1\n", tests=blind), edit("x = 2\n", tests=blind))
    assert (found.reward, found.reason) == (
        0.0,
        "the files differ in their syntax trees, and no test sees the expert's change",
    )


def test_tests_that_do_not_see_the_expert_s_edit_are_not_run_after_the_candidate_s():
    candidate = edit("x = 2 - 1\n")
    assert COMPARATOR.undecided(edit("x = 1\n", tests=results([])), candidate) == ("/r/a.py",)
    assert COMPARATOR.undecided(edit("x = 1\n", tests=results(["t::a"])), candidate) == ()
    assert "no test sees" in verdict(edit("x = 1\n", tests=results(["t::a"])), candidate).reason
    assert COMPARATOR.undecided(edit("x = 1\n", tests={}), candidate) == ()
    assert "no tests to decide" in verdict(edit("x = 1\n", tests={}), candidate).reason


def test_no_tests_selected_decide_nothing():
    assert (
        verdict(edit("x = 1\n", tests=results([], selected=())), edit("x = 2\n", tests=results([], selected=()))).reward
        == 0.0
    )


def test_other_tests_selected_are_no_proof():
    assert (
        verdict(edit("x = 1\n", tests=results([])), edit("x = 2\n", tests=results([], selected=("t::a",)))).reward
        == 0.0
    )


def test_tests_that_do_not_end_decide_against_the_candidate_only():
    ended = {**results([]), "ended": "wall"}
    found = verdict(edit("x = 1\n", tests=results([])), edit("x = 3\n", tests=ended))
    assert (found.reward, found.reason) == (0.0, "the tests of the change do not end with the candidate's: wall")
    assert verdict(edit("x = 1\n", tests=ended), edit("x = 3\n", tests=ended)).components["undecided"] == 1.0


def test_broken_code_is_different_whatever_tests_say():
    found = verdict(edit("x = 1\n", tests=results([])), edit("x = (\n", tests=results([])))
    assert (found.reward, found.reason) == (0.0, "/r/a.py: it is no correct text of its language any more")


def test_an_action_that_changes_nothing_is_no_edit():
    assert verdict(edit("x = 1\n"), effects(("sed s/0/1/ a.py", "x = 1\n"))).reward == 0.0
    assert verdict(effects(("cat a.py", "x = 0\n")), edit("x = 1\n")).reward == 0.0


def test_commits_are_compared_by_what_they_hold():
    ours = effects(("git commit -am x", ""), git={"/r": {"head": "main", "refs": {"main": [["t1", "x"]]}}})
    other = effects(("git commit -am x", ""), git={"/r": {"head": "main", "refs": {"main": [["t2", "x"]]}}})
    assert verdict(ours, ours).reward == 1.0
    found = verdict(ours, other)
    assert (found.reward, found.reason) == (0.0, "the repository's commits or index are others")


def test_views_reach_the_same_lines_through_whichever_tool():
    ours = effects(("sed -n '3,4p' a.py", "a\nb\n"))
    editor = View(("/r/a.py",), ((3, 4),), ("tab",))
    assert verdict(ours, effects((editor, "     3\ta\n     4\tb\n"))).reward == 1.0
    found = verdict(ours, effects(("sed -n '3,5p' a.py", "a\nb\nc\n")))
    assert (found.reward, found.method) == (0.0, "lines")
    assert found.components["partial"] == pytest.approx(2 / 3)
    assert found.evidence["candidate"] == ["a.py:3:a", "a.py:4:b", "a.py:5:c"]


def test_equal_content_of_another_file_is_another_view():
    assert verdict(effects(("cat a.py", "x\n")), effects(("cat b.py", "x\n"))).reward == 0.0


def test_the_world_may_say_itself_what_was_reached():
    ours = effects(("grep -n x a.py", "3:x\n"))
    given = effects(("find .", "Found 1 match\n/r/a.py:\n  Line 3: x\n"))
    given.detail["operations"][0]["reached"] = [["a.py", 3, "x"]]
    assert verdict(ours, given).reward == 1.0


def test_a_view_that_python_prints_reaches_the_same_lines():
    ours = effects(("nl -ba a.py", "     1\ta\n     2\tb\n"))
    assert verdict(ours, effects(("python -c 'print(open(\"a.py\").read())'", "a\nb\n\n"))).reward == 1.0
    assert verdict(ours, effects(("python -c 'print(1)'", "1\n"))).reward == 0.0


def test_two_searches_that_find_nothing_must_look_for_the_same():
    ours = effects(("grep -n foo a.py", "", 1))
    assert verdict(ours, effects(("grep --line-number foo /r/a.py", "", 1))).reward == 1.0
    assert verdict(ours, effects(("grep -n bar a.py", "", 1))).reward == 0.0
    assert verdict(ours, effects(("true", "", 1))).reward == 0.0


def test_other_commands_tell_the_same_text_and_end_the_same():
    ours = effects(("python run.py", "/r/a.py ok\n"))
    assert verdict(ours, effects(("python3 ./run.py", "a.py ok\n"))).reward == 1.0
    assert verdict(ours, effects(("python run.py", "a.py bad\n"))).reward == 0.0
    assert verdict(ours, effects(("python run.py", "/r/a.py ok\n", 1))).reward == 0.0


REPORT = "{} passed in {}s"


def test_test_runs_select_the_same_and_end_the_same():
    ours = effects(("pytest -q t.py", REPORT.format(2, "0.10")))
    same = verdict(ours, effects(("python -m pytest t.py -v", f"t.py::a PASSED\n=== {REPORT.format(2, '1.20')} ===")))
    assert (same.reward, same.method) == (1.0, "test_run")
    assert (
        verdict(ours, effects(("pytest t.py", REPORT.format(3, "0.10")))).reason == "the same tests give other results"
    )
    assert verdict(ours, effects(("pytest u.py", REPORT.format(2, "0.10")))).reason == "other tests are selected"
    assert verdict(effects(("pytest t.py", "killed", 137)), effects(("pytest t.py", "", 0))).reward == 0.0


def test_handing_in_the_work_counts():
    ours = effects((Submit("done"), ""))
    assert verdict(ours, effects((Submit("finished"), ""))).reward == 1.0
    assert verdict(ours, effects(("cat a.py", "x\n"))).reason == "the candidate does not hand in its work"
    assert verdict(effects(("cat a.py", "x\n")), ours).reason == "the candidate hands in its work"


def test_thoughts_tell_nothing():
    thought = effects((Think("hm"), ""))
    assert verdict(thought, effects((Think("well"), ""))).reward == 1.0
    assert verdict(thought, effects(("cat a.py", "x\n"))).reward == 0.0
    assert verdict(effects(("cat a.py", "x\n")), effects((Think("hm"), ""), ("cat a.py", "x\n"))).reward == 1.0


def test_an_edit_that_its_tool_refuses_is_not_one_that_works():
    refused = effects((Replace("/r/a.py", "no", "y"), "No replacement was performed"))
    refused.detail["operations"][0]["failed"] = True
    assert verdict(effects(("cat a.py", "x\n")), refused).reward == 0.0
    assert verdict(refused, refused).reward == 1.0


def test_where_the_shell_is_counts_where_the_policy_says_so():
    moved = {"shell": {"cwd": "/r/src"}, "compare": {"cwd": True}}
    stayed = {"shell": {"cwd": "/r"}, "compare": {"cwd": True}}
    ran = ("python run.py", "x\n")
    assert verdict(effects(ran, **moved), effects(ran, **stayed)).reason == "the shell is in another folder"
    stayed["compare"] = moved["compare"] = {"cwd": False}
    assert verdict(effects(ran, **moved), effects(ran, **stayed)).reward == 1.0


def test_an_invalid_candidate_is_invalid():
    found = COMPARATOR.compare(PIVOT, effects(("cat a.py", "x\n")), Effects(invalid="no such tool"))
    assert (found.outcome, found.reason) == ("invalid", "no such tool")


def test_a_record_that_is_no_operation_is_an_error():
    bad = Effects(detail={"operations": [{"operation": {"kind": "look"}}]})
    with pytest.raises(InputError, match="expected a kind"):
        verdict(bad, bad)


def test_the_fast_path_accepts_the_same_operations_and_nothing_else():
    def screened(command):
        return COMPARATOR.screen(PIVOT, Action(tool_calls=(ToolCall(name="bash", arguments={"command": command}),)))

    found = screened("sed -n '1,$p' a.py")
    assert (found.reward, found.method, found.executed) == (1.0, "same_operations", False)
    assert screened("cat b.py") is None


@pytest.mark.parametrize(
    ("action", "reason"),
    [
        (Action(), "the action is empty: expected a call"),
        (Action(content="x", truncated=True), "the action was cut at its token limit"),
        (Action(tool_calls=(ToolCall(name="bash", arguments='{"command": '),)), "no JSON object"),
        (Action(tool_calls=(ToolCall(name="bash", arguments={"command": " "}),)), "the command is empty"),
    ],
)
def test_what_cannot_be_run_is_invalid(action, reason):
    found = COMPARATOR.screen(PIVOT, action)
    assert (found.outcome, found.reward, found.reason) == ("invalid", 0.0, reason)


def test_the_rule_says_that_nothing_was_executed():
    action = Action(tool_calls=(ToolCall(name="bash", arguments={"command": "cat ./a.py"}),))
    found = COMPARATOR.by_rule(PIVOT, action)
    assert (found.reward, found.method, found.executed) == (1.0, "operations_by_text", False)
    other = COMPARATOR.by_rule(PIVOT, Action(content="I looked at it."))
    assert (other.reward, other.reason) == (0.0, "expected view, got a message")


def terminal(command, stdout, compare=None):
    ran = {"command": command, "exit": 0, "stdout": stdout, "stderr": "", "ended": None, "cut": False}
    return effects(
        (command, stdout), commands=[ran], compare=compare or {"output": "reads", "exit": True, "files": ["/"]}
    )


def test_facts_that_the_terminal_s_verifier_sees_are_enough_for_other_commands():
    assert verdict(terminal("wc -l < a.py", "3\n"), terminal("cat a.py | wc -l", "  3\n")).reward == 1.0
    assert verdict(terminal("wc -l < a.py", "3\n"), terminal("cat a.py | wc -l", "4\n")).reward == 0.0


def test_a_world_may_record_commands_alone():
    def ran(command, stdout):
        record = {"command": command, "exit": 0, "stdout": stdout, "stderr": "", "ended": None, "cut": False}
        return Effects(detail={"commands": [record], "files": {}, "root": "/r"})

    assert verdict(ran("cat a.py", "x\n"), ran("cat -n /r/a.py", "     1\tx\n")).reward == 1.0
    assert verdict(ran("cat a.py", "x\n"), ran("cat b.py", "x\n")).reward == 0.0


SHOWN = "     7\tdef f(x):\n     8\t    if x:\n     9\t        return x\n    10\t    return 0\n    11\t    return 0\n"


@pytest.mark.parametrize(
    ("expert", "candidate", "fit"),
    [
        ("    if x:\n", "def f(x):\n    if x:\n", True),
        ("    if x:\n", "def g(x):\n    if x:\n", False),
        ("        return x\n    return 0\n", "        return x\n", True),
        ("        return x\n    return 0\n", "    return 0\n", False),
        ("never seen\n", "nor this\nnever seen\n", True),
    ],
)
def test_an_old_text_must_fit_what_the_messages_show_of_the_file(expert, candidate, fit):
    messages = [
        Message(role="user", content=[{"type": "text", "text": "Mend it."}]),
        Message(role="tool", content=SHOWN),
    ]
    pivot = PIVOT.model_copy(update={"messages": messages})
    operations = ([Replace("a.py", expert, "")], [Replace("a.py", candidate, "")])
    assert old_texts_fit(pivot, *operations) is fit
