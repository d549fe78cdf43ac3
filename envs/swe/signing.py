"""A plugin of pytest that writes down the results of a run and signs them; loaded inside a sandbox, by name.

Owns: when results are written, and the signature. Does not own: what is recorded of a test (`tasks.inside`, which lies
beside it there), or what results mean (`testing`).

Code under test runs in the process of the tests and may write any file or end the process. So what it writes must not
be taken for results: the key lies in a file that is gone before any of that code runs, and nothing keeps it. A process
that finds no key, as one that tests start themselves, writes nothing.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from pathlib import Path
from typing import Any

from pivotgym_recorder import Recorder, functions  # type: ignore[import-not-found]

_HERE = Path(__file__).parent


class Signing(Recorder):  # type: ignore[misc]
    """Records every test; at the end writes the signature, a line break, and what was recorded.

    Args:
        signature: Signs, once.
    """

    def __init__(self, signature: hmac.HMAC) -> None:
        super().__init__()
        self._signature = signature
        self._before = functions()

    def pytest_sessionfinish(self) -> None:
        """Write the results down."""
        after = functions()
        changed = sorted(name for name, found in self._before.items() if after.get(name) != found)
        told = json.dumps({"results": self.results, "changed": changed}).encode()
        self._signature.update(told)
        (_HERE / "pivotgym_results.json").write_bytes(self._signature.hexdigest().encode() + b"\n" + told)


def _signature() -> hmac.HMAC | None:
    key = _HERE / "pivotgym_key"
    if not key.is_file():
        return None
    found = hmac.new(key.read_bytes(), digestmod=hashlib.sha256)
    key.unlink()
    return found


_SIGNATURE = [_signature()]


def pytest_configure(config: Any) -> None:
    """Record this run."""
    signature = _SIGNATURE.pop() if _SIGNATURE else None
    if signature is not None:
        config.pluginmanager.register(Signing(signature), "pivotgym-signing")
