"""Verdicts at BFCL's executed pivots, on a fixed sample of them."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pivotgym.core.messages import Action, ToolCall
from pivotgym.core.trajectory import Pivot
from pivotgym.envs.base.runtime import Runtime
from pivotgym.envs.tool_use import domain


def call(name: str, /, **arguments: object) -> Action:
    return Action(tool_calls=(ToolCall(name=name, arguments=arguments),))


@pytest.fixture(scope="session")
def at(pivots: list[Pivot]):
    by_id = {pivot.id: pivot for pivot in pivots}
    return lambda task, turn: by_id[f"bfcl/multi_turn_base_{task}:{turn}"]


def test_another_way_to_the_same_state_is_equivalent(runtime: Runtime, at) -> None:
    verdict = runtime.verify(at(0, 0), call("cd", folder="document/"))
    assert (verdict.reward, verdict.executed, verdict.method) == (1.0, True, "execution")


def test_another_folder_is_different(runtime: Runtime, at) -> None:
    verdict = runtime.verify(at(0, 0), call("cd", folder="archive"))
    assert (verdict.reward, verdict.reason) == (0.0, "the state afterwards is another one")


def test_a_read_of_the_same_facts_is_equivalent(runtime: Runtime, at) -> None:
    assert runtime.verify(at(1, 8), call("tail", file_name="log.txt", lines=19)).reward == 1.0


def test_a_read_of_other_facts_is_different(runtime: Runtime, at) -> None:
    verdict = runtime.verify(at(0, 5), call("grep", file_name="final_report.pdf", pattern="nothing there"))
    assert verdict.reason == "the state is the same, what was told is not"
    assert verdict.components["state"] == 1.0


def test_a_surplus_read_is_free_beside_a_write(runtime: Runtime, at) -> None:
    pivot = at(0, 0)
    both = Action(tool_calls=(*pivot.reference.tool_calls, *call("pwd").tool_calls))
    pivot = pivot.model_copy(update={"tools": [*pivot.tools, *runtime_tools(runtime, pivot)]})
    assert runtime.verify(pivot, both).reward == 1.0


def test_a_surplus_read_beside_a_read_is_different(runtime: Runtime, at) -> None:
    pivot = at(1, 8)
    both = Action(tool_calls=(*pivot.reference.tool_calls, *call("pwd").tool_calls))
    pivot = pivot.model_copy(update={"tools": [*pivot.tools, *runtime_tools(runtime, pivot)]})
    verdict = runtime.verify(pivot, both)
    assert (verdict.reward, verdict.components["calls_matched"]) == (0.0, 0.5)


def runtime_tools(runtime: Runtime, pivot: Pivot):
    offered = {tool.name for tool in pivot.tools}
    return [tool for tool in runtime.restore(pivot).toolkit.tools() if tool.name not in offered]  # type: ignore[attr-defined]


def test_a_surplus_write_is_different(runtime: Runtime, at) -> None:
    pivot = at(0, 0)
    both = Action(tool_calls=(*pivot.reference.tool_calls, *call("mkdir", dir_name="x").tool_calls))
    assert runtime.verify(pivot, both).reason == "the state afterwards is another one"


def test_the_order_of_independent_calls_is_free(runtime: Runtime, at) -> None:
    calls = [ToolCall(name="mkdir", arguments={"dir_name": name}) for name in "ab"]
    pivot = at(0, 1).model_copy(update={"reference": Action(tool_calls=tuple(calls))})
    verdict = runtime.verify(pivot, Action(tool_calls=tuple(calls[::-1])))
    assert (verdict.reward, verdict.method) == (1.0, "execution")


def test_equal_silence_proves_nothing(runtime: Runtime, at) -> None:
    pivot = at(0, 5).model_copy(update={"reference": call("grep", file_name="final_report.pdf", pattern="zebra")})
    verdict = runtime.verify(pivot, call("grep", file_name="final_report.pdf", pattern="unicorn"))
    assert verdict.reason.endswith("proves nothing, so only the same call is equal to it")


def test_a_failing_expert_makes_no_other_failure_equal(runtime: Runtime, at) -> None:
    pivot = at(0, 0).model_copy(update={"reference": call("cd", folder="nowhere")})
    assert runtime.verify(pivot, call("cd", folder="nowhere/")).reward == 0.0
    assert runtime.verify(pivot, call("cd", folder="nowhere")).reward == 1.0
    assert runtime.verify(pivot, Action(content="Done.")).reward == 0.0


def test_words_earn_nothing_where_a_call_is_due(runtime: Runtime, pivots: list[Pivot]) -> None:
    verdicts = [runtime.verify(pivot, Action(content="Done.")) for pivot in pivots[::7]]
    assert {verdict.reward for verdict in verdicts} == {0.0}


def test_one_constant_call_earns_next_to_nothing(runtime: Runtime, pivots: list[Pivot]) -> None:
    for constant in (call("pwd"), call("ls"), call("get_watchlist"), call("displayCarStatus", option="fuel")):
        rewards = [runtime.verify(pivot, constant).reward for pivot in pivots]
        assert sum(rewards) / len(rewards) < 0.03


def _changed(value: object) -> object:
    if isinstance(value, bool):
        return not value
    if isinstance(value, int | float):
        return value + 1
    return f"{value}x" if isinstance(value, str) else value


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_accepting_a_changed_argument_means_equal_effects(data, runtime: Runtime, pivots: list[Pivot]) -> None:
    pivot = pivots[data.draw(st.integers(0, len(pivots) - 1))]
    (expert,) = pivot.reference.tool_calls
    arguments = dict(expert.arguments)  # type: ignore[arg-type]
    for key in arguments:
        if data.draw(st.booleans()):
            arguments[key] = _changed(arguments[key])
    action = call(expert.name, **arguments)
    verdict = runtime.verify(pivot, action)
    worlds = [runtime.restore(pivot) for _ in range(2)]
    effects = [world.run(one) for world, one in zip(worlds, (pivot.reference, action), strict=True)]
    if verdict.reward == 1.0:
        assert effects[0].state == effects[1].state
    elif effects[0].state == effects[1].state and verdict.outcome == "different":
        assert effects[0].observations != effects[1].observations or not effects[0].changed


@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_key_order_and_number_forms_do_not_matter(data, runtime: Runtime, pivots: list[Pivot]) -> None:
    pivot = pivots[data.draw(st.integers(0, len(pivots) - 1))]
    (expert,) = pivot.reference.tool_calls
    keys = data.draw(st.permutations(sorted(expert.arguments)))  # type: ignore[arg-type]
    arguments = {key: _other_form(expert.arguments[key]) for key in keys}  # type: ignore[index]
    assert runtime.verify(pivot, call(expert.name, **arguments)).method == "normalised_call"


def _other_form(value: object) -> object:
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value


@settings(max_examples=50, deadline=None)
@given(data=st.data())
def test_a_verdict_is_the_same_each_time(data, runtime: Runtime, pivots: list[Pivot]) -> None:
    pivot, other = (
        pivots[data.draw(st.integers(0, len(pivots) - 1))],
        pivots[data.draw(st.integers(0, len(pivots) - 1))],
    )
    assert runtime.verify(pivot, other.reference) == runtime.verify(pivot, other.reference)


def test_threads_get_the_verdicts_of_one(pivots: list[Pivot]) -> None:
    pairs = [(one, two.reference) for one, two in zip(pivots[:400:2], pivots[1:400:2], strict=True)]
    alone = [Runtime(domain()).verify(*pair) for pair in pairs[:60]]
    runtime = Runtime(domain(), max_states=20)
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(lambda pair: runtime.verify(*pair), pairs * 3))
    assert together[: len(pairs)] == together[len(pairs) : 2 * len(pairs)] == together[2 * len(pairs) :]
    assert together[:60] == alone
