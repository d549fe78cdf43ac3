"""Layers on disk: each a file tree, what it changed, and a manifest by which damage is found.

    VERSION                     the layout's version; another one is refused
    layers/ID/tree/             the files, as an overlay's lower layer
    layers/ID/changes.json      the net changes against the layers below
    layers/ID/manifest.json     `Manifest`
    tmp/ID/                     half-built, or being removed; never used
    locks/held                  see `locks`

Owns: making, finding, checking and removing layers. Does not own: which snapshots stand on them (`snapshots`), mounts.

Everything of a layer is brought to the disk in `tmp/`, then its folder is renamed, then `layers/` is brought to the
disk: whatever is found under `layers/` is whole, after `kill -9` and after power loss. A name that nothing refers to is
all that can be left behind, and `SnapshotStore` collects it. Layers are never changed.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import secrets
import stat
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pivotgym.core.errors import ConfigError, NotFound
from pivotgym.envs.sandbox.contract import Changes
from pivotgym.envs.sandbox.store.changes import from_json, merged, to_json
from pivotgym.envs.sandbox.store.copying import copy_tree
from pivotgym.envs.sandbox.store.durable import read_json, remove_tree, replace_json, sync, sync_tree, write_json
from pivotgym.envs.sandbox.store.ids import Ids
from pivotgym.envs.sandbox.store.locks import Locks
from pivotgym.envs.sandbox.store.trees import Tree, entry_of, is_opaque, walk

VERSION = "1"
"""The layout's version."""
_FOLDERS = ("layers", "nodes", "tmp", "locks")


@dataclass(frozen=True)
class Manifest:
    """What a layer's manifest says.

    Attributes:
        id: The layer's id.
        below: The layers it was made over, the base first. They are not needed once it has been merged with them.
        identity: What a base is made of; "" for a layer that is no base.
        files: How many paths are in its tree.
        bytes: What its tree takes on the disk.
        shape: SHA-256 over each path's kind, mode, size, link target and, for files, modification time: a quick check.
        content: SHA-256 over each path with its content: the full check.
        changes: SHA-256 of `changes.json`.
        made: When it was committed, in seconds since 1970.
    """

    id: str
    below: tuple[str, ...]
    identity: str
    files: int
    bytes: int
    shape: str
    content: str
    changes: str
    made: float


@dataclass(frozen=True)
class Staged:
    """A layer being built: fill `tree`, then `LayerStore.commit` or `discard` it."""

    id: str
    folder: Path

    @property
    def tree(self) -> Path:
        """Where its files go."""
        return self.folder / "tree"


class Hold:
    """Layers that are not removed until `release`, or the end of the process. A context manager."""

    def __init__(self, locks: Locks, ids: Sequence[str]) -> None:
        self._locks, self._ids = locks, tuple(ids)
        locks.share(self._ids)

    def __enter__(self) -> Hold:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()

    def release(self) -> None:
        """Let them go. Calling it again does nothing."""
        ids, self._ids = self._ids, ()
        self._locks.release(ids)


