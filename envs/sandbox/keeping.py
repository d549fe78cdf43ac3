"""The process's snapshot store, by its settings, and the states of worlds in it.

Owns: the settings `PIVOTGYM_SNAPSHOTS` and `PIVOTGYM_SNAPSHOTS_MAX_GB`, one store per folder and process, and what
`World.keep`, `recall` and `building` of a sandbox world come down to. Does not own: the store (`envs.sandbox.store`),
keys of states (`envs.base.states`).
"""

from __future__ import annotations

import logging
import os
import threading
from contextlib import AbstractContextManager
from pathlib import Path

from pivotgym.core.canonical import digest
from pivotgym.core.errors import ConfigError, NotFound, PivotGymError, WorldFailed
from pivotgym.envs.sandbox import backends
from pivotgym.envs.sandbox.contract import Backend, Snapshot
from pivotgym.envs.sandbox.store.ids import Ids
from pivotgym.envs.sandbox.store.layers import LayerStore
from pivotgym.envs.sandbox.store.snapshots import SnapshotStore

FOLDER = "PIVOTGYM_SNAPSHOTS"
MAX_GB = "PIVOTGYM_SNAPSHOTS_MAX_GB"
FIRST_ID = 231072
"""Outside id of root inside, where the machine's own root runs the server: none that a person or service has."""

log = logging.getLogger("pivotgym.sandbox")
_stores: dict[Path, SnapshotStore] = {}
_lock = threading.Lock()


def folder() -> Path:
    """Where snapshots lie: `PIVOTGYM_SNAPSHOTS`, or `pivotgym/snapshots` in the user's cache."""
    told = os.environ.get(FOLDER)
    if told:
        return Path(told).expanduser().resolve()
    cache = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(cache).expanduser().resolve() / "pivotgym" / "snapshots"


def max_bytes() -> int:
    """How much the layers may take: `PIVOTGYM_SNAPSHOTS_MAX_GB` (default 20), in bytes.

    Raises:
        ConfigError: If it is no positive number.
    """
    text = os.environ.get(MAX_GB, "20")
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise ConfigError(f"{MAX_GB}: expected a positive number of GB, got {text!r}", hint=f"export {MAX_GB}=20")
    return int(value * 10**9)


def own_ids() -> Ids:
    """Owners as this process sees them: shifted for root, itself alone for a plain user."""
    return Ids(FIRST_ID, 65536) if os.geteuid() == 0 else Ids(os.geteuid(), 1)


def shared_store() -> SnapshotStore:
    """The store of the settings, one per process; cleaned when it is first asked for.

    Raises:
        ConfigError: If the folder cannot be used, or a setting is wrong.
    """
    root, limit = folder(), max_bytes()
    with _lock:
        store = _stores.get(root)
        if store is None:
            store = _stores[root] = SnapshotStore(LayerStore(root, own_ids()), max_bytes=limit, dropped=_dropped)
            store.clean()
        return store


def _dropped(snapshot: Snapshot) -> None:
    """Have the backend of a snapshot remove what the store does not have, such as an image."""
    try:
        backends.backend(snapshot.backend).drop(snapshot)
    except PivotGymError as error:
        # Whoever asked for another state to be stored cannot help it.
        log.warning("snapshot %s of %s stays behind: %s", snapshot.layers[-1], snapshot.backend, error)


def not_stored(root: Path, why: object) -> WorldFailed:
    """The error that says that a store's folder could not be written, and what to do."""
    return WorldFailed(
        f"a state could not be stored in {root}: {why}",
        hint=f"pivotgym snapshots verify; {FOLDER} names another folder, {MAX_GB} how much it may take",
    )


class Keeper:
    """The stored states of one backend's worlds. Thread-safe.

    Args:
        store: Where they are.
        backend: Whose they are: its name and version are part of every key.
    """

    def __init__(self, store: SnapshotStore, backend: Backend) -> None:
        self.store = store
        self._whose = [backend.name, backend.version]

    def keep(self, key: str, snapshot: Snapshot, *, turn: int | None = None) -> Snapshot:
        """Store a state. Use what comes back: it is held as long as it lives, and may be on fewer layers.

        Args:
            key: What `World.keep` was given.
            snapshot: What `Sandbox.save` gave.
            turn: How many steps lead to it.

        Raises:
            WorldFailed: If it cannot be written, such as on a full disk, or a layer of it has gone.
        """
        try:
            return self.store.put(self._key(key), snapshot, turn=turn)
        except (OSError, NotFound) as error:
            raise not_stored(self.store.layers.root, error) from error

    def recall(self, key: str) -> Snapshot | None:
        """The stored state, held as long as the object lives, or `None`."""
        return self.store.get(self._key(key))

    def building(self, key: str) -> AbstractContextManager[None]:
        """Held while a state is recalled or built; others, in this and other processes, wait."""
        return self.store.building(self._key(key))

    def _key(self, key: str) -> str:
        return digest([*self._whose, key])
