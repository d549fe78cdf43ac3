"""Calls of each harness as operations, and why a call is invalid."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pivotgym.core.messages import Action, Tool, ToolCall
from pivotgym.core.trajectory import Origin, Pivot
from pivotgym.envs.swe.operations import harness_of, operations_of
from pivotgym.verifiers.code.operations import (
    Create,
    Find,
    Insert,
    Invalid,
    Move,
    Other,
    Patch,
    Replace,
    ReplaceLines,
    Search,
    Shell,
    Submit,
    Think,
    Undo,
    View,
)

NUMBERED = ("tab",)


def read(name, arguments, harness=None, tools=()):
    (found,) = operations_of(Action(tool_calls=(ToolCall(name=name, arguments=arguments),)), tools, harness)
    return found


def editor(**arguments):
    return read("str_replace_editor", arguments)


def test_the_editor_of_anthropic_and_openhands():
    assert editor(command="view", path="/r/a.py") == View(("/r/a.py",), shown=NUMBERED)
    assert editor(command="view", path="/r/a.py", view_range=[5, -1]) == View(("/r/a.py",), ((5, None),), NUMBERED)
    assert editor(command="view", path="/r/a.py", view_range="[5, 9]") == View(("/r/a.py",), ((5, 9),), NUMBERED)
    assert editor(command="create", path="/r/a.py", file_text="x") == Create("/r/a.py", "x")
    assert editor(command="str_replace", path="/r/a.py", old_str="x", new_str="y") == Replace("/r/a.py", "x", "y")
    assert editor(command="str_replace", path="/r/a.py", old_str="x") == Replace("/r/a.py", "x", "")
    assert editor(command="insert", path="/r/a.py", insert_line=0, new_str="x") == Insert("/r/a.py", 0, "x")
    assert editor(command="undo_edit", path="/r/a.py") == Undo("/r/a.py")


def test_arguments_of_the_editor_s_other_commands_say_nothing():
    call = {"command": "view", "path": "/r/a.py", "old_str": "", "view_range": None, "file_text": None}
    assert editor(**call) == View(("/r/a.py",), shown=NUMBERED)


@pytest.mark.parametrize(
    ("name", "arguments", "expected"),
    [
        ("execute_bash", {"command": "cat a.py", "is_input": "false"}, View(("a.py",))),
        ("finish", {"message": "done"}, Submit("done")),
        ("think", {"thought": "hm"}, Think("hm")),
        ("exec_command", {"cmd": "ls", "workdir": "/r"}, Find(("/r/.",), depth=1, flags=("listing",))),
        ("shell", {"command": ["bash", "-lc", "cat a.py"]}, View(("a.py",))),
        ("shell", {"command": ["cat", "a b.py"]}, View(("a b.py",))),
        ("apply_patch", {"input": "*** Begin Patch"}, Patch("*** Begin Patch")),
        ("update_plan", {"plan": [{"step": "a", "status": "pending"}]}, Think('[{"step": "a", "status": "pending"}]')),
        ("read", {"filePath": "a.py", "offset": 10, "limit": 5}, View(("a.py",), ((11, 15),), NUMBERED)),
        ("write", {"filePath": "a.py", "content": "x"}, Create("a.py", "x", True)),
        ("edit", {"filePath": "a.py", "oldString": "x", "newString": "y"}, Replace("a.py", "x", "y")),
        ("glob", {"pattern": "**/*.py"}, Find((), ("*.py",), "f")),
        ("glob", {"pattern": "src/*.py", "path": "/r"}, Find(("/r",), ("src/*.py",), "f", None, ("path",))),
        ("Read", {"file_path": "a.py", "offset": 10, "limit": 5}, View(("a.py",), ((10, 14),), NUMBERED)),
        (
            "Edit",
            {"file_path": "a", "old_string": "x", "new_string": "y", "replace_all": True},
            Replace("a", "x", "y", True),
        ),
        ("code_exec", {"cmd": "cat a.py"}, View(("a.py",))),
        ("finish", {"reason": "done", "paths": ["a"]}, Submit("done")),
        ("webfetch", {"url": "x"}, Other("webfetch", '{"url": "x"}')),
    ],
)
def test_tools_of_other_harnesses(name, arguments, expected):
    assert read(name, arguments) == expected


def test_a_name_that_two_harnesses_share_is_read_by_what_was_offered():
    def offered(*properties):
        return [Tool(name="edit", parameters={"type": "object", "properties": {name: {} for name in properties}})]

    assert isinstance(read("edit", {}, tools=offered("search", "replace")), Invalid)
    assert read("edit", {"search": "x", "replace": "y"}, tools=offered("search", "replace")) == Replace("", "x", "y")
    found = read("grep", {"pattern": "x", "path": "src"}, "opencode")
    assert found == Search("x", ("src",), "perl", True, shown=("name", "colon"))
    assert read("grep", {"pattern": "x", "path": "src"}, "openhands").reports == "files"


SWE_AGENT = [
    ("open a.py 10", Move("open", "a.py", 10)),
    ('open "a b.py"', Move("open", "a b.py")),
    ("goto 7", Move("goto", None, 7)),
    ("scroll_down", Move("down")),
    ("scroll_up", Move("up")),
    ("create a.py", Create("a.py", "\n")),
    ('search_dir "def f" src', Search("def f", ("src",), "fixed", True, reports="counts")),
    ("search_file x", Search("x", (), "fixed")),
    ("find_file '*.py' src", Find(("src",), ("*.py",), "f")),
    ("edit 3:5\n    x\n\nend_of_edit", ReplaceLines("", 3, 5, "    x\n")),
    ("edit 'x = 1\n' 'x = 2\n'", Replace("", "x = 1\n", "x = 2\n")),
    ("edit 'x = 1' 'x = 2'", Replace("", "x = 1", "x = 2")),
    ("insert 'x = 1' 4", Insert("", 4, "x = 1")),
    ("submit", Submit()),
    ("cat a.py", View(("a.py",))),
    ("python a.py", Shell("python a.py")),
]


@pytest.mark.parametrize(("command", "expected"), SWE_AGENT)
def test_swe_agent_calls_its_tools_like_programs(command, expected):
    assert read("bash", {"command": command}, "swe_agent") == expected


@pytest.mark.parametrize(
    ("name", "arguments", "expected"),
    [
        ("open", {"path": "a.py", "line_number": 3}, Move("open", "a.py", 3)),
        ("edit", {"search": "x", "replace": "y", "replace-all": True}, Replace("", "x", "y", True)),
        ("edit", {"start_line": 3, "end_line": 5, "replacement_text": "x"}, ReplaceLines("", 3, 5, "x")),
        ("edit", {"text": "x"}, ReplaceLines("", 0, 0, "x")),
        ("insert", {"text": "x"}, Insert("", -1, "x")),
        ("submit", {}, Submit()),
    ],
)
def test_swe_agent_s_tools_as_functions(name, arguments, expected):
    assert read(name, arguments, "swe_agent") == expected


SUBMISSION = "echo COMPLETE_TASK_AND_SUBMIT_FINAL_OUTPUT && git add -A && git diff --cached"


def test_mini_swe_agent_speaks_in_one_block_and_hands_in_by_a_line_of_output():
    def spoken(text):
        return operations_of(Action(content=text), (), "mini_swe_agent")

    assert spoken("THOUGHT: look.\n\n```bash\ncat a.py\n```") == (View(("a.py",)),)
    assert spoken(f"```bash\n{SUBMISSION}\n```") == (Submit(command=SUBMISSION),)
    assert spoken("no block") == (Invalid("expected exactly one bash block, got 0"),)
    assert spoken("```bash\nls\n```\n```bash\nls\n```") == (Invalid("expected exactly one bash block, got 2"),)
    assert spoken("```bash\n\n```") == (Invalid("the bash block is empty"),)
    assert read("bash", {"command": SUBMISSION}) == Submit(command=SUBMISSION)
    assert read("bash", {"command": SUBMISSION}, "openhands") == Shell(SUBMISSION)


def test_a_text_without_a_harness_of_texts_does_nothing():
    assert operations_of(Action(content="```bash\nls\n```")) == ()


@pytest.mark.parametrize(
    ("name", "arguments", "reason"),
    [
        ("bash", "{broken", "bash: expected a JSON object as arguments, got '{broken'"),
        ("bash", {}, "bash: the argument 'command' is missing"),
        ("bash", {"command": 7}, "bash: expected 'command' as a text that is not empty, got 7"),
        ("bash", {"command": " "}, "bash: expected 'command' as a text that is not empty, got ' '"),
        ("bash", {"cmd": "ls"}, "bash: there is no argument 'cmd'; they are ['command']"),
        ("shell", {"command": []}, "shell: expected 'command' as a list of words, got []"),
        ("finish", {"reason": 1, "paths": []}, "finish: expected 'reason' as a text, got 1"),
        ("open", {"path": "a", "line_number": True}, "open: expected 'line_number' as an integer, got True"),
        ("glob", {"pattern": "", "path": "."}, "glob: expected 'pattern' as a text that is not empty, got ''"),
        ("read", {"filePath": "a", "offset": 1.5}, "read: expected 'offset' as an integer, got 1.5"),
        ("read", {"filePath": "a", "limit": 0}, "read: expected an offset from 0 and a limit from 1"),
        ("read", {"filePath": ""}, "read: expected 'filePath' as a path, got ''"),
    ],
)
def test_bad_arguments_are_invalid_with_the_reason(name, arguments, reason):
    assert read(name, arguments) == Invalid(reason)


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ({}, "expected 'command' as one of ['create', 'insert', 'str_replace', 'undo_edit', 'view'], got nothing"),
        ({"command": "fly"}, "'undo_edit', 'view'], got 'fly'"),
        ({"command": "view"}, " view: the argument 'path' is missing"),
        ({"command": "view", "path": "/a", "view_range": [1]}, "last -1 for the end of the file, got [1]"),
        ({"command": "view", "path": "/a", "view_range": [5, 2]}, "the last not before the first, got [5, 2]"),
        ({"command": "view", "path": "/a", "view_range": "x"}, "as two line numbers"),
        ({"command": "insert", "path": "/a", "new_str": "x"}, "insert: the argument 'insert_line' is missing"),
    ],
)
def test_bad_calls_of_the_editor_are_invalid_with_the_reason(arguments, reason):
    found = editor(**arguments)
    assert isinstance(found, Invalid)
    assert reason in found.reason


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        ("goto", "goto: the argument 'line_number' is missing"),
        ("goto x", "goto: expected 'line_number' as an integer, got 'x'"),
        ("goto 1 2", "goto: expected at most 1 words, got 2"),
        ("insert 'x", "insert: a quote is not closed"),
        ("edit 3:5\nx", "edit: expected lines that end with 'end_of_edit'"),
    ],
)
def test_bad_calls_of_swe_agent_s_programs_are_invalid_with_the_reason(command, reason):
    assert read("bash", {"command": command}, "swe_agent") == Invalid(reason)


def test_a_tool_that_was_not_offered_is_invalid():
    tools = [Tool(name="bash", parameters={"type": "object", "properties": {"command": {"type": "string"}}})]
    assert read("edit", {}, tools=tools) == Invalid("no tool is called 'edit'; the tools are ['bash']")


def test_an_argument_that_the_offered_tool_declares_is_allowed():
    properties = {"command": {"type": "string"}, "purpose": {"type": "string"}}
    tools = [Tool(name="bash", parameters={"type": "object", "properties": properties})]
    assert read("bash", {"command": "ls", "purpose": "look"}, tools=tools).kind == "find"


def test_a_pivot_names_its_harness():
    def pivot(origin=None, **metadata):
        return Pivot(
            id="t:0", domain="swe", messages=[], reference=Action(content="x"), metadata=metadata,
            origin=Origin.model_validate(origin or {"kind": "none"}),
        )  # fmt: skip

    assert harness_of(pivot()) is None
    assert harness_of(pivot({"kind": "git", "harness": "swe_agent"})) == "swe_agent"
    assert harness_of(pivot(harness="codex")) == "codex"
    assert harness_of(pivot(nemo_gym={"metadata": {"harness": "opencode"}})) == "opencode"
    assert harness_of(pivot(nemo_gym={"metadata": {"harness": "codeact"}})) == "openhands"
    assert harness_of(pivot(harness="unheard of")) is None
    assert harness_of(pivot(harness=7)) is None


def test_a_harness_may_be_named_otherwise():
    assert read("bash", {"command": "goto 7"}, "swe-agent") == Move("goto", None, 7)
    assert read("bash", {"command": "goto 7"}, "unheard of") == Shell("goto 7")


def test_a_schema_that_is_none_declares_nothing():
    tools = [Tool(name="bash", parameters={"type": "object", "properties": True})]
    assert read("bash", {"command": "cat a.py"}, tools=tools) == View(("a.py",))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=6), lambda inner: st.lists(inner, max_size=3)
)
NAMES = ["bash", "str_replace_editor", "edit", "shell", "read", "finish", "insert", "open", "apply_patch", "grep"]
KEYS = [
    "command",
    "path",
    "view_range",
    "old_str",
    "search",
    "replace",
    "filePath",
    "oldString",
    "text",
    "line",
    "input",
    "pattern",
]


@given(st.sampled_from(NAMES), st.dictionaries(st.sampled_from(KEYS), JSON, max_size=4))
def test_any_call_is_some_operation(name, arguments):
    assert read(name, arguments).kind
