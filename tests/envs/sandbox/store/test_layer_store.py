import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pivotgym.core.errors import ConfigError, NotFound
from pivotgym.envs.sandbox.contract import Change, Entry, ShellState
from pivotgym.envs.sandbox.store import copying
from pivotgym.envs.sandbox.store.changes import digest_of, from_json, merged, to_json
from pivotgym.envs.sandbox.store.copying import copy_tree
from pivotgym.envs.sandbox.store.durable import remove_tree
from pivotgym.envs.sandbox.store.ids import NOBODY, Ids
from pivotgym.envs.sandbox.store.layers import LayerStore
from pivotgym.envs.sandbox.store.locks import Locks
from pivotgym.envs.sandbox.store.trees import Tree, listing, walk

FILE, OTHER = Entry("file", 0o644, 0, 0, 1, "a"), Entry("file", 0o644, 0, 0, 1, "b")


@pytest.fixture
def layers(tmp_path: Path) -> LayerStore:
    return LayerStore(tmp_path / "store", Ids(os.geteuid()))


@pytest.fixture
def copied(tmp_path: Path):
    """Copies what a function put into a folder; gives the copy."""

    def copy(fill) -> Path:
        source, target = tmp_path / "source", tmp_path / "target"
        source.mkdir()
        target.mkdir()
        fill(source)
        copy_tree(source, target)
        return target

    return copy


def test_a_half_built_layer_is_not_there(layers):
    staged = layers.stage()
    (staged.tree / "file").write_text("1")
    assert layers.all() == []


def test_a_layer_given_up_leaves_nothing(layers):
    layers.discard(layers.stage())
    assert os.listdir(layers.root / "tmp") == []


def test_clean_leaves_what_is_being_built(layers):
    staged = layers.stage()
    assert LayerStore(layers.root, layers.ids).clean() == 0
    assert staged.tree.exists()


def test_clean_removes_what_a_dead_process_left(layers):
    layers.stage()
    layers.close()
    other = LayerStore(layers.root, layers.ids)
    assert (other.clean(), os.listdir(layers.root / "tmp")) == (1, [])


def test_a_held_layer_cannot_be_set_aside(layers):
    layer = layers.commit(layers.stage(), {}, ())
    with layers.hold([layer]):
        assert LayerStore(layers.root, layers.ids).set_aside(layer) is None
    assert layers.set_aside(layer) is not None


def test_two_holds_of_one_layer_are_counted(layers):
    layer = layers.commit(layers.stage(), {}, ())
    first, second = layers.hold([layer]), layers.hold([layer])
    first.release()
    first.release()
    assert layers.set_aside(layer) is None
    second.release()
    assert layers.set_aside(layer) is not None


def release_in_a_fork(hold):
    child = os.fork()
    if child == 0:
        hold.release()
        os._exit(0)
    os.waitpid(child, 0)


def test_a_forked_process_has_holds_of_its_own(layers):
    layer = layers.commit(layers.stage(), {}, ())
    hold = layers.hold([layer])
    release_in_a_fork(hold)
    assert layers.set_aside(layer) is None


def test_stores_that_were_removed_cost_the_others_no_hold(layers, tmp_path):
    file = tmp_path / "locks"
    file.touch()
    removed = [Locks(file) for _ in range(20)]  # a fork comes to the stores in no order
    file.unlink()
    layer = layers.commit(layers.stage(), {}, ())
    hold = layers.hold([layer])
    release_in_a_fork(hold)
    assert layers.set_aside(layer) is None
    for locks in removed:
        locks.close()


def test_a_layer_that_is_not_there_cannot_be_held(layers):
    with pytest.raises(NotFound, match=r"layer 'l0': not in the snapshot store \(build the snapshot again\)"):
        layers.hold(["l0"])


def test_missing_changes_are_said(layers):
    with pytest.raises(NotFound, match="layer 'l0': its changes are missing or damaged"):
        layers.changes("l0")


def test_the_identity_of_a_stack_needs_its_manifests(layers):
    with pytest.raises(NotFound, match="layer 'l0': missing or damaged"):
        layers.identity(["l0"])


def test_a_store_of_another_version_is_refused(layers):
    (layers.root / "VERSION").write_text("99")
    with pytest.raises(ConfigError, match="expected layout version 1, got '99'"):
        LayerStore(layers.root, layers.ids)


def test_a_folder_that_cannot_be_a_store_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match=r"cannot be used.*PIVOTGYM_SNAPSHOTS"):
        LayerStore(tmp_path / "file")


