from itertools import permutations

from hypothesis import given
from hypothesis import strategies as st

from pivotgym.verifiers.matching import match

edges = st.sets(st.tuples(st.integers(0, 4), st.integers(0, 4)))


def test_a_greedy_choice_is_taken_back() -> None:
    assert match("ab", "xy", lambda one, other: (one, other) != ("b", "y")) == [1, 0]


def test_without_partners_there_are_no_pairs() -> None:
    assert match([1, 2], [], lambda one, other: True) == [None, None]


@given(edges)
def test_as_many_pairs_as_can_be(fitting: set[tuple[int, int]]) -> None:
    pairs = match(range(5), range(5), lambda one, other: (one, other) in fitting)
    found = [pair for pair in pairs if pair is not None]
    best = max(sum((one, other) in fitting for one, other in enumerate(order)) for order in permutations(range(5)))
    assert len(found) == best
    assert len(set(found)) == len(found)
    assert all((one, pair) in fitting for one, pair in enumerate(pairs) if pair is not None)
