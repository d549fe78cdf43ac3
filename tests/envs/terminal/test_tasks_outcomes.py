"""Every task is solved by its gold run, and by nothing that is no solution."""

from contextlib import closing

import pytest

from pivotgym.core.messages import Action, ToolCall
from pivotgym.core.trajectory import steps_of
from pivotgym.envs.base.runtime import Runtime
from pivotgym.envs.conformance.tasks import gold_trajectories, play, validate
from pivotgym.envs.terminal.tasks import catalogue
from pivotgym.trainer.extract import cut

IDS = catalogue.ids()
QUICK = ("logs/", "links/")
FIRST, SECOND = (
    [pytest.param(one, marks=() if one.startswith(QUICK) else pytest.mark.slow) for one in IDS if one.endswith(seed)]
    for seed in ("/0", "/1")
)


@pytest.fixture(scope="module")
def runtime(terminals):
    runtime = Runtime(terminals)
    yield runtime
    runtime.close()


def tried(runtime, task_id, name):
    task = runtime.task(task_id)
    attempt = next(one for one in runtime.domain.attempts(task) if one.name.startswith(name))
    return play(runtime, task, attempt.actions).outcome


@pytest.mark.parametrize("task_id", FIRST)
def test_gold_solves(runtime, task_id):
    task = runtime.task(task_id)
    assert play(runtime, task, task.gold).outcome == 1.0


@pytest.mark.parametrize("task_id", FIRST)
def test_a_cheat_does_not(runtime, task_id):
    own = next(iter(catalogue.find(task_id).cheats))
    assert tried(runtime, task_id, f"cheat: {own}") == 0.0


@pytest.mark.parametrize("task_id", SECOND)
def test_another_right_solution_does(runtime, task_id):
    assert tried(runtime, task_id, "alternative") == 1.0


@pytest.mark.parametrize("task_id", SECOND)
def test_doing_nothing_does_not(runtime, task_id):
    assert play(runtime, runtime.task(task_id), []).outcome == 0.0


def test_a_forged_reward_file_does_not_pay(runtime):
    assert tried(runtime, "logs/0", "cheat: forges a reward") == 0.0


def test_a_gold_run_becomes_pivots_that_replay(runtime):
    task = runtime.task("links/2")
    trajectory = next(gold_trajectories(runtime, [task]))
    steps = list(steps_of(trajectory.messages))[:-1]
    with closing(runtime.domain.world()) as world:
        world.restore(trajectory.origin, steps, 0)
        assert world.outcome(task) == trajectory.outcome == 1.0
    assert len(steps) == len(task.gold[0])


@pytest.mark.slow
@pytest.mark.parametrize("task_id", IDS)
def test_all_runs_of_a_task_end_as_they_must(runtime, task_id):
    found = validate(runtime, runtime.task(task_id))
    assert [run for run in found.runs if not run.ok] == []


@pytest.mark.slow
@pytest.mark.parametrize("family", sorted(catalogue.FAMILIES))
def test_every_turn_of_a_gold_run_is_a_pivot_that_is_decided_by_execution(runtime, family):
    trajectory = next(gold_trajectories(runtime, [runtime.task(f"{family}/3")]))
    for turn in runtime.domain.candidates(trajectory):
        pivot = cut(trajectory, turn)
        verdict = runtime.verify(pivot, spelled_otherwise(pivot.reference))
        assert (verdict.outcome, verdict.executed) == ("equivalent", True), verdict.reason


def spelled_otherwise(action):
    (call,) = action.tool_calls
    command = f"unset nothing\n{call.arguments['command']}"
    return Action(tool_calls=(ToolCall(name=call.name, arguments={"command": command}),))
