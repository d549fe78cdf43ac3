"""Sites by name.

Owns: which site answers for an origin. Does not own: the sites (the modules beside this one).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pivotgym.core.errors import InputError
from pivotgym.envs.browsing.pages.contract import Site

SITES: dict[str, Callable[[], Site]] = {}
"""By `site` of an origin of kind `site`, or by any other kind."""


def site_of(origin: Mapping[str, Any]) -> Site:
    """A new site, not started, for an origin.

    Raises:
        InputError: If there is no such site.
    """
    name = origin.get("site") if origin.get("kind") == "site" else origin.get("kind")
    if not isinstance(name, str) or name not in SITES:
        raise InputError(f"origin: site: expected one of {sorted(SITES)}, got {name!r:.80}")
    return SITES[name]()
