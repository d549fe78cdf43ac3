import dataclasses
import gc
import os
import threading
from pathlib import Path

import pytest

from pivotgym.core.errors import InputError, NotFound
from pivotgym.envs.sandbox.contract import Change, Entry, ShellState, Snapshot
from pivotgym.envs.sandbox.store.changes import digest_of
from pivotgym.envs.sandbox.store.evict import Aim, Gauge, evict
from pivotgym.envs.sandbox.store.ids import Ids
from pivotgym.envs.sandbox.store.layers import LayerStore
from pivotgym.envs.sandbox.store.snapshots import SnapshotStore


@pytest.fixture
def layers(tmp_path: Path) -> LayerStore:
    return LayerStore(tmp_path / "store", Ids(os.geteuid()))


@pytest.fixture
def store(layers: LayerStore) -> SnapshotStore:
    return SnapshotStore(layers)


def grow(layers: LayerStore, below: tuple[str, ...] = (), name: str = "file", size: int = 10) -> Snapshot:
    """A snapshot with one more file than the stack below it; a base without one."""
    staged = layers.stage()
    (staged.tree / name).write_bytes(b"x" * size)
    changes = {f"/{name}": Change(None, Entry("file", 0o644, 0, 0, size, "-"))} if below else {}
    layer = layers.commit(staged, changes, below, identity="" if below else "base")
    stack = (*below, layer)
    return Snapshot("bubblewrap", stack, ShellState(), digest_of("base", layers.total(stack), ShellState()))


def reopened(store: SnapshotStore, **settings: int) -> SnapshotStore:
    """The same folder as another process sees it, which holds nothing."""
    return SnapshotStore(LayerStore(store.layers.root, store.layers.ids), **settings)


def drop_all(store: SnapshotStore) -> None:
    gc.collect()
    store.evict(0, grace_s=0)


def test_what_is_put_is_found(store, layers):
    state = dataclasses.replace(grow(layers), shell=ShellState("/work", 0o077, {"A": "\udcff"}, "f() { :; }"))
    store.put("key", state, turn=3)
    assert reopened(store).get("key") == state


def test_what_is_not_there_is_none(store):
    assert store.get("key") is None


def test_a_snapshot_on_a_layer_that_is_gone_is_refused(store, layers):
    state = grow(layers)
    layers.set_aside(state.layers[0])
    with pytest.raises(NotFound, match="not in the snapshot store"):
        store.put("key", state)


def test_a_snapshot_of_nothing_is_refused(store):
    with pytest.raises(InputError, match="snapshot 'd': expected at least one layer or image, got none"):
        store.put("key", Snapshot("docker", (), ShellState(), "d"))


def test_snapshots_of_a_container_engine_stand_on_no_layers_of_ours(store):
    state = Snapshot("docker", ("sha256:12",), ShellState(), "d")
    store.put("key", state)
    assert (store.get("key"), store.verify()) == (state, [])


def test_an_engines_image_in_use_is_held(store):
    state = store.put("key", Snapshot("docker", ("sha256:12",), ShellState(), "d"))
    assert reopened(store).layers.locks.held(state.layers[0])


def test_images_of_dropped_states_are_told_once_none_needs_them(layers):
    dropped: list[str] = []
    store = SnapshotStore(layers, dropped=lambda snapshot: dropped.append(snapshot.layers[-1]))
    for key, images in {"0": ("base",), "1": ("base", "one"), "same": ("base", "one")}.items():
        store.put(key, Snapshot("docker", images, ShellState(), key))
    drop_all(store)
    assert (dropped, store.nodes()) == (["one", "base"], [])


def test_so_many_images_are_kept(layers):
    store = SnapshotStore(layers)
    for number in range(5):
        store.put(str(number), Snapshot("docker", (f"image{number}",), ShellState(), "d"))
        os.utime(store._file(str(number)), (number, number))
    gc.collect()
    evict(layers, Gauge(layers), store.nodes, Aim(10**9, max_images=2), lambda snapshot: None)
    assert [node.key for node in store.nodes()] == ["3", "4"]


