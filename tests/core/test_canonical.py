import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pivotgym.core.canonical import canonical_json, digest
from pivotgym.core.errors import InputError

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(JSON)
def test_digest_survives_a_round_trip_through_json(value):
    assert digest(json.loads(json.dumps(value))) == digest(value)


@given(st.dictionaries(st.text(), st.integers()))
def test_key_order_does_not_count(value):
    assert canonical_json(dict(reversed(value.items()))) == canonical_json(value)


def test_integral_floats_are_integers():
    assert canonical_json([1.0, -0.0, 2.5]) == "[1,0,2.5]"


def test_booleans_are_not_numbers():
    assert digest(True) != digest(1)


def test_what_json_cannot_hold_is_named():
    with pytest.raises(InputError, match="expected JSON data"):
        canonical_json(object())
