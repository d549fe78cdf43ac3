"""`Backend` over a container engine: bases, opening, freezing, and what is left behind.

Owns: the pump of a process, digests of snapshots, images of forks. Does not own: sandboxes (`sandbox`), which backend
is used (`envs.sandbox.backends`).

A saved state is an image that carries its changes against the base as a label, so that it needs no file beside it.
"""

from __future__ import annotations

import base64
import json
import os
import threading
import weakref
import zlib
from typing import Any, ClassVar

from pivotgym.core.errors import InputError, MissingDependency, WrongState
from pivotgym.envs.sandbox.contract import Backend, Base, Capabilities, Changes, Limits, Missing, ShellState, Snapshot
from pivotgym.envs.sandbox.docker import images
from pivotgym.envs.sandbox.docker.engine import client, labels, missing, reap, remove_image
from pivotgym.envs.sandbox.docker.pump import Pump
from pivotgym.envs.sandbox.docker.sandbox import DockerSandbox, Place
from pivotgym.envs.sandbox.store.changes import digest_of, from_json, merged, to_json

NETWORK = "PIVOTGYM_SANDBOX_NETWORK"
"""Setting: `1` lets an origin ask for network."""
IMAGE = "PIVOTGYM_SANDBOX_IMAGE"
"""Setting: the image of origins that name none."""
DEFAULT_IMAGE = "python:3.11-slim-bookworm"
CHANGES = "pivotgym.changes"
"""Label: an image's changes against its base."""
MAX_LAYERS = 100
"""Images of more layers are written anew: engines refuse those of more than about 125, and forks need some."""
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class DockerBackend(Backend):
    """Sandboxes by a container engine: the one of this machine, or where `DOCKER_HOST` says.

    Images need bash 4.4 or newer, and nothing else.
    """

    name: ClassVar[str] = "docker"

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pump: Pump | None = None
        self._closed = False
        self._open: weakref.WeakSet[DockerSandbox] = weakref.WeakSet()
        self._forks: set[str] = set()

    def missing(self) -> Missing | None:
        """See `Backend.missing`."""
        return missing()

    def capabilities(self) -> Capabilities:
        """See `Backend.capabilities`."""
        return Capabilities(
            fork="image",
            terminal=False,
            network=os.environ.get(NETWORK) == "1",
            memory="total",
            disk="watched",
            users=True,
            system_writable=True,
        )

    def base(self, base: Base) -> Snapshot:
        """See `Backend.base`."""
        self._running()
        image = images.have_image(base.image or os.environ.get(IMAGE) or DEFAULT_IMAGE)
        key = images.base_key(base, image, self.version)
        with self._lock:
            built = images.find_base(key) or images.make_base(base, image, key)
        config = images.image_config(built)
        plain = {"HOME": config.labels.get(images.HOME, "/"), "PATH": _PATH, "LC_ALL": "C.UTF-8", "TZ": "UTC"}
        environment = {**plain, **image.environment, **base.shell.environment}
        shell = ShellState(base.shell.cwd, base.shell.umask, environment, base.shell.definitions)
        return Snapshot(self.name, (built,), shell, digest_of(key, {}, shell))

    def open(self, snapshot: Snapshot, *, limits: Limits | None = None, network: bool = False) -> DockerSandbox:
        """See `Backend.open`."""
        if network and os.environ.get(NETWORK) != "1":
            raise InputError("network: this server allows none to sandboxes", hint=f"start it with {NETWORK}=1")
        pump = self._running()
        image = images.image_config(snapshot.layers[-1])
        place = Place(snapshot, image, limits or Limits(), network, pump, self._freeze, self._forget, inherited={})
        sandbox = DockerSandbox(place, snapshot.shell)
        self._open.add(sandbox)
        return sandbox

    def changes_since_base(self, snapshot: Snapshot) -> Changes:
        """See `Backend.changes_since_base`."""
        return _unpacked(images.image_config(snapshot.layers[-1]))

    def drop(self, snapshot: Snapshot) -> None:
        """Remove a saved state's own image; what stands on it or below it stays."""
        if len(snapshot.layers) > 1:
            whole = images.image_config(snapshot.layers[-1]).labels.get(images.WHOLE)
            remove_image(snapshot.layers[-1])
            if whole:
                remove_image(whole)  # refused as long as something stands on it
            self._sweep()

    def close(self) -> None:
        """See `Backend.close`."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            pump, self._pump = self._pump, None
        for sandbox in list(self._open):
            sandbox.close()
        if pump is not None:
            pump.close()

    def _running(self) -> Pump:
        with self._lock:
            if self._closed:
                raise WrongState("docker backend: used after it was closed")
            if self._pump is None:
                lack = missing()
                if lack is not None:
                    raise MissingDependency(f"docker backend: {lack.what}", hint=lack.command)
                client()
                reap()
                self._pump = Pump()
            return self._pump

    def _freeze(
        self, place: Place, container: str, changes: Changes, shell: ShellState, processes: tuple[str, ...]
    ) -> Snapshot:
        old = place.snapshot
        layers = old.layers
        base = images.image_config(layers[0])
        total = merged(_unpacked(images.image_config(layers[-1])), changes)
        if changes:
            kept = {**labels("layer"), images.USER: place.user, CHANGES: _packed(total)}
            layers = (*layers, self._stored(container, kept))
        digest = digest_of(base.labels.get(images.BASE, base.id), total, shell)
        return Snapshot(self.name, layers, shell, digest, processes)

    def _stored(self, container: str, kept: dict[str, str]) -> str:
        """A container's files as an image, written anew where it would stand on too many others."""
        image = images.commit(container, kept)
        if images.image_config(image).depth < MAX_LAYERS:
            return image
        whole = images.flattened(image, kept)
        remove_image(image)
        return whole

    def _forget(self, image: str) -> None:
        """Note that one sandbox less stands on an image; that of a fork goes with the last."""
        if images.is_kind(image, "fork"):
            with self._lock:
                self._forks.add(image)
        self._sweep()

    def _sweep(self) -> None:
        """Remove fork images that nothing stands on any more."""
        with self._lock:
            waiting = sorted(self._forks)
        gone = {one for one in waiting if remove_image(one)}
        with self._lock:
            self._forks -= gone


def _packed(changes: Changes) -> str:
    return base64.b64encode(zlib.compress(json.dumps(to_json(changes)).encode())).decode()


def _unpacked(image: images.ImageConfig) -> Changes:
    packed: Any = image.labels.get(CHANGES)
    return {} if not packed else from_json(json.loads(zlib.decompress(base64.b64decode(packed))))
