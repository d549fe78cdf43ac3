"""States of a session that are kept: what a fresh context needs to show the same again.

Owns: which states can be kept, what is kept of them, and putting them back. Does not own: when (`envs.browsing.pages.
world`), nor rebuilding by replay what cannot be kept.

Kept are: the server's state, cookies, the storage of the one host, the answer the document was loaded from with its
address, form values, which of them is focused, the caret, scroll positions, element numbers, and where `back` leads. A
document that scripts have changed since it was loaded, or a running timer, is not: the state put back is read and
compared, and where it is not the one that was kept, it is rebuilt by replay.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, cast
from urllib.parse import urldefrag

from pivotgym.envs.browsing.pages.contract import Response
from pivotgym.envs.browsing.pages.session import Session
from pivotgym.envs.browsing.pages.tabs import Reading, Served


@dataclass(frozen=True)
class Snapshot:
    """A state of one tab on one host."""

    page: dict[str, Any]
    cookies: list[dict[str, Any]]
    served: Served
    past: tuple[str, ...]
    number: int


def taken(session: Session, reading: Reading) -> Snapshot | None:
    """What is kept of a session, or `None` where its state can only be replayed."""
    site = session.site
    if site.scripted or site.ready_script() is not None or len(session.tabs) != 1 or len(session.hosts) != 1:
        return None
    tab, page = session.tab, reading.tabs.get(reading.front)
    if page is None or tab.served is None or tab.served.url != urldefrag(page["url"]).url:
        return None
    return Snapshot(page, reading.cookies, tab.served, tuple(tab.past), tab.number)


async def put_back(session: Session, snapshot: Snapshot) -> Reading:
    """Shows a kept state in a fresh session whose site is in the kept state already; gives what it then reads as."""
    tab = session.tab
    if snapshot.cookies:
        await session.seat.context.add_cookies(cast("Any", snapshot.cookies))
    await _store(session, snapshot)
    session.answers.stored = snapshot.served
    await session.goto(tab, snapshot.page["url"], referer=snapshot.served.referer)
    await session.clock.settle()
    session.answers.stored = None
    await session.guarded(tab, tab.page.evaluate("given => __pivotgym.put(given)", json.dumps(snapshot.page)))
    session.restored(tab, snapshot.number, list(snapshot.past))
    return await session.read()


async def _store(session: Session, snapshot: Snapshot) -> None:
    """Fills the storage of the host, by way of an empty page there."""
    filled = [snapshot.page["local"], snapshot.page["session"]]
    if not any(filled):
        return
    tab = session.tab
    session.answers.stored = Served(snapshot.served.url, Response(b"<!doctype html><title></title>"))
    await session.goto(tab, snapshot.served.url)
    script = """([local, session]) => {
        for (const [name, value] of Object.entries(local)) localStorage.setItem(name, value);
        for (const [name, value] of Object.entries(session)) sessionStorage.setItem(name, value);
    }"""
    await session.guarded(tab, tab.page.evaluate(script, filled))


def same(kept: Reading, found: Reading) -> bool:
    """Whether two readings are of the same state and show the same, element numbers and all."""
    return bool(_told(kept) == _told(found))


def _told(reading: Reading) -> Any:
    pages = [
        [number, *(page[name] for name in ("url", "title", "lines", "dom", "fields", "focus", "caret", "scrolled"))]
        for number, page in reading.tabs.items()
    ]
    stored = [[page["local"], page["session"]] for page in reading.tabs.values()]
    return pages, stored, reading.front, reading.past, reading.cookies, reading.ended
