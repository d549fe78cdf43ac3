"""Each recorded verdict of NeMo Gym's pivot verifiers, given by ours."""

import json

import pytest

from pivotgym.core.messages import Action
from pivotgym.core.readers.nemo_gym import from_nemo_gym_row
from pivotgym.core.readers.responses import action_of
from pivotgym.verifiers.base import malformed
from pivotgym.verifiers.nemo_gym import swe_pivot
from pivotgym.verifiers.nemo_gym.multi_harness import MultiHarness, MultiHarnessOptions
from pivotgym.verifiers.nemo_gym.single_step import SingleStep, SingleStepOptions
from pivotgym.verifiers.nemo_gym.swe_pivot import CodingCall, SwePivot
from pivotgym.verifiers.nemo_gym.terminus import Terminus

RULES = {rule.name.removeprefix("nemo_gym."): rule for rule in (SingleStep, SwePivot, Terminus, MultiHarness)}
THRESHOLD_OF_THE_CALL = {"conf-091": 1.01}
"""Recorded from a test that hands `compare_action` a threshold above 1, which the row leaves out."""
ANY_CALL = {"expected_action": {"type": "function_call", "name": "bash", "arguments": "{}"}}
"""`swe_pivot`'s recorded requests are answers, without the expected call; the policy called nothing in them."""


@pytest.fixture(scope="module")
def rows(shared_data):
    lines = (shared_data / "nemo_gym_conformance" / "nemo_gym_conformance.jsonl").read_text().splitlines()
    return [row for row in map(json.loads, lines) if row["server"] in RULES]


def output(action):
    """The items of a response that say an action."""
    if action["type"] == "message":
        return [{"type": "message", "role": "assistant", "content": action["content"]}]
    return action["calls"] if action["type"] == "function_call_batch" else [action]


def reward(rule, row, items):
    action = action_of(items, raw=True)
    if not isinstance(action, Action):
        return malformed(action).reward
    return rule.by_rule(from_nemo_gym_row(row, name="row"), action).reward


def compared(row):
    """The reward for a recorded call of `compare_action`."""
    config = row["config"]
    if row["server"] == "terminal_multi_harness":
        threshold = THRESHOLD_OF_THE_CALL.get(row["id"], config["string_similarity_threshold"])
        rule = MultiHarness(MultiHarnessOptions(string_similarity_threshold=threshold, harness=row["harness"]))
    else:
        rule = SingleStep(SingleStepOptions(**config))
    body = {
        "responses_create_params": {"input": "x", "tools": row["declared_tools"]},
        "expected_action": row["expected_action"],
    }
    return reward(rule, body, output(row["actual_action"]))


def measured(row):
    """The result of a recorded call of one of `swe_pivot`'s steps."""
    args = row["args"]
    if row["function"] == "verify_tool_name_match":
        return swe_pivot.same_tool(CodingCall(args[0], args[1], {}), CodingCall(args[2], args[3], {}))
    if row["function"] == "compute_diff_size_penalty":
        return swe_pivot.size_penalty(CodingCall("", args[0], args[1]), args[2])
    step = {"verify_target_match": swe_pivot.same_target, "compute_argument_similarity": swe_pivot.similarity}
    return step[row["function"]](CodingCall("", args[0], args[1]), CodingCall("", args[2], args[3]))


def answered(row):
    """Our result for a row, and the recorded one."""
    if "request" in row:
        request = (ANY_CALL if row["server"] == "swe_pivot" else {}) | row["request"]
        return reward(RULES[row["server"]](), request, request["response"]["output"]), row["expected_reward"]
    if "args" in row:
        return measured(row), row["expected_result"]
    return compared(row), row["expected_reward"]


@pytest.mark.parametrize(
    ("server", "count"),
    [
        ("single_step_tool_use_with_argument_comparison", 58),
        ("swe_pivot", 90),
        ("terminus_judge", 5),
        ("terminal_multi_harness", 52),
    ],
)
def test_every_recorded_verdict_is_reproduced(rows, server, count):
    of_server = [row for row in rows if row["server"] == server]

    different = [(row["id"], *answered(row)) for row in of_server if answered(row)[0] != answered(row)[1]]

    assert len(of_server) == count
    assert different == []
