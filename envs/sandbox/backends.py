"""Which backend opens sandboxes: by name, one of each per process.

Owns: the names, the setting `PIVOTGYM_SANDBOX`, the one instance of each, its end with the process. Does not own: any
backend. Another package adds one with an entry point of the group `pivotgym.sandboxes` that names its class.
"""

from __future__ import annotations

import atexit
import importlib
import os
import threading
from importlib.metadata import entry_points

from pivotgym.core.errors import ConfigError
from pivotgym.envs.sandbox.contract import Backend

BACKEND = "PIVOTGYM_SANDBOX"
"""Setting: the backend's name."""
DEFAULT = "bubblewrap"
_OURS = {
    "bubblewrap": "pivotgym.envs.sandbox.bubblewrap:BubblewrapBackend",
    "docker": "pivotgym.envs.sandbox.docker:DockerBackend",
}
_open: dict[str, Backend] = {}
_lock = threading.RLock()


def names() -> list[str]:
    """All that can be named, whether or not they can run here."""
    return sorted(_known())


def backend(name: str) -> Backend:
    """The backend of a name, the same one at every call until `close_all`.

    Raises:
        ConfigError: If there is none of that name.
    """
    with _lock:
        if name not in _open:
            known = _known()
            if name not in known:
                raise ConfigError(
                    f"sandbox backend: expected one of {', '.join(sorted(known))}, got {name!r}",
                    hint=f"the environment variable {BACKEND} names it",
                )
            module, _, attribute = known[name].partition(":")
            _open[name] = getattr(importlib.import_module(module), attribute)()
        return _open[name]


def default_backend() -> Backend:
    """The backend that `PIVOTGYM_SANDBOX` names; `bubblewrap` without it. Errors as for `backend`."""
    return backend(os.environ.get(BACKEND) or DEFAULT)


@atexit.register
def close_all() -> None:
    """End all backends with their sandboxes; the next call opens new ones."""
    with _lock:
        while _open:
            _open.popitem()[1].close()


def _known() -> dict[str, str]:
    return {point.name: point.value for point in entry_points(group="pivotgym.sandboxes")} | _OURS
