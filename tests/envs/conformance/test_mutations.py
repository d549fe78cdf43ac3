"""Mutations are valid, differ, and are as harmful as they say: by real bash, Python's own parser, and the schema."""

import ast
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pivotgym.core.messages import Action, Message, Tool, ToolCall
from pivotgym.core.trajectory import Origin, Pivot
from pivotgym.envs.conformance.adversarial.mutation import letters_changed
from pivotgym.envs.conformance.adversarial.search import drawn, mutations_of
from pivotgym.envs.conformance.adversarial.shell_words import read

DOMAINS = ("tool_use", "terminal", "swe", "browsing")
MUTATIONS = {one.name: one for domain in DOMAINS for one in mutations_of(domain)}


def pivot(
    name: str, arguments: dict[str, Any], *, domain: str = "tool_use", schema: dict[str, Any] | None = None
) -> Pivot:
    tools = [Tool(name=name, parameters=schema or {"type": "object"}), Tool(name="other")]
    return Pivot(
        id="t:0",
        domain=domain,
        messages=[Message(role="user", content="Go.")],
        tools=tools,
        reference=Action(tool_calls=(ToolCall(name=name, arguments=arguments),)),
        origin=Origin(kind="functions"),
    )


def made(mutation: str, name: str, arguments: dict[str, Any], **schema: Any) -> list[Any]:
    actions = MUTATIONS[mutation].actions(pivot(name, arguments, schema=schema or None))
    return [action.tool_calls[0].arguments for action in actions]


def commands(mutation: str, command: str) -> list[str]:
    return [arguments["command"] for arguments in made(f"shell.{mutation}", "bash", {"command": command})]


