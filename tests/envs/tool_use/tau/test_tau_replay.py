"""Every recorded airline and retail run, replayed against the databases."""

import json
from collections import Counter
from pathlib import Path

import pytest

from pivotgym.core.errors import PivotRefused
from pivotgym.core.messages import Action, ToolCall
from pivotgym.core.readers.chat import read_chat
from pivotgym.core.trajectory import Origin, Step, Trajectory, steps_of
from pivotgym.envs.base.runtime import Runtime
from pivotgym.envs.base.states import StateCache
from pivotgym.envs.tool_use import domain
from pivotgym.envs.tool_use.tau.toolkit import TauToolkit

FILES = ("airline_gpt4o", "airline_gpt4o_failed_sample", "retail_gold_replay")


@pytest.fixture
def runs(real: Path) -> list[Trajectory]:
    return [run for name in FILES for run in read_chat(real / f"{name}.jsonl")]


def states() -> StateCache:
    return StateCache(domain().world, max_states=1)


def test_every_run_replays(runs: list[Trajectory]) -> None:
    kept = states()
    replayed = Counter()
    for run in runs:
        kept.get(run.origin, list(steps_of(run.messages))).close()
        replayed[run.origin.get("toolkit")] += 1
    assert replayed == {"airline": 74, "retail": 60}


def test_the_only_difference_is_a_field_that_was_renamed(runs: list[Trajectory]) -> None:
    causes = Counter()
    for run in runs:
        toolkit = TauToolkit()
        toolkit.start(run.origin, 0)
        for call, recorded in _recorded(run):
            text = toolkit.call(call.name, dict(call.arguments))  # type: ignore[arg-type]
            causes[_cause(call.name, recorded, text)] += 1
    assert causes == {"same": 498, "get_user_details: address.province is state": 37}


def _recorded(run: Trajectory) -> list[tuple[ToolCall, str]]:
    steps = [step for step in steps_of(run.messages) if step.action.tool_calls]
    return [pair for step in steps for pair in zip(step.action.tool_calls, step.observations or (), strict=True)]


def _cause(tool: str, recorded: str, text: str) -> str:
    if recorded == text:
        return "same"
    old, new = json.loads(recorded), json.loads(text)
    old["address"]["state"] = old["address"].pop("province")
    return f"{tool}: address.province is state" if old == new else f"{tool}: other"


def test_a_recording_with_another_value_is_refused(runs: list[Trajectory]) -> None:
    run = next(run for run in runs if "province" in str(run.messages))
    text = run.model_dump_json().replace('\\"province\\": \\"', '\\"province\\": \\"X')
    with pytest.raises(PivotRefused, match="the replay differs from the recording"):
        states().get(run.origin, list(steps_of(Trajectory.model_validate_json(text).messages)))


def test_the_fields_new_name_is_known_in_addresses_of_the_airline_only(real: Path) -> None:
    shops = {name: TauToolkit() for name in ("airline", "retail")}
    for name, shop in shops.items():
        shop.start(Origin.model_validate({"kind": "tau", "toolkit": name}), 0)
    text = '{"address": {"city": "Reno", "province": "NV"}}'
    assert shops["airline"].normalise(text) == '{"address": {"city": "Reno", "state": "NV"}}'
    assert shops["retail"].normalise(text) == text
    assert shops["airline"].normalise('{"province": "NV"}') == '{"province": "NV"}'


def test_an_experts_calls_are_worth_one_at_every_candidate_turn(runs: list[Trajectory]) -> None:
    from bfcl_pivots import cut

    runtime = Runtime(domain(), max_states=400)
    for run in runs[::12]:
        for turn in runtime.domain.candidates(run):
            verdict = runtime.check(cut(run, turn))
            assert (verdict.reward, verdict.outcome) == (1.0, "equivalent")


def test_candidates_are_calls_without_errors(runs: list[Trajectory]) -> None:
    tool_use = domain()
    for run in runs:
        steps = list(steps_of(run.messages))
        chosen = tool_use.candidates(run)
        assert all(steps[turn].action.tool_calls for turn in chosen)
        assert not any(text.startswith("Error") for turn in chosen for text in steps[turn].observations or ())


def test_labels_of_executed_cases_follow_from_state_and_result(real: Path, shared_data: Path) -> None:
    lines = (shared_data / "verifier_cases" / "tool_use.jsonl").read_text().splitlines()
    cases = [row for row in map(json.loads, lines) if row["origin"]["kind"] == "tau"]
    assert cases
    for case in cases:
        start = Origin.model_validate({"kind": "tau", "toolkit": case["origin"]["toolkit"]})
        prefix = [Step(action=Action(tool_calls=(ToolCall(**call),))) for call in case["origin"]["prefix"]]
        expert, candidate = (_effects(start, prefix, case[f"{who}_action"]) for who in ("reference", "candidate"))
        assert (expert == candidate) == bool(case["label"]), case["id"]


def _effects(start: Origin, prefix: list[Step], action: dict) -> tuple[str, list]:
    calls = tuple(ToolCall(**call) for call in action["tool_calls"])
    effects = states().get(start, prefix).run(Action(tool_calls=calls))
    return effects.state, [_read(text) for text in effects.observations]


def _read(text: str) -> object:
    try:
        return json.loads(text)
    except ValueError:
        return text.strip()
