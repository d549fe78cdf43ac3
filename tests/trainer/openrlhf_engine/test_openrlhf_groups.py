import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pivotgym.core.errors import VerifierFailed
from pivotgym.trainer.learn.losses import group_advantages
from pivotgym.trainer.openrlhf.groups import Groups

OURS = {"baseline": "mean", "scale": "sample_std", "eps": 1e-6}


async def play(groups, shared, reward, wait=0.0):
    async with groups.join(shared) as seat:
        await asyncio.sleep(wait)
        if isinstance(reward, Exception):
            raise reward
        return seat.number, await seat.settle(reward, **OURS)


async def play_groups(*rewards):
    """All groups at once, each sharing an object of its own."""
    groups = Groups()
    shared = [object() for _ in rewards]
    return await asyncio.gather(
        *(
            asyncio.gather(*(play(groups, key, reward, 0.001 * (place % 3)) for place, reward in enumerate(row)))
            for key, row in zip(shared, rewards, strict=True)
        )
    )


@given(st.lists(st.lists(st.none() | st.floats(0, 1), min_size=1, max_size=6), min_size=1, max_size=4))
def test_each_sample_gets_its_groups_advantage(rows):
    played = asyncio.run(play_groups(*rows))

    for row, group in zip(rows, played, strict=True):
        assert [number for number, _ in group] == list(range(len(row)))
        assert [share.advantage for _, share in group] == pytest.approx(group_advantages(row, **OURS), abs=1e-9)


@given(st.lists(st.none() | st.floats(0, 1), min_size=2, max_size=8))
def test_advantages_have_mean_zero_so_that_no_baseline_changes_them(row):
    [group] = asyncio.run(play_groups(row))

    assert sum(share.advantage for _, share in group) == pytest.approx(0, abs=1e-9)


@given(st.floats(0, 1), st.integers(2, 16))
def test_equal_rewards_give_exactly_zero(reward, count):
    [group] = asyncio.run(play_groups([reward] * count))

    assert all(share.advantage == 0 and not share.signal for _, share in group)


def test_masked_sample_is_in_nobodys_baseline():
    [group] = asyncio.run(play_groups([1.0, 0.0, None, None]))
    [without] = asyncio.run(play_groups([1.0, 0.0]))

    assert [share.advantage for _, share in group] == [*(share.advantage for _, share in without), 0.0, 0.0]


def test_a_sample_that_stops_the_run_stops_its_siblings():
    with pytest.raises(VerifierFailed):
        asyncio.run(asyncio.wait_for(play_groups([1.0, VerifierFailed("gone"), 0.0]), timeout=5))


def test_groups_sampled_one_after_the_other_are_apart():
    async def twice():
        groups, shared = Groups(), object()
        return [await asyncio.gather(*(play(groups, shared, r) for r in row)) for row in ([1.0, 0.0], [1.0, 1.0])]

    first, second = asyncio.run(twice())

    assert all(share.signal for _, share in first)
    assert not any(share.signal for _, share in second)
