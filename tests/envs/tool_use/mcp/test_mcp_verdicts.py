"""Pivots and tasks on an MCP server, through the domain."""

import json
from contextlib import closing

import pytest
from bfcl_pivots import cut

from pivotgym.core.errors import BadLine, PivotRefused
from pivotgym.core.messages import Action, ToolCall
from pivotgym.core.trajectory import Pivot
from pivotgym.envs.base.runtime import Runtime
from pivotgym.envs.conformance.tasks import gold_trajectories, validate
from pivotgym.envs.tool_use.domain import ToolUse
from pivotgym.envs.tool_use.mcp import tasks as mcp_tasks

TASK = "mcp/todo/plants"
LOOK, ALL = ("list_tasks", {"open_only": True}), ("list_tasks", {})
TICK = ("complete_task", {"id": 2})


def calls(*named):
    return Action(tool_calls=tuple(ToolCall(name=name, arguments=arguments) for name, arguments in named))


class Alone(ToolUse):
    """The domain with tasks on MCP servers only: BFCL's take seconds to list."""

    def tasks(self):
        return mcp_tasks.tasks()


@pytest.fixture(scope="module")
def runtime(servers):
    made = Runtime(Alone())
    yield made
    made.close()


@pytest.fixture(scope="module")
def expert(runtime):
    """The expert's run of a task."""
    return next(gold_trajectories(runtime, [runtime.task(TASK)]))


def test_the_gold_run_is_paid_and_an_idle_one_is_not(runtime):
    found = validate(runtime, runtime.task(TASK))
    assert {run.name: run.outcomes for run in found.runs} == {"gold": (1.0, 1.0), "nothing": (0.0, 0.0)}


def test_the_expert_is_accepted_at_every_turn(runtime, expert):
    pivots = [cut(expert, turn) for turn in range(len(expert.turns()) - 1)]
    assert [runtime.verify(pivot, pivot.reference).reward for pivot in pivots] == [1.0] * len(pivots)


def test_each_turn_is_restored_with_its_own_files(runtime, expert):
    told = []
    for turn in range(4):
        with closing(runtime.restore(cut(expert, turn))) as world:
            told.append(len(json.loads(world.run(calls(ALL)).observations[0])))
    assert told == [0, 1, 2, 2]


@pytest.mark.parametrize(
    ("turn", "action", "reward"),
    [
        (2, calls(TICK), 1.0),
        (2, calls(LOOK, TICK), 1.0),
        (2, calls(TICK, TICK), 1.0),
        (2, calls(("complete_task", {"id": 1})), 0.0),
        (2, calls(("remove_task", {"id": 2})), 0.0),
        (2, calls(TICK, ("add_task", {"title": "more"})), 0.0),
        (2, calls(LOOK), 0.0),
        (2, Action(content="done"), 0.0),
        (3, calls(LOOK, LOOK), 1.0),
        (3, calls(ALL), 0.0),
    ],
)
def test_verdicts_are_by_files_and_facts(runtime, expert, turn, action, reward):
    verdict = runtime.verify(cut(expert, turn), action)
    assert verdict.reward == reward, verdict.reason


def test_a_pivot_whose_recording_was_changed_is_refused(runtime, expert):
    pivot = cut(expert, 2)
    shown = next(message for message in pivot.messages if message.role == "tool")
    changed = [one.model_copy(update={"content": "another"}) if one is shown else one for one in pivot.messages]
    with pytest.raises(PivotRefused, match="the replay differs from the recording"):
        runtime.verify(Pivot.model_validate({**pivot.model_dump(exclude={"prefix"}), "messages": changed}), calls(ALL))


def test_a_line_that_is_no_task_is_named(servers):
    file = servers / "todo.tasks.jsonl"
    kept = file.read_text()
    file.write_text(kept + '{"id": "x", "request": "y", "calls": []}\n')
    try:
        with pytest.raises(BadLine, match=r"todo.tasks.jsonl, line 3: calls: "):
            mcp_tasks.tasks()
    finally:
        file.write_text(kept)


def test_tasks_lie_out_of_the_servers_sight(runtime):
    with closing(Alone().world()) as world:
        world.start(runtime.task(TASK).origin, 0)
        world.run(calls(ALL))
        assert world.toolkit._sandbox.run("find /srv /root /tmp /var -name '*.tasks.jsonl' 2>/dev/null").stdout == b""
