"""Real coding runs, labelled pairs of actions and NVIDIA's rows, read as operations."""

import json
from collections import Counter

import pytest

from pivotgym.core.messages import Action, Tool, ToolCall
from pivotgym.core.readers.chat import read_chat
from pivotgym.core.readers.nemo_gym import from_nemo_gym_row
from pivotgym.core.trajectory import Origin, Pivot, steps_of
from pivotgym.envs.swe.operations import harness_of, operations_of
from pivotgym.verifiers.code.operations import Shell, Submit
from pivotgym.verifiers.swe import SweComparator

COMPARATOR = SweComparator(lambda pivot, action: operations_of(action, pivot.tools, harness_of(pivot)))


@pytest.fixture(scope="module")
def runs(shared_data):
    files = sorted((shared_data / "trajectories" / "swe").glob("*.jsonl"))
    return [trajectory for file in files for trajectory in read_chat(file, domain="swe")]


def steps(trajectory):
    return [operations_of(step.action, trajectory.tools) for step in steps_of(trajectory.messages)]


def test_every_action_of_the_runs_can_be_run(runs):
    kinds = Counter(operation.kind for run in runs for step in steps(run) for operation in step)
    assert kinds.keys().isdisjoint({"invalid", "other"})
    assert sum(kinds.values()) > 1000


def test_most_actions_are_operations_and_only_certain_programs_are_not(runs):
    operations = [operation for run in runs for step in steps(run) for operation in step]
    commands = [operation.command for operation in operations if isinstance(operation, Shell)]
    assert len(commands) < len(operations) / 2
    shown = ("nl -ba", "cat -n", "head ", "tail ", "pytest ")
    assert [command for command in commands if command.startswith(shown) and not set(command) & set("|;&<\n")] == []


def test_resolved_runs_end_by_handing_in_the_work(runs):
    resolved = [run for run in runs if run.outcome == 1.0]
    ended = [run.id for run in resolved if any(isinstance(one, Submit) for one in steps(run)[-1])]
    assert ended == [run.id for run in resolved]


def action_of(case):
    calls = tuple(ToolCall(name=call["name"], arguments=call["arguments"]) for call in case["tool_calls"])
    return Action(tool_calls=calls)


@pytest.fixture(scope="module")
def cases(shared_data):
    lines = (shared_data / "verifier_cases" / "swe.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


def pivot_of(case):
    return Pivot(
        id=f"{case['id']}:0", domain="swe", messages=[], reference=action_of(case["reference_action"]),
        tools=[Tool.model_validate(tool) for tool in case["context"]["tools"]],
        origin=Origin.model_validate(case["origin"]),
    )  # fmt: skip


def test_no_text_rule_accepts_an_action_that_is_labelled_different(cases):
    accepted = []
    for case in cases:
        pivot, candidate = pivot_of(case), action_of(case["candidate_action"])
        verdict = COMPARATOR.screen(pivot, candidate) or COMPARATOR.by_rule(pivot, candidate)
        accepted += [case["id"]] if verdict.reward and not case["label"] else []
    assert accepted == []


def test_every_expert_s_action_is_the_same_as_itself(cases):
    for case in cases:
        pivot = pivot_of(case)
        assert COMPARATOR.screen(pivot, pivot.reference).reward == 1.0
        assert COMPARATOR.by_rule(pivot, pivot.reference).reward == 1.0


def test_nvidia_s_rows_have_experts_that_can_be_run(shared_data):
    files = sorted((shared_data / "payloads").glob("swe_pivot*.json"))
    assert files
    for file in files:
        pivot = from_nemo_gym_row(json.loads(file.read_text()), name=file.stem, domain="swe")
        assert COMPARATOR.screen(pivot, pivot.reference).reward == 1.0
