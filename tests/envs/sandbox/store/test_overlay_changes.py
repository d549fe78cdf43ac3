"""What the store reads from an upper folder, against a full walk of real overlay mounts."""

import os
from typing import Any

from file_operations import operations
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pivotgym.envs.sandbox.store.trees import OPAQUE

layers = st.lists(st.lists(operations, max_size=8), min_size=2, max_size=5)
with_a_mount = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def read(laboratory: Any, *layers: list[list[str]]) -> dict[str, tuple[Any, Any]]:
    """The kinds before and after of each path that the last layer changes."""
    changes = laboratory(layers=layers)["layers"][-1]["read"]
    return {path: (before and before[0], after and after[0]) for path, (before, after) in changes.items()}


@with_a_mount
@given(layers=layers)
def test_changes_are_those_a_full_walk_finds(laboratory, layers):
    for layer in laboratory(layers=layers)["layers"]:
        assert layer["read"] == layer["walked"]


@with_a_mount
@given(layers=layers)
def test_a_stored_layer_shows_what_the_upper_showed(laboratory, layers):
    for layer in laboratory(layers=layers)["layers"]:
        assert (layer["lost"], layer["damage"]) == ({}, None)


@with_a_mount
@given(layers=layers)
def test_changes_of_all_layers_together_are_those_against_the_base(laboratory, layers):
    answer = laboratory(layers=layers)
    assert answer["total"] == answer["walked"]


def test_a_removed_folder_is_listed_path_by_path(laboratory):
    base = [["mkdir", "a/b", ""], ["write", "a/b/c", "1"]]
    gone = {"/a": ("dir", None), "/a/b": ("dir", None), "/a/b/c": ("file", None)}
    assert read(laboratory, base, [["remove", "a", ""]]) == gone


def test_a_folder_made_anew_hides_what_it_held(laboratory):
    base = [["mkdir", "a/b", ""], ["write", "a/b/c", "1"], ["write", "a/d", "1"]]
    again = [["remove", "a", ""], ["mkdir", "a/b", ""]]
    assert read(laboratory, base, again) == {"/a/b/c": ("file", None), "/a/d": ("file", None)}


def test_a_file_written_again_with_what_it_held_is_no_change(laboratory):
    assert read(laboratory, [["write", "a", "1"]], [["write", "a", "1"], ["touch", "a", ""]]) == {}


def test_a_new_mode_is_a_change(laboratory):
    assert read(laboratory, [["write", "a", "1"]], [["setuid", "a", ""]]) == {"/a": ("file", "file")}


def test_a_folder_may_become_a_file_and_a_file_a_folder(laboratory):
    base = [["mkdir", "a", ""], ["write", "a/x", "1"], ["write", "b", "1"]]
    swapped = [["remove", "a", ""], ["write", "a", "1"], ["remove", "b", ""], ["mkdir", "b/y", ""]]
    assert read(laboratory, base, swapped) == {
        "/a": ("dir", "file"),
        "/a/x": ("file", None),
        "/b": ("file", "dir"),
        "/b/y": (None, "dir"),
    }


def test_a_link_in_place_of_a_folder_is_not_followed(laboratory):
    base = [["mkdir", "a", ""], ["write", "a/x", "1"], ["mkdir", "b", ""], ["write", "b/x", "2"]]
    swapped = [["remove", "a", ""], ["symlink", "a", "b"]]
    assert read(laboratory, base, swapped) == {"/a": ("dir", "link"), "/a/x": ("file", None)}


def test_names_that_are_not_utf8_are_kept(laboratory):
    name = os.fsdecode(b"\xff\xfe")
    assert read(laboratory, [], [["write", name, "1"]]) == {f"/{name}": (None, "file")}


def test_fifos_and_sockets_are_kept(laboratory):
    new = [["fifo", "a", ""], ["socket", "b", ""]]
    assert read(laboratory, [], new) == {"/a": (None, "fifo"), "/b": (None, "socket")}


def test_the_mark_of_an_opaque_folder_is_the_one_user_namespaces_may_set():
    assert OPAQUE == "user.overlay.opaque"