def test_paths_that_return_to_what_they_were_drop_out():
    older, newer = {"/a": Change(FILE, OTHER), "/b": Change(None, FILE)}, {"/a": Change(OTHER, FILE)}
    assert merged(older, newer) == {"/b": Change(None, FILE)}


def test_changes_survive_json():
    changes = {"/a\udcff": Change(FILE, None), "/b": Change(None, OTHER)}
    assert from_json(to_json(changes)) == changes


@pytest.mark.parametrize("shell", [ShellState("/a"), ShellState(umask=0), ShellState(environment={"A": "1"})])
def test_the_shell_is_part_of_the_digest(shell):
    assert digest_of("base", {}, shell) != digest_of("base", {}, ShellState())


def test_owners_are_those_inside():
    ids = Ids(1000, 10)
    assert (ids.inside(1003), ids.inside(5), ids.outside(3), ids.outside(99)) == (3, NOBODY, 1003, 1000)


def test_links_between_files_are_kept(copied):
    def fill(folder: Path) -> None:
        (folder / "sub").mkdir()
        (folder / "sub" / "a").write_text("1")
        os.link(folder / "sub" / "a", folder / "b")

    target = copied(fill)
    assert (target / "sub" / "a").samefile(target / "b")


def test_holes_are_kept(copied):
    def fill(folder: Path) -> None:
        with open(folder / "file", "wb") as file:
            file.truncate(50_000_000)
            file.seek(20_000_000)
            file.write(b"x" * 5000)

    copy = copied(fill) / "file"
    assert copy.stat().st_size == 50_000_000
    assert copy.stat().st_blocks * 512 < 100_000
    assert copy.read_bytes().strip(b"\0") == b"x" * 5000


def test_modes_and_times_are_kept(copied):
    def fill(folder: Path) -> None:
        (folder / "sub").mkdir()
        (folder / "sub" / "a").write_text("1")
        (folder / "sub" / "a").chmod(0o4711)
        os.utime(folder / "sub" / "a", (5, 5))
        (folder / "sub").chmod(0o1750)
        os.utime(folder / "sub", (7, 7))

    target = copied(fill)
    status = [(target / name).stat() for name in ("sub", "sub/a")]
    assert [(one.st_mode & 0o7777, one.st_mtime) for one in status] == [(0o1750, 7), (0o4711, 5)]


def test_attributes_of_files_are_kept(copied):
    def fill(folder: Path) -> None:
        (folder / "a").write_text("1")
        os.setxattr(folder / "a", "user.note", b"1")

    assert os.getxattr(copied(fill) / "a", "user.note") == b"1"


def nest(folder: Path, name: str, depth: int) -> None:
    """Folders in folders, without ever naming a path."""
    here = os.open(folder, os.O_RDONLY)
    for _ in range(depth):
        os.mkdir(name, dir_fd=here)
        deeper = os.open(name, os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = deeper
    os.close(here)


def test_a_tree_deeper_than_any_path_is_copied_and_listed(copied):
    copy = copied(lambda folder: nest(folder, "n" * 200, 60))
    assert [len(path) for path in listing(copy, Ids())] == [201 * depth for depth in range(1, 61)]


def test_a_tree_of_any_depth_is_removed(tmp_path):
    (tmp_path / "tree").mkdir()
    nest(tmp_path / "tree", "n", 1050)
    assert remove_tree(tmp_path / "tree")


def test_a_link_on_the_way_is_never_followed(tmp_path):
    (tmp_path / "tree").mkdir()
    (tmp_path / "outside").mkdir()
    (tmp_path / "tree" / "link").symlink_to(tmp_path)
    with Tree(tmp_path / "tree") as tree, pytest.raises(OSError, match="link/outside"):
        tree.open("link/outside")


def removed(path: Path) -> None:
    path.unlink()


def made_a_link(path: Path) -> None:
    path.unlink()
    path.symlink_to("elsewhere")


def made_a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize("happens", [removed, made_a_link, made_a_folder])
@pytest.mark.parametrize("kind", ["file", "link"])
def test_what_changes_between_a_look_and_the_copy_breaks_nothing(tmp_path, monkeypatch, happens, kind):
    source, target = tmp_path / "source", tmp_path / "target"
    source.mkdir()
    target.mkdir()
    (source / "kept").write_text("1")
    (source / "shaky").write_text("1") if kind == "file" else (source / "shaky").symlink_to("kept")

    def walk_and_meddle(tree: Tree) -> Iterator[Any]:
        for item in walk(tree):
            if item[0] == "shaky":
                happens(source / "shaky")
            yield item

    monkeypatch.setattr(copying, "walk", walk_and_meddle)
    copy_tree(source, target)
    assert "kept" in os.listdir(target)
