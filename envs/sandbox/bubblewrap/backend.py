"""`Backend` over a warden and the store: bases, opening, what this machine lacks.

Owns: the one warden of a process, the identity of bases, digests of snapshots. Does not own: sandboxes (`session`),
which backend is used (`envs.sandbox.backends`).
"""

from __future__ import annotations

import hashlib
import importlib
import json
import os
import shutil
import sys
import tempfile
import threading
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar

from pivotgym.core.canonical import digest
from pivotgym.core.errors import InputError, MissingDependency, WrongState
from pivotgym.envs.sandbox.bubblewrap import arguments, bases
from pivotgym.envs.sandbox.bubblewrap.client import WardenClient
from pivotgym.envs.sandbox.bubblewrap.session import BubblewrapSandbox, Place, memory_file
from pivotgym.envs.sandbox.contract import (
    Backend,
    Base,
    Capabilities,
    Changes,
    Limits,
    Missing,
    ShellState,
    Snapshot,
)
from pivotgym.envs.sandbox.keeping import shared_store
from pivotgym.envs.sandbox.store.changes import digest_of, merged
from pivotgym.envs.sandbox.store.snapshots import SnapshotStore

NETWORK = "PIVOTGYM_SANDBOX_NETWORK"
"""Setting: `1` lets an origin ask for the host's network."""
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_REMEMBERED = 4096


