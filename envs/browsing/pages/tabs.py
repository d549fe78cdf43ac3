"""The parts of a session: its tabs, what their documents came from, and one reading of all.

Owns: these records. Does not own: what changes them (`envs.browsing.pages.session`, `envs.browsing.pages.answering`).
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pivotgym.envs.browsing.pages.contract import Response

if TYPE_CHECKING:
    from playwright.async_api import CDPSession, Page


class TabLost(Exception):
    """The tab that an action was meant for is gone; why is among the session's notes."""


@dataclass
class Served:
    """The answer that a tab's document was loaded from."""

    url: str
    response: Response
    referer: str | None = None


@dataclass
class Tab:
    """One tab.

    Attributes:
        number: Its name towards the policy, from 1.
        at: The address it shows; "" for an empty tab.
        vain: Whether a navigation ended in nothing since time was last granted.
        moved: How often it began or ended to go elsewhere.
        hops: Redirects in a row.
        loads: Documents that it asked for since the last action; `frames`, that its frames did.
        age: Milliseconds that its document has lived; `due`, that it is to live until the next action.
        past: Addresses that `back` leads to, the last one first to be taken.
        served: What its document was loaded from.
    """

    number: int
    page: Page
    cdp: CDPSession
    at: str = ""
    past: list[str] = field(default_factory=list)
    served: Served | None = None
    expired: asyncio.Event = field(default_factory=asyncio.Event)
    stopped: asyncio.Event = field(default_factory=asyncio.Event)
    vain: bool = False
    moved: int = 0
    hops: int = 0
    loads: int = 0
    frames: int = 0
    age: float = 0.0
    due: float = 0.0
    lost: str = ""


@dataclass
class Reading:
    """The whole state of a session, as read at once.

    Attributes:
        tabs: What `page.js` reads of each tab, by number.
        front: The number of the tab in front; 0 when none is open.
        cookies: All cookies, without expiry.
        notes: What happened during the last action that no page shows.
        ended: What the site's `ended_script` gave, or `{}`.
        past: For each tab the addresses that `back` leads to.
    """

    tabs: dict[int, dict[str, Any]]
    past: dict[int, list[str]]
    front: int
    cookies: list[dict[str, Any]]
    notes: list[str]
    ended: dict[str, Any]
