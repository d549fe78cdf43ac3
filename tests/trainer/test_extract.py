import pytest
from hypothesis import given
from hypothesis import strategies as st

from pivotgym.core import Message, Trajectory
from pivotgym.core.errors import ConfigError, NotFound
from pivotgym.trainer.extract import ExtractReport, cut, extract, split_by_group


def trajectory(name="t", turns=3, **more):
    messages = [Message(role="user", content="go")]
    for turn in range(turns):
        messages += [Message(role="assistant", content=f"a{turn}"), Message(role="user", content=f"u{turn}")]
    return Trajectory(id=name, domain="d", messages=messages, **more)


def words(messages, tools):
    return sum(len(message.text.split()) for message in messages)


def test_every_assistant_turn_is_a_candidate():
    assert [pivot.id for pivot in extract([trajectory()])] == ["t:0", "t:1", "t:2"]


def test_named_candidates_only_and_the_rest_counted():
    report = ExtractReport()

    pivots = list(extract([trajectory(candidates=[1])], report=report))

    assert [pivot.turn for pivot in pivots] == [1]
    assert report.dropped == {"not a candidate": 2}


def test_long_state_is_dropped_and_counted_never_clipped():
    report = ExtractReport()

    pivots = list(extract([trajectory()], prompt_tokens=words, max_prompt_tokens=3, report=report))

    assert [pivot.metadata["prompt_tokens"] for pivot in pivots] == [1, 3]
    assert report.dropped == {"state longer than 3 tokens": 1}
    assert (report.candidates, report.kept) == (3, 2)


def test_limit_needs_a_counter():
    with pytest.raises(ConfigError, match="max_prompt_tokens: expected together"):
        list(extract([trajectory()], max_prompt_tokens=3))


def test_pivot_carries_state_reference_and_accepted_answers():
    pivot = cut(trajectory(accepted={"1": ["x"]}), 1)

    assert pivot.messages == trajectory().messages[:3]
    assert pivot.reference.content == "a1"
    assert pivot.accepted == ["x"]


def test_turn_that_is_not_there_is_named():
    with pytest.raises(NotFound, match="turn: expected 0 to 2"):
        cut(trajectory(), 3)


@given(st.lists(st.integers(0, 5), max_size=30), st.integers())
def test_split_keeps_groups_whole(groups, seed):
    trajectories = [trajectory(str(n), metadata={"group": group}) for n, group in enumerate(groups)]

    first, second = split_by_group(trajectories, share=0.5, seed=seed)

    assert sorted(first + second, key=int) == [item.id for item in trajectories]
    assert {groups[int(name)] for name in first}.isdisjoint(groups[int(name)] for name in second)


def test_share_outside_the_unit_interval_is_named():
    with pytest.raises(ConfigError, match="share: expected a number between 0 and 1, got 1"):
        split_by_group([], share=1)
