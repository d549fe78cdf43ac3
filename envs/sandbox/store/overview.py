"""What lies in a store, for people.

Owns: the facts per snapshot that `pivotgym snapshots ls` shows. Does not own: how they look (`cli/snapshots.py`).
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from pivotgym.envs.sandbox.store.snapshots import SnapshotStore


@dataclass(frozen=True)
class Row:
    """One snapshot.

    Attributes:
        key: What it is stored under.
        backend: Whose it is.
        turn: How many steps lead to it, where that is known.
        layers: How many layers it stands on.
        own_bytes: What its newest layer takes on the disk.
        bytes: What all its layers take, shared ones too.
        others: Further snapshots that stand on its newest layer, or are the same state.
        held: Whether a process uses it now.
        used: When it was last asked for, in seconds since 1970.
    """

    key: str
    backend: str
    turn: int | None
    layers: int
    own_bytes: int
    bytes: int
    others: int
    held: bool
    used: float


@dataclass(frozen=True)
class Overview:
    """A whole store.

    Attributes:
        folder: Where it is.
        rows: Its snapshots, the least recently used first.
        layers: How many layers it has.
        bytes: What they take on the disk.
        max_bytes: What they may take.
    """

    folder: str
    rows: list[Row]
    layers: int
    bytes: int
    max_bytes: int


def overview(store: SnapshotStore) -> Overview:
    """Look at a store."""
    sizes = store.sizes()
    nodes = store.nodes()
    users = Counter(layer for node in nodes for layer in set(node.snapshot.layers))
    held = {top: store.layers.locks.held(top) for top in {node.snapshot.layers[-1] for node in nodes}}
    rows = [
        Row(
            key=node.key,
            backend=node.snapshot.backend,
            turn=node.turn,
            layers=len(node.snapshot.layers),
            own_bytes=sizes.get(node.snapshot.layers[-1], 0),
            bytes=sum(sizes.get(layer, 0) for layer in node.snapshot.layers),
            others=users[node.snapshot.layers[-1]] - 1,
            held=held[node.snapshot.layers[-1]],
            used=node.used,
        )
        for node in nodes
    ]
    return Overview(str(store.layers.root), rows, len(sizes), sum(sizes.values()), store.max_bytes)
