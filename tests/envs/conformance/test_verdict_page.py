"""Intervals, tuned string similarity, a judge beside, and the page they end in."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openai_server import OpenAIServer, said

from pivotgym.cli.main import run_app
from pivotgym.envs.conformance.intervals import balanced, wilson
from pivotgym.envs.conformance.similarity import SCORERS, halves, similarity, tune, tuned_similarity
from pivotgym.envs.conformance.verdict_cases import VerdictCase, case_of
from pivotgym.envs.conformance.verdict_page import markdown_table


def row(number: int, given: str, label: int, *, group: str | None = None, domain: str = "tool_use") -> dict[str, Any]:
    def pay(whom: str) -> dict[str, Any]:
        return {"type": "tool_calls", "tool_calls": [{"name": "pay", "arguments": {"to": whom}}]}

    return {
        "id": f"c-{number}",
        "domain": domain,
        "context": {
            "messages": [{"role": "user", "content": "Pay Ann Lee."}],
            "tools": [{"name": "pay", "parameters": {"type": "object", "properties": {"to": {"type": "string"}}}}],
        },
        "reference_action": pay("Ann Lee"),
        "candidate_action": pay(given),
        "label": label,
        "kind": f"{'pos' if label else 'neg'}_name",
        "group": group or f"g-{number}",
        "origin": {"kind": "functions"},
    }


def case(number: int, given: str, label: int, **fields: Any) -> VerdictCase:
    return case_of(row(number, given, label, **fields))


counts = st.integers(1, 400).flatmap(lambda total: st.tuples(st.integers(0, total), st.just(total)))


@given(counts)
def test_wilsons_interval_holds_the_rate(counted: tuple[int, int]) -> None:
    low, high = wilson(*counted) or (1.0, 0.0)
    assert 0 <= low <= counted[0] / counted[1] <= high <= 1
    assert low < high


@pytest.mark.parametrize(
    ("count", "total", "ends"), [(0, 10, (0.0, 0.2775)), (10, 10, (0.7225, 1.0)), (5, 10, (0.2366, 0.7634))]
)
def test_wilsons_interval_is_the_published_one(count: int, total: int, ends: tuple[float, float]) -> None:
    assert wilson(count, total) == pytest.approx(ends, abs=1e-4)


@given(counts, counts)
def test_the_interval_of_a_balanced_accuracy_holds_it(accepts: tuple[int, int], rejects: tuple[int, int]) -> None:
    low, high = balanced(*accepts, *rejects) or (1.0, 0.0)
    assert 0 <= low <= 1 - (accepts[0] / accepts[1] + rejects[0] / rejects[1]) / 2 <= high <= 1


def test_nothing_counted_has_no_interval() -> None:
    assert (wilson(0, 0), balanced(0, 0, 1, 2)) == (None, None)


@settings(max_examples=25)
@given(st.lists(st.sampled_from("abcdefgh"), min_size=2, max_size=30))
def test_no_group_is_in_both_halves(groups: list[str]) -> None:
    cases = [case(number, "Ann", 1, group=group) for number, group in enumerate(groups)]
    one, other = halves(cases)
    assert not {found.group for found in one} & {found.group for found in other}
    assert sorted(found.id for found in (*one, *other)) == sorted(found.id for found in cases)
    assert abs(len({found.group for found in one}) - len({found.group for found in other})) <= 1


def test_tuning_finds_the_threshold_that_parts_the_cases() -> None:
    cases = [case(0, "Ann Lee", 1), case(1, "Ann  Lee", 1), case(2, "Bob", 0), case(3, "Zoe Quu", 0)]
    tuned = tune(cases)
    assert [tuned.accepts(one) for one in cases] == [True, True, False, False]


@settings(max_examples=20)
@given(st.lists(st.tuples(st.text(max_size=8), st.integers(0, 1)), min_size=2, max_size=8))
def test_a_case_is_never_decided_by_what_was_tuned_on_its_half(given: list[tuple[str, int]]) -> None:
    cases = [case(number, text, label) for number, (text, label) in enumerate(given)]
    turned = [case(number, text, 1 - label) for number, (text, label) in enumerate(given)]
    scored = {one.id for one in halves(cases)[1]}
    mixed = [other if one.id in scored else one for one, other in zip(cases, turned, strict=True)]
    said, again = (tuned_similarity(some)[0] for some in (cases, mixed))
    assert [one.accepted for one in said if one.case.id in scored] == [
        one.accepted for one in again if one.case.id in scored
    ]


@pytest.mark.parametrize("scorer", SCORERS)
def test_equal_actions_are_wholly_similar(scorer: str) -> None:
    assert similarity(scorer, case(0, "Ann Lee", 1)) == pytest.approx(1.0)
    assert similarity(scorer, case(0, "Bob", 0)) < 1.0


def test_cells_of_a_table_cannot_break_it() -> None:
    table = markdown_table(("rule", "n"), [("a | b\nc", "1")])
    assert table == "| rule | n |\n| --- | ---: |\n| a \\| b c | 1 |"


ROWS = [row(0, "Ann Lee", 1), row(1, "ann lee", 1), row(2, "Bob", 0), row(3, "Ann Lie", 0)]


@pytest.fixture
def labelled(tmp_path: Path) -> Path:
    path = tmp_path / "secret" / "cases.jsonl"
    path.parent.mkdir()
    path.write_text("".join(json.dumps(one) + "\n" for one in ROWS))
    return path


def test_the_command_writes_the_page_and_its_figures(
    labelled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = ["bench", "verdicts", "--cases", str(labelled), "--out", str(tmp_path / "docs" / "verdicts.md")]
    monkeypatch.setattr("sys.argv", ["pivotgym", *arguments])
    assert run_app(arguments) == 0
    page = (tmp_path / "docs" / "verdicts.md").read_text()
    assert "`pivotgym bench verdicts --cases cases.jsonl --out verdicts.md`" in page
    assert "| tool_use | PivotGym | 4 | 1.000 (0.535 to 1.000) | 0/2 (0.0 %; 0.0 to 65.8) |" in page
    assert "| tool_use | neg_name | different | 2 | 0 | 0 | 1 |" in page
    assert "judge" not in page
    assert str(tmp_path) not in page
    figures = json.loads((tmp_path / "docs" / "verdicts.json").read_text())
    assert list(figures["methods"]) == ["pivotgym", "exact_match", "nemo_gym", "similarity"]
    assert "disagreements" not in figures
    assert "Ann" not in json.dumps(figures)


def test_a_judge_that_is_named_stands_beside(labelled: Path, tmp_path: Path) -> None:
    def same_but_for_bob(question: dict[str, Any], number: int) -> Any:
        same = "Bob" not in question["messages"][-1]["content"]
        return said(json.dumps({"reason": "I looked.", "same": same}))

    with OpenAIServer(same_but_for_bob) as server:
        told = [f"base_url={server.url}", "model=wise", f"cache={tmp_path / 'answers.sqlite'}"]
        options = [word for one in told for word in ("--judge", one)]
        out = tmp_path / "verdicts.md"
        assert run_app(["bench", "verdicts", "--cases", str(labelled), "--out", str(out), *options]) == 0
    judge = json.loads(out.with_suffix(".json").read_text())["methods"]["judge"]
    assert (judge["false_accepts"], judge["false_rejects"], judge["errors"]) == (1, 0, 0)
    assert "in both orders: wise." in out.read_text()
