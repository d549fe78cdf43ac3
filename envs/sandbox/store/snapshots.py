"""Snapshots by key: found, stored, built by one process while others wait.

    nodes/SHA-256-OF-KEY.json   `Node`: the snapshot, its key, its turn; its time is when it was last used

Owns: nodes, holding the layers of every snapshot that is in use, checking a layer before its first use, and keeping
stacks short. Does not own: layers (`layers`), what is dropped when the store is full (`evict`), what a key means.

What is brought to the disk, in this order: the files and folders of a layer in `tmp/`, its manifest, then (renamed)
the folder `layers/`; the node in `tmp/`, then (renamed) the folder `nodes/`. So a node that can be read stands on
layers that are there as a whole, after `kill -9` at any moment and after power loss; what else is found belongs to
nothing and is collected. Removing goes the other way, nodes first. What is damaged nevertheless (a file cut short, by
whoever) is found by its checksums, dropped and built again.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pivotgym.core.canonical import digest
from pivotgym.core.errors import InputError, NotFound
from pivotgym.envs.sandbox.contract import ShellState, Snapshot
from pivotgym.envs.sandbox.store import evict, namespace
from pivotgym.envs.sandbox.store.changes import digest_of
from pivotgym.envs.sandbox.store.durable import read_json, remove_tree
from pivotgym.envs.sandbox.store.flatten import merge_layers
from pivotgym.envs.sandbox.store.layers import LayerStore, is_layer_id

MAX_LAYERS = 16
"""Deepest stack that is stored. A fresh mount looks through every layer for each path that a shell needs to start: 60
layers cost a reset 8 ms (`benchmarks/sandbox.py`), 16 cost nothing that can be seen."""


@dataclass(frozen=True)
class Node:
    """A stored snapshot.

    Attributes:
        file: Where it is.
        key: What it was stored under.
        snapshot: The state.
        turn: How many steps lead to it; `None` where nobody said.
        used: When it was last asked for, in seconds since 1970.
    """

    file: Path
    key: str
    snapshot: Snapshot
    turn: int | None
    used: float


@dataclass(frozen=True)
class Problem:
    """Something in a store that is damaged: a `layer` or a `node`, by its name, and what is wrong with it."""

    kind: str
    name: str
    what: str


class SnapshotStore:
    """Key to snapshot. Thread-safe; any number of processes may use one folder.

    A snapshot that `get` or `put` returned can be opened as long as that object lives: its layers are held.

    Args:
        layers: Where the layers are.
        max_bytes: When the layers take more, the least recently used snapshots are dropped.
        max_layers: Deeper stacks have their newest layers merged, see `put`.
        dropped: Told of each snapshot on images of an engine that is dropped, so that they can be removed.
    """

    def __init__(
        self,
        layers: LayerStore,
        *,
        max_bytes: int = 20 * 10**9,
        max_layers: int = MAX_LAYERS,
        dropped: Callable[[Snapshot], None] = lambda snapshot: None,
    ) -> None:
        self.layers, self.max_bytes = layers, max_bytes
        self._max_layers, self._dropped = max_layers, dropped
        self._checked: set[str] = set()
        self._gauge = evict.Gauge(layers)
        self._full_until = 0.0
        self._images_put = 0

    def get(self, key: str) -> Snapshot | None:
        """The snapshot of a key, or `None` where there is none that can be used."""
        node = read_node(self._file(key))
        if node is None:
            return None
        try:
            held = self.held(node.snapshot)
        except NotFound:
            return None
        damaged = self._damaged(node)
        if damaged is not None:
            del held
            self._drop_layer(damaged)
            return None
        with suppress(FileNotFoundError):  # dropped at this moment; its layers are held
            os.utime(node.file)
        return held

    def put(self, key: str, snapshot: Snapshot, *, turn: int | None = None) -> Snapshot:
        """Store a snapshot whose layers are in the store, or are none of ours (a container engine's).

        Args:
            key: What to find it by; what it named before is replaced.
            snapshot: The state, on at least one layer. They are held by the caller, or younger than `evict.GRACE_S`.
            turn: How many steps led to it, for `pivotgym snapshots ls`.

        Returns:
            The same state, on fewer layers where there were more than `max_layers`.

        Raises:
            InputError: If it has no layers.
            NotFound: If a layer is not there.
            OSError: If it cannot be written, such as on a full disk.
        """
        if not snapshot.layers:
            raise InputError(f"snapshot {snapshot.digest[:12]!r}: expected at least one layer or image, got none")
        if self._ours(snapshot) and len(snapshot.layers) > self._max_layers:
            snapshot = self._shorter(snapshot)
        held = self.held(snapshot)
        self.layers.locks.share([evict.LOCK])
        try:
            self.layers.replace(self._file(key), _to_json(key, held, turn))
        finally:
            self.layers.locks.release([evict.LOCK])
        full = self._gauge.add(held.layers) > self.max_bytes
        if not self._ours(held):
            # The sizes of images are not known here, and counting them means to read all nodes.
            self._images_put += 1
            full = full or self._images_put % 100 == 0
        if full and time.monotonic() >= self._full_until:
            freed = self._evict(int(0.9 * self.max_bytes), evict.GRACE_S, later=True)
            # What is left is in use: looking again at each of the next calls would find the same.
            self._full_until = 0.0 if freed else time.monotonic() + 10
        return held

    def held(self, snapshot: Snapshot) -> Snapshot:
        """The same snapshot, whose layers are held as long as the object that is returned lives.

        Raises:
            NotFound: If a layer is gone.
        """
        copy = Snapshot(snapshot.backend, snapshot.layers, snapshot.shell, snapshot.digest, snapshot.processes)
        if self._ours(snapshot):
            self.layers.hold(snapshot.layers)
        else:
            self.layers.locks.share(snapshot.layers)  # images of an engine: whoever removes them can ask `locks.held`
        weakref.finalize(copy, self.layers.locks.release_later, snapshot.layers).atexit = False
        return copy

    @contextmanager
    def building(self, key: str) -> Iterator[None]:
        """Be the only one, of all threads and processes, that looks for a key and builds it."""
        with self.layers.locks.alone(f"key:{key}"):
            yield

    def get_or_build(self, key: str, build: Callable[[], Snapshot], *, turn: int | None = None) -> Snapshot:
        """The snapshot of a key, built and stored if need be; whatever `build` raises comes out."""
        with self.building(key):
            return self.get(key) or self.put(key, build(), turn=turn)

    def nodes(self) -> list[Node]:
        """All nodes that can be read, the least recently used first."""
        found = (read_node(self.layers.root / "nodes" / name) for name in os.listdir(self.layers.root / "nodes"))
        return sorted((node for node in found if node is not None), key=lambda node: node.used)

    def evict(self, max_bytes: int | None = None, *, grace_s: float = evict.GRACE_S) -> int:
        """Drop the least recently used snapshots until the layers take at most `max_bytes`, or 90 % of the store's own.

        What is held is kept, and so is what a kept snapshot stands on.

        Args:
            max_bytes: The aim; 0 drops all that can be dropped.
            grace_s: Layers without a snapshot are kept for so long, as one may be about to be stored.

        Returns:
            Bytes freed.
        """
        return self._evict(int(0.9 * self.max_bytes) if max_bytes is None else max_bytes, grace_s)

    def _evict(self, max_bytes: int, grace_s: float, *, later: bool = False) -> int:
        aim = evict.Aim(max_bytes, grace_s)
        return evict.evict(self.layers, self._gauge, self.nodes, aim, self._dropped, later=later)

    def sizes(self) -> dict[str, int]:
        """Bytes on the disk by layer."""
        return self._gauge.count()

    def clean(self) -> int:
        """Remove what dead processes left half-done; how many things. Called at every start."""
        return self.layers.clean()

    def verify(self) -> list[Problem]:
        """Read everything and say what is damaged."""
        bad = self._bad_layers()
        problems = [Problem("layer", layer, what) for layer, what in bad.items()]
        for name in sorted(os.listdir(self.layers.root / "nodes")):
            node = read_node(self.layers.root / "nodes" / name)
            what = "cannot be read" if node is None else self._node_damage(node, bad)
            if what is not None:
                problems.append(Problem("node", name.removesuffix(".json"), what))
        return problems

    def drop(self, problem: Problem) -> None:
        """Remove what is damaged, and every snapshot that stands on it."""
        if problem.kind == "layer":
            self._drop_layer(problem.name)
        else:
            (self.layers.root / "nodes" / f"{problem.name}.json").unlink(missing_ok=True)

    def _bad_layers(self) -> dict[str, str]:
        found: dict[str, str | None] = {}
        unreadable = []
        for layer in self.layers.all():
            try:
                found[layer] = self.layers.damage(layer)
            except PermissionError:
                unreadable.append(layer)
        if unreadable and namespace.helps():
            module = LayerStore.__module__
            done = namespace.run(sys.executable, "-m", module, str(self.layers.root.resolve()), *unreadable)
            found |= json.loads(done.stdout or "{}")
        for layer in unreadable:
            found.setdefault(layer, "it cannot be read by this user")
        return {layer: what for layer, what in found.items() if what is not None}

    def _node_damage(self, node: Node, bad: dict[str, str]) -> str | None:
        snapshot = node.snapshot
        damaged = [layer for layer in snapshot.layers if layer in bad]
        if damaged:
            return f"stands on the damaged layer {damaged[0]}"
        if not self._ours(snapshot):
            return None
        try:
            told = digest_of(self.layers.identity(snapshot.layers), self.layers.total(snapshot.layers), snapshot.shell)
        except NotFound as error:
            return error.message
        return None if told == snapshot.digest else "its layers do not give its digest"

    def _file(self, key: str) -> Path:
        return self.layers.root / "nodes" / f"{hashlib.sha256(key.encode()).hexdigest()}.json"

    def _ours(self, snapshot: Snapshot) -> bool:
        return any(map(is_layer_id, snapshot.layers))

    def _damaged(self, node: Node) -> str | None:
        """A layer of the node that a quick look shows to be damaged; each is looked at once per process."""
        for layer in node.snapshot.layers if self._ours(node.snapshot) else ():
            # What this user has no right to look at, he has no right to damage.
            with suppress(PermissionError):
                if layer not in self._checked and self.layers.damage(layer, full=False) is not None:
                    return layer
            self._checked.add(layer)
        return None

    def _drop_layer(self, layer: str) -> None:
        for node in self.nodes():
            if layer in node.snapshot.layers:
                node.file.unlink(missing_ok=True)
        trash = self.layers.set_aside(layer)
        if trash is not None:
            remove_tree(trash)

    def _shorter(self, snapshot: Snapshot) -> Snapshot:
        """The same state with its newest layers merged; kept as a node of its own, for others on the same stack."""
        key = f"merged:{digest(list(snapshot.layers))}"
        bases = sum(1 for layer in snapshot.layers if (one := self.layers.manifest(layer)) and one.identity)
        count = min(len(snapshot.layers) - bases, max(2, 2 * self._max_layers // 3))
        if count < 2:
            return snapshot

        def build() -> Snapshot:
            with self.layers.hold(snapshot.layers):
                layers = tuple(merge_layers(self.layers, snapshot.layers, count))
            shell = ShellState()
            state = digest_of(self.layers.identity(layers), self.layers.total(layers), shell)
            return Snapshot(snapshot.backend, layers, shell, state)

        shorter = self.get_or_build(key, build)
        result = Snapshot(snapshot.backend, shorter.layers, snapshot.shell, snapshot.digest, snapshot.processes)
        return self.held(result)


def read_node(file: Path) -> Node | None:
    """A node's file, or `None` if it is missing or damaged."""
    value = read_json(file)
    if value is None:
        return None
    try:
        shell = ShellState(**value["shell"])
        layers, processes = tuple(value["layers"]), tuple(value["processes"])
        snapshot = Snapshot(value["backend"], layers, shell, value["digest"], processes)
        return Node(file, value["key"], snapshot, value["turn"], file.stat().st_mtime)
    except (KeyError, TypeError, FileNotFoundError):
        return None


def _to_json(key: str, snapshot: Snapshot, turn: int | None) -> dict[str, Any]:
    return {"key": key, "turn": turn, **asdict(snapshot)}
