"""The questions on the project's own corpus."""

import pytest

from pivotgym.envs.base.runtime import Runtime
from pivotgym.envs.browsing import domain
from pivotgym.envs.conformance.tasks import chosen, gold_trajectories, validate
from pivotgym.trainer.extract import cut


@pytest.fixture(scope="module")
def runtime():
    made = Runtime(domain())
    yield made
    made.close()


@pytest.fixture(scope="module")
def tasks(runtime):
    return chosen(runtime, ["almanac/"])


def test_there_are_forty_of_five_families(tasks):
    ids = [task.id for task in tasks]
    assert len(ids) == len(set(ids)) == 40
    assert len({one.rpartition("-")[0] for one in ids}) == 5


def test_each_pays_its_gold_run_and_neither_nothing_nor_a_constant(runtime, tasks):
    found = [validate(runtime, task) for task in tasks]
    assert [(one.task, run) for one in found for run in one.runs if not run.ok] == []


def test_gold_runs_become_pivots_that_replay(runtime, tasks):
    for run in gold_trajectories(runtime, tasks[::8]):
        for turn in runtime.domain.candidates(run):
            assert runtime.check(cut(run, turn)).reward == 1


def test_a_pivot_goes_on_as_an_episode(runtime, tasks):
    [run] = gold_trajectories(runtime, tasks[:1])
    last = max(turn for turn in runtime.domain.candidates(run) if cut(run, turn).reference.tool_calls)
    episode = runtime.open(cut(run, last), horizon="episode")
    assert episode.step(cut(run, last).reference).reward == 1.0
    episode.close()