class BubblewrapBackend(Backend):
    """Sandboxes by overlayfs and bubblewrap.

    Args:
        store: Where bases and layers are; the process's own store by default.
        on_disk: Whether what sandboxes write lies on disk even where it could lie in memory.
    """

    name: ClassVar[str] = "bubblewrap"

    def __init__(self, store: SnapshotStore | None = None, *, on_disk: bool = False) -> None:
        self._given, self._on_disk = store, on_disk
        self._lock = threading.Lock()
        self._started: tuple[WardenClient, SnapshotStore] | None = None
        self._closed = False
        self._totals: dict[tuple[str, ...], Changes] = {}
        self._identities: dict[str, str] = {}

    @property
    def store(self) -> SnapshotStore:
        """Where its bases and layers are."""
        return self._running()[1]

    def missing(self) -> Missing | None:
        """As `Backend.missing`."""
        return missing()

    def capabilities(self) -> Capabilities:
        """As `Backend.capabilities`."""
        facts = self._running()[0].facts
        return Capabilities(
            fork="layers",
            terminal=True,
            network=os.environ.get(NETWORK) == "1",
            memory="total" if facts["groups"] else "process",
            disk="exact" if facts["in_memory"] else "watched",
            users=facts["ids"] > 1,
            system_writable=False,
        )

    def base(self, base: Base) -> Snapshot:
        """As `Backend.base`."""
        facts: dict[str, Any] = {
            "identity": base.identity, "version": self.version, "user": base.user, "files": _digests(base.files),
            "archives": [at for _, at in base.archives], "folder": base.folder_at if base.folder else None,
            "image": _images().have_image(base.image).id if base.image else "",
            "machine": "" if base.image else bases.machine_identity(),
            "shell": [base.shell.cwd, base.shell.umask, dict(base.shell.environment), base.shell.definitions],
        }  # fmt: skip
        key = f"base:{self.name}:{digest(facts)}"
        return self.store.get_or_build(key, lambda: self._built(base, facts), turn=0)

    def open(self, snapshot: Snapshot, *, limits: Limits | None = None, network: bool = False) -> BubblewrapSandbox:
        """As `Backend.open`."""
        warden, _ = self._running()
        if network and os.environ.get(NETWORK) != "1":
            raise InputError("network: this server allows none to sandboxes", hint=f"start it with {NETWORK}=1")
        limits = limits or Limits()
        facts = json.loads(self._identity(snapshot.layers))
        binds = [] if facts["image"] else arguments.system_binds()
        opened = warden.call("open", layers=list(snapshot.layers), binds=binds, limits=asdict(limits))
        place = Place(snapshot, limits, facts["uid"], facts["gid"], network, self._saved)
        return BubblewrapSandbox(warden, opened, place, snapshot.shell)

    def changes_since_base(self, snapshot: Snapshot) -> Changes:
        """As `Backend.changes_since_base`."""
        return self._total(snapshot.layers)

    def close(self) -> None:
        """As `Backend.close`."""
        with self._lock:
            self._closed = True
            started, self._started = self._started, None
        if started:
            started[0].close()

    def _running(self) -> tuple[WardenClient, SnapshotStore]:
        with self._lock:
            if self._closed:
                raise WrongState("bubblewrap: used after it was closed")
            if self._started is None or self._started[0].owner != os.getpid():
                lacking = self.missing()
                if lacking:
                    raise MissingDependency(f"bubblewrap: {lacking.what}", hint=lacking.command)
                store = self._given or shared_store()
                more = ["--on-disk"] if self._on_disk else []
                warden = WardenClient(store.layers.root, bubblewrap=str(shutil.which("bwrap")), arguments=more)
                self._started = warden, store
            return self._started

    def _built(self, base: Base, facts: dict[str, Any]) -> Snapshot:
        warden, _ = self._running()
        with ExitStack() as stack:
            image = self._image(base, stack) if base.image else None
            archives, files = self._parts(base, image, stack)
            wanted = image.user if image and image.user and base.user == "root" else base.user
            uid, gid, home = self._user(wanted, archives, files)
            text = json.dumps({**facts, "uid": uid, "gid": gid}, sort_keys=True)
            layer = warden.call("base", files, identity=text, archives=archives, folders=bases.MOUNTED_OVER)["layer"]
        environment = {"HOME": home, "PATH": _PATH, "LC_ALL": "C.UTF-8", "TZ": "UTC"}
        environment |= {**(image.environment if image else {}), **base.shell.environment}
        cwd = image.cwd if image and base.shell.cwd == "/" else base.shell.cwd
        shell = ShellState(cwd, base.shell.umask, environment, base.shell.definitions)
        return Snapshot(self.name, (layer,), shell, digest_of(self._identity((layer,)), {}, shell))

    def _image(self, base: Base, stack: ExitStack) -> _Image:
        """The root file system of a container image, as an archive, and what the image says of itself."""
        place = Path(stack.enter_context(tempfile.TemporaryDirectory())) / "image.tar"
        config = _images().export_image(base.image, place)
        return _Image(place, config.environment, config.cwd or "/", config.user)

    def _parts(self, base: Base, image: _Image | None, stack: ExitStack) -> tuple[list[list[str]], list[int]]:
        """What is unpacked, in this order: ([name, folder inside] each, a descriptor each)."""
        parts: list[tuple[str, str, int]] = []
        if image is None:
            parts.append(("of this machine", "/", stack.enter_context(memory_file(bases.skeleton()))))
        folder = base.made_folder()
        if folder:
            packed = bases.of_folder(folder)
            stack.callback(os.close, packed)
            parts.append((folder.name, base.folder_at, packed))
        for archive, at in [*([(image.archive, "/")] if image else []), *base.archives]:
            try:
                opened = stack.enter_context(archive.open("rb"))
            except OSError as error:
                raise InputError(f"archive {archive.name}: cannot be read: {error.strerror}") from error
            parts.append((archive.name, at, opened.fileno()))
        if base.files:
            parts.append(("of files", "/", stack.enter_context(memory_file(bases.of_files(base.files)))))
        return [[name, at] for name, at, _ in parts], [file for *_, file in parts]

    def _user(self, user: str, archives: list[list[str]], files: list[int]) -> tuple[int, int, str]:
        passwd = bases.passwd_of(archives, files)
        found = bases.user_ids(passwd, user)
        if found is None:
            raise InputError(f"user {user!r}: expected a name of the machine's passwd file, or uid:gid")
        if found[:2] != (0, 0) and self._running()[0].facts["ids"] == 1:
            raise MissingDependency(
                f"user {user!r}: only root exists in sandboxes here",
                hint="install uidmap, and give this user a range of 65536 in /etc/subuid and /etc/subgid",
            )
        return found

    def _saved(
        self, place: Place, layer: str | None, changes: Changes, shell: ShellState, processes: tuple[str, ...]
    ) -> Snapshot:
        old = place.snapshot
        layers = old.layers if layer is None else (*old.layers, layer)
        total = merged(self._total(old.layers), changes)
        self._remember(layers, total)
        state = digest_of(self._identity(layers), total, shell)
        # Held while the snapshot lives: it may be opened long after, without ever having been stored under a key.
        return self._running()[1].held(Snapshot(self.name, layers, shell, state, processes))

    def _identity(self, layers: tuple[str, ...]) -> str:
        """What the base of a stack, its first layer, is made of: as `LayerStore.identity` says it."""
        known = self._identities.get(layers[0])
        if known is None:
            known = self._identities[layers[0]] = self.store.layers.identity(layers[:1])
        return known

    def _total(self, layers: tuple[str, ...]) -> Changes:
        found = self._totals.get(layers)
        return self.store.layers.total(layers) if found is None else found

    def _remember(self, layers: tuple[str, ...], total: Changes) -> None:
        if len(self._totals) >= _REMEMBERED:
            self._totals.clear()
        self._totals[layers] = total


