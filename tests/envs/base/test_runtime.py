import dataclasses
import weakref

import pytest
from toy_counter import CounterDomain, add, pivot, say

from pivotgym.core.errors import ConfigError, NotFound, PivotRefused, VerifierFailed, WorldFailed
from pivotgym.core.messages import Action, Malformed, ToolCall
from pivotgym.envs.base.episode import TaskEpisode
from pivotgym.envs.base.runtime import Runtime

READ = Action(tool_calls=(ToolCall(name="read"),))


@pytest.fixture
def domain() -> CounterDomain:
    return CounterDomain()


@pytest.fixture
def runtime(domain: CounterDomain) -> Runtime:
    return Runtime(domain)


def test_the_experts_action_is_worth_one(runtime: Runtime) -> None:
    assert runtime.verify(pivot((1, "3")), add(3)).reward == 1.0


def test_another_state_is_different_and_was_executed(runtime: Runtime) -> None:
    verdict = runtime.verify(pivot((1, "3")), add(4))
    assert (verdict.outcome, verdict.executed, verdict.method) == ("different", True, "execution")


def test_equal_effects_are_equivalent_whatever_the_call(runtime: Runtime) -> None:
    verdict = runtime.verify(pivot((121, "123"), reference=add(0)), READ)
    assert (verdict.outcome, verdict.executed) == ("equivalent", True)


def test_a_message_is_different_from_a_call(runtime: Runtime) -> None:
    assert runtime.verify(pivot(), say()).reason == "expected a call, got a message"


def test_a_call_is_different_from_a_message_even_if_it_changes_nothing(runtime: Runtime) -> None:
    assert runtime.verify(pivot(reference=say("It is two now.")), READ).reason == "expected a message, got a call"


def test_message_against_message_runs_nothing(runtime: Runtime) -> None:
    verdict = runtime.verify(pivot(reference=say("It is 2.")), say("The counter shows 2 now"))
    assert (verdict.outcome, verdict.executed) == ("equivalent", False)


def test_malformed_text_is_invalid(runtime: Runtime) -> None:
    assert runtime.verify(pivot(), Malformed(text="<tool", reason="no end tag")).outcome == "invalid"


def test_a_truncated_action_is_invalid_and_says_so(runtime: Runtime) -> None:
    verdict = runtime.verify(pivot(), add(3).model_copy(update={"truncated": True}))
    assert (verdict.outcome, verdict.truncated) == ("invalid", True)


def test_an_origin_that_cannot_run_is_decided_by_rule(runtime: Runtime) -> None:
    verdict = runtime.verify(pivot(kind="none"), add(4))
    assert (verdict.outcome, verdict.executed) == ("different", False)


def test_the_strict_rule_runs_nothing(domain: CounterDomain) -> None:
    runtime = Runtime(domain, verifier="strict")
    assert runtime.verify(pivot(reference=add(0)), READ).method == "strict"
    assert domain.world_type.started == 0


def test_the_rule_can_be_chosen_per_call(runtime: Runtime) -> None:
    assert runtime.verify(pivot(reference=add(0)), READ, rule="strict").reward == 0.0


def test_an_unknown_rule_is_refused(domain: CounterDomain, runtime: Runtime) -> None:
    with pytest.raises(ConfigError, match=r"rule: expected one of \['functional', 'strict', .*\], got 'lax'"):
        Runtime(domain, verifier="lax")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="got 'lax'"):
        runtime.verify(pivot(), add(3), rule="lax")  # type: ignore[arg-type]


def test_the_experts_action_is_run_once_per_pivot(runtime: Runtime, domain: CounterDomain) -> None:
    at, runs = pivot(), []
    real = domain.world_type.run
    domain.world_type.run = lambda self, action: runs.append(action) or real(self, action)  # type: ignore[func-returns-value]
    for n in (4, 5, 6):
        runtime.verify(at, add(n))
    assert runs.count(at.reference) == 1