def test_a_state_is_built_once_by_all_threads(store, layers):
    built = []

    def build() -> Snapshot:
        built.append(1)
        return grow(layers)

    threads = [threading.Thread(target=store.get_or_build, args=("key", build)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(built) == 1


def test_a_failed_build_is_tried_again(store, layers):
    with pytest.raises(ZeroDivisionError):
        store.get_or_build("key", lambda: 1 // 0)
    assert store.get_or_build("key", lambda: grow(layers)).layers


def test_steps_share_the_layers_below(store, layers):
    first = store.put("0", grow(layers))
    second = store.put("1", grow(layers, first.layers))
    assert (second.layers[:1], len(layers.all())) == (first.layers, 2)


def test_a_node_cut_short_is_built_again(store, layers):
    store.put("key", grow(layers))
    node = store.nodes()[0].file
    node.write_bytes(node.read_bytes()[:-9])
    assert [problem.kind for problem in store.verify()] == ["node"]
    assert store.get("key") is None


@pytest.mark.parametrize("file", ["manifest.json", "changes.json", "tree/file"])
def test_a_layer_cut_short_is_built_again(store, layers, file):
    state = store.put("key", grow(layers))
    path = layers.path(state.layers[0]).parent / file
    path.write_bytes(path.read_bytes()[:-1])
    assert {problem.kind for problem in store.verify()} == {"layer", "node"}
    del state
    assert reopened(store).get("key") is None
    assert (layers.all(), store.nodes()) == ([], [])


def test_a_changed_byte_is_found_by_verify(store, layers):
    state = store.put("key", grow(layers))
    path = layers.path(state.layers[0]) / "file"
    times = path.stat()
    path.write_bytes(b"y" * 10)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert store.verify()[0].what == "its 1 files are not those that were committed"


def test_a_changed_digest_is_found_by_verify(store, layers):
    store.put("key", dataclasses.replace(grow(layers), digest="0" * 64))
    assert [problem.what for problem in store.verify()] == ["its layers do not give its digest"]


def test_damage_that_is_dropped_takes_what_stands_on_it(store, layers):
    base = store.put("0", grow(layers))
    store.put("1", grow(layers, base.layers))
    (layers.path(base.layers[0]) / "file").unlink()
    del base
    gc.collect()
    other = reopened(store)
    for problem in other.verify():
        other.drop(problem)
    assert (other.verify(), other.nodes()) == ([], [])


def test_a_sound_store_has_no_problems(store, layers):
    store.put("1", grow(layers, store.put("0", grow(layers)).layers))
    assert store.verify() == []


def test_the_least_recently_used_goes_first(store, layers):
    for number, key in enumerate("abc"):
        os.utime(store._file(store.put(key, grow(layers)) and key), (number, number))
    store.get("a")
    gc.collect()
    full = reopened(store)
    full.evict(sum(layers.manifest(layer).bytes for layer in layers.all()) - 1, grace_s=0)
    assert {node.key for node in full.nodes()} == {"a", "c"}


def test_what_others_stand_on_goes_after_them(store, layers):
    base = store.put("0", grow(layers))
    store.put("1", grow(layers, base.layers))
    os.utime(store._file("0"), (1, 1))
    del base
    gc.collect()
    store.evict(sum(layers.manifest(layer).bytes for layer in layers.all()) - 1, grace_s=0)
    assert [node.key for node in store.nodes()] == ["0"]


def test_what_is_used_is_never_dropped(store, layers):
    held = store.put("key", grow(layers))
    drop_all(reopened(store))
    assert layers.path(held.layers[0]).exists()


def test_a_state_that_was_never_stored_can_be_held_too(store, layers):
    held = store.held(grow(layers))
    drop_all(reopened(store))
    assert layers.path(held.layers[0]).exists()


def test_what_is_no_longer_used_is_dropped(store, layers):
    held = store.put("key", grow(layers))
    del held
    drop_all(store)
    assert (store.nodes(), layers.all(), os.listdir(layers.root / "tmp")) == ([], [], [])


def test_a_full_store_drops_by_itself(store, layers):
    small = reopened(store, max_bytes=3_000_000)
    for number in range(6):
        small.put(str(number), grow(layers, size=1_000_000))
        gc.collect()
    assert sum(layers.manifest(layer).bytes for layer in layers.all()) <= 3_000_000
    assert small.get("5") is not None


def test_a_layer_about_to_be_stored_is_kept(store, layers):
    state = grow(layers)
    store.evict(0)
    assert layers.path(state.layers[0]).exists()


def test_a_stack_that_grows_too_deep_is_merged(store, layers):
    flat = reopened(store, max_layers=4)
    state = flat.put("0", grow(layers))
    for number in range(1, 12):
        state = flat.put(str(number), grow(layers, state.layers, f"f{number}"))
        assert len(state.layers) <= 4
    assert set(layers.total(state.layers)) == {f"/f{number}" for number in range(1, 12)}
    assert flat.verify() == []


def test_two_states_on_one_deep_stack_share_its_merged_layers(store, layers):
    deep = grow(layers)
    for number in range(4):
        deep = grow(layers, deep.layers, f"f{number}")
    flat = reopened(store, max_layers=3)
    assert flat.put("a", deep).layers == flat.put("b", deep).layers


def test_a_state_is_on_the_disk_before_it_can_be_found(store, layers, monkeypatch):
    happened: list[tuple[str, str]] = []
    fsync, rename = os.fsync, os.rename

    def seen(path: str) -> str:
        parts = Path(path).relative_to(layers.root).parts
        return "/".join(part for part in parts if not part.startswith("l0"))

    def fsync_and_tell(fd: int) -> None:
        happened.append(("sync", seen(os.readlink(f"/proc/self/fd/{fd}"))))
        fsync(fd)

    def rename_and_tell(old: str, new: str) -> None:
        happened.append(("rename", seen(str(new)).split("/")[0]))
        rename(old, new)

    monkeypatch.setattr("pivotgym.envs.sandbox.store.layers.new_id", lambda: f"l0{len(happened):011}")
    monkeypatch.setattr(os, "fsync", fsync_and_tell)
    monkeypatch.setattr(os, "rename", rename_and_tell)
    store.put("key", grow(layers))
    first, second = (number for number, what in enumerate(happened) if what[0] == "rename")
    built = {("sync", path) for path in ("tmp", "tmp/tree", "tmp/tree/file", "tmp/changes.json", "tmp/manifest.json")}
    assert {*happened[:first]} == built
    assert happened[first : first + 2] == [("rename", "layers"), ("sync", "layers")]
    assert happened[second - 1 :] == [("sync", "tmp"), ("rename", "nodes"), ("sync", "nodes")]