class LayerStore:
    """The layers in a store's folder. Thread-safe; any number of processes may use one folder.

    Args:
        root: The folder, made if need be. Inside a user namespace a path that can be reached from there.
        ids: Owners as seen by this process; what the store makes belongs to root inside.

    Raises:
        ConfigError: If the folder belongs to another version of this program, or cannot be made.
    """

    def __init__(self, root: str | Path, ids: Ids | None = None) -> None:
        self.root = Path(root)
        self.ids = ids or Ids()
        _lay_out(self.root, self.ids)
        self.locks = Locks(self.root / "locks" / "held")

    def close(self) -> None:
        """Let all holds of this process go. Calling it again does nothing."""
        self.locks.close()

    def path(self, layer: str) -> Path:
        """A layer's tree, whether or not it is there."""
        return self.root / "layers" / layer / "tree"

    def all(self) -> list[str]:
        """The ids of all layers, sorted."""
        return sorted(os.listdir(self.root / "layers"))

    def hold(self, layers: Sequence[str]) -> Hold:
        """Keep layers from being removed.

        Raises:
            NotFound: If one is not there.
        """
        hold = Hold(self.locks, layers)
        for layer in layers:
            if not os.path.exists(f"{self.root}/layers/{layer}/manifest.json"):
                hold.release()
                raise NotFound(f"layer {layer!r}: not in the snapshot store", hint="build the snapshot again")
        return hold

    def stage(self, layer: str | None = None) -> Staged:
        """Begin a layer, empty. It is held, and swept up only once this process is gone.

        Args:
            layer: Its id, for a caller that holds it already; a new one by default.
        """
        layer = layer or new_id()
        self.locks.share([layer])
        staged = Staged(layer, self.root / "tmp" / layer)
        staged.folder.mkdir()
        staged.tree.mkdir()
        return staged

    def copy_upper(self, upper: str | Path, staged: Staged) -> None:
        """Fill a staged layer with a copy of an overlay's upper folder.

        Raises:
            OSError: If something cannot be read or written, such as on a full disk; discard the layer then.
        """
        copy_tree(upper, staged.tree)

    def commit(
        self, staged: Staged, changes: Changes, below: Sequence[str], *, identity: str = "", keep: bool = False
    ) -> str:
        """Make a staged layer part of the store.

        Args:
            staged: What `stage` gave, with its tree filled. It cannot be used any more.
            changes: Its net changes, see `changes_of`; {} for a base.
            below: The layers it stands on, the base first; () for a base.
            identity: What a base is made of; "" for a layer that is no base.
            keep: Go on holding the layer, until `locks.release([id])` or the end of the process.

        Returns:
            The layer's id.
        """
        text = json.dumps(to_json(changes))
        (staged.folder / "changes.json").write_text(text, encoding="ascii")
        seal = _seal(staged.tree, self.ids)
        manifest = Manifest(
            id=staged.id, below=tuple(below), identity=identity, changes=_sum(text), made=time.time(), **seal
        )
        write_json(staged.folder / "manifest.json", asdict(manifest))
        sync_tree(staged.folder, manifest.files)
        staged.folder.rename(self.root / "layers" / staged.id)
        sync(self.root / "layers")
        if not keep:
            self.locks.release([staged.id])
        return staged.id

    def discard(self, staged: Staged) -> None:
        """Give a staged layer up."""
        remove_tree(staged.folder)
        self.locks.release([staged.id])

    def manifest(self, layer: str) -> Manifest | None:
        """A layer's manifest, or `None` if it is missing or damaged."""
        value = read_json(self.root / "layers" / layer / "manifest.json")
        if value is None or value.get("id") != layer:
            return None
        return Manifest(**{**value, "below": tuple(value["below"])})

    def changes(self, layer: str) -> Changes:
        """A layer's own net changes against those below.

        Raises:
            NotFound: If they are missing or damaged.
        """
        manifest = self.manifest(layer)
        if manifest is not None:
            try:
                text = (self.root / "layers" / layer / "changes.json").read_text(encoding="ascii")
                if _sum(text) == manifest.changes:
                    return from_json(json.loads(text))
            except (OSError, UnicodeDecodeError):
                pass  # said below, as for a sum that does not fit
        raise NotFound(f"layer {layer!r}: its changes are missing or damaged", hint="pivotgym snapshots verify")

    def total(self, layers: Sequence[str]) -> Changes:
        """The net changes of a stack against its base. Errors as for `changes`."""
        total: Changes = {}
        for layer in layers:
            total = merged(total, self.changes(layer))
        return total

    def identity(self, layers: Sequence[str]) -> str:
        """What the base of a stack is made of; of several base layers, one a line.

        Raises:
            NotFound: If a layer is missing or damaged.
        """
        return "\n".join(one.identity for one in map(self._known, layers) if one.identity)

    def _known(self, layer: str) -> Manifest:
        manifest = self.manifest(layer)
        if manifest is None:
            raise NotFound(f"layer {layer!r}: missing or damaged", hint="build the snapshot again")
        return manifest

    def damage(self, layer: str, *, full: bool = True) -> str | None:
        """What is wrong with a layer, or `None`.

        Args:
            layer: Its id.
            full: Read all content; otherwise look at names, kinds, modes, sizes and times only.

        Raises:
            PermissionError: If a file cannot be read by this user.
        """
        manifest = self.manifest(layer)
        if manifest is None:
            return "its manifest is missing or damaged"
        try:
            self.changes(layer)
            seal = _seal(self.path(layer), self.ids, full=full)
        except PermissionError:
            raise
        except (NotFound, OSError) as error:
            return str(error)
        if seal["shape"] != manifest.shape or (full and seal["content"] != manifest.content):
            return f"its {manifest.files} files are not those that were committed"
        return None

    def set_aside(self, layer: str) -> Path | None:
        """Take a layer out of use unless someone holds it; what is left of it lies in `tmp/` and can be removed.

        Returns:
            Where it lies; `None` if it is held or was not there.
        """
        with self.locks.alone(layer, wait=False) as free:
            if not free:
                return None
            trash = self.root / "tmp" / f"{layer}.gone"
            try:
                (self.root / "layers" / layer).rename(trash)
            except FileNotFoundError:
                return None
        return trash

    def clean(self) -> int:
        """Remove what dead processes left in `tmp/`; how many things that were. Called at every start."""
        removed = 0
        for name in os.listdir(self.root / "tmp"):
            with self.locks.alone(name.partition(".")[0], wait=False) as free:
                if free:
                    path = self.root / "tmp" / name
                    removed += remove_tree(path) if path.is_dir() else _unlinked(path)
        return removed

    def replace(self, file: Path, value: dict[str, Any]) -> None:
        """Write a small file of the store as one step, see `replace_json`."""
        name = new_id()
        self.locks.share([name])
        try:
            replace_json(file, value, self.root / "tmp" / f"{name}.json")
        finally:
            self.locks.release([name])


