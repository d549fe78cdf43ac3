"""Operations as JSON."""

import pytest

from pivotgym.core.errors import InputError
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
    RunTests,
    Search,
    Shell,
    Submit,
    Think,
    Undo,
    View,
    from_json,
    to_json,
)

ALL = [
    View(("a.py",), ((1, 5), (7, None)), ("tab",)),
    Search("x", ("src",), context=(1, 2)),
    Find(("src",), ("*.py",), "f", 2),
    Replace("a.py", "x", "y"),
    ReplaceLines("a.py", 1, 2, "x"),
    Insert("a.py", 0, "x"),
    Create("a.py", "x", True),
    Undo("a.py"),
    Patch("p"),
    Move("open", "a.py", 3),
    RunTests("pytest", ("t.py",), ("-k x",)),
    Shell("ls"),
    Submit("done"),
    Think("hm"),
    Other("fetch", "{}"),
    Invalid("no"),
]


@pytest.mark.parametrize("operation", ALL, ids=lambda one: one.kind)
def test_every_operation_comes_back_from_json(operation):
    assert from_json(to_json(operation)) == operation


def test_an_unknown_kind_is_named():
    with pytest.raises(InputError, match=r"expected a kind of .*'view'.*, got 'look'"):
        from_json({"kind": "look"})


def test_an_unknown_field_is_named():
    with pytest.raises(InputError, match=r"operation shell: expected fields of Shell, got \['cmd'\]"):
        from_json({"kind": "shell", "cmd": "ls"})


def test_a_missing_field_is_named():
    with pytest.raises(InputError, match=r"operation shell: .*'command'"):
        from_json({"kind": "shell"})