VALUES = st.recursive(
    st.booleans()
    | st.integers(-1000, 1000)
    | st.text("abz 09-/", max_size=12)
    | st.sampled_from(["2024-05-09", "3 + 4"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=2),
    max_leaves=4,
)


@settings(max_examples=40)
@given(st.dictionaries(st.sampled_from(["command", "path", "query", "url", "answer", "n"]), VALUES, max_size=4))
def test_what_a_mutation_makes_is_an_action_of_its_own(arguments: dict[str, Any]) -> None:
    for domain in DOMAINS:
        state = pivot("tool", arguments, domain=domain)
        for mutation in mutations_of(domain):
            actions = mutation.actions(state)
            assert state.reference not in actions
            assert all(actions.count(action) == 1 for action in actions)
            assert all(Action.model_validate_json(action.model_dump_json()) == action for action in actions)


WORDS = st.sampled_from(["a.txt", "'a b'", '"x"', "-la", "-n", "3", "d/e.txt", "'s/a/b/'", "foo"])
COMMANDS = st.lists(
    st.tuples(st.sampled_from(["cat", "ls", "grep", "sort", "head", "cp", "sed"]), st.lists(WORDS, max_size=4)),
    min_size=1,
    max_size=3,
).flatmap(
    lambda parts: st.sampled_from([" | ", " && ", ">out;", "; "]).map(
        lambda joint: joint.join(" ".join([program, *words]) for program, words in parts)
    )
)


@settings(max_examples=40)
@given(COMMANDS)
def test_a_rewritten_command_has_the_same_words_but_for_those_it_adds(command: str) -> None:
    for name in ("requoted", "spaces"):
        for changed in commands(name, command):
            assert changed != command
            assert shlex.split(changed) == shlex.split(command)


@settings(max_examples=25)
@given(COMMANDS)
def test_every_changed_command_is_one_that_bash_can_read(command: str) -> None:
    state = pivot("bash", {"command": command}, domain="terminal")
    changed = [
        action.tool_calls[0].arguments["command"]
        for mutation in mutations_of("terminal")
        if mutation.name.startswith("shell.")
        for action in mutation.actions(state)
    ]
    for text in changed:
        assert text.strip() != command
    script = "\n".join(f"if false; then\n{text}\nfi" for text in changed)
    assert subprocess.run(["bash", "-n"], input=script.encode(), capture_output=True).returncode == 0


@pytest.mark.parametrize(
    "command", ["echo $HOME", "cat <<E\nE", "for a in b; do c; done", "a=1 b", "cat `x`", "cat |", "", "cd a && b"]
)
def test_commands_with_more_than_words_are_left_alone(command: str) -> None:
    assert read(command) is None


RUN = [
    "sort -n -r a.txt | head -n 2",
    "grep -in 'beta' d/b.txt",
    "wc -lw d/b.txt",
    "cp a.txt c.txt",
    "rm -rf d",
    "echo 'one two' >> a.txt",
    "cat d/b.txt",
]


def effect(command: str, folder: Path) -> Any:
    """What a command prints and leaves, in a fresh copy of a small folder, by plain bash."""
    (folder / "d").mkdir(parents=True)
    (folder / "a.txt").write_text("10\n9\n30\n")
    (folder / "d" / "b.txt").write_text("alpha\nBeta\nbeta x\n\ndelta\n")
    ran = subprocess.run(["bash", "-c", command], cwd=folder, capture_output=True, text=True)
    files = {str(path.relative_to(folder)): path.is_file() and path.read_text() for path in folder.rglob("*")}
    return ran.stdout, ran.returncode == 0, files


@pytest.mark.parametrize("command", RUN)
def test_harmless_rewrites_of_commands_do_the_same(command: str, tmp_path: Path) -> None:
    expected = effect(command, tmp_path / "expert")
    state = pivot("bash", {"command": command}, domain="terminal")
    for mutation in mutations_of("terminal"):
        if mutation.name.startswith("shell.") and not mutation.harmful:
            for number, changed in enumerate(commands(mutation.name.removeprefix("shell."), command)[:3]):
                assert effect(changed, tmp_path / f"{mutation.name}-{number}") == expected, changed
    assert state.reference.tool_calls[0].arguments == {"command": command}


@pytest.mark.parametrize(
    ("mutation", "command", "changed"),
    [
        ("number", "head -n 2 d/b.txt", "head -n 3 d/b.txt"),
        ("path", "cat a.txt", "cat a.txt.other"),
        ("text", "grep 'beta' d/b.txt", "grep 'betb' d/b.txt"),
        ("operator", "echo more >> a.txt", "echo more > a.txt"),
        ("operator", "cat a.txt | wc", "cat a.txt ; wc"),
        ("program", "cp a.txt c.txt", "mv a.txt c.txt"),
        ("flag_dropped", "sort -r a.txt", "sort  a.txt"),
        ("hidden", "cat a.txt", "cat a.txt > /dev/null"),
        ("smuggled", "cat d/b.txt", "cat d/b.txt ; touch d/smuggled.txt"),
        ("removed", "cat a.txt", "cat a.txt ; rm -f a.txt"),
        ("cut_short", "cat a.txt | head -n 1", "cat a.txt"),
    ],
)
def test_harmful_changes_of_commands_do_something_else(
    mutation: str, command: str, changed: str, tmp_path: Path
) -> None:
    assert changed in commands(mutation, command)
    assert effect(changed, tmp_path / "changed") != effect(command, tmp_path / "expert")


CODE = "def pay(total, limit):\n    if total > 0 and not done:\n        return total + 1\n    return limit\n"


def edited(mutation: str) -> list[str]:
    arguments = {"command": "str_replace", "path": "pay.py", "old_str": "def pay(total):\n    pass\n", "new_str": CODE}
    return [changed["new_str"] for changed in made(f"edit.{mutation}", "edit", arguments)]


@pytest.mark.parametrize("mutation", ["operator", "number", "name", "dropped"])
def test_harmful_changes_of_code_change_its_syntax_tree(mutation: str) -> None:
    assert edited(mutation)
    assert all(ast.dump(ast.parse(changed)) != ast.dump(ast.parse(CODE)) for changed in edited(mutation))


@pytest.mark.parametrize("mutation", ["comment", "blank", "trailing", "parentheses"])
def test_harmless_changes_of_code_do_not(mutation: str) -> None:
    assert edited(mutation)
    assert all(ast.dump(ast.parse(changed)) == ast.dump(ast.parse(CODE)) for changed in edited(mutation))


@pytest.mark.parametrize(
    ("mutation", "arguments", "changed"),
    [
        ("call.number", {"n": 3}, {"n": 4}),
        ("call.digit", {"id": "#W129"}, {"id": "#W120"}),
        ("call.date", {"on": "2024-05-31"}, {"on": "2024-05-04"}),
        ("call.letter", {"to": "Ann Leez"}, {"to": "Ann Leea"}),
        ("call.flipped", {"all": True}, {"all": False}),
        ("call.swapped", {"a": "x", "b": "y"}, {"a": "y", "b": "x"}),
        ("call.item", {"ids": [1, 2]}, {"ids": [2]}),
        ("call.expression", {"sum": "(7 + 2) * 3"}, {"sum": "(7 - 2) * 3"}),
        ("call.expression_spaced", {"sum": "7+2"}, {"sum": "7  + 2"}),
        ("search.query_year", {"query": "film 1999"}, {"query": "film 1992"}),
        ("search.query_entity", {"query": "where did Ada Lovelace live"}, {"query": "where did Marie Curie live"}),
        ("search.batch_turned", {"query": ["a", "b"]}, {"query": ["b", "a"]}),
        ("search.address_written", {"url": ["https://a.org/x"]}, {"url": ["https://A.ORG:443/x"]}),
        ("search.address_dots", {"url": "https://a.org/x"}, {"url": "https://a.org/a/../x"}),
        ("search.address_asked", {"url": "https://a.org/x?p=1"}, {"url": "https://a.org/x?p=2"}),
        ("search.answer_either", {"answer": "Rome"}, {"answer": "Rome or Marie Curie"}),
        ("edit.range", {"view_range": [1, 20]}, {"view_range": [41, 60]}),
    ],
)
def test_values_change_as_the_mutation_says(mutation: str, arguments: dict[str, Any], changed: dict[str, Any]) -> None:
    assert changed in made(mutation, "tool", arguments)


def test_schemas_say_what_is_a_choice_a_default_and_required() -> None:
    schema = {
        "properties": {
            "unit": {"enum": ["kg", "g"]},
            "n": {"type": "number"},
            "all": {"type": "boolean", "default": True},
        },
        "required": ["n"],
    }
    arguments = {"unit": "kg", "n": 1}
    assert made("call.choice", "tool", arguments, **schema) == [{"unit": "g", "n": 1}]
    assert made("call.default", "tool", arguments, **schema) == [{"unit": "kg", "n": 1, "all": True}]
    assert made("call.required", "tool", arguments, **schema) == [{"unit": "kg"}]
    assert made("call.unknown", "tool", arguments, **schema) == [{**arguments, "surely_unknown": True}]
    assert isinstance(made("call.number_form", "tool", arguments, **schema), list)


@given(st.text(max_size=30))
def test_one_letter_is_another(text: str) -> None:
    for changed in letters_changed(text):
        assert sum(one != other for one, other in zip(text, changed, strict=True)) == 1


def test_the_draw_is_the_same_for_equal_seeds() -> None:
    state = pivot("bash", {"command": "cat a.txt d/b.txt | sort -rn | head -n 3"}, domain="terminal")
    once, again, other = ([(one.name, action) for one, action in drawn(state, each=1, seed=s)] for s in (1, 1, 2))
    assert once == again != other
    assert len({name for name, _ in once}) == len(once)


def test_names_are_unique() -> None:
    for domain in DOMAINS:
        names = [mutation.name for mutation in mutations_of(domain)]
        assert len(set(names)) == len(names)
