"""Every task is solved by its gold run, and by nothing that is no solution."""

import pytest

from pivotgym.core.messages import Action
from pivotgym.envs.base.runtime import Runtime
from pivotgym.envs.conformance.tasks import gold_trajectories, play, validate
from pivotgym.envs.terminal.tasks import catalogue

FAMILIES = sorted(catalogue.FAMILIES)
IDS = catalogue.ids()
FAST = [f"{family}/{seed}" for family in FAMILIES for seed in (0, 1) if f"{family}/{seed}" in IDS]


@pytest.fixture(scope="module")
def runtime(terminals):
    return Runtime(terminals)


def tried(runtime, task_id, name):
    task = runtime.task(task_id)
    attempt = next(one for one in runtime.domain.attempts(task) if one.name.startswith(name))
    return play(runtime, task, attempt.actions).outcome


@pytest.mark.parametrize("task_id", FAST)
def test_gold_solves(runtime, task_id):
    task = runtime.task(task_id)
    assert play(runtime, task, task.gold).outcome == 1.0


@pytest.mark.parametrize("task_id", FAST)
def test_doing_nothing_does_not(runtime, task_id):
    assert play(runtime, runtime.task(task_id), []).outcome == 0.0


@pytest.mark.parametrize("task_id", [one for one in FAST if one.endswith("/0")])
def test_another_right_solution_is_accepted(runtime, task_id):
    assert tried(runtime, task_id, "alternative") == 1.0


@pytest.mark.parametrize("task_id", [one for one in FAST if one.endswith("/1")])
def test_a_cheat_is_not(runtime, task_id):
    own = next(iter(catalogue.find(task_id).cheats))
    assert tried(runtime, task_id, f"cheat: {own}") == 0.0


def test_a_forged_reward_file_does_not_pay(runtime):
    assert tried(runtime, "logs/0", "cheat: forges a reward") == 0.0


def test_a_gold_run_becomes_pivots_that_replay(runtime):
    trajectory = next(gold_trajectories(runtime, [runtime.task("links/2")]))
    assert trajectory.outcome == 1.0
    world = runtime.domain.world()
    from pivotgym.core.trajectory import steps_of

    world.restore(trajectory.origin, list(steps_of(trajectory.messages))[:-1], 0)
    assert world.run(Action(content="Done.")).invalid is not None or world.outcome(runtime.task("links/2")) == 1.0
    world.close()


@pytest.mark.slow
@pytest.mark.parametrize("task_id", IDS)
def test_all_runs_of_a_task_end_as_they_must(runtime, task_id):
    found = validate(runtime, runtime.task(task_id))
    assert [run for run in found.runs if not run.ok] == []
