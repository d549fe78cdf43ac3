import pytest
from toy_counter import pivot
from toy_stored import StoredDomain

from pivotgym.core.errors import PivotRefused
from pivotgym.core.trajectory import Origin
from pivotgym.envs.base.states import StateCache


@pytest.fixture
def domain() -> StoredDomain:
    return StoredDomain()


def cache(domain: StoredDomain, size: int = 64) -> StateCache:
    return StateCache(domain.world, max_states=size)


def get(states: StateCache, *steps: tuple[int, str], **origin):
    at = pivot(*steps)
    return states.get(Origin.model_validate({**at.origin.model_dump(), **origin}), at.steps(), 0)


def test_every_step_of_a_prefix_is_kept(domain: StoredDomain) -> None:
    get(cache(domain), (3, "5"), (1, "6"), (1, "7"))
    assert sorted(domain.world_type.store.values()) == [2, 5, 6, 7]


def test_another_process_recalls_what_was_kept_and_replays_nothing(domain: StoredDomain) -> None:
    get(cache(domain), (3, "5"), (1, "6"))
    states = cache(domain)
    assert (get(states, (3, "5"), (1, "6")).value, states.recalls, states.replayed) == (6, 1, 0)


def test_a_longer_prefix_begins_at_the_longest_that_was_kept(domain: StoredDomain) -> None:
    get(cache(domain), (3, "5"), (1, "6"))
    states = cache(domain)
    get(states, (3, "5"), (1, "6"), (1, "7"))
    assert states.replayed == 1


def test_a_shorter_prefix_of_a_kept_one_is_there_too(domain: StoredDomain) -> None:
    states = cache(domain)
    get(states, (3, "5"), (1, "6"))
    get(states, (3, "5"))
    assert states.replayed == 2


@pytest.mark.slow
def test_a_long_prefix_is_built_with_room_for_one_state(domain: StoredDomain) -> None:
    steps = [(1, str(3 + n)) for n in range(400)]
    assert get(cache(domain, 1), *steps).value == 402


def test_a_refused_step_is_refused_for_all_that_follows(domain: StoredDomain) -> None:
    states = cache(domain)
    for _ in range(2):
        with pytest.raises(PivotRefused, match="step 1"):
            get(states, (3, "5"), (1, "9"), (1, "10"))
    assert states.replayed == 1


def test_equal_origins_of_other_content_are_other_states(domain: StoredDomain) -> None:
    states = cache(domain)
    get(states, content="a")
    get(states, content="b")
    assert states.builds == 2


def test_a_perturbed_copy_is_kept_beside_the_state(domain: StoredDomain) -> None:
    states, at = cache(domain), pivot((3, "5"))
    copies = [states.perturbed(at.origin, at.steps(), 0, 1) for _ in range(2)]
    assert [copy and copy.value for copy in copies] == [105, 105]
    assert get(states, (3, "5")).value == 5


def test_a_variant_that_does_not_exist_is_asked_for_once(domain: StoredDomain) -> None:
    states, at = cache(domain), pivot()
    assert states.perturbed(at.origin, [], 0, 2) is None
    builds = states.builds
    assert states.perturbed(at.origin, [], 0, 2) is None
    assert states.builds == builds
