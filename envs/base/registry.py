"""Domains by name: entry points of the group `pivotgym.envs`, or `module:attribute`.

Owns: finding and making a domain. Does not own: any list of domains; a new one is found because it is installed.
"""

from __future__ import annotations

import inspect
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from pivotgym.core.errors import NotFound
from pivotgym.envs.base.contract import Domain

GROUP = "pivotgym.envs"


def installed_domains() -> list[str]:
    """Names of the domains installed here, sorted."""
    return sorted(entry_points(group=GROUP).names)


def load_domain(name: str) -> Domain:
    """The domain of that name.

    Args:
        name: A name from `installed_domains()`, or `module:attribute`. The attribute is a `Domain`, a class of one,
            or a function without arguments that returns one.

    Raises:
        NotFound: If there is none; the message lists those installed.
    """
    if ":" in name:
        point = EntryPoint(name=name, value=name, group=GROUP)
    else:
        points = entry_points(group=GROUP, name=name)
        if not points:
            raise NotFound(
                f"domain: expected one of {installed_domains()} or 'module:attribute', got {name!r}",
                hint=f"a domain is a package with an entry point in the group {GROUP!r}",
            )
        point = next(iter(points))
    return _made(name, _loaded(name, point))


def _loaded(name: str, point: EntryPoint) -> Any:
    try:
        target: Any = import_module(point.module)
        for part in filter(None, (point.attr or "").split(".")):
            target = getattr(target, part)
    except (ImportError, AttributeError, ValueError) as error:
        raise NotFound(
            f"domain {name!r}: {point.value!r} cannot be imported: {error}",
            hint="expected 'module:attribute' of an importable module",
        ) from error
    return target


def _made(name: str, target: Any) -> Domain:
    if not isinstance(target, Domain) and (inspect.isclass(target) or callable(target)):
        target = target()
    if not isinstance(target, Domain):
        raise NotFound(f"domain {name!r}: expected a Domain, its class or a factory, got {type(target).__name__}")
    return target
