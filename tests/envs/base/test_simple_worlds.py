"""A world may leave out what the runner can find out by itself; what it leaves out is never a reason to pay."""

import pytest
from toy_store import Store, StoreDomain, call, make_pivot, say

from pivotgym.core.errors import WorldFailed, WrongState
from pivotgym.core.messages import Action
from pivotgym.core.trajectory import Origin
from pivotgym.envs.base.episode import Episode
from pivotgym.envs.base.pivot_env import PivotEnv
from pivotgym.envs.base.runtime import Runtime


@pytest.fixture
def runtime() -> Runtime:
    Store.live = Store.started = 0
    return Runtime(StoreDomain())


@pytest.fixture
def task(runtime: Runtime) -> Episode:
    return runtime.open(runtime.task("two-turns"))


def test_states_are_digested_for_a_world_that_does_not(runtime: Runtime) -> None:
    pivot = make_pivot(call("set", key="x", value=5))
    verdict = runtime.verify(pivot, call("set", key="x", value=6))
    assert (verdict.outcome, verdict.reason) == ("different", "the state afterwards is another one")


def test_calls_are_told_apart_for_a_world_that_does_not(runtime: Runtime) -> None:
    verdict = runtime.verify(make_pivot(call("get", key="missing")), call("incr", key="missing"))
    assert (verdict.outcome, verdict.executed) == ("different", True)
    assert "only the same call is equal to it" in verdict.reason


def test_a_read_that_tells_the_same_is_equivalent(runtime: Runtime) -> None:
    pivot = make_pivot(call("get", key="x"), origin=Origin(kind="store", values={"x": 12345}))
    assert runtime.verify(pivot, call("incr", key="x", by=0)).reward == 1.0


def test_a_small_number_is_told_by_chance(runtime: Runtime) -> None:
    pivot = make_pivot(call("get", key="x"), origin=Origin(kind="store", values={"x": 2, "y": 2}))
    assert runtime.verify(pivot, call("get", key="y")).reward == 0.0


def test_a_world_that_breaks_within_a_task_is_an_error_and_ends_it(task: Episode) -> None:
    with pytest.raises(WorldFailed, match="task 'two-turns': taking step 0: unforeseen KeyError"):
        task.step(call("crash"))
    with pytest.raises(WrongState):
        task.step(call("list"))


def test_a_task_that_cannot_start_is_an_error(monkeypatch: pytest.MonkeyPatch, runtime: Runtime) -> None:
    monkeypatch.setattr(Store, "start", lambda self, origin, seed: 1 / 0)
    with pytest.raises(WorldFailed, match="starting task 'two-turns': unforeseen ZeroDivisionError"):
        runtime.open(runtime.task("two-turns"))


def test_an_empty_action_does_not_end_a_turn(task: Episode) -> None:
    result = task.step(Action())
    assert result.observation == "Error: the last message could not be read: it is empty"
    assert task.step(say("Done.")).observation == "add three more"


def test_an_environment_closes_the_states_of_its_own_runtime(runtime: Runtime) -> None:
    for domain in (StoreDomain(), runtime):
        env = PivotEnv(domain, [make_pivot()])
        env.reset(seed=0)
        env.close()
    assert len(runtime.states) == 1
    runtime.close()
    assert Store.live == 0
