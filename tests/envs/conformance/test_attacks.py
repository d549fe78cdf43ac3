"""Adversarial search over verdicts: what is asked, what is counted, and the page; on functions without a state."""

import json
from pathlib import Path
from typing import Any

import pytest

from pivotgym.cli.main import run_app
from pivotgym.core.messages import Action, Message, Tool, ToolCall
from pivotgym.core.trajectory import Origin, Pivot
from pivotgym.envs.conformance.adversarial.messages import message_mutations
from pivotgym.envs.conformance.adversarial.search import attack, distinct, report, unbuilt

PAY = Tool(
    name="pay",
    parameters={
        "type": "object",
        "properties": {
            "to": {"type": "string"},
            "amount": {"type": "number"},
            "unit": {"type": "string", "default": "usd"},
        },
        "required": ["to", "amount"],
    },
)
SPRAY = "nemo_gym.single_step_tool_use_with_argument_comparison?word_count_similarity_threshold=0.0"


def pivot(name: str = "t:0", expert: Action | None = None, **arguments: Any) -> Pivot:
    call = ToolCall(name="pay", arguments={"to": "Ann Marie Lee", "amount": 5, **arguments})
    return Pivot(
        id=name,
        domain="tool_use",
        messages=[Message(role="user", content="Pay 5 to my friend Ann Marie Lee in Oslo. I live in Oslo too.")],
        tools=[PAY],
        reference=expert or Action(tool_calls=(call,)),
        origin=Origin(kind="functions"),
    )


def test_our_verdicts_stand_and_a_rule_that_compares_words_does_not() -> None:
    found = report(attack([pivot()], each=5, methods={"pivotgym": {"": "functional"}, "nemo_gym": {"": SPRAY}}))
    ours, theirs = found["methods"]["pivotgym"], found["methods"]["nemo_gym"]
    assert (ours["accepted"], ours["rejected"], ours["errors"]) == (0, 0, 0)
    assert ours["harmful"] == theirs["harmful"] > 5
    assert theirs["by_mutation"]["tool_use"]["call.letter"]["accepted"] > 0
    assert theirs["by_mutation"]["tool_use"]["call.default"]["rejected"] > 0


def test_what_we_get_wrong_is_told_with_both_actions() -> None:
    found = report(attack([pivot()], each=5, methods={"pivotgym": {"": SPRAY}}))
    wrong = next(one for one in found["wrong"] if one["mutation"] == "call.letter")
    assert wrong["harmful"]
    assert wrong["expert"] != wrong["candidate"]
    assert wrong["pivot"] == "t:0"


def test_a_pivot_that_cannot_be_scored_is_left_and_counted() -> None:
    bad = pivot("t:1", surely_unknown=1)
    found = attack([pivot(), bad])
    assert (dict(found.pivots), dict(found.left)) == ({"tool_use": 1}, {"pivot_refused": 1})


def test_equal_pivots_are_asked_once() -> None:
    assert [one.id for one in distinct([pivot("a:0"), pivot("b:0"), pivot("c:0", amount=6)])] == ["a:0", "c:0"]


def test_progress_is_told_pivot_by_pivot() -> None:
    told: list[tuple[int, int]] = []
    attack([pivot(), pivot("u:0", amount=7)], on_progress=lambda done, total: told.append((done, total)))
    assert told == [(1, 2), (2, 2)]


def test_a_state_can_be_made_one_that_cannot_be_built() -> None:
    assert unbuilt(pivot()).origin.kind == "none"


TEXT = Action(content="The 5 dollars went to Ann in Oslo.\nOrder W1234 is paid.")


@pytest.mark.parametrize(
    ("mutation", "changed"),
    [
        ("number", "The 6 dollars went to Ann in Oslo.\nOrder W1234 is paid."),
        ("id", "The 5 dollars went to Ann in Oslo.\nOrder W1237 is paid."),
        ("name", "The 5 dollars went to Ann in Zanzibar.\nOrder W1234 is paid."),
        ("nothing", "Okay."),
        ("preceded", "Certainly. The 5 dollars went to Ann in Oslo.\nOrder W1234 is paid."),
        ("spaced", "The 5 dollars went to Ann in Oslo.\n\nOrder W1234 is paid.\n"),
    ],
)
def test_messages_change_as_the_mutation_says(mutation: str, changed: str) -> None:
    named = {one.name: one for one in message_mutations()}
    assert Action(content=changed) in named[f"message.{mutation}"].actions(pivot(expert=TEXT))


def test_a_message_with_another_fact_is_refused_and_a_polite_one_is_not() -> None:
    found = report(attack([pivot(expert=TEXT)], each=3, methods={"pivotgym": {"": "functional"}}))
    assert found["methods"]["pivotgym"]["by_mutation"]["tool_use"]["message.number"]["harmful"] == 1
    assert found["wrong"] == []


def test_the_command_writes_a_page_without_the_actions(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pivots = tmp_path / "pivots.jsonl"
    pivots.write_text(pivot().model_dump_json() + "\n")
    out, whole = tmp_path / "docs" / "attacks.md", tmp_path / "attacks.json"
    assert run_app(["bench", "attacks", "--pivots", str(pivots), "--out", str(out), "--json", str(whole)]) == 0
    page = out.read_text()
    assert "States: 1 of tool_use. Errors of ours: none." in page
    assert "| tool_use | call.number | harmful | 0 of 1 | 0 of 1 | 0 of 1 |" in page
    assert "## What PivotGym got wrong\n\nNothing." in page
    assert "Marie" not in page
    assert json.loads(whole.read_text())["mutations"]["call.default"]["harmful"] is False
    assert "# Adversarial search" in capsys.readouterr().out


def test_the_command_needs_states(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_app(["bench", "attacks"]) == 3
    assert "expected states to attack, got none" in capsys.readouterr().err
