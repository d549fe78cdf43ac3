"""BFCL's API classes, imported from the unpacked wheel under a private package name.

Owns: importing them without putting the wheel on `sys.path` or claiming the name `bfcl_eval`, and freezing the clock
they read. Does not own: running calls (`world`).

The source is trusted because the wheel is pinned by its hash. The modules import each other as
`bfcl_eval.eval_checker.multi_turn_eval.func_source_code.*`; that one prefix is rewritten before compiling.

Where time leaked into them, found by reading: `File._last_modified` (`datetime.now`, no observation shows it) and
`TravelAPI.verify_traveler_information` (`datetime.today`, an age: the answer changes on a birthday). Both now see
10:30 on 1 September 2024, which is what the data's own `TradingBot` takes for the present. `TradingBot` converts
time stamps through the local time zone and back, which cancels.
"""

from __future__ import annotations

import datetime as real_datetime
import sys
import threading
import types
from pathlib import Path
from typing import Any

from pivotgym.core.errors import MissingDependency
from pivotgym.envs.tool_use.bfcl.source import CLASS_FILES, code_folder

_THEIRS = "bfcl_eval.eval_checker.multi_turn_eval.func_source_code"
_OURS = "pivotgym.envs.tool_use.bfcl._classes"
_lock = threading.RLock()
NOW = real_datetime.datetime(2024, 9, 1, 10, 30)


class _FrozenDatetime(real_datetime.datetime):
    """A `datetime` for which it is always `NOW`."""

    @classmethod
    def now(cls, tz: real_datetime.tzinfo | None = None) -> Any:
        return NOW.replace(tzinfo=tz)

    @classmethod
    def today(cls) -> Any:
        return NOW


def load_class(name: str) -> type[Any]:
    """The API class of that name, e.g. `GorillaFileSystem`.

    Raises:
        KeyError: If it is none of `CLASS_FILES`.
        MissingDependency: If the wheel was not fetched, or `mpmath` is not installed.
    """
    with _lock:
        module = _module(code_folder(), CLASS_FILES[name])
    found: type[Any] = getattr(module, name)
    return found


def _module(folder: Path, name: str) -> types.ModuleType:
    ours = f"{_OURS}.{name}"
    if ours in sys.modules:
        return sys.modules[ours]
    path = folder / f"{name}.py"
    text = path.read_text(encoding="utf-8")
    if f"from {_THEIRS}.long_context import" in text:
        _module(folder, "long_context")
    package = sys.modules.setdefault(_OURS, types.ModuleType(_OURS))
    package.__path__ = []
    module = types.ModuleType(ours)
    module.__file__ = str(path)
    try:
        exec(compile(text.replace(_THEIRS, _OURS), str(path), "exec"), module.__dict__)
    except ModuleNotFoundError as error:
        raise MissingDependency(
            f"BFCL's {name}.py needs the package {error.name!r}, which is not installed",
            hint="pip install 'pivotgym[serve]'",
        ) from error
    _freeze_clock(module)
    sys.modules[ours] = module
    return module


def _freeze_clock(module: types.ModuleType) -> None:
    held = module.__dict__.get("datetime")
    if held is real_datetime:
        module.__dict__["datetime"] = types.SimpleNamespace(datetime=_FrozenDatetime)
    elif held is real_datetime.datetime:
        module.__dict__["datetime"] = _FrozenDatetime
