"""What holds for every verdict of the functional comparator, on actions that are really run."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from toy_store import Store, StoreDomain, make_pivot

from pivotgym.core.messages import Action, ToolCall
from pivotgym.envs.base.runtime import Runtime

RUNTIME = Runtime(StoreDomain())
KEYS = st.sampled_from(["x", "y", "missing"])


def one_call(name: str, **arguments: st.SearchStrategy[Any]) -> st.SearchStrategy[ToolCall]:
    return st.fixed_dictionaries(arguments).map(lambda given: ToolCall(name=name, arguments=given))


READS = st.one_of(one_call("get", key=KEYS), one_call("list"))
CALLS = st.one_of(
    READS, one_call("set", key=KEYS, value=st.integers(0, 3)), one_call("incr", key=KEYS, by=st.integers(-2, 2))
)
ACTIONS = st.lists(CALLS, min_size=1, max_size=3).map(lambda calls: Action(tool_calls=tuple(calls)))


def alone(call: ToolCall) -> Action:
    return Action(tool_calls=(call,))


def respelt(action: Action) -> Action:
    """The action with reversed keys, floats for integers, and the default of `incr` left out or filled in."""
    calls = []
    for call in action.tool_calls:
        assert isinstance(call.arguments, dict)
        given = {key: float(value) if isinstance(value, int) else value for key, value in call.arguments.items()}
        if call.name == "incr":
            given = {key: value for key, value in {"by": 1, **given}.items() if (key, value) != ("by", 1)}
        calls.append(ToolCall(name=call.name, arguments=dict(reversed(given.items())), id="other"))
    return Action(tool_calls=tuple(calls), reasoning="hm", content="Let me see.")


def state_after(action: Action) -> dict[str, int]:
    world = Store()
    world.start(make_pivot().origin, 0)
    world.run(action)
    return world.values


@given(ACTIONS)
def test_the_experts_own_action_earns_all(action: Action) -> None:
    pivot = make_pivot(action)
    assert RUNTIME.verify(pivot, action).reward == 1.0
    assert RUNTIME.check(pivot).reward == 1.0


@given(ACTIONS)
def test_spelling_makes_no_difference(action: Action) -> None:
    assert RUNTIME.verify(make_pivot(action), respelt(action)).reward == 1.0


@given(ACTIONS, ACTIONS)
def test_another_state_is_never_accepted(expert: Action, candidate: Action) -> None:
    if state_after(expert) != state_after(candidate):
        assert RUNTIME.verify(make_pivot(expert), candidate).reward == 0.0


@given(ACTIONS, ACTIONS)
def test_a_verdict_is_the_same_every_time(expert: Action, candidate: Action) -> None:
    pivot = make_pivot(expert)
    assert RUNTIME.verify(pivot, candidate) == Runtime(StoreDomain()).verify(pivot, candidate)


@given(CALLS.map(alone), CALLS.map(alone))
def test_equivalence_of_single_calls_goes_both_ways(one: Action, two: Action) -> None:
    there = RUNTIME.verify(make_pivot(one), two).outcome
    back = RUNTIME.verify(make_pivot(two), one).outcome
    assert there == back


@given(READS, CALLS)
def test_a_surplus_call_is_accepted_only_if_it_repeats_what_was_read(read: ToolCall, surplus: ToolCall) -> None:
    longer = Action(tool_calls=(read, surplus))
    repeats = (read.name, read.arguments) == (surplus.name, surplus.arguments)
    assert RUNTIME.verify(make_pivot(alone(read)), longer).reward == float(repeats)


@given(ACTIONS)
def test_saying_it_all_twice_is_accepted_only_if_nothing_changed(action: Action) -> None:
    twice = Action(tool_calls=action.tool_calls * 2)
    verdict = RUNTIME.verify(make_pivot(action), twice)
    if state_after(action) != state_after(twice):
        assert verdict.reward == 0.0
    elif all(call.name in ("get", "list") for call in action.tool_calls):
        assert verdict.reward == 1.0
