"""Several layers as one, so that a stack stays shorter than the kernel and the mount's options allow.

Owns: making the tree that shows what a run of layers shows, with the whiteouts and opaque marks that it still needs
against what is below. Does not own: when a stack is too long (`snapshots`).

Files are copied, not linked: overlayfs shows a lower file's link count as it is, so a hard link between layers would
change what `ls -l` prints in a sandbox. Where the file system can share blocks, the copies share them.
"""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Sequence
from contextlib import ExitStack

from pivotgym.envs.sandbox.store import namespace
from pivotgym.envs.sandbox.store.copying import Copier
from pivotgym.envs.sandbox.store.ids import Ids
from pivotgym.envs.sandbox.store.layers import LayerStore
from pivotgym.envs.sandbox.store.trees import Tree, is_opaque, is_whiteout, status_of


def merge_layers(store: LayerStore, layers: Sequence[str], count: int) -> list[str]:
    """Store the newest layers of a stack as one.

    Args:
        store: Where they are; the caller holds them.
        layers: The stack, the base first.
        count: How many of the newest become one; they have at least one layer below.

    Returns:
        The shorter stack. It shows the same, and its `total` changes are the same.

    Raises:
        NotFound: If a layer is missing or damaged.
        OSError: If something cannot be read or written, such as on a full disk.
    """
    try:
        return _merge(store, layers, count)
    except PermissionError:
        if not namespace.helps():
            raise
    done = namespace.run(sys.executable, "-m", __name__, str(store.root.resolve()), str(count), *layers)
    if done.returncode != 0:
        raise OSError(f"layers could not be merged: {done.stderr.strip()[-500:]}")
    return done.stdout.split()


def _merge(store: LayerStore, layers: Sequence[str], count: int) -> list[str]:
    below, run = list(layers[:-count]), list(layers[-count:])
    changes = store.total(run)
    staged = store.stage()
    try:
        with ExitStack() as stack:
            sources = [stack.enter_context(Tree(store.path(layer))) for layer in reversed(run)]
            _Merging(sources, stack.enter_context(Tree(staged.tree))).all()
        return [*below, store.commit(staged, changes, below)]
    except BaseException:
        store.discard(staged)
        raise


class _Merging:
    """One pass over a run of layers; `sources` from the newest to the oldest."""

    def __init__(self, sources: list[Tree], new: Tree) -> None:
        self._sources = sources
        self._copier = Copier(new)
        # A folder, the layers that have a part of it, and whether the new one is opaque.
        self._pending: list[tuple[str, list[int], bool]] = [("", list(range(len(sources))), False)]

    def all(self) -> None:
        self._copier.folder("", self._sources[0], os.fstat(self._sources[0].fd))
        while self._pending:
            path, having, hides = self._pending.pop()
            with ExitStack() as stack:
                parts = [(number, stack.enter_context(self._sources[number].folder(path))) for number in having]
                names = {name for _, part in parts for name in os.listdir(part)}
                for name in sorted(names):
                    self._name(f"{path}/{name}" if path else name, name, parts, hides)
        self._copier.finish()

    def _name(self, path: str, name: str, parts: list[tuple[int, int]], above_hides: bool) -> None:
        there = [(number, fd, status) for number, fd in parts if (status := status_of(fd, name)) is not None]
        number, fd, status = there[0]
        if is_whiteout(status) and above_hides:
            return
        having: list[int] = []
        hides = False
        if stat.S_ISDIR(status.st_mode):
            having, hides = self._parts_of(path, there)
            self._pending.append((path, having, hides or above_hides))
        self._copier.one(path, name, fd, status, self._sources[number], hides=hides)

    def _parts_of(self, path: str, there: list[tuple[int, int, os.stat_result]]) -> tuple[list[int], bool]:
        """The layers that have a part of a folder, and whether one of them hides what is below the run."""
        having: list[int] = []
        for number, _, status in there:
            if not stat.S_ISDIR(status.st_mode):
                return having, True  # removed, or something else, before the newer folder was made
            having.append(number)
            with self._sources[number].folder(path) as folder:
                if is_opaque(folder):
                    return having, True
        return having, False


if __name__ == "__main__":
    # As root of the user namespace, where ids are those inside.
    print(*_merge(LayerStore(sys.argv[1], Ids()), sys.argv[3:], int(sys.argv[2])))
