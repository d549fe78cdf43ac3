from concurrent.futures import ThreadPoolExecutor

import pytest
from toy_counter import CounterDomain, pivot

from pivotgym.core.errors import ConfigError, InputError, PivotRefused
from pivotgym.core.trajectory import Origin
from pivotgym.envs.base.states import StateCache


@pytest.fixture
def domain() -> CounterDomain:
    return CounterDomain()


@pytest.fixture
def states(domain: CounterDomain) -> StateCache:
    return StateCache(domain.world, max_states=4)


def get(states: StateCache, *steps: tuple[int, str], seed: int = 0):
    at = pivot(*steps)
    return states.get(at.origin, at.steps(), seed)


def test_a_state_is_built_by_replay(states: StateCache) -> None:
    assert get(states, (3, "5"), (1, "6")).value == 6


def test_forks_do_not_share_state(states: StateCache) -> None:
    get(states, (3, "5")).value = 99
    assert get(states, (3, "5")).value == 5


def test_the_second_request_replays_nothing(states: StateCache) -> None:
    get(states, (3, "5"))
    get(states, (3, "5"))
    assert (states.builds, states.replayed, states.hits) == (1, 1, 1)


def test_building_starts_from_the_longest_prefix_there_is(states: StateCache) -> None:
    get(states, (3, "5"), (1, "6"))
    get(states, (3, "5"), (1, "6"), (1, "7"))
    assert states.replayed == 3


def test_another_seed_is_another_state(states: StateCache) -> None:
    get(states, (3, "5"), seed=1)
    get(states, (3, "5"), seed=2)
    assert states.builds == 2


def test_a_replay_that_differs_is_refused_with_both_texts(states: StateCache) -> None:
    with pytest.raises(PivotRefused, match="step 0, observation 0: the replay differs") as caught:
        get(states, (3, "7"))
    assert caught.value.details == {"step": 0, "recorded": "7", "replayed": "5"}


def test_a_refusal_is_remembered(states: StateCache, domain: CounterDomain) -> None:
    for _ in range(3):
        with pytest.raises(PivotRefused):
            get(states, (3, "7"))
    assert domain.world_type.started == 1


def test_a_state_beyond_a_refused_prefix_is_refused(states: StateCache) -> None:
    with pytest.raises(PivotRefused):
        get(states, (3, "7"))
    with pytest.raises(PivotRefused):
        get(states, (3, "7"), (1, "8"))


def test_the_oldest_states_are_dropped_and_closed(states: StateCache, domain: CounterDomain) -> None:
    for n in range(10):
        get(states, (n, str(2 + n)))
    assert len(states) == 4
    assert domain.world_type.closed >= 6


def test_a_bad_origin_is_not_remembered(states: StateCache) -> None:
    with pytest.raises(InputError, match="expected `start`"):
        states.get(Origin(kind="counter"), [], 0)
    assert len(states) == 0


def test_a_broken_world_is_tried_again(states: StateCache, domain: CounterDomain) -> None:
    domain.world_type.explode = True
    with pytest.raises(RuntimeError):
        get(states, (3, "5"))
    domain.world_type.explode = False
    assert get(states, (3, "5")).value == 5


def test_many_threads_build_a_state_once(states: StateCache) -> None:
    with ThreadPoolExecutor(8) as pool:
        values = list(pool.map(lambda _: get(states, (3, "5"), (1, "6")).value, range(64)))
    assert (set(values), states.builds) == ({6}, 1)


def test_threads_get_right_states_while_others_are_dropped(states: StateCache) -> None:
    with ThreadPoolExecutor(8) as pool:
        values = list(pool.map(lambda n: get(states, (n % 9, str(2 + n % 9))).value, range(300)))
    assert values == [2 + n % 9 for n in range(300)]


def test_clear_drops_everything(states: StateCache) -> None:
    get(states, (3, "5"))
    states.clear()
    assert len(states) == 0


def test_max_states_must_be_positive(domain: CounterDomain) -> None:
    with pytest.raises(ConfigError, match="max_states: expected at least 1, got 0"):
        StateCache(domain.world, max_states=0)