@dataclass(frozen=True)
class _Image:
    """A container image: its root file system as an archive, its variables, working directory and user."""

    archive: Path
    environment: Mapping[str, str]
    cwd: str
    user: str


def _images() -> Any:
    """The module that reads container images; the docker extra may be missing."""
    try:
        return importlib.import_module("pivotgym.envs.sandbox.docker.images")
    except ImportError as error:
        raise MissingDependency(
            "image: container images are read through the docker SDK, which is not installed",
            hint="pip install pivotgym[docker]",
        ) from error


def missing(system: Path = Path("/"), *, root: bool | None = None) -> Missing | None:
    """What keeps this backend from running here, or `None`. Reads a few files, runs nothing.

    Args:
        system: Where the machine's files are.
        root: Whether it is to run as root; by default as whoever asks.
    """
    if sys.platform != "linux":
        return Missing(f"expected Linux, this is {sys.platform}", "export PIVOTGYM_SANDBOX=docker")
    if shutil.which("bwrap") is None:
        return Missing("bubblewrap (bwrap) is not installed", "apt-get install bubblewrap")
    if shutil.which("unshare") is None or shutil.which("setpriv") is None:
        return Missing("unshare and setpriv of util-linux are not installed", "apt-get install util-linux")
    for name, off, on in _switches(root=os.geteuid() == 0 if root is None else root):
        place = system / "proc/sys" / name
        if place.exists() and place.read_text().strip() == off:
            setting = name.replace("/", ".")
            return Missing(f"user namespaces are switched off by {setting}", f"sysctl -w {setting}={on}")
    if "overlay" not in (system / "proc/filesystems").read_text().split():
        return Missing("the kernel has no overlay file system loaded", "modprobe overlay")
    return None


def _switches(*, root: bool) -> list[tuple[str, str, str]]:
    """Settings by which user namespaces are switched off: name, that value, and one that switches them on."""
    always = [("user/max_user_namespaces", "0", "15000")]
    plain = [
        ("kernel/unprivileged_userns_clone", "0", "1"),
        ("kernel/apparmor_restrict_unprivileged_userns", "1", "0"),
    ]
    return always if root else [*always, *plain]


def _digests(files: Mapping[str, bytes]) -> dict[str, str]:
    return {path: hashlib.sha256(content).hexdigest() for path, content in sorted(files.items())}