def test_a_world_that_breaks_is_an_error_and_no_verdict(runtime: Runtime, domain: CounterDomain) -> None:
    at = pivot()
    runtime.prepare(at)
    domain.world_type.explode = True
    with pytest.raises(WorldFailed, match=r"running an action at pivot 't:0': unforeseen RuntimeError"):
        runtime.verify(at, add(4))


def test_a_comparator_that_breaks_is_an_error_and_no_verdict(runtime: Runtime, domain: CounterDomain) -> None:
    domain.comparator.compare = lambda *effects: 1 / 0  # type: ignore[method-assign, assignment, return-value]
    with pytest.raises(VerifierFailed, match="comparing effects at pivot 't:0': unforeseen ZeroDivisionError"):
        runtime.verify(pivot(), add(4))


def test_a_state_that_cannot_be_rebuilt_is_refused(runtime: Runtime) -> None:
    with pytest.raises(PivotRefused):
        runtime.verify(pivot((1, "17")), add(4))


def test_prepare_builds_ahead(runtime: Runtime) -> None:
    at = pivot((1, "3"))
    runtime.prepare(at)
    runtime.verify(at, add(4))
    assert runtime.states.builds == 1


def test_check_accepts_a_sound_pivot(runtime: Runtime) -> None:
    assert runtime.check(pivot((1, "3"))).reward == 1.0


def test_check_refuses_an_expert_that_does_not_fit_its_schema(runtime: Runtime) -> None:
    wrong = Action(tool_calls=(ToolCall(name="add", arguments={"n": "three"}),))
    with pytest.raises(PivotRefused, match=r"the expert's own action is invalid: .*'three'"):
        runtime.check(pivot(reference=wrong))


def test_check_refuses_a_world_that_is_not_deterministic(runtime: Runtime, domain: CounterDomain) -> None:
    ticks = iter(range(100))
    domain.world_type.digest = lambda self: str(next(ticks))  # type: ignore[method-assign]
    with pytest.raises(PivotRefused, match="run twice, does not have the same effects"):
        runtime.check(pivot())


def test_an_unknown_task_is_not_found(runtime: Runtime) -> None:
    with pytest.raises(NotFound, match="domain 'counter' has 1 tasks, none is called 'x'"):
        runtime.task("x")


def test_horizons_are_checked(runtime: Runtime) -> None:
    with pytest.raises(ConfigError, match="a task is opened with 'episode', got 'pivot'"):
        runtime.open(runtime.task("to_seven"), horizon="pivot")
    with pytest.raises(ConfigError, match="expected 'pivot' or 'episode', got 'week'"):
        runtime.open(pivot(), horizon="week")  # type: ignore[arg-type]


def test_an_episode_from_a_pivot_needs_its_task(runtime: Runtime) -> None:
    nameless = pivot(start=3).model_copy(update={"metadata": {}})
    with pytest.raises(ConfigError, match=r"needs its task: metadata\['task'\] names none, and no task has its origin"):
        runtime.open(nameless, horizon="episode")


def test_an_episode_from_a_pivot_finds_its_task_by_the_origin(runtime: Runtime) -> None:
    nameless = pivot().model_copy(update={"metadata": {}})
    assert isinstance(runtime.open(nameless, horizon="episode"), TaskEpisode)


def test_an_episode_from_a_pivot_does_not_guess_among_tasks() -> None:
    class Twins(CounterDomain):
        def tasks(self):
            (task,) = super().tasks()
            return [task, dataclasses.replace(task, id="twin")]

    nameless = pivot().model_copy(update={"metadata": {}})
    with pytest.raises(ConfigError, match="2 tasks have its origin"):
        Runtime(Twins()).open(nameless, horizon="episode")


def test_close_drops_the_states(runtime: Runtime) -> None:
    runtime.prepare(pivot())
    runtime.close()
    runtime.close()
    assert len(runtime.states) == 0


def test_nothing_keeps_a_pivot_that_nobody_holds(runtime: Runtime) -> None:
    at = pivot()
    runtime.verify(at, add(4))
    gone = weakref.ref(at)
    del at
    assert gone() is None
    assert len(runtime.trials._seen) == 0