def new_id() -> str:
    """An id for a layer. Short: a mount's options, which name all layers, have 4,096 bytes."""
    return f"l{secrets.token_hex(6)}"


def is_layer_id(name: str) -> bool:
    """Whether `new_id` may have made it; a container engine's ids are none of ours."""
    return re.fullmatch("l[0-9a-f]{12}", name) is not None


def _unlinked(path: Path) -> bool:
    path.unlink(missing_ok=True)
    return True


def _sum(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _seal(root: Path, ids: Ids, *, full: bool = True) -> dict[str, Any]:
    """`files`, `bytes`, `shape` and `content` of a tree as it lies on disk."""
    shape: list[str] = []
    content: list[str] = []
    taken = 0
    with Tree(root) as tree:
        for path, fd, name, status in walk(tree):
            regular = stat.S_ISREG(status.st_mode)
            taken += status.st_blocks * 512
            fact = [path, status.st_mode, status.st_size if regular else 0, status.st_mtime_ns if regular else 0]
            if stat.S_ISLNK(status.st_mode):
                fact.append(os.readlink(name, dir_fd=fd))
            if stat.S_ISDIR(status.st_mode):
                with tree.folder(path) as folder:
                    fact.append(is_opaque(folder))
            shape.append(json.dumps(fact))
            if full:
                entry = entry_of(fd, name, status, ids)
                content.append(json.dumps([path, entry and entry.digest]))
    sums = {"shape": _sum("\n".join(sorted(shape))), "content": _sum("\n".join(sorted(content)))}
    return {"files": len(shape), "bytes": taken, **sums}


def _lay_out(root: Path, ids: Ids) -> None:
    """Make a store's folders, or check that they are of this version."""
    try:
        for folder in (root, *(root / name for name in _FOLDERS)):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            _give(folder, ids)
        for file, text in ((root / "locks" / "held", ""), (root / "VERSION", VERSION)):
            if not file.exists():
                _write_new(file, text, ids)
        found = (root / "VERSION").read_text().strip()
        (root / "locks" / "held").open("r+b").close()
    except OSError as error:
        raise ConfigError(
            f"snapshot store {root}: cannot be used: {error}", hint="set PIVOTGYM_SNAPSHOTS to a folder of yours"
        ) from error
    if found != VERSION:
        raise ConfigError(
            f"snapshot store {root}: expected layout version {VERSION}, got {found[:20]!r}",
            hint="set PIVOTGYM_SNAPSHOTS to another folder, or remove this one if no other version runs",
        )


def _write_new(file: Path, text: str, ids: Ids) -> None:
    # Several processes may start at once: each writes its own file, and the last name given stays whole.
    draft = file.with_name(f".{file.name}.{new_id()}")
    draft.write_text(text)
    _give(draft, ids)
    try:
        os.link(draft, file)
    except FileExistsError:
        pass  # another was first, with the same text or a version that is checked now
    finally:
        draft.unlink()


def _give(path: Path, ids: Ids) -> None:
    """Make root inside the owner, so that it can work here from its user namespace."""
    if os.geteuid() == 0 and os.stat(path).st_uid != ids.outside(0):
        os.chown(path, ids.outside(0), ids.outside(0))


if __name__ == "__main__":
    # For `SnapshotStore.verify`, as root of the user namespace.
    _store = LayerStore(sys.argv[1])
    print(json.dumps({layer: _store.damage(layer) for layer in sys.argv[2:]}))
