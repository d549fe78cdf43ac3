"""Layers that become one, looked at through real overlay mounts."""

import pytest
from file_operations import operations
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

few_layers = st.lists(st.lists(operations, max_size=8), min_size=4, max_size=6)


@pytest.mark.slow
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(layers=few_layers, count=st.integers(2, 3))
def test_merged_layers_show_what_they_showed(laboratory, layers, count):
    merge = laboratory(layers=layers, merge=count)["merge"]
    assert merge == {"lost": {}, "depth": len(layers) - count + 1, "same": True, "damage": None}


def test_a_folder_removed_and_made_again_stays_opaque(laboratory):
    base = [["mkdir", "a", ""], ["write", "a/old", "1"]]
    run = [[["remove", "a", ""]], [["mkdir", "a", ""]], [["write", "a/new", "1"]]]
    assert laboratory(layers=[base, *run], merge=3)["merge"]["lost"] == {}
