import json
from pathlib import Path
from typing import Any

import pytest

from pivotgym.cli.main import run_app
from pivotgym.envs.conformance.verdict_bench import VerdictBench, metrics, report
from pivotgym.envs.conformance.verdict_cases import VerdictCase, case_of

TOOL = {
    "name": "pay",
    "parameters": {
        "type": "object",
        "properties": {"to": {"type": "string"}, "amount": {"type": "number"}, "unit": {"type": "string"}},
        "required": ["to", "amount"],
    },
}


def row(number: int, label: int, kind: str, domain: str = "tool_use", **arguments: Any) -> dict[str, Any]:
    def act(given: dict[str, Any]) -> dict[str, Any]:
        return {"type": "tool_calls", "tool_calls": [{"name": "pay", "arguments": given}]}

    return {
        "id": f"c-{number}",
        "domain": domain,
        "context": {"messages": [{"role": "user", "content": "Pay Ann 5."}], "tools": [TOOL]},
        "reference_action": act({"to": "Ann", "amount": 5}),
        "candidate_action": act(arguments),
        "label": label,
        "kind": kind,
        "group": "g",
        "origin": {"kind": "functions"},
    }


ROWS = [
    row(0, 1, "pos_same", to="Ann", amount=5),
    row(1, 1, "pos_surface", to="ann", amount=5),
    row(2, 0, "neg_value", to="Ann", amount=6),
    row(3, 0, "neg_mislabelled", to="Ann", amount=5),
    row(4, 1, "pos_alt_gold_value", to="Anne-Marie", amount=5),
]


def cases(*rows: dict[str, Any]) -> list[VerdictCase]:
    return [case_of(one) for one in rows]


def test_rates_are_those_of_the_verdicts() -> None:
    found = metrics(VerdictBench().run(cases(*ROWS[:4]))["pivotgym"])
    assert (found["cases"], found["verdicts"], found["errors"]) == (4, 4, 0)
    assert (found["false_accept_rate"], found["false_reject_rate"]) == (0.5, 0.0)
    assert (found["balanced_accuracy"], found["accuracy"]) == (0.75, 0.75)


def test_exact_match_stands_beside() -> None:
    found = report(VerdictBench().run(cases(*ROWS[:3])))["methods"]["exact_match"]
    assert (found["false_reject_rate"], found["false_accept_rate"], found["balanced_accuracy"]) == (0.5, 0.0, 0.75)


def test_kinds_that_need_world_knowledge_are_apart() -> None:
    ours = report(VerdictBench().run(cases(*ROWS)))["methods"]["pivotgym"]
    assert (ours["cases"], ours["false_reject_rate"]) == (4, 0.0)
    assert (ours["with_world_knowledge"]["cases"], ours["world_knowledge"]["cases"]) == (5, 1)
    assert ours["world_knowledge"]["false_reject_rate"] == 1.0


def test_a_domain_that_is_not_there_is_an_error_and_no_verdict() -> None:
    ours = report(VerdictBench().run(cases(ROWS[0], row(9, 0, "neg_value", domain="absent", to="", amount=1))))
    found = ours["methods"]["pivotgym"]
    assert (found["verdicts"], found["errors"], found["errors_by_code"]) == (1, 1, {"not_found": 1})
    assert (found["false_accept_rate"], found["balanced_accuracy"]) == (None, None)
    assert ours["disagreements"][0]["error"] == "not_found"


def test_figures_stand_by_kind_domain_and_origin() -> None:
    ours = report(VerdictBench().run(cases(*ROWS)))["methods"]["pivotgym"]
    assert list(ours["by_kind"]) == sorted(one["kind"] for one in ROWS)
    assert list(ours["by_domain"]) == ["tool_use"]
    assert ours["by_origin"]["functions"]["executed"] == 0.0


def test_progress_is_told_case_by_case() -> None:
    seen: list[tuple[int, int]] = []
    VerdictBench().run(cases(*ROWS[:2]), on_progress=lambda done, total: seen.append((done, total)))
    assert seen == [(1, 2), (2, 2)]


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(one) + "\n" for one in rows))
    return path


def test_the_command_prints_and_writes_the_report(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one, two = write(tmp_path / "a.jsonl", ROWS[:2]), write(tmp_path / "b.jsonl", ROWS[2:])
    out = tmp_path / "deep" / "out.json"
    assert run_app(["bench", "verdicts", "--cases", str(one), str(two), "--json", str(out)]) == 0
    written = json.loads(out.read_text())
    assert set(written["methods"]) >= {"pivotgym", "exact_match"}
    assert written["methods"]["pivotgym"]["balanced_accuracy"] == 0.75
    assert "c-3 (neg_mislabelled) is different, we say equivalent" in capsys.readouterr().out


def test_the_command_names_a_missing_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_app(["bench", "verdicts", "--cases", str(tmp_path / "none.jsonl")]) == 3
    assert "expected a JSON Lines file" in capsys.readouterr().err


def test_nemo_gyms_rules_stand_beside(tmp_path: Path) -> None:
    found = report(VerdictBench().run(cases(*ROWS[:3])))["methods"]["nemo_gym"]
    assert (found["errors"], found["by_kind"]["pos_same"]["false_reject_rate"]) == (0, 0.0)


def test_a_source_that_is_not_there_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(tmp_path / "a.jsonl", ROWS)
    assert run_app(["bench", "verdicts", "--cases", str(path), "--data", str(tmp_path)]) == 3
    assert "source 'tau': expected a folder or file, found none" in capsys.readouterr().err


def test_without_their_data_cases_to_be_run_are_errors() -> None:
    one = row(0, 1, "tau_pos", to="Ann", amount=6) | {"origin": {"kind": "tau", "toolkit": "retail", "prefix": []}}
    found = report(VerdictBench().run(cases(one)))["methods"]["pivotgym"]
    assert found["errors_by_code"] == {"missing_dependency": 1}


def test_the_labelled_cases_of_tool_use(shared_data: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.json"
    labelled = shared_data / "verifier_cases" / "tool_use.jsonl"
    assert run_app(["bench", "verdicts", "--cases", str(labelled), "--data", str(shared_data), "--json", str(out)]) == 0
    methods = json.loads(out.read_text())["methods"]
    ours = methods["pivotgym"]
    assert ours["errors"] == 0
    assert ours["balanced_accuracy"] >= 0.95
    assert ours["false_accept_rate"] <= 0.02
    assert ours["with_world_knowledge"]["false_accept_rate"] <= 0.02
    assert ours["by_origin"]["tau"]["executed"] > 0.5
    assert methods["exact_match"]["balanced_accuracy"] < ours["balanced_accuracy"]
