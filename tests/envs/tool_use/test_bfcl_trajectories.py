import contextlib
from pathlib import Path

import pytest
from bfcl_pivots import cut
from hypothesis import given
from hypothesis import strategies as st

from pivotgym.core.errors import InputError
from pivotgym.core.messages import Action
from pivotgym.core.trajectory import Trajectory
from pivotgym.envs.base.runtime import Runtime
from pivotgym.envs.tool_use.bfcl.docs import choose, class_tools
from pivotgym.envs.tool_use.bfcl.splits import EVAL_CLASSES, TRAIN_CLASSES, Split, split
from pivotgym.envs.tool_use.bfcl.trajectories import CATEGORIES, DONE, Refusal, Unreadable, load, parse_call


@pytest.fixture(scope="module")
def everything(bfcl: Path) -> tuple[list[Trajectory], list[Refusal]]:
    refused: list[Refusal] = []
    return list(load(CATEGORIES, on_refused=refused.append)), refused


@pytest.fixture(scope="module")
def halves(everything: tuple[list[Trajectory], list[Refusal]]) -> Split:
    return split(everything[0])


def test_all_multi_turn_tasks_become_trajectories(trajectories: list[Trajectory]) -> None:
    assert len(trajectories) == 200
    assert sum(len(t.candidates or ()) for t in trajectories) == 1141


def test_each_gold_call_is_one_turn_with_its_observation(trajectories: list[Trajectory]) -> None:
    roles = [message.role for message in trajectories[0].messages]
    assert roles[:8] == ["user", "assistant", "tool", "assistant", "tool", "assistant", "tool", "assistant"]
    assert trajectories[0].messages[7].text == DONE


def test_positional_arguments_get_their_names(trajectories: list[Trajectory]) -> None:
    calls = [call for message in trajectories[0].messages for call in message.tool_calls or ()]
    assert [call.arguments for call in calls if call.name == "sort"] == [{"file_name": "final_report.pdf"}]


def test_candidates_call_tools_that_are_offered(trajectories: list[Trajectory]) -> None:
    for trajectory in trajectories:
        offered = {tool.name for tool in trajectory.tools}
        for turn in trajectory.candidates or ():
            assert {call.name for call in trajectory.at(turn)[1].tool_calls} <= offered


def test_turns_that_are_no_candidates_say_why(trajectories: list[Trajectory]) -> None:
    reasons = [why for t in trajectories for why in t.metadata["not_candidates"].values()]
    assert reasons == ["the gold call does not fit its schema"]


def test_refused_questions_say_why(everything: tuple[list[Trajectory], list[Refusal]]) -> None:
    accepted, refused = everything
    assert len(accepted) == 2538
    assert {refusal.reason for refusal in refused} == {"the first accepted answer does not fit the function's schema"}
    assert len(refused) == 13


def test_prompts_hold_at_most_the_asked_number_of_tools(bfcl: Path) -> None:
    for trajectory in load(max_tools=8):
        called = {call.name for message in trajectory.messages for call in message.tool_calls or ()}
        assert len(trajectory.tools) == max(8, len(called))


def test_all_functions_can_be_offered(bfcl: Path) -> None:
    first = next(load(max_tools=None))
    assert len(first.tools) == len([*class_tools("GorillaFileSystem"), *class_tools("TwitterAPI")]) - 1
    assert "cp" not in {tool.name for tool in first.tools}


def test_the_choice_of_tools_is_fixed_and_shuffled(bfcl: Path) -> None:
    tools = class_tools("MathAPI")
    chosen = [tool.name for tool in choose("t", ["add"], tools, 5)]
    assert chosen == [tool.name for tool in choose("t", ["add"], tools[::-1], 5)]
    assert "add" in chosen
    assert len(chosen) == 5


def test_unknown_categories_are_refused(bfcl: Path) -> None:
    with pytest.raises(InputError, match=r"categories: expected some of .*, got 'java'"):
        list(load(["java"]))


@pytest.mark.parametrize("text", ["mv(a)", "mv(source=open('x'))", "mv(", "os.system('x')", "mv(1, 2, 3)", "zz()", ""])
def test_calls_that_cannot_be_read_are_refused(text: str) -> None:
    with pytest.raises(Unreadable, match="a gold call cannot be read"):
        parse_call(text, {"mv": lambda self, source, destination: None})


@given(st.text(max_size=60))
def test_reading_a_call_never_runs_or_breaks(text: str) -> None:
    with contextlib.suppress(Unreadable):
        parse_call(text, {"mv": lambda self, source, destination: None})


@pytest.mark.slow
def test_every_experts_action_is_worth_one(
    everything: tuple[list[Trajectory], list[Refusal]], runtime: Runtime
) -> None:
    for trajectory in everything[0]:
        for turn in trajectory.candidates or ():
            assert runtime.check(cut(trajectory, turn)).reward == 1.0


def test_gold_episodes_succeed(runtime: Runtime) -> None:
    for task in runtime.tasks():
        episode = runtime.open(task)
        for turn in task.gold:
            for action in turn:
                episode.step(action)
            result = episode.step(Action(content=DONE))
        assert (result.reward, result.terminated) == (1.0, True)


def test_doing_nothing_is_never_paid(runtime: Runtime) -> None:
    paid = 0.0
    for task in runtime.tasks():
        episode = runtime.open(task)
        while not episode.done:
            paid += episode.step(Action(content=DONE)).reward
    assert paid == 0.0


def test_no_tool_is_on_both_sides(halves: Split) -> None:
    train, evaluation = ({tool.name for t in side for tool in t.tools} for side in (halves.train, halves.eval))
    assert train.isdisjoint(evaluation)


def test_each_trajectory_names_its_side(halves: Split) -> None:
    for name, side in (("train", halves.train), ("eval", halves.eval)):
        assert {t.metadata["split"] for t in side} == {name}


def test_multi_turn_tasks_split_by_whole_classes(halves: Split) -> None:
    for side, classes in ((halves.train, TRAIN_CLASSES), (halves.eval, EVAL_CLASSES)):
        multi = [t for t in side if "classes" in t.metadata]
        assert len(multi) > 70
        assert all(classes.issuperset(t.metadata["classes"]) for t in multi)


def test_what_belongs_to_neither_side_is_counted(
    everything: tuple[list[Trajectory], list[Refusal]], halves: Split
) -> None:
    assert halves.dropped == {"classes of both sides": 44, "offers a function of a multi-turn class": 32}
    assert len(halves.train) + len(halves.eval) + sum(halves.dropped.values()) == len(everything[0])


def test_the_split_does_not_depend_on_the_order(
    everything: tuple[list[Trajectory], list[Refusal]], halves: Split
) -> None:
    again = split(everything[0][::-1])
    assert {t.id for t in again.train} == {t.id for t in halves.train}


def test_a_trajectory_without_classes_or_functions_cannot_be_split() -> None:
    with pytest.raises(InputError, match="expected metadata 'classes' or 'functions', found neither"):
        split([Trajectory(id="t", domain="tool_use", messages=[])])
