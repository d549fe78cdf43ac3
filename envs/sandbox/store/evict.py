"""Keeping the store within its size: which snapshots go when it is full.

Owns: the order in which they go, what is never dropped, and counting bytes. Does not own: what a node or a layer is.

Snapshots on the same layers go together. One that another stands on never goes before it, nor one that is held by any
process. Nodes are removed first, then layers that none needs: a process that dies between leaves layers that the next
eviction collects.
"""

from __future__ import annotations

import heapq
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pivotgym.envs.sandbox.contract import Snapshot
from pivotgym.envs.sandbox.store.durable import remove_tree
from pivotgym.envs.sandbox.store.layers import LayerStore, is_layer_id

if TYPE_CHECKING:
    from pivotgym.envs.sandbox.store.snapshots import Node

LOCK = "nodes"
"""Shared while a node is written, alone while nodes are chosen to go: none is stored on layers that go at that time."""
GRACE_S = 600.0
"""For so long a layer is kept that no snapshot names: whoever made it may be about to store one."""
MAX_IMAGES = 1000
"""How many states may stand on images of an engine, whose size the store does not know."""
_COUNT_AGAIN = 200


class Gauge:
    """How many bytes the layers take; counted again from time to time, as other processes write too. Thread-safe."""

    def __init__(self, layers: LayerStore) -> None:
        self._layers = layers
        self._sizes: dict[str, int] = {}
        self._lock = threading.Lock()
        self._total = 0
        self._left = 0

    def size(self, layer: str) -> int:
        """Bytes on the disk of one layer; 0 if it cannot be said."""
        if layer not in self._sizes:
            manifest = self._layers.manifest(layer)
            self._sizes[layer] = manifest.bytes if manifest else 0
        return self._sizes[layer]

    def add(self, layers: Iterable[str]) -> int:
        """Bytes of all layers, now that these are among them."""
        with self._lock:
            self._left -= 1
            if self._left < 0:
                self._total, self._left = sum(map(self.size, self._layers.all())), _COUNT_AGAIN
            self._total += sum(self.size(layer) for layer in layers if layer not in self._sizes)
            return self._total

    def count(self) -> dict[str, int]:
        """Bytes by layer, read anew."""
        with self._lock:
            self._sizes = {layer: self.size(layer) for layer in self._layers.all()}
            self._total, self._left = sum(self._sizes.values()), _COUNT_AGAIN
            return dict(self._sizes)


@dataclass(frozen=True)
class Aim:
    """What an eviction leaves.

    Attributes:
        max_bytes: Bytes of layers; with 0 all goes that can go.
        grace_s: Seconds for which a layer without a snapshot is kept.
        max_images: States on images of an engine.
    """

    max_bytes: int
    grace_s: float = GRACE_S
    max_images: int = MAX_IMAGES


def evict(
    layers: LayerStore, gauge: Gauge, nodes: Callable[[], list[Node]], aim: Aim, dropped: Callable[[Snapshot], None]
) -> int:
    """See `SnapshotStore.evict`. Does nothing while another process does it.

    Args:
        layers: The layers.
        gauge: Their sizes.
        nodes: Reads all nodes.
        aim: Down to what.
        dropped: Told of each snapshot on an engine's image that no node needs any more.

    Returns:
        Bytes freed.
    """
    with layers.locks.alone("evict", wait=False) as mine:
        if not mine:
            return 0
        with layers.locks.alone(LOCK):
            going = _Going(layers, gauge.count(), nodes(), aim)
            going.run()
        for trash in going.trash:
            remove_tree(trash)
        for snapshot in going.images:
            dropped(snapshot)
        gauge.count()
        return going.freed


class _Going:
    """One eviction."""

    def __init__(self, layers: LayerStore, sizes: dict[str, int], nodes: list[Node], aim: Aim) -> None:
        self._layers, self._sizes, self._aim = layers, sizes, aim
        self.trash: list[Path] = []
        self.images: list[Snapshot] = []
        self.freed = 0
        self._groups: dict[tuple[str, ...], list[Node]] = defaultdict(list)
        for node in nodes:
            self._groups[node.snapshot.layers].append(node)
        self._users = Counter(layer for node in nodes for layer in set(node.snapshot.layers))
        self._by_top: dict[str, list[tuple[str, ...]]] = defaultdict(list)
        for stack in self._groups:
            self._by_top[stack[-1]].append(stack)
        self._total = sum(sizes.values())
        self._images = sum(not is_layer_id(stack[-1]) for stack in self._groups)

    def run(self) -> None:
        for layer in self._sizes:
            if not self._users[layer] and self._old(layer):
                self._remove(layer)
        queue = [(self._last_use(stack), stack) for stack in self._groups if self._is_leaf(stack)]
        heapq.heapify(queue)
        while queue:
            _, stack = heapq.heappop(queue)
            if self._groups[stack] and self._too_much(stack) and not self._layers.locks.held(stack[-1]):
                self._drop(stack)
                for layer in stack:
                    for below in self._by_top[layer]:
                        if self._groups[below] and self._is_leaf(below):
                            heapq.heappush(queue, (self._last_use(below), below))

    def _too_much(self, stack: tuple[str, ...]) -> bool:
        if self._aim.max_bytes == 0:
            return True
        if is_layer_id(stack[-1]):
            return self._total - self.freed > self._aim.max_bytes
        return self._images > self._aim.max_images

    def _last_use(self, stack: tuple[str, ...]) -> float:
        return max(node.used for node in self._groups[stack])

    def _is_leaf(self, stack: tuple[str, ...]) -> bool:
        return self._users[stack[-1]] == len(self._groups[stack])

    def _old(self, layer: str) -> bool:
        manifest = self._layers.manifest(layer)
        return manifest is None or time.time() - manifest.made >= self._aim.grace_s

    def _drop(self, stack: tuple[str, ...]) -> None:
        nodes, self._groups[stack] = self._groups[stack], []
        for node in nodes:
            node.file.unlink(missing_ok=True)
        if not is_layer_id(stack[-1]):
            self._images -= 1
            self.images.append(nodes[0].snapshot)
        for layer in stack:
            self._users[layer] -= len(nodes)
            if self._users[layer] == 0 and layer in self._sizes:
                self._remove(layer)

    def _remove(self, layer: str) -> None:
        trash = self._layers.set_aside(layer)
        if trash is not None:
            self.trash.append(trash)
            self.freed += self._sizes[layer]
