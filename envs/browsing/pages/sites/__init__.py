"""The sites that pages are served from, by name.

Owns: which sites there are, and reading an origin's fields. Does not own: any site (the modules beside this one), or
the browser. A site is imported when it is asked for, so that listing them needs no extra.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

from pivotgym.core.errors import InputError
from pivotgym.envs.browsing.pages.contract import Site

MINIWOB = "miniwob"
"""The kind of an origin whose page is one of MiniWoB++'s; every other site has the kind `site`."""
WORLD_FIELDS = frozenset(("kind", "site", "prefix", "refs", "continuation", "viewport", "screenshot"))
"""Fields of an origin that the browser's world reads; the others are the site's own."""


def _shop() -> Site:
    from pivotgym.envs.browsing.pages.sites.shop import Shop

    return Shop()


def _miniwob() -> Site:
    from pivotgym.envs.browsing.pages.sites.miniwob import MiniWob

    return MiniWob()


SITES: dict[str, Callable[[], Site]] = {"shop": _shop}
"""Makers of sites by `site` of the origin. Another package's site is added here before it is used."""


def site_of(origin: Mapping[str, Any]) -> Site:
    """A new site of an origin's kind and name, not started.

    Raises:
        InputError: If there is no such site.
    """
    if origin.get("kind") == MINIWOB:
        return _miniwob()
    name = origin.get("site")
    if not isinstance(name, str) or name not in SITES:
        raise InputError(f"origin.site: expected one of {sorted(SITES)}, got {name!r}")
    return SITES[name]()


def own_fields(origin: Mapping[str, Any], known: Collection[str]) -> dict[str, Any]:
    """The fields of an origin that are the site's own.

    Raises:
        InputError: If one is not among `known`.
    """
    fields = {name: value for name, value in origin.items() if name not in WORLD_FIELDS and value is not None}
    unknown = sorted(set(fields) - set(known))
    if unknown:
        raise InputError(f"origin.{unknown[0]}: unknown field; this site reads {sorted(known)}")
    return fields
