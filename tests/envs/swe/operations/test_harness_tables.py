"""The tables of harnesses: what they may say, and that the shipped ones are right."""

import pytest

from pivotgym.core.errors import ConfigError
from pivotgym.envs.swe.operations.tables import harnesses, read_table


def test_the_shipped_tables():
    assert {"openhands", "swe_agent", "mini_swe_agent", "codex", "opencode", "claude_code", "stirrup"} == set(
        harnesses()
    )


def test_every_table_has_a_shell_and_a_harness_names_itself():
    for name, table in harnesses().items():
        forms = [form for entry in table.tools.values() for form in entry.forms]
        assert table.harness == name
        assert any(form.operation == "shell" for form in forms)


def test_a_tool_has_other_names():
    table = harnesses()["openhands"]
    assert table.entry("str_replace_based_edit_tool") is table.entry("str_replace_editor")
    assert table.entry("nothing") is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("harness: [", "harness table x.yaml: "),
        ("harness: h\ntools: {a: {operation: fly}}", "expected an operation of .*'shell'.*, got 'fly'"),
        (
            "harness: h\ntools: {a: {operation: shell, arguments: {x: filled}}}",
            r"shell: expected fields of .*, got \['x'\]",
        ),
        ("harness: h\ntools: {a: {operation: shell}}", r"shell: nothing gives its \['command'\]"),
        (
            "harness: h\ntools: {a: {operation: shell, arguments: {x: word as command}}}",
            "argument x: expected .* got 'word as",
        ),
        ("harness: h\ntools: {}\nmore: 1", "more"),
    ],
)
def test_a_bad_table_is_refused_with_the_place(text, message):
    with pytest.raises(ConfigError, match=message):
        read_table(text, "x.yaml")
