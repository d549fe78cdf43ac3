import json
from pathlib import Path
from typing import Any

import pytest

from pivotgym.core.errors import BadLine, InputError, NotFound
from pivotgym.envs.conformance.verdict_cases import case_of, read_cases

PING = {"name": "ping", "arguments": {"n": 1}}


def row(**changes: Any) -> dict[str, Any]:
    base = {
        "id": "c-1",
        "domain": "tool_use",
        "context": {"messages": [{"role": "user", "content": "Go."}], "tools": [{"name": "ping"}]},
        "reference_action": {"type": "tool_calls", "tool_calls": [PING]},
        "candidate_action": {"type": "message", "content": "No."},
        "label": 0,
        "kind": "neg_message",
        "group": "g",
        "origin": {"kind": "functions"},
    }
    return {**base, **changes}


def test_a_row_becomes_a_pivot_a_candidate_and_a_label() -> None:
    case = case_of(row())
    assert (case.id, case.domain, case.kind, case.group, case.equivalent) == (
        "c-1",
        "tool_use",
        "neg_message",
        "g",
        False,
    )
    assert case.pivot.reference.tool_calls[0].arguments == {"n": 1}
    assert case.candidate.content == "No."


def test_the_calls_of_the_origin_become_the_prefix() -> None:
    case = case_of(row(origin={"kind": "tau", "toolkit": "retail", "prefix": [PING, PING]}))
    assert [step.action.tool_calls[0].name for step in case.pivot.steps()] == ["ping", "ping"]
    assert case.pivot.steps()[0].observations is None
    assert case.pivot.origin.model_dump() == {"kind": "tau", "toolkit": "retail"}


def test_without_a_prefix_nothing_is_replayed_whatever_the_messages_say() -> None:
    said = {"role": "assistant", "content": "", "tool_calls": [PING]}
    case = case_of(row(context={"messages": [{"role": "user", "content": "Go."}, said]}))
    assert case.pivot.steps() == []


def test_the_label_never_reaches_the_pivot() -> None:
    assert case_of(row(label=0)).pivot == case_of(row(label=1)).pivot


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"label": 2}, "label: expected 0 or 1, got 2"),
        ({"candidate_action": {"type": "song"}}, "candidate_action: expected an action of type 'message'"),
        ({"origin": {"kind": "tau", "prefix": ["ping"]}}, "origin.prefix: expected an action of type 'message'"),
    ],
)
def test_what_is_wrong_with_a_row_is_named(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        case_of(row(**changes))


def test_a_bad_line_is_named(tmp_path: Path) -> None:
    path = tmp_path / "cases.jsonl"
    bad = row()
    del bad["label"]
    path.write_text(json.dumps(row()) + "\n" + json.dumps(bad) + "\n")
    with pytest.raises(BadLine, match="line 2: unexpected shape: KeyError: 'label'"):
        list(read_cases(path))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="expected a JSON Lines file"):
        list(read_cases(tmp_path / "none.jsonl"))
