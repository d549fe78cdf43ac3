"""Chromium itself: where it is, what it is started with, and what drives it.

Owns: finding it, its flags, the package that drives it, and the script of every document. Does not own: when it is
started, and what lives in it (`envs.browsing.pages.browser`).
"""

from __future__ import annotations

import os
import shutil
from importlib import resources
from typing import Any

from pivotgym.core.errors import ConfigError, MissingDependency, PivotGymError

VARIABLE = "PIVOTGYM_CHROMIUM"
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
FLAGS = (
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-default-apps",
    "--disable-domain-reliability",
    "--no-pings",
    "--dns-prefetch-disable",
    "--disable-features=MediaRouter,OptimizationHints,Translate,AutofillServerCommunication"
    # Chromium's own pages of a window that nobody sees: two processes and half a second of processor time a context.
    ",AimEnabled,WebUIOmniboxPopup,WebUIOmniboxAimPopup,WebUIOmniboxFullPopup",
    # Roles and names of the browser's own accessibility tree, readable by script.
    "--enable-blink-features=ComputedAccessibilityInfo",
    # Without it the whole accessibility tree is built and thrown away again for each role and each name.
    "--force-renderer-accessibility",
    # Requests are answered before any of this; whatever escapes finds no address, no proxy and no datagrams.
    "--host-resolver-rules=MAP * ^NOTFOUND",
    "--proxy-server=http://nowhere.invalid:1",
    "--proxy-bypass-list=<-loopback>",
    "--force-webrtc-ip-handling-policy=disable_non_proxied_udp",
    "--webrtc-ip-handling-policy=disable_non_proxied_udp",
)
_INSTALL = "apt-get install chromium, or set PIVOTGYM_CHROMIUM to the path of a Chromium"


def executable() -> str:
    """The path of Chromium.

    Raises:
        MissingDependency: If there is none; the hint has the command that installs it.
        ConfigError: If `PIVOTGYM_CHROMIUM` names something that cannot be run.
    """
    given = os.environ.get(VARIABLE)
    if given:
        if shutil.which(given) is None:
            raise ConfigError(f"{VARIABLE}: expected the path of a Chromium, found no program at {given!r}")
        return given
    found = next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        raise MissingDependency("pages: no Chromium is installed on this machine", hint=_INSTALL)
    return found


def missing() -> str | None:
    """Why no browser can be started here, or `None`."""
    try:
        executable()
        playwright()
    except PivotGymError as error:
        return str(error)
    return None


def playwright() -> Any:
    """The package's asynchronous half.

    Raises:
        MissingDependency: If it is not installed.
    """
    try:
        from playwright import async_api
    except ImportError as error:
        raise MissingDependency(
            "pages: the package playwright is not installed", hint="pip install 'pivotgym[browser]'"
        ) from error
    return async_api


def page_script() -> str:
    """The script that every document runs first."""
    text = resources.files("pivotgym.envs.browsing.pages").joinpath("page.js").read_text(encoding="utf-8")
    return text.replace("SEED", "20260321")
